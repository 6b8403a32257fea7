"""What a pass makes of a commit that changes nothing on this host: an error in it is told like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired.lint import lint
from reconciler.model import Finding, Refused, Unchanged, Where
from reconciler.model.errors import CheckFailed
from reconciler.passes.check import Memory, check
from reconciler.passes.judge import LiveCommit, judge
from reconciler.passes.reconcile import reconcile
from reconciler.state.records import Conclusion
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.host_facts import HOST
from tests.unit.repositories import commit

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.desired.budget import Budget
    from reconciler.model import Contribution, Desired, Facts, Outcome, Revision

WRONG = Finding(rule="wrong", where=Where("mail.yaml"), text="wrong in any case", subject="it")
MOMENT = Finding(rule="expired", where=Where("mail.yaml"), text="expired tonight", subject="it", lasting=False)


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    """A host whose live commit is the one that MAIL makes."""
    facts_are(HOST, monkeypatch)
    adopted = Adopted.made_in(tmp_path)
    adopted.go_live(judge(adopted.commit(), adopted.edges, LiveCommit(adopted.edges)))
    return adopted


def without_a_change(adopted: Adopted) -> Revision:
    files = {"mail.yaml": MAIL, "README.md": "new\n"}
    return adopted.edges.repo.revision(commit(adopted.edges.repo.path, files))


def brought(adopted: Adopted, revision: Revision) -> Outcome:
    return reconcile(revision, adopted.edges, Memory())


def finds(monkeypatch: pytest.MonkeyPatch, finding: Finding, *, in_live: bool) -> None:
    """Let the rules find this in a commit from now on; *in_live*, in the live commit as well, which is judged last."""
    lint_as_it_is, seen = lint, list[object]()

    def found(desired: Desired, facts: Facts, origin: Contribution, budget: Budget) -> list[Finding]:
        seen.append(desired)
        more = [finding] if in_live or desired is seen[0] else []
        return [*lint_as_it_is(desired, facts, origin, budget), *more]

    monkeypatch.setattr("reconciler.passes.judge.lint", found)


def test_a_commit_without_a_change_and_without_an_error_is_unchanged(adopted: Adopted) -> None:
    assert brought(adopted, without_a_change(adopted)) == Unchanged()


@pytest.mark.parametrize("error", [WRONG, MOMENT])
def test_an_error_in_a_commit_without_a_change_is_refused_in_the_pass_and_at_the_push(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch, error: Finding
) -> None:
    revision, memory = without_a_change(adopted), Memory()
    finds(monkeypatch, error, in_live=False)

    assert reconcile(revision, adopted.edges, memory) == Refused((error,))
    assert memory.checked, "a refused commit is not judged again at each retry"
    assert reconcile(revision, adopted.edges, memory) == Refused((error,))
    finds(monkeypatch, error, in_live=False)
    with pytest.raises(CheckFailed):  # the memory of a refused pass lets nothing through
        check(revision, adopted.edges, memory, stage=False)


def test_an_error_that_the_live_commit_has_as_well_is_reported_and_refuses_nothing(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = without_a_change(adopted)
    finds(monkeypatch, MOMENT, in_live=True)

    outcome = brought(adopted, revision)

    assert isinstance(outcome, Unchanged)
    assert [finding.is_error for finding in outcome.findings] == [False]


def test_an_error_of_the_moment_in_a_commit_that_was_accepted_before_refuses_nothing(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = without_a_change(adopted)
    adopted.edges.journal.conclude(Conclusion(outcome=brought(adopted, revision), revision=revision.oid))
    finds(monkeypatch, MOMENT, in_live=False)

    assert brought(adopted, revision) == Unchanged((MOMENT,))


def test_an_error_of_the_moment_in_the_live_commit_refuses_nothing(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = adopted.edges.generations.live()
    assert live
    finds(monkeypatch, MOMENT, in_live=True)

    assert brought(adopted, adopted.edges.repo.revision(live.revision)) == Unchanged((MOMENT,))
