"""An error that acts when a process starts is no excuse while what started before works."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.apply import activate
from reconciler.apply.edges import Edges
from reconciler.desired.lint import PASSING
from reconciler.host.maillog import UnreadableLog
from reconciler.host.programs import postfix
from reconciler.host.programs.postfix import Instance
from reconciler.model import Activation, Change, Finding, Kind, Plan, Server, Where, errors_in, taking_mail
from reconciler.model.errors import WouldStop
from reconciler.passes import judge as module
from reconciler.passes.judge import LiveCommit, judge, permit, raise_if_files_stop
from reconciler.passes.loaded import Loaded, record
from reconciler.passes.next_start import raise_if_it_stops
from reconciler.trees.plan import diff
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.apply.test_verify import expected_on
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model import Revision

LOGINS = "smtpd_sasl_auth_enable: yes, smtpd_sasl_type: dovecot, smtpd_sasl_path: private/auth"
GONE = {Server(path="/var/spool/postfix/private/auth"): "no such file"}
AT_START = Finding(
    rule="silent-server", where=Where("mail.yaml"), text="gone", subject="auth", lasting=False,
    starts=frozenset({"smtp/inet"}),
)  # fmt: skip


def plan_of(*steps: Activation) -> Plan:
    change = Change(kind=Kind.PARAMETER, what="myorigin", before="a", after="b")
    return replace(diff({}, {}), changes=(change,), steps=steps)


@pytest.mark.parametrize("step", [Activation.RELOAD, Activation.RESTART])
def test_a_service_that_works_is_not_started_anew(step: Activation) -> None:
    with pytest.raises(WouldStop, match="still work") as raised:
        raise_if_it_stops([AT_START], [step], lambda: {"smtp/inet"})
    assert raised.value.reason.startswith("Postfix works and stays untouched")


@pytest.mark.parametrize(
    ("finding", "step", "answering"),
    [
        (AT_START, Activation.RELOAD, {"submission/inet"}),
        (AT_START, Activation.RELOAD, set()),
        (AT_START, Activation.NOTHING, {"smtp/inet"}),
        (AT_START.as_warning("allowed"), Activation.RELOAD, {"smtp/inet"}),
        (replace(AT_START, starts=frozenset()), Activation.RELOAD, {"smtp/inet"}),
    ],
)
def test_what_fails_already_or_starts_no_process_goes_on(
    finding: Finding, step: Activation, answering: set[str]
) -> None:
    raise_if_it_stops([finding], [step], lambda: answering)


def test_postfix_is_not_asked_without_such_an_error() -> None:
    raise_if_it_stops([replace(AT_START, starts=frozenset())], [Activation.RELOAD], lambda: pytest.fail("asked"))


# ---- a commit, and files without one ---------------------------------------------------------------------------------


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(HOST, monkeypatch)
    adopted = Adopted.made_in(tmp_path)
    live = adopted.commit(with_logins("a.example"))
    adopted.go_live(judge(live, adopted.edges, LiveCommit(adopted.edges)))
    facts_are(replace(HOST, answers=GONE), monkeypatch)
    return adopted


def with_logins(origin: str) -> str:
    return f"{MAIL}parameters: {{{LOGINS}, myorigin: {origin}}}\n"


def permitted(adopted: Adopted, revision: Revision) -> module.Judged:
    live = LiveCommit(adopted.edges)
    return permit(judge(revision, adopted.edges, live), live, adopted.edges.repo)


def test_a_commit_waits_while_the_listener_answers_and_one_that_removes_the_cause_goes_on(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = adopted.commit(with_logins("b.example"))
    monkeypatch.setattr(module, "answering", lambda *_: frozenset({"smtp/inet"}))
    with pytest.raises(WouldStop):
        permitted(adopted, revision)
    assert not errors_in(permitted(adopted, adopted.commit()).findings)
    monkeypatch.setattr(module, "answering", lambda *_: frozenset())
    assert not errors_in(permitted(adopted, revision).findings), "it is dead already"


def test_files_without_a_commit_are_held_back_likewise(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    target = judge(adopted.commit(with_logins("b.example")), adopted.edges, LiveCommit(adopted.edges)).plan.target
    monkeypatch.setattr(module, "answering", lambda *_: frozenset({"smtp/inet"}))
    with pytest.raises(WouldStop):
        raise_if_files_stop(target, [Activation.RELOAD], adopted.edges)
    without = judge(adopted.commit(), adopted.edges, LiveCommit(adopted.edges)).plan.target
    raise_if_files_stop(without, [Activation.RELOAD], adopted.edges)
    raise_if_files_stop({}, [Activation.RELOAD], adopted.edges)


@pytest.mark.parametrize(("tables", "waits"), [(["regexp:/srv/r"], True), (["regexp:/srv/other"], False), ([], False)])
def test_a_table_that_vanished_after_postfix_read_it_is_waited_for_and_one_that_never_was_there_is_not(
    tables: list[str], *, waits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_are(replace(HOST, files={**HOST.files, "/srv/r": True}), monkeypatch)
    adopted, text = (
        Adopted.made_in(tmp_path),
        "{MAIL}parameters: {{virtual_alias_maps: 'regexp:/srv/r', myorigin: {0}}}\n",
    )
    live = adopted.commit(text.format("a.example", MAIL=MAIL))
    adopted.go_live(judge(live, adopted.edges, LiveCommit(adopted.edges)))
    record(adopted.edges, Loaded({}, {}, tuple(tables)))
    facts_are(replace(HOST, files={**HOST.files, "/srv/r": False}), monkeypatch)
    monkeypatch.setattr(activate, "working", lambda _: frozenset({"smtp/inet", taking_mail("smtp/inet")}))
    monkeypatch.setattr(postfix, "running", lambda _: 1)
    monkeypatch.setattr(activate, "_expected", lambda *_: expected_on(25))
    monkeypatch.setattr(Edges, "postfix", lambda _: Instance(tmp_path, {"syslog_name": "postfix"}))
    monkeypatch.setattr(activate, "open_log", lambda *_: UnreadableLog("none"))
    revision = adopted.commit(text.format("b.example", MAIL=MAIL))
    with pytest.raises(WouldStop, match="still work") if waits else nullcontext():
        permitted(adopted, revision)


# ---- every rule about the host is sorted -----------------------------------------------------------------------------

AT_A_START = {
    "chroot-without-names", "foreign-address", "key-mismatch", "malformed-address", "missing-file", "next-start",
    "port-taken", "silent-server", "unknown-port", "unreadable-certificate",
}  # fmt: skip
"""They may act when a process starts, or when master reads its configuration: Finding.starts names what fails then."""
NOT_MADE = {"folder-not-allowed", "missing-package", "unknown-group", "unknown-user"}
"""What is wanted can't be made: never excusable, as far as the rule leads to a file."""
NOW = {
    "certificate-expired", "certificate-expires", "certificate-name", "disabled-instance", "failing-lookup",
    "fails-open", "instance-conflict", "long-service-name", "missing-program", "networks-by-style", "no-dnssec",
    "no-place-for-mail", "no-such-user", "not-executable", "one-per-host", "queue-too-small", "reverse-name",
    "unknown-reverse-name", "unlisted-instance", "unreadable-by-proxymap",
}  # fmt: skip
"""They act on the processes that run as well: what is live has the same fault."""


def test_every_rule_about_the_host_is_sorted_by_when_it_acts() -> None:
    assert sorted(PASSING) == sorted([*AT_A_START, *NOT_MADE, *NOW])
