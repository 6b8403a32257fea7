"""What the last pass leaves to the daemon."""

from __future__ import annotations

from reconciler.daemon.last_pass import LastPass
from reconciler.model import Postponed, Unchanged
from reconciler.passes.record import Passed


def test_a_pass_that_could_not_be_recorded_is_made_again_soon_until_one_is() -> None:
    last = LastPass().recorded(Passed(Postponed("no space left"), unrecorded=True))

    assert last.soon
    assert last.troubles == ["nothing can be recorded: no space left"]
    assert last.recorded(Passed(Unchanged())) == LastPass()


def test_a_pass_that_is_postponed_for_another_reason_is_on_record() -> None:
    assert not LastPass().recorded(Passed(Postponed("another pass has the lock"))).soon


def test_a_lost_note_stays_reported_until_the_next_conclusion_is_noted() -> None:
    last = LastPass().noted(Passed(Unchanged(), line={"outcome": "Unchanged"}, lost_note="refs are locked"))

    assert last.troubles == ["not written: refs are locked"]
    assert not last.soon
    assert last.noted(Passed(Unchanged())) == last
    assert last.noted(Passed(Unchanged(), line={"outcome": "Unchanged"})).troubles == []


def test_requests_that_wait_are_looked_at_soon_and_are_no_trouble() -> None:
    last = LastPass(requests_wait=True)

    assert last.soon
    assert last.troubles == []
