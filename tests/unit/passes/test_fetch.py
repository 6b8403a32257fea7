"""What is on record of fetching, and what a pass takes from it."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.model.errors import Stopping, Unavailable
from reconciler.model.remote_url import read_url
from reconciler.passes.fetch import ACCEPT, accepts, fetch, remote_state
from reconciler.repository.mirror import MirrorRepository
from reconciler.repository.remote import Remote
from reconciler.state.fetches import Fetches
from tests.unit.adopted_folder import Adopted
from tests.unit.other_users import NOBODY
from tests.unit.repositories import commit, git

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges

EARLIER = "2026-11-22T20:49:00Z"
USER = pwd.getpwuid(NOBODY if os.geteuid() == 0 else os.geteuid()).pw_name


@pytest.fixture
def following(open_folder: Path) -> tuple[Path, Edges]:
    """A forge, and the edges of a host that follows it."""
    edges = Adopted.made_in(open_folder).edges
    forge, path = edges.repo.path, open_folder / "remote" / "mirror.git"
    settings = replace(edges.settings, url=read_url(str(forge)), repository=path, user=USER)
    assert settings.url
    return forge, replace(edges, settings=settings, repo=MirrorRepository(path, "main", edges.host, settings.url))


def test_a_host_without_a_remote_fetches_nothing(tmp_path: Path) -> None:
    edges = Adopted.made_in(tmp_path).edges
    with pytest.raises(Unavailable, match="follows no remote"):
        fetch(edges)
    assert remote_state(edges) is None
    assert not accepts(edges, "0" * 40)


def test_a_problem_stays_on_record_until_a_fetch_works(following: tuple[Path, Edges]) -> None:
    forge, edges = following
    state = remote_state(edges)
    assert state
    assert (state["at"], state["problem"]) == (None, "")
    commit(forge, {"mail.yaml": "a"})
    fetch(edges)
    well = remote_state(edges)
    assert well
    assert well["at"]
    assert well["problem"] == ""

    forge.rename(forge.with_name("elsewhere"))
    with pytest.raises(Unavailable):
        fetch(edges)
    gone = remote_state(edges)
    assert gone
    assert (gone["at"], gone["next"]) == (well["at"], f"reconciler fetch, when {forge} answers again")
    assert "can't be fetched" in gone["problem"]
    assert gone["since"], "it may be back"
    fetches = Fetches(edges.generations.private, edges.host)
    fetches.write(replace(fetches.read(), since=EARLIER))
    with pytest.raises(Unavailable):
        fetch(edges)
    still = remote_state(edges)
    assert still
    assert still["since"] == EARLIER, "when it began"

    forge.with_name("elsewhere").rename(forge)
    fetch(edges)
    again = remote_state(edges)
    assert again
    assert (again["problem"], again["since"]) == ("", None)

    git(forge, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(Unavailable, match="no branch main"):
        fetch(edges)
    forge.rename(forge.with_name("elsewhere"))
    with pytest.raises(Unavailable, match="can't be fetched: fatal: "):
        fetch(edges)
    empty = remote_state(edges)
    assert empty
    assert empty["since"] is None, "a person had to act already"


def test_a_rewritten_history_is_on_record_until_it_is_accepted_and_leads_on(following: tuple[Path, Edges]) -> None:
    forge, edges = following
    first, second = (commit(forge, {"mail.yaml": text}) for text in "ab")
    fetch(edges)
    git(forge, "update-ref", "refs/heads/main", first)
    other = commit(forge, {"mail.yaml": "c"})
    assert fetch(edges).rewritten == other
    state = remote_state(edges)
    assert state
    assert state["next"] == ACCEPT
    assert f"{other[:7]} does not contain {second[:7]}" in state["problem"]
    assert not accepts(edges, second)

    assert fetch(edges, accept_rewrite=True).after == other
    later = commit(forge, {"mail.yaml": "d"})
    fetch(edges)
    assert [accepts(edges, oid) for oid in (other, later, first, second)] == [True, True, False, False]
    state = remote_state(edges)
    assert state
    assert state["problem"] == ""


def test_an_acceptance_of_nothing_accepts_nothing_later(following: tuple[Path, Edges]) -> None:
    forge, edges = following
    first, second = (commit(forge, {"mail.yaml": text}) for text in "ab")
    fetch(edges)
    fetch(edges, accept_rewrite=True)
    assert not accepts(edges, second)
    git(forge, "update-ref", "refs/heads/main", first)
    assert fetch(edges).rewritten == first


def test_a_daemon_that_stops_puts_no_problem_on_record(
    following: tuple[Path, Edges], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*_: object) -> None:
        raise Stopping("reconciler is stopping")

    monkeypatch.setattr(Remote, "fetch", stopping)
    with pytest.raises(Stopping):
        fetch(following[1])
    state = remote_state(following[1])
    assert state
    assert state["problem"] == ""


def test_one_fetch_runs_at_a_time(following: tuple[Path, Edges], monkeypatch: pytest.MonkeyPatch) -> None:
    _, edges = following

    def meanwhile(*_: object) -> None:
        with pytest.raises(Unavailable, match="another fetch is running"):
            fetch(edges, patience=0)
        raise Unavailable("the end of this test")

    monkeypatch.setattr(Remote, "fetch", meanwhile)
    with pytest.raises(Unavailable, match="the end of this test"):
        fetch(edges)
