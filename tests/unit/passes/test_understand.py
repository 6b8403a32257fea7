"""A commit is understood by the facts that it refers to, and a pass asks others once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.model import UNWRITTEN, Finding
from reconciler.model.errors import Incomplete
from reconciler.passes import understand as module
from reconciler.passes.understand import complete, composed, understand
from tests.unit.adopted_folder import Adopted, facts_are
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from reconciler.model import Facts


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(HOST, monkeypatch)
    return Adopted.made_in(tmp_path)


def test_the_attempts_of_a_pass_share_what_was_answered(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Facts, ...]] = []

    def gather(_host: object, _settings: object, _named: object = None, known: Sequence[Facts] = ()) -> Facts:
        given.append(tuple(known))
        return HOST

    revision = adopted.commit()
    gathered: list[Facts] = []
    monkeypatch.setattr(module, "gather", gather)
    understand(revision, adopted.edges, None, gathered)
    understand(revision, adopted.edges, None, gathered)
    assert [known for known in given if known] == [(HOST,)]
    understand(revision, adopted.edges)
    assert not given[-1], "another pass asks anew"


def test_a_commit_whose_secret_can_not_be_opened_is_not_complete(adopted: Adopted) -> None:
    understood = composed(adopted.commit(), adopted.edges)
    assert complete(understood) is understood
    closed = Finding(
        rule="secret-not-opened", where=UNWRITTEN, text="secret pw can't be opened", subject="pw", excusable=False
    )
    with pytest.raises(Incomplete, match="pw"):
        complete(understood._replace(desired=replace(understood.desired, findings=(closed,))))
