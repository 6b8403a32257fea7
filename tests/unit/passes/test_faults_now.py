"""What is wrong now with what is live is told in a pause, by today's facts and by what it was made from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.model import Facts, Finding, Server, Where
from reconciler.model.phase import Halted, Phase, Refusing, Retrying, Steady, Suspended
from reconciler.passes import faults_now as module
from reconciler.passes.faults_now import FaultsNow, told_now
from reconciler.passes.judge import LiveCommit, judge
from reconciler.passes.understand import Understood
from reconciler.repository.secrets import encrypt, new_identity, recipient
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.host_facts import HOST
from tests.unit.repositories import commit

if TYPE_CHECKING:
    from pathlib import Path

MILTER = "parameters: {smtpd_milters: 'inet:127.0.0.1:8891', milter_default_action: tempfail}\n"
DEAD = replace(HOST, answers={Server("127.0.0.1", 8891): "connection refused"})
ALIVE = replace(HOST, answers={Server("127.0.0.1", 8891): ""})
PAUSE = Suspended("rollback of 3", "ann")


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(ALIVE, monkeypatch)
    adopted = Adopted.made_in(tmp_path)
    adopted.go_live(judge(adopted.commit(MAIL + MILTER), adopted.edges, LiveCommit(adopted.edges)))
    return adopted


def facts_become(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    facts_are(facts, monkeypatch)
    monkeypatch.setattr(module, "asked_again", lambda *_, ask: facts if ask else None)


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        (PAUSE, True),
        (Halted("no answer"), True),
        (Refusing("b" * 40), True),
        (Retrying("b" * 40, 1, "no space"), True),
        (Steady(), False),
    ],
)
def test_a_server_that_died_is_told_where_no_pass_finds_it(
    phase: Phase, *, told: bool, adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted.edges.journal.set_phase(phase)
    now = FaultsNow(adopted.edges)
    assert now.faults() == []
    facts_become(DEAD, monkeypatch)
    assert [one.rule for one in now.faults()] == ["silent-server"] * told
    assert [one.where.file for one in now.faults()] == ["mail.yaml"] * told, "the place is in the commit"
    facts_become(ALIVE, monkeypatch)
    assert now.faults() == [], "it answers again"


def test_what_was_well_is_not_read_again(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    adopted.edges.journal.set_phase(PAUSE)
    now = FaultsNow(adopted.edges)
    assert now.faults() == []
    facts_become(DEAD, monkeypatch)
    monkeypatch.setattr(LiveCommit, "judged_by", property(lambda _: pytest.fail("read again")))
    assert len(now.faults()) == 1


def test_an_identity_that_goes_after_all_was_well_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts_are(HOST, monkeypatch)
    identity = tmp_path / "identity"
    new_identity(identity)
    adopted = Adopted.made_in(tmp_path, identity=identity)
    mail = MAIL + "smart_host: {nexthop: '[relay.test]:587', username: u, password: !secret pw}\ntls: {outbound: may}\n"
    sealed = encrypt("geheim", [recipient(identity)]).decode()
    oid = commit(adopted.edges.repo.path, {"mail.yaml": mail, "secrets/pw.age": sealed})
    adopted.go_live(judge(adopted.edges.repo.revision(oid), adopted.edges, LiveCommit(adopted.edges)))
    adopted.edges.journal.set_phase(PAUSE)
    now = FaultsNow(adopted.edges)
    assert now.faults() == []
    identity.rename(tmp_path / "away")
    assert [one.rule for one in now.faults()] == ["secret-not-opened"]
    (tmp_path / "away").rename(identity)
    assert now.faults() == []


def test_what_follows_from_the_commit_alone_is_no_news_in_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_are(HOST, monkeypatch)
    adopted = Adopted.made_in(tmp_path)
    wrong = MAIL + "parameters: {smtpd_sender_restrictions: reject_unknown_sender_domian}\n"
    adopted.go_live(judge(adopted.commit(wrong), adopted.edges, LiveCommit(adopted.edges)))
    adopted.edges.journal.set_phase(PAUSE)
    assert FaultsNow(adopted.edges).faults() == []


def test_a_fault_of_the_last_pass_that_is_over_is_not_told(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = LiveCommit(adopted.edges).judged_by
    assert isinstance(judged, Understood)
    silent = Finding(
        rule="silent-server",
        where=Where("mail.yaml", 2),
        text="gone",
        subject="smtpd_milters inet:127.0.0.1:8891",
        lasting=False,
    )
    other = replace(silent, rule="flow-fails", text="a flow fails")
    facts_become(DEAD, monkeypatch)
    assert told_now([silent], lambda: judged, adopted.edges) == ["mail.yaml:2:1: gone  [silent-server]"]
    facts_become(ALIVE, monkeypatch)
    assert told_now([silent], lambda: judged, adopted.edges) == []
    told = ["the last pass found mail.yaml:2:1: a flow fails  [flow-fails]"]
    assert told_now([silent, other], lambda: judged, adopted.edges) == told, "no fact disproves the other"


def test_a_bug_in_a_rule_keeps_no_status_from_answering(adopted: Adopted, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyError("a bug")

    adopted.edges.journal.set_phase(PAUSE)
    monkeypatch.setattr(module, "lint", fails)
    assert FaultsNow(adopted.edges).faults() == []
