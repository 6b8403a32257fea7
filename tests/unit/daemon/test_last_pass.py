"""What the last pass leaves to the daemon."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from reconciler.daemon.last_pass import LastPass
from reconciler.desired.lint import SAME
from reconciler.host.settings import Settings
from reconciler.model import Applied, Finding, Postponed, Refused, Unchanged, Where
from reconciler.model.phase import FIRST_PAUSE, Steady, Suspended
from reconciler.passes.record import Passed
from reconciler.state.locks import BUSY, PACKAGES_CHANGE
from reconciler.state.records import Conclusion

SETTINGS = Settings(host="mx1.example.com")


def never() -> bool:
    """Tell of a lock that it is held."""
    return False


def test_a_pass_that_could_not_be_recorded_is_made_again_soon_until_one_is() -> None:
    last = LastPass().recorded(Passed(Postponed("no space left"), unrecorded=True))

    assert last.due_in(Steady(), SETTINGS) == FIRST_PAUSE
    assert last.urgent(lambda: True) == ["nothing can be recorded: no space left"], "no lock is in the way"
    assert last.recorded(Passed(Unchanged())) == LastPass()


def test_a_recovery_that_waits_is_tried_again_after_growing_pauses() -> None:
    waits = Passed(Postponed("a server is gone"), unrecorded=True, busy=True, held_back=True)
    pauses, last = [], LastPass()
    for _ in range(3):
        last = last.recorded(waits)
        pauses.append(last.due_in(Steady(), SETTINGS))

    assert pauses == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert last.urgent(never) == ["no pass can be made now: a server is gone"]
    assert last.recorded(Passed(Unchanged())) == LastPass()


def test_a_pass_that_another_process_keeps_from_beginning_says_that_and_not_that_a_record_failed() -> None:
    last = LastPass().recorded(Passed(Postponed(PACKAGES_CHANGE), unrecorded=True, busy=True))

    assert last.urgent(never) == [f"no pass can be made now: {PACKAGES_CHANGE}"]
    assert last.urgent(lambda: True) == [], "they have been installed since"
    assert last.due_in(Steady(), SETTINGS) == FIRST_PAUSE


def test_another_pass_is_no_problem_unless_it_still_runs_at_the_next_try() -> None:
    meets = Passed(Postponed(BUSY), unrecorded=True, busy=True)
    once = LastPass().recorded(meets)
    twice = once.recorded(meets)

    assert (once.urgent(never), twice.urgent(never)) == ([], [f"no pass can be made now: {BUSY}"])
    assert twice.urgent(lambda: True) == [], "it has ended since"
    assert once.due_in(Steady(), SETTINGS) == FIRST_PAUSE
    assert twice.recorded(Passed(Unchanged())) == LastPass()


def test_errors_of_what_is_live_that_refused_nothing_are_faults_until_a_pass_is_free_of_them() -> None:
    error = Finding(rule="r", where=Where("mail.yaml", 3), text="no server answers", subject="s", lasting=False)
    excused = error.as_warning(SAME)

    for outcome, told in (
        (Unchanged((error,)), [error]),
        (Applied((excused,)), [error]),
        (Applied((error.as_warning("allowed: x"),)), []),
        (Refused((error,)), []),
        (Unchanged(), []),
    ):
        assert [*LastPass(faults=(replace(error, text="old"),)).recorded(Passed(outcome)).faults] == told


def test_a_pass_that_is_postponed_for_another_reason_is_on_record() -> None:
    assert LastPass().recorded(Passed(Postponed("another pass has the lock"))) == LastPass()


def test_a_lost_note_stays_reported_until_the_next_conclusion_is_noted() -> None:
    last = LastPass().noted(
        Passed(Unchanged(), conclusion=Conclusion(outcome=Unchanged(), revision=""), lost_note="refs are locked")
    )

    assert last.limits == ["not written: refs are locked"]
    assert last.due_in(Steady(), SETTINGS) == SETTINGS.resync
    assert last.noted(Passed(Unchanged())) == last
    assert last.noted(Passed(Unchanged(), conclusion=Conclusion(outcome=Unchanged(), revision=""))).limits == []


def test_requests_that_wait_are_looked_at_soon_and_are_no_trouble() -> None:
    last = LastPass(requests_wait=True)

    assert last.due_in(Steady(), SETTINGS) == FIRST_PAUSE
    assert last.urgent(never) == last.limits == []


def test_a_suspension_that_has_ended_is_looked_at_at_once_and_one_without_end_at_the_resync() -> None:
    ended = Suspended("maintenance", "root", until=datetime.now(UTC) - timedelta(days=1))

    assert LastPass().due_in(ended, SETTINGS) == 0.1
    assert LastPass().due_in(Suspended("maintenance", "root"), SETTINGS) == SETTINGS.resync
