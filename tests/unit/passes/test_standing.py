"""The warnings that the author of the next commit knows: those of what is live, as its last pass recorded them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.desired.lint import SAME
from reconciler.model import Applied, Refused, RolledBack, Unchanged, Where, error_at, warning_at
from reconciler.passes.judge import LiveCommit, judge
from reconciler.passes.standing import standing, standing_in
from reconciler.state.records import About, Conclusion
from tests.unit.adopted_folder import Adopted, facts_are
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model import Finding, Outcome

OLD = warning_at("w", Where("mail.yaml", 3), "doubtful")
NEW = warning_at("w", Where("mail.yaml", 4), "more doubtful")


def ended(outcome: Outcome, generation: int | None = 4, revision: str = "a" * 40, why: str = "") -> Conclusion:
    return Conclusion(outcome=outcome, revision=revision, about=About("ada", "x", generation), why=why)


@pytest.mark.parametrize(
    ("newest_first", "known"),
    [
        ([ended(Applied((OLD,)))], [OLD]),
        ([ended(Unchanged((OLD, NEW))), ended(Applied((OLD,)))], [OLD, NEW]),
        ([ended(Refused((NEW,))), ended(Applied((OLD,)))], [OLD]),
        ([ended(RolledBack((NEW,))), ended(Applied((NEW,)), 5), ended(Applied((OLD,)))], [OLD]),
        ([ended(Unchanged((NEW,)), why="reloaded for a.pem"), ended(Applied((OLD,)))], [OLD]),
        ([ended(Applied(), revision="", why="rollback of 3"), ended(Applied((OLD,)), 3)], []),
        ([Conclusion(outcome=Unchanged((NEW,)), revision="a" * 40)], []),
        ([], []),
    ],
)
def test_they_are_those_of_the_pass_that_judged_what_is_live_last(
    newest_first: list[Conclusion], known: list[Finding]
) -> None:
    assert standing_in(newest_first, 4) == {one.told for one in known}


@pytest.mark.parametrize(
    "told",
    [
        error_at("e", Where("mail.yaml", 3), "wrong"),
        error_at("e", Where("mail.yaml", 3), "wrong").as_warning(SAME),
        replace(OLD, rule="site-left-out"),
        replace(OLD, rule="left-alone"),
    ],
)
def test_what_fails_now_or_is_not_followed_is_told_each_time(told: Finding) -> None:
    assert standing_in([ended(Applied((OLD, told)))], 4) == {OLD.told}


def test_they_are_read_from_the_journal_of_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts_are(HOST, monkeypatch)
    adopted = Adopted.made_in(tmp_path)
    assert standing(adopted.edges) == frozenset(), "nothing is known before adoption"
    revision = adopted.commit()
    live = adopted.go_live(judge(revision, adopted.edges, LiveCommit(adopted.edges)))
    adopted.edges.journal.conclude(ended(Applied((OLD,)), live.number, revision.oid))
    assert standing(adopted.edges) == {OLD.told}
    monkeypatch.setattr("reconciler.state.journal.Journal.conclusions", _unreadable)
    assert standing(adopted.edges) == frozenset()


def _unreadable(*_: object) -> None:
    raise PermissionError
