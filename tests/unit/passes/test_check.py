"""The memory of a check holds as long as nothing changed, and edits nothing that it recalls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.model import Finding, Unchanged, Where
from reconciler.passes.check import Checked, Memory, forget
from reconciler.passes.judge import LiveCommit, judge
from reconciler.passes.reconcile import reconcile
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.host_facts import HOST, facts

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model import Facts
    from reconciler.state.manifest import Stage

DOUBT = Finding(rule="doubt", where=Where("mail.yaml"), text="doubtful", subject="it")


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(HOST, monkeypatch)
    return Adopted.made_in(tmp_path)


@pytest.fixture
def memory(adopted: Adopted) -> Memory:
    """A memory of a commit that was judged and not staged."""
    memory = Memory()
    memory.checked = Checked(judge(adopted.commit(), adopted.edges, LiveCommit(adopted.edges)))
    return memory


def remembered(memory: Memory) -> Checked:
    assert memory.checked
    return memory.checked


def staged(adopted: Adopted, memory: Memory) -> Stage:
    stage = adopted.edges.generations.stage(remembered(memory).judged.plan.target, "check-it", 1_000_000_000.0)
    memory.checked = replace(remembered(memory), stage=stage)
    return stage


def test_what_was_checked_is_recalled_while_nothing_changes(adopted: Adopted, memory: Memory) -> None:
    assert memory.recall(remembered(memory).judged.revision, adopted.edges) is memory.checked


def test_a_file_that_only_what_is_live_brings_counts_in_no_look(
    adopted: Adopted, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, gone = "/etc/postfix/main.cf", "/etc/postfix/gone"
    here = facts(files={main: True, gone: False})
    facts_are(here, monkeypatch)
    adopted.go_live(remembered(memory).judged)
    judged = judge(adopted.commit(MAIL + "sasl: {}\n"), adopted.edges, LiveCommit(adopted.edges))
    memory.checked = Checked(judged)
    assert judged.understood.facts.files == {main: False, gone: False}

    assert memory.recall(judged.revision, adopted.edges) is memory.checked

    adopted.go_live(judged)
    assert memory.recall(judged.revision, adopted.edges), "it is live now, and nothing else differs"
    facts_are(replace(here, files={main: True, gone: True}), monkeypatch)
    assert memory.recall(judged.revision, adopted.edges) is None


def test_a_commit_that_is_live_rests_without_what_it_says_and_is_recalled(adopted: Adopted, memory: Memory) -> None:
    edges, before = adopted.edges, remembered(memory)
    memory.rest()
    assert memory.checked is before, "it is not live yet"

    adopted.go_live(before.judged)
    memory.checked = Checked(judge(before.judged.revision, edges, LiveCommit(edges)))
    memory.rest()

    resting = remembered(memory)
    assert resting.resting
    assert resting.judged.understood.facts == before.judged.understood.facts
    assert not resting.judged.understood.desired.places
    assert not resting.judged.order.origin.parameters
    assert resting.findings == before.findings
    assert memory.recall(before.judged.revision, edges) is resting
    assert reconcile(before.judged.revision, edges, memory) == Unchanged(before.findings)
    assert memory.checked is resting, "nothing was judged again"


def test_a_resting_commit_whose_record_is_lost_is_judged_again(adopted: Adopted, memory: Memory) -> None:
    edges, judged = adopted.edges, remembered(memory).judged
    adopted.go_live(judged)
    memory.checked = Checked(judge(judged.revision, edges, LiveCommit(edges)))
    memory.rest()
    resting, live = remembered(memory), edges.generations.live()
    assert live
    edges.generations.switch(edges.generations.place(
        edges.generations.stage(resting.judged.plan.target, "pass", 1_000_000_000.0), resting.judged.plan.target, "",
        live.source,
    ))  # fmt: skip

    reconcile(judged.revision, edges, memory)

    assert not remembered(memory).resting


def test_another_commit_is_not_recalled(adopted: Adopted, memory: Memory) -> None:
    assert memory.recall(adopted.commit(MAIL + "sasl: {}\n"), adopted.edges) is None


def test_other_facts_let_nothing_be_recalled(adopted: Adopted, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    facts_are(facts(addresses=()), monkeypatch)
    assert memory.recall(remembered(memory).judged.revision, adopted.edges) is None


@pytest.mark.parametrize("lasting", [False, True])
def test_servers_are_asked_again_as_long_as_a_finding_is_of_the_moment(
    adopted: Adopted, memory: Memory, monkeypatch: pytest.MonkeyPatch, *, lasting: bool
) -> None:
    known = remembered(memory)
    live = known.judged.when_live(known.judged.plan.target, known.judged.understood.facts)
    memory.checked = replace(known, judged=live, doubts=(replace(DOUBT, lasting=lasting),))
    asked: list[bool] = []

    def asked_again(*_: object, ask: bool, **_known: object) -> Facts:
        asked.append(ask)
        return HOST

    monkeypatch.setattr("reconciler.passes.check.asked_again", asked_again)
    memory.recall(live.revision, adopted.edges)
    assert asked == [not lasting]


def test_a_hand_edit_lets_nothing_be_recalled(adopted: Adopted, memory: Memory) -> None:
    (adopted.edges.settings.config_directory / "main.cf").write_text("edited = 1\n")
    assert memory.recall(remembered(memory).judged.revision, adopted.edges) is None


def test_a_commit_that_went_live_meanwhile_is_recalled_as_live_and_memory_stays_as_it_was(
    adopted: Adopted, memory: Memory
) -> None:
    known = remembered(memory)
    adopted.go_live(known.judged)

    recalled = memory.recall(known.judged.revision, adopted.edges)

    assert recalled
    assert recalled.judged.plan.empty
    assert recalled.judged.restores
    assert memory.checked is known
    assert not known.judged.plan.empty


def test_a_stage_is_recalled_as_long_as_it_is_there(adopted: Adopted, memory: Memory) -> None:
    stage = staged(adopted, memory)
    revision = remembered(memory).judged.revision
    recalled = memory.recall(revision, adopted.edges)
    assert recalled
    assert recalled.stage == stage

    adopted.edges.host.remove(stage.folder)

    assert memory.recall(revision, adopted.edges) is None


def test_what_is_forgotten_takes_its_stage_with_it(adopted: Adopted, memory: Memory) -> None:
    stage = staged(adopted, memory)

    forget(adopted.edges, memory)

    assert memory.checked is None
    assert not stage.folder.exists()


def test_the_findings_of_a_check_are_those_of_the_judgement_and_its_doubts(memory: Memory) -> None:
    checked = replace(remembered(memory), doubts=(DOUBT,))
    assert checked.findings == (*checked.judged.findings, DOUBT)
