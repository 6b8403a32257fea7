"""What a trouble of the host explains does not condemn a commit; anything else does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from reconciler.model import MASTER, UNWRITTEN, Finding, in_tls
from reconciler.model.errors import WouldStop
from reconciler.model.phase import Clock, Probation
from reconciler.passes import judge as judging
from reconciler.passes.blame import of_the_commit, shared_troubles
from reconciler.passes.judge import LiveCommit, judge
from reconciler.passes.probation import go_back
from tests.unit.passes.test_next_start import adopted, with_logins

if TYPE_CHECKING:
    from tests.unit.adopted_folder import Adopted

__all__ = ["adopted"]  # a host whose password server is gone

SERVER = Finding(
    rule="silent-server", where=UNWRITTEN, text="gone", subject="private/auth", starts=frozenset({"smtp/inet"})
)
KEY = replace(SERVER, rule="missing-file", subject="/etc/ssl/mx.pem", starts=frozenset({in_tls("smtp/inet")}))
ADDRESS = replace(SERVER, rule="foreign-address", subject="192.0.2.77", starts=frozenset({MASTER}))


def logged(program: str, text: str) -> Finding:
    return Finding(rule="cause-in-traffic", where=UNWRITTEN, text=f"{program} logged: {text}", subject=program)


@pytest.mark.parametrize(
    ("trouble", "one"),
    [
        (SERVER, logged("smtpd", "fatal: no SASL authentication mechanisms")),
        (SERVER, logged("smtpd", "warning: SASL: Connect to private/auth failed: No such file or directory")),
        (SERVER, logged("master", "warning: /usr/lib/postfix/sbin/smtpd: bad command startup -- throttling")),
        (KEY, logged("smtpd", "warning: No server certs available. TLS can't be enabled")),
        (KEY, logged("smtpd", "warning: error opening chain file: /etc/ssl/mx.pem: No such file or directory")),
        (ADDRESS, logged("master", "fatal: bind 192.0.2.77 port 25: Cannot assign requested address")),
    ],
)
def test_a_trouble_explains_what_postfix_logs_about_it(trouble: Finding, one: Finding) -> None:
    assert of_the_commit([one], [trouble]) == []
    assert of_the_commit([one], []) == [one]


@pytest.mark.parametrize(
    ("trouble", "one"),
    [
        (SERVER, logged("smtpd", "fatal: bad string length 0 < 1: myhostname =")),
        (SERVER, logged("smtp", "warning: SASL authentication failure: unable to open Berkeley db")),
        (SERVER, logged("master", "warning: /usr/lib/postfix/sbin/cleanup: bad command startup -- throttling")),
        (ADDRESS, logged("master", "warning: /usr/lib/postfix/sbin/smtpd: bad command startup -- throttling")),
        (KEY, logged("smtpd", "fatal: no SASL authentication mechanisms")),
        (replace(SERVER, subject=""), logged("cleanup", "fatal: open")),
    ],
)
def test_another_fault_is_the_commits(trouble: Finding, one: Finding) -> None:
    assert of_the_commit([one], [trouble]) == [one]


def test_only_a_trouble_that_the_files_before_have_as_well_is_shared(adopted: Adopted) -> None:
    edges = adopted.edges
    same = judge(adopted.commit(with_logins("b.example")), edges, LiveCommit(edges)).plan.target
    assert [one.rule for one in shared_troubles(same, edges)] == ["silent-server"]
    without = judge(adopted.commit(), edges, LiveCommit(edges)).plan.target
    assert shared_troubles(without, edges) == []
    assert shared_troubles({}, edges) == []


def test_a_rollback_waits_while_it_would_end_a_listener(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    edges, revision = adopted.edges, adopted.commit(with_logins("b.example"))
    live = adopted.go_live(judge(revision, edges, LiveCommit(edges)))
    now = datetime.now(UTC)
    running = Probation(
        generation=live.number, until=now, revision=revision.oid, since=Clock("boot", 0.0), lasts=60, mark=(0, 0, ""),
        watched=True, confirm=False,
    )  # fmt: skip
    monkeypatch.setattr(judging, "answering", lambda *_: frozenset({"smtp/inet"}))
    with pytest.raises(WouldStop, match="smtpd would exit"):
        go_back(running, [logged("cleanup", "fatal: open")], edges)
    assert edges.journal.open_intent() is None
    assert edges.generations.live() == live
