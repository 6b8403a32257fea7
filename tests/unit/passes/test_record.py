"""Whether a pass is news, and whether it only repeats the failure before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model import Applied, Finding, Outcome, Postponed, Refused, Unchanged, Where
from reconciler.model.phase import Phase, Refusing, Retrying, Steady
from reconciler.passes.hand_edit import Kept
from reconciler.passes.record import Passed, is_news, note, repeats
from reconciler.state.records import Conclusion, Intent
from reconciler.state.source import Source, SourceKind
from tests.unit.adopted_folder import Adopted

LAST = Conclusion(outcome=Applied(), revision="a")
INTENT = Intent(revision="a", source=Source(SourceKind.COMMIT, name="a"), before=Path("/0-a"), newest=0, ran=True)
REFUSED = Refused((Finding(rule="r", where=Where("f"), text="t", subject="s"),))
WAITING = Retrying("a", 1, "why")


def nothing(revision: str = "a") -> Passed:
    """Return a pass that found nothing to do."""
    return Passed(Unchanged(), revision)


def test_a_pass_that_found_nothing_to_do_is_no_news() -> None:
    assert not is_news(nothing(), LAST, Steady(), asked=False)


def test_what_an_operator_asked_for_is_news() -> None:
    assert is_news(nothing(), LAST, Steady(), asked=True)


def test_the_first_pass_of_a_commit_is_news() -> None:
    assert is_news(nothing("b"), LAST, Steady(), asked=False)
    assert is_news(nothing(), None, Steady(), asked=False)


def test_the_end_of_a_series_of_failures_is_news() -> None:
    assert is_news(nothing(), LAST, WAITING, asked=False)
    assert not is_news(nothing(), LAST, Refusing("b"), asked=False)


@pytest.mark.parametrize("outcome", [Applied(), REFUSED, Postponed("why")])
def test_an_ending_other_than_unchanged_is_news(outcome: Outcome) -> None:
    assert is_news(Passed(outcome, "a"), LAST, Steady(), asked=False)


@pytest.mark.parametrize(
    "passed",
    [
        Passed(Unchanged(), "a", edit=Kept(files=("main.cf",))),
        Passed(Unchanged(), "a", edit=Kept(left=("main.cf:smtpd_banner",))),
        Passed(Unchanged(), "a", edit=Kept(commit="c" * 40)),
        Passed(Unchanged(), "a", revived=True),
        Passed(Unchanged(), "a", started=["postsrsd"]),
        Passed(Unchanged(), "a", recovered=INTENT),
    ],
)
def test_a_hand_edit_and_a_repair_are_news(passed: Passed) -> None:
    assert is_news(passed, LAST, Steady(), asked=False)


@pytest.mark.parametrize(
    ("before", "after", "revision", "expected"),
    [
        (WAITING, Retrying("a", 2, "why"), "a", True),
        (WAITING, Retrying("b", 1, "why"), "b", False),
        (Steady(), WAITING, "a", False),
        (WAITING, Steady(), "a", False),
        (WAITING, Refusing("a"), "a", False),
    ],
)
def test_one_more_attempt_at_the_same_commit_repeats_the_failure(
    before: Phase, after: Phase, revision: str, *, expected: bool
) -> None:
    assert repeats(before, after, LAST, revision) is expected


def test_a_first_attempt_repeats_nothing() -> None:
    assert not repeats(WAITING, WAITING, None, "a")


def test_the_note_of_a_refusal_says_what_stays_live(tmp_path: Path) -> None:
    adopted = Adopted.made_in(tmp_path)
    revision = adopted.commit()

    note(Passed(REFUSED, revision.oid), adopted.edges)

    told = adopted.edges.repo.notes(revision.oid)
    assert told == "mx.test.example: refused, nothing changed\n  f:1:1: t  [r]\ngeneration 0 (adopted) stays live\n"
