"""After a rollback or a rescue Postfix is asked for mail; what it says is on record until it is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.apply.verify import Verified
from reconciler.host.programs.postfix import Instance
from reconciler.model import Applied, Finding, Postponed, Severity, Unchanged, Where
from reconciler.model.errors import Unavailable
from reconciler.model.phase import Suspended
from reconciler.passes import mail_taken as module
from reconciler.passes.mail_taken import after_return, left_in_trouble, look_again
from reconciler.passes.record import Passed
from reconciler.state.records import Conclusion
from tests.unit.adopted_folder import Adopted, facts_are
from tests.unit.host_facts import HOST

WHY = "rollback of 3 by ann"
WAITS = Finding(
    rule="mail-waits", where=Where("/etc/postfix/master.cf", 12), text='it answers "451 4.7.1"', subject="smtp/inet",
    lasting=False,
)  # fmt: skip


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(HOST, monkeypatch)
    return Adopted.made_in(tmp_path)


def says(monkeypatch: pytest.MonkeyPatch, *findings: Finding, told: str = "1 listener") -> None:
    answer = Verified(Instance(Path("/etc/postfix"), {}), findings, told=told)
    monkeypatch.setattr(module, "ask_for_mail", lambda _: answer)


def returned(adopted: Adopted, outcome: Applied | Postponed) -> Passed:
    """Return a way back that is on record."""
    conclusion = Conclusion(outcome=outcome, revision="", why=WHY)
    adopted.edges.journal.conclude(conclusion)
    return Passed(outcome, conclusion=conclusion)


def test_trouble_after_a_way_back_is_told_and_recorded_as_an_error_and_blocks_nothing(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, WAITS)
    passed = returned(adopted, Applied((), verified="2 listeners"))
    after_return(passed, adopted.edges)
    assert isinstance(passed.outcome, Applied)
    assert [one.severity for one in passed.outcome.findings] == [Severity.WARNING]
    assert passed.conclusion
    assert passed.conclusion.outcome == passed.outcome
    last = adopted.edges.journal.last()
    assert last
    assert last.outcome == Unchanged((WAITS,))
    assert last.why.startswith("rollback of "), "a phase that is lost is taken from it"
    assert left_in_trouble(last)


def test_mail_that_is_taken_adds_what_was_verified_and_no_entry(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, told="1 listener, 2 kinds of recipient")
    passed = returned(adopted, Applied((), verified="1 listener"))
    after_return(passed, adopted.edges)
    assert passed.outcome == Applied((), verified="1 listener, 2 kinds of recipient")
    assert len([*adopted.edges.journal.conclusions()]) == 1
    look_again(adopted.edges)
    assert len([*adopted.edges.journal.conclusions()]) == 1


def test_a_way_back_that_failed_and_a_postfix_that_cannot_be_asked_add_nothing(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise Unavailable("no postconf")

    monkeypatch.setattr(module, "ask_for_mail", fails)
    for outcome in (Postponed("no space"), Applied()):
        passed = returned(adopted, outcome)
        after_return(passed, adopted.edges)
        assert passed.outcome == outcome


def test_trouble_is_looked_at_again_in_the_pause_and_its_end_is_recorded_once(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted.edges.journal.set_phase(Suspended("rollback of 3", "ann"))
    says(monkeypatch, WAITS)
    after_return(returned(adopted, Applied()), adopted.edges)
    before = len([*adopted.edges.journal.conclusions()])
    look_again(adopted.edges)
    assert len([*adopted.edges.journal.conclusions()]) == before, "nothing has changed"
    says(monkeypatch, told="")
    look_again(adopted.edges)
    assert len([*adopted.edges.journal.conclusions()]) == before, "Postfix does not run"
    says(monkeypatch)
    look_again(adopted.edges)
    look_again(adopted.edges)
    assert len([*adopted.edges.journal.conclusions()]) == before + 1
    last = adopted.edges.journal.last()
    assert last
    assert (last.outcome, last.why) == (Unchanged(), f"{WHY}; mail was asked for")
