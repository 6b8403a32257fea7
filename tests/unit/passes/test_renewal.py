"""A renewed certificate reloads Postfix, unless the reload would end what works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.host.programs import postfix
from reconciler.model.errors import WouldStop
from reconciler.passes import judge as judging
from reconciler.passes import renewal as module
from reconciler.passes.named_files import Named
from reconciler.passes.renewal import remember, renew
from tests.unit.passes.test_next_start import adopted

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.model import Finding
    from tests.unit.adopted_folder import Adopted

__all__ = ["adopted"]  # a host whose password server is gone


@pytest.fixture
def reloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often Postfix, which runs, was reloaded."""
    made: list[str] = []
    monkeypatch.setattr(postfix, "running", lambda _: 1)

    def reload(_: Edges) -> tuple[Finding, ...]:
        made.append("reload")
        return ()

    monkeypatch.setattr(module, "reload", reload)
    return made


def test_a_renewal_waits_while_the_reload_would_end_a_listener_and_is_found_again(
    adopted: Adopted, reloads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_text("old")
    named = Named(frozenset({str(authorities)}))
    remember(adopted.edges, named)
    authorities.write_text("new")
    monkeypatch.setattr(judging, "answering", lambda *_: frozenset({"smtp/inet"}))
    for _ in range(2):
        with pytest.raises(WouldStop, match="smtpd would exit"):
            renew(adopted.edges, named)
    assert not reloads

    monkeypatch.setattr(judging, "answering", lambda *_: frozenset())
    passed = renew(adopted.edges, named)
    assert passed is not None
    assert reloads == ["reload"], "the listener is dead already"
    assert renew(adopted.edges, named) is None


def test_a_file_that_vanished_is_no_reason_for_a_reload_and_its_successor_is(
    adopted: Adopted, reloads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "answering", lambda *_: frozenset())
    table = tmp_path / "header_checks"
    table.write_text("old")
    named = Named(frozenset({str(table)}))
    remember(adopted.edges, named)
    table.unlink()
    assert renew(adopted.edges, named) is None
    table.write_text("old")
    assert renew(adopted.edges, named) is None
    assert not reloads
    table.write_text("new")
    assert renew(adopted.edges, named) is not None
    assert reloads == ["reload"]
