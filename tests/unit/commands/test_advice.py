"""The last line of status: it never says that all is well, or that mail flows, where nobody knows that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from reconciler.commands.advice import advice

if TYPE_CHECKING:
    from reconciler.passes.status import Status

LIVE = {"revision": "a" * 40, "generation": 3, "source": "commit aaaaaaa"}
STOP = "fix this now: X; then run `reconciler resume`"
REFUSING = {"name": "Refusing", "revision": "b" * 40}
PHASES: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "Steady"}, "nothing to do", "generation 3 is live"),
    ({"name": "Probation", "confirm": False}, "nothing to do: generation 3 is live", "generation 3 is live"),
    (
        REFUSING,
        "nothing to do: generation 3 is live; push a fix; for the findings, run `reconciler log bbbbbbb`",
        "generation 3 is live; push a fix; for the findings, run `reconciler log bbbbbbb`",
    ),
    (
        {"name": "Retrying", "attempts": 2, "reason": "no space"},
        "tried 2 times, and will be tried again: no space",
        "tried 2 times, and will be tried again: no space",
    ),
    ({"name": "Halted", "reason": "X"}, STOP, STOP),
    ({"name": "Suspended"}, "generation 3 is live", "generation 3 is live"),
]


def line(phase: dict[str, Any], **others: object) -> str:
    """Return the advice of a status with these parts."""
    return advice(cast("Status", {"phase": phase, "live": LIVE, "lost": None, "last": None, "troubles": []} | others))


@pytest.mark.parametrize(("phase", "calm", "left"), PHASES, ids=[phase["name"] for phase, *_ in PHASES])
def test_nothing_is_to_be_done_only_where_no_trouble_is_known(phase: dict[str, Any], calm: str, left: str) -> None:
    assert line(phase) == calm
    assert line(phase, troubles=["Postfix does not run"]) == f"look at this: Postfix does not run; {left}"
    assert line(phase, troubles=["one", "two", "three"]) == f"look at this: one (and 2 more); {left}"


def test_what_is_lost_comes_before_everything_else() -> None:
    assert line({"name": "Steady"}, lost="no link", troubles=["x"], live=None) == "fix this now: no link"


def test_a_status_of_an_earlier_version_has_no_troubles() -> None:
    assert advice(cast("Status", {"phase": {"name": "Steady"}, "live": LIVE, "last": None})) == "nothing to do"


def test_before_adoption_it_says_how_to_adopt() -> None:
    assert line({"name": "Steady"}, live=None) == "to adopt: `reconciler plan`, then `reconciler once --adopt`"


def test_a_rollback_that_left_mail_in_trouble_is_not_shown_as_calm() -> None:
    warning = {"rule": "service-silent", "text": "no answer in 10 s"}
    last = {"outcome": "Applied", "revision": "", "findings": [warning]}
    told = "look at this: verification gave warnings when this generation went live; they are listed above"

    assert line({"name": "Suspended"}, last=last) == f"{told}; generation 3 is live"
    assert line({"name": "Suspended"}, last=last | {"findings": []}) == "generation 3 is live"
    assert line({"name": "Suspended"}, last=last | {"revision": "a" * 40}) == "generation 3 is live"
    assert line({"name": "Steady"}, last=last) == "nothing to do"  # a pass has looked since
