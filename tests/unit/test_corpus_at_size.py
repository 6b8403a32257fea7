"""The corpora among many sites: what is found in a case is what is found without them, and nothing else.

Every case is tried among twenty sites, which count as alike, and one of 32 among two thousand: all of them take minutes
then. `python -m tests.unit.test_corpus_at_size` tries all of them among two thousand, and prints those that differ.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from reconciler.desired import lint
from reconciler.postfix import alike
from tests.unit import large_states, test_corpus, test_mistakes
from tests.unit.test_corpus import BROKEN, FIELD_BROKEN, FIELD_HEALTHY, HEALTHY, INSTALLED, decided_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.model import Facts, File, Finding

FEW, MANY, MOST, EACH = 4, 20, 2000, 32
FIRST = 1001  # cases have sites of their own
OF_BOTH = frozenset({"unasked-sites", "unused-table"})
"""Of a case that sets what names the tables of the sites."""
FILLED = frozenset({"empty-table"})
"""Of a table that has the rows of the sites."""


class Case(NamedTuple):
    """A case of a corpus: what makes its files when it is tried, and how a commit is judged there."""

    name: str
    make: Callable[[], dict[str, File]]
    judge: Callable[[dict[str, File], Facts], list[Finding]]


@cache
def sites(count: int) -> tuple[dict[str, File], Facts]:
    """Return the files of so many healthy sites, and a host that has their addresses."""
    files: dict[str, str] = {}
    for number in range(FIRST, FIRST + count):
        files |= large_states.site(number)
    return large_states.tree(files), large_states.facts(FIRST + count)


def _of_corpus(case: dict[str, Any]) -> Case:
    return Case(case["name"], partial(test_corpus.tree_of, case), test_corpus.found_in)


def _of_mistakes(case: dict[str, Any]) -> Case:
    make = partial(test_mistakes.files_of, case, case.get("add", ""))
    return Case(case["name"], make, test_mistakes.findings_of)


def every() -> list[Case]:
    """Return all cases that loading and the rules decide."""
    listed = [case for case in (*BROKEN["cases"], *FIELD_BROKEN) if decided_here(case)]
    mistakes = [*test_mistakes.CORPUS["cases"], *test_mistakes.CORPUS["near_misses"]]
    return [
        *map(_of_corpus, (*listed, *HEALTHY["cases"], *FIELD_HEALTHY, *INSTALLED)),
        *(_of_mistakes(case) for case in mistakes if not case.get("skip")),
    ]


def told(findings: list[Finding], but: frozenset[str]) -> set[str]:
    return {f"{one.severity} {one.rule} about {one.subject} at {one.where}" for one in findings if one.rule not in but}


def difference(case: Case, count: int) -> list[str]:
    """Return what is found among so many sites and not without them, or the reverse."""
    (files, host), own = sites(count), case.make()
    alone, among = (case.judge(tree, host) for tree in (own, files | own))
    lost = told(alone, FILLED) - told(among, frozenset())
    more = told(among, OF_BOTH) - told(alone, frozenset())
    return [*(f"lost: {one}" for one in sorted(lost)), *(f"more: {one}" for one in sorted(more))]


@pytest.mark.parametrize(
    ("case", "count"),
    [
        pytest.param(case, MANY if number % EACH else MOST, id=f"{case.name}-{number}")
        for number, case in enumerate(every())
    ],
)
def test_what_is_found_among_many_sites_is_what_is_found_without_them(case: Case, count: int) -> None:
    assert difference(case, count) == []


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in every()])
def test_of_what_is_alike_as_much_is_found_as_of_each_by_itself(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    (files, host), own = sites(FEW), case.make()
    monkeypatch.setattr(alike, "FEWEST", 0)
    found = case.judge(files | own, host)
    monkeypatch.setattr(lint, "with_alike", lambda merged, _: merged)
    assert case.judge(files | own, host) == found


if __name__ == "__main__":
    for case in every():
        for line in difference(case, MOST):
            print(f"{case.name}: {line}")
