"""A master that is ended from outside while a commit is verified says nothing about the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, UNREHEARSED, AdoptedHost
from tests.e2e.push.test_mail_is_taken import program, rules_of, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.adopted_host import Push

# A policy server. Its first question after a script was put in place runs that script, and is not answered.
SERVER = """
import os, socket, subprocess, threading, time
def speak(stream):
    for line in stream:
        if line == b"\\n":
            try:
                os.rename("/root/strike", "/root/struck")
            except FileNotFoundError:
                stream.write(b"action=DUNNO\\n\\n"); stream.flush()
            else:
                subprocess.run(["sh", "/root/struck"])
                time.sleep(900)
server = socket.create_server(("127.0.0.1", 2603))
while True:
    threading.Thread(target=speak, args=(server.accept()[0].makefile("rwb"),), daemon=True).start()
"""
POLICY = MAIL + "  smtpd_recipient_restrictions: check_policy_service inet:127.0.0.1:2603, permit\n"
KILL = "kill -KILL $(cat /var/spool/postfix/pid/master.pid)"
LATE = "sleep 2; "  # the master has lived for the settle time by then


@pytest.fixture(scope="module")
def _served() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=UNREHEARSED) as adopted:  # a rehearsal would ask the policy server before the swap
        program(adopted, SERVER, 2603)
        yield adopted


@pytest.fixture
def adopted(_served: AdoptedHost) -> AdoptedHost:
    """A host whose mail flows, and asks no policy server."""
    _served.push(STATE)
    return _served


def pushed(adopted: AdoptedHost, script: str) -> Push:
    """Push a change whose verification runs this script."""
    adopted.host.write("/root/strike", script)
    push = adopted.push({"mail.yaml": POLICY})
    assert "/root/struck" in adopted.sh("ls /root/str*; rm -f /root/str*")
    return push


@pytest.mark.parametrize("when", ["", LATE], ids=["at once", "late"])
def test_one_that_is_killed_is_started_and_the_commit_verified_again(adopted: AdoptedHost, when: str) -> None:
    push = pushed(adopted, when + KILL)
    assert "live and verified" in push.text, push.text
    assert rules_of(adopted, push) == []
    assert taken(adopted)


@pytest.mark.parametrize("pause", [0, 0.9])
def test_one_that_an_administrator_restarts_is_verified_again(adopted: AdoptedHost, pause: float) -> None:
    push = pushed(adopted, f"{LATE}postfix stop; sleep {pause}; postfix start")
    assert "live and verified" in push.text, push.text
    assert rules_of(adopted, push) == []
    assert taken(adopted)


@pytest.mark.parametrize("when", ["", LATE], ids=["at once", "late"])
def test_one_that_an_administrator_stops_stays_stopped(adopted: AdoptedHost, when: str) -> None:
    push = pushed(adopted, f"{when}postfix stop")
    assert rules_of(adopted, push) == [("stopped-meanwhile", "warning")], push.text
    assert adopted.log(push.oid)[0]["outcome"] == "Applied"
    assert not adopted.told()["postfix"]["running"]
    adopted.host.run("postfix", "start")
    adopted.host.wait_for(adopted.answers, what="Postfix")


def test_one_that_is_killed_each_time_is_told_and_mail_goes_on(adopted: AdoptedHost) -> None:
    before = adopted.live()
    push = pushed(adopted, f"cp /root/struck /root/strike; {KILL}; true")
    assert adopted.log(push.oid)[0]["outcome"] == "RolledBack", push.text
    assert ("master-died", "error") in rules_of(adopted, push)
    assert adopted.live() == before
    assert taken(adopted)
