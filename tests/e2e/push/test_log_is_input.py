"""The mail log is input: neither a client nor a local user can have a commit rolled back or keep a dead master down."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import STATE, AdoptedHost
from tests.e2e.push.test_probation import BROKEN, LONG, mailed
from tests.e2e.special_hosts import BootedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

FORGED = "postfix/smtpd[4711]: fatal: open database /etc/postfix/virtual.lmdb: No such file or directory"
# A record of syslog(3) as a local user can write it, with another process's number.
BY_HAND = f"""
import socket, time
channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
channel.connect("/dev/log")
channel.send(b"<19>" + time.strftime("%b %e %H:%M:%S ").encode() + b"{FORGED}")
"""


@pytest.fixture(params=[AdoptedHost, BootedHost], ids=["a syslog file", "the journal"], scope="module")
def adopted(request: pytest.FixtureRequest) -> Iterator[AdoptedHost]:
    """Return a host with a commit on probation."""
    kind: type[AdoptedHost] = request.param
    with kind(settings=LONG) as made:
        made.push({**STATE, "tables/transport": "old.test  smtp:[127.0.0.1]:2525\nnew.test  relaylim:\n"})
        made.wait_for_phase("Probation")
        yield made


def stays(adopted: AdoptedHost, logged: str) -> None:
    """Fail unless the commit is on probation still, when the daemon has read what was logged."""
    live = adopted.told()["live"]
    adopted.host.wait_for(lambda: logged in adopted.host.mail_log(), what=f"{logged!r} in the log")
    time.sleep(3)  # a look follows a line within a second, and a wrong rollback would follow the look
    status = adopted.told()
    assert (status["phase"]["name"], status["live"]) == ("Probation", live), json.dumps(adopted.log("-1"))


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85"])
def test_a_client_that_sends_a_line_end_of_unicode_has_no_commit_rolled_back(adopted: AdoptedHost, end: str) -> None:
    with adopted.host.smtp(address="::1") as client:  # which is not in mynetworks
        client.ehlo()
        client.docmd("MAIL FROM:<a@b.example> SMTPUTF8")
        client.command_encoding = "utf-8"
        client.docmd(f'RCPT TO:<"x{end} postfix/smtpd[99]: fatal: forged "@v.example>')
    stays(adopted, "forged")


@pytest.mark.parametrize("user", ["nobody", "postfix"])  # a policy service may run as the second
def test_a_local_user_that_logs_as_postfix_has_no_commit_rolled_back(adopted: AdoptedHost, user: str) -> None:
    argv = ("logger", "-p", "mail.err", "-t", "postfix/smtpd", "--id=4711", FORGED.partition(": ")[2])
    # journald names the program only of a process that is there still: often of none of these.
    adopted.host.run("sh", "-c", 'for _ in 1 2 3 4 5 6 7 8 9; do "$@" & "$@"; done; wait', "sh", *argv, user=user)
    stays(adopted, "fatal: open database")


def test_a_local_user_that_writes_to_syslog_by_hand_has_no_commit_rolled_back(adopted: AdoptedHost) -> None:
    adopted.host.run("/usr/bin/python3", "-c", BY_HAND, user="nobody")
    stays(adopted, "fatal: open database")


def test_a_client_that_says_that_the_master_was_stopped_keeps_no_dead_master_down(adopted: AdoptedHost) -> None:
    master = adopted.master()
    adopted.host.dialogue([f"GET /master[{master}]: terminating on signal 15"])
    adopted.host.wait_for(lambda: f"GET /master[{master}]" in adopted.host.mail_log(), what="the line in the log")
    adopted.sh(f"kill -KILL {master}")
    adopted.host.wait_for(lambda: adopted.master() != master and adopted.answers(), what="a new master")


def test_a_local_user_that_says_that_the_master_was_stopped_keeps_no_dead_master_down(adopted: AdoptedHost) -> None:
    master = adopted.master()
    argv = ("logger", "-p", "mail.info", "-t", "postfix/master", f"--id={master}", "terminating on signal 15")
    adopted.host.run(*argv, user="nobody")
    time.sleep(6)  # a line of the same moment may be the master's own
    adopted.sh(f"kill -KILL {master}")
    adopted.host.wait_for(lambda: adopted.master() != master and adopted.answers(), what="a new master")


def test_what_postfix_itself_logs_rolls_the_commit_back(adopted: AdoptedHost) -> None:
    push = adopted.push({"mail.yaml": BROKEN})
    assert push.accepted
    assert mailed(adopted).startswith("451 4.3.5")
    adopted.wait_for("RolledBack", push.oid)
