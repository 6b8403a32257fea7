"""A pass condemns no commit for what was lost or edited while it was judged; all else is proven end to end."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from reconciler.model import Outcome, Postponed, Refused, Where, error_at
from reconciler.model.phase import Refusing, Wake
from reconciler.passes import probation_now, run
from reconciler.passes.check import Memory
from reconciler.passes.judge import LiveCommit, judge
from tests.unit.adopted_folder import Adopted, facts_are
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TYPE = Refused((error_at("unknown-table-type", Where("mail.yaml"), "no such type"),))


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    """A host without Postfix whose live commit is the one that MAIL makes."""
    facts_are(HOST, monkeypatch)
    adopted = Adopted.made_in(tmp_path)
    adopted.go_live(judge(adopted.commit(), adopted.edges, LiveCommit(adopted.edges)))
    monkeypatch.setattr(run, "revive", lambda _: False)
    monkeypatch.setattr(probation_now, "current", lambda edges: edges.journal.phase())
    monkeypatch.setattr(probation_now, "mark", lambda _: None)
    return adopted


def lose(adopted: Adopted) -> None:
    shutil.rmtree(adopted.edges.generations.folder)


def edit(adopted: Adopted) -> None:
    (adopted.edges.settings.config_directory / "main.cf").write_text("by = hand\n")


@pytest.mark.parametrize(("happens", "refused"), [(lose, False), (edit, False), (lambda _: None, True)])
def test_a_refusal_counts_if_what_is_live_stayed_as_it_was(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Adopted], None], *, refused: bool
) -> None:
    def judged(*_: object, **__: object) -> Outcome:
        happens(adopted)
        return TYPE

    monkeypatch.setattr(run, "reconcile", judged)
    adopted.commit("hostname: other.test.example\n")
    outcome = run.one_pass(adopted.edges, Memory(), Wake.PUSH).outcome
    assert isinstance(outcome, Refused if refused else Postponed), outcome
    assert isinstance(adopted.edges.journal.phase(), Refusing) is refused
