"""The forge gets the outcome of each commit, by a real web server; e2e/operator/test_notify.py has the program."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from reconciler.daemon import outbox as module
from reconciler.daemon.notifier import statuses
from reconciler.host.log import get
from reconciler.model import Applied, Finding, Refused, Superseded, Where
from reconciler.model.remote_url import read_url
from reconciler.state.records import Conclusion
from tests.unit.adopted_folder import Adopted
from tests.unit.web_recorder import Recorder, recorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reconciler.apply.edges import Edges

A, B = "a" * 40, "b" * 40
TYPO = Finding(rule="unknown-restriction", where=Where("mail.yaml", 4), text="unknown restriction", subject="x")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """The forge."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    with recorder() as server:
        yield server


def told(tmp_path: Path, server: Recorder, *conclusions: Conclusion, count: int, mode: int = 0o600) -> str:
    """Conclude, wait until the forge was asked so many times, and return what is in trouble then."""
    edges = edges_of(tmp_path, server, mode)
    outbox = statuses(edges, get(host="mx"))
    outbox.start()
    for conclusion in conclusions:
        edges.journal.conclude(conclusion)
    outbox.ring()
    until = time.monotonic() + 10
    while len(server.got) < count or bool(outbox.trouble) == bool(count):
        assert time.monotonic() < until, server.got
        time.sleep(0.005)
    trouble = outbox.trouble
    outbox.stop()
    return trouble


def edges_of(tmp_path: Path, server: Recorder, mode: int) -> Edges:
    """Return the edges of a host that tells its forge."""
    edges = Adopted.made_in(tmp_path).edges
    token = tmp_path / "token"
    token.write_text("t0ken\n")
    token.chmod(mode)
    url = read_url("git@forge.example.com:mail/state.git")
    return replace(edges, settings=replace(edges.settings, url=url, forge="forgejo", api=server.url, token=token))


def test_outcomes_become_statuses_and_what_fails_is_sent_again(tmp_path: Path, server: Recorder) -> None:
    server.answers = [502, 201]
    trouble = told(
        tmp_path, server, Conclusion(outcome=Applied(), revision=A), Conclusion(outcome=Superseded(B), revision=A),
        Conclusion(outcome=Refused((TYPO,)), revision=B), count=3,
    )  # fmt: skip
    sent = [(path, headers["Authorization"], content["state"]) for path, headers, content in server.got]
    assert sent == [
        (f"/repos/mail/state/statuses/{oid}", "token t0ken", state)
        for oid, state in ((A, "success"), (A, "success"), (B, "failure"))
    ]
    assert server.got[2][2] == {
        "state": "failure", "context": "reconciler/mx.test.example",
        "description": "Refused: mail.yaml:4: unknown restriction",
    }  # fmt: skip
    assert trouble == ""


@pytest.mark.parametrize("status", [400, 422, 302])
def test_what_a_forge_refuses_for_good_is_left_out(tmp_path: Path, server: Recorder, status: int) -> None:
    server.answers = [status]
    told(tmp_path, server, *(Conclusion(outcome=Applied(), revision=oid) for oid in (A, B)), count=2)
    assert [path[-40:] for path, _, _ in server.got] == [A, B]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_what_an_administrator_or_time_changes_is_sent_again(tmp_path: Path, server: Recorder, status: int) -> None:
    server.answers = [status, status]
    told(tmp_path, server, *(Conclusion(outcome=Applied(), revision=oid) for oid in (A, B)), count=4)
    assert [path[-40:] for path, _, _ in server.got] == [A, A, A, B]


def test_a_commit_that_the_forge_lost_is_given_up_after_an_hour(tmp_path: Path, server: Recorder) -> None:
    server.answers = [404]
    old = datetime.now(UTC) - timedelta(hours=2)
    told(
        tmp_path, server, Conclusion(outcome=Applied(), revision=A, at=old), Conclusion(outcome=Applied(), revision=B),
        count=2,
    )  # fmt: skip
    assert [path[-40:] for path, _, _ in server.got] == [A, B]


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path, server: Recorder) -> None:
    trouble = told(tmp_path, server, Conclusion(outcome=Applied(), revision=A), count=0, mode=0o644)
    assert "token can be read by other users; run `chmod 600 " in trouble
    assert server.got == []
