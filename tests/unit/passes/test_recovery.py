"""A recovery and an undo wait where they would end what works: what is live before is judged by today's facts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.apply import recover as undoing
from reconciler.apply.edges import Edges
from reconciler.host.programs import postfix
from reconciler.host.programs.postfix import Instance
from reconciler.model import Server
from reconciler.model.errors import CommandFailed, WouldStop
from reconciler.passes import judge as module
from reconciler.passes.judge import LiveCommit, judge
from reconciler.passes.recovery import recovered, stopping
from reconciler.state.records import Intent, Step
from reconciler.state.source import Source, SourceKind
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.state.manifest import Generation

LOGINS = "smtpd_sasl_auth_enable: yes, smtpd_sasl_type: dovecot, smtpd_sasl_path: private/auth"
GONE = replace(HOST, answers={Server(path="/var/spool/postfix/private/auth"): "no such file"})
PID = 4711


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to Postfix, which runs and serves port 25."""
    done: list[str] = []
    for name in ("start", "stop", "restart", "reload"):
        monkeypatch.setattr(postfix, name, lambda *_, name=name: done.append(name))
    monkeypatch.setattr(postfix, "running", lambda _: PID)
    monkeypatch.setattr(module, "answering", lambda *_: frozenset({"smtp/inet"}))
    return done


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(HOST, monkeypatch)
    instance = Instance(tmp_path, {"queue_directory": str(tmp_path), "process_id_directory": "pid"})
    monkeypatch.setattr(Edges, "postfix", lambda _: instance)
    return Adopted.made_in(tmp_path)


def interrupted(adopted: Adopted, *steps: Step) -> tuple[Generation, Generation]:
    """Cut a pass short that removes logins; return the generation from before and the new one."""
    edges = adopted.edges
    before = adopted.go_live(judge(adopted.commit(f"{MAIL}parameters: {{{LOGINS}}}\n"), edges, LiveCommit(edges)))
    source = Source(SourceKind.COMMIT, name="x")
    edges.journal.intend(Intent(revision="x", source=source, before=before.path, newest=before.number, ran=True))
    for step in steps:
        edges.journal.step(step)
    return before, adopted.go_live(judge(adopted.commit(), edges, LiveCommit(edges)))


def live(adopted: Adopted) -> Path | None:
    generation = adopted.edges.generations.live()
    return generation.path if generation else None


def test_a_recovery_waits_with_everything_as_it_is_and_goes_on_when_the_trouble_is_over(
    adopted: Adopted, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = interrupted(adopted, Step.SWAP)
    facts_are(GONE, monkeypatch)
    for _ in range(2):
        with pytest.raises(WouldStop, match="undone then, or by `reconciler once COMMIT`"):
            recovered(adopted.edges)
        assert (live(adopted), done) == (after.path, [])
    facts_are(HOST, monkeypatch)
    assert recovered(adopted.edges)
    assert (live(adopted), done) == (before.path, ["reload"])


def test_an_operator_is_not_held_back(adopted: Adopted, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = interrupted(adopted, Step.SWAP)
    facts_are(GONE, monkeypatch)
    assert undoing.recover(adopted.edges, asked=True)
    assert (live(adopted), done) == (before.path, ["reload"])


def test_before_the_swap_there_is_nothing_to_read_again(
    adopted: Adopted, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = interrupted(adopted)
    adopted.edges.generations.switch(before)
    facts_are(GONE, monkeypatch)
    assert recovered(adopted.edges)
    assert (live(adopted), done) == (before.path, [])


@pytest.mark.parametrize("answers", [frozenset[str](), frozenset({"submission/inet"})])
def test_what_does_not_work_holds_no_recovery_back(
    answers: frozenset[str], adopted: Adopted, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = interrupted(adopted, Step.SWAP)
    facts_are(GONE, monkeypatch)
    monkeypatch.setattr(module, "answering", lambda *_: answers)
    assert recovered(adopted.edges)
    assert (live(adopted), done) == (before.path, ["reload"])


def test_a_postfix_that_cannot_be_asked_holds_no_recovery_back(
    adopted: Adopted, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> frozenset[str]:
        raise CommandFailed(("postconf",), 1, "no")

    interrupted(adopted, Step.SWAP)
    facts_are(GONE, monkeypatch)
    monkeypatch.setattr(module, "answering", fails)
    assert recovered(adopted.edges)
    assert done == ["reload"]


@pytest.mark.parametrize(
    ("failing", "waits"),
    [
        (["2526/inet"], True),  # only the commit has it
        (["smtp/inet"], True),  # it would not work afterwards either
        (["2526/inet", "smtps/inet"], False),  # this one would work again
        (["master"], False),
        ([], True),
    ],
)
def test_an_undo_waits_only_if_it_repairs_nothing(
    failing: list[str], *, waits: bool, adopted: Adopted, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = interrupted(adopted, Step.SWAP)
    with (before.root / "master.cf").open("a") as stream:
        stream.write("smtps inet n - n - - smtpd -o smtpd_sasl_auth_enable=no\n")
    assert stopping(before, failing, adopted.edges) == []
    facts_are(GONE, monkeypatch)
    found = stopping(before, failing, adopted.edges)
    assert bool(found) == waits
    assert all(one.is_error and one.text.startswith("not rolled back") for one in found)
    assert done == []
