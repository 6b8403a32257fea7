"""What the daemon keeps of the last check, and asks again for a status."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.daemon import checked as module
from reconciler.daemon.checked import CheckedSlot
from reconciler.model import Finding, Server, Where
from reconciler.passes import faults_now
from reconciler.passes.check import Checked, Memory
from reconciler.passes.judge import LiveCommit, judge
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from reconciler.model import Revision


def kept(adopted: Adopted, revision: Revision, server: Server, answer: str | None) -> CheckedSlot:
    """Return a slot with the check of a commit that asked one server."""
    judged = judge(revision, adopted.edges, LiveCommit(adopted.edges))
    facts = replace(judged.understood.facts, answers={server: answer})
    memory = Memory()
    memory.checked = Checked(replace(judged, understood=judged.understood._replace(facts=facts)))
    slot = CheckedSlot(adopted.edges)
    slot.put(memory)
    return slot


def test_a_server_of_what_is_live_that_stopped_to_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_are(HOST, monkeypatch)
    adopted = Adopted.made_in(tmp_path)
    revision = adopted.commit()
    adopted.go_live(judge(revision, adopted.edges, LiveCommit(adopted.edges)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server("127.0.0.1", listener.getsockname()[1])
        assert kept(adopted, revision, server, "").unanswered() == []
    told = [f"no server answers at 127.0.0.1:{server.port} (connection refused)"]
    assert kept(adopted, revision, server, "").unanswered() == told
    assert kept(adopted, revision, server, "connection refused").unanswered() == [], "a finding tells that"
    gone = kept(adopted, revision, Server(path=str(tmp_path / "gone")), "")
    assert gone.unanswered() == [f"no server answers at {tmp_path / 'gone'} (there is no such socket)"]
    later = adopted.commit(f"{MAIL}submission: {{}}\n")
    assert kept(adopted, later, server, "").unanswered() == [], "it is not live"
    assert CheckedSlot(adopted.edges).unanswered() == []


def test_a_fault_that_is_over_is_told_no_more_and_one_of_another_commit_as_the_last_pass_found_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_are(HOST, monkeypatch)
    adopted = Adopted.made_in(tmp_path)
    revision = adopted.commit()
    adopted.go_live(judge(revision, adopted.edges, LiveCommit(adopted.edges)))
    monkeypatch.setattr(faults_now, "asked_again", lambda *_, ask: HOST if ask else None)
    server = Server("127.0.0.1", 1)
    fault = Finding(rule="silent-server", where=Where("mail.yaml"), text="gone", subject=str(server), lasting=False)
    assert kept(adopted, revision, server, "connection refused").still([fault]) == []
    later = kept(adopted, adopted.commit(f"{MAIL}submission: {{}}\n"), server, "")
    told = ["the last pass found mail.yaml:1:1: gone  [silent-server]"]
    assert later.still([fault]) == CheckedSlot(adopted.edges).still([fault]) == told
    assert later.still([]) == []


def test_a_check_at_rest_reads_its_commit_again_only_to_disprove_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts_are(HOST, monkeypatch)
    adopted = Adopted.made_in(tmp_path)
    revision = adopted.commit()
    adopted.go_live(judge(revision, adopted.edges, LiveCommit(adopted.edges)))
    memory, slot = Memory(), CheckedSlot(adopted.edges)
    memory.checked = Checked(judge(revision, adopted.edges, LiveCommit(adopted.edges)))
    slot.put_back(memory)
    assert memory.checked.resting
    monkeypatch.setattr(faults_now, "asked_again", lambda *_, ask: HOST if ask else None)
    passing = Finding(rule="silent-server", where=Where("mail.yaml"), text="gone", subject="x", lasting=False)
    other = replace(passing, rule="left-alone")

    assert slot.still([passing]) == []
    monkeypatch.setattr(module, "composed", None)
    assert slot.still([other]) == ["the last pass found mail.yaml:1:1: gone  [left-alone]"]
