"""What only real traffic meets takes a commit back by itself, and nothing else does."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, UNREHEARSED, AdoptedHost
from tests.e2e.hosts import CHECKOUT, Host

if TYPE_CHECKING:
    from collections.abc import Iterator

# A rehearsal would meet what is planted here before any traffic did.
LONG = '[probation]\ntime = "10m"\n' + UNREHEARSED
# A table that fails (DATABASE_README), and that only mail from example.net is looked up in: 451 for its recipients.
PLANTED = "check_sender_access inline:{ { example.net = planted } }"
BROKEN = (
    MAIL
    + f"""\
  smtpd_sender_restrictions: "{PLANTED}"
  smtpd_restriction_classes: planted
  planted: check_recipient_access fail:planted
"""
)
FAILURE = "Server configuration error"


@pytest.fixture(scope="module")
def _proving() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=LONG) as adopted:
        yield adopted


@pytest.fixture
def adopted(_proving: AdoptedHost) -> AdoptedHost:
    """A host that puts each commit on probation for longer than any test takes, with a good commit live and proven."""
    adopted = _proving
    adopted.push({**STATE, "tables/transport": f"good.test  smtp:[127.0.0.1]:2525\n# {time.monotonic_ns()}\n"})
    assert adopted.reconciler("confirm").status == 0
    adopted.wait_for_phase("Steady")
    return adopted


def mailed(adopted: AdoptedHost) -> str:
    """Post a message as anybody would; Postfix's answer."""
    return adopted.host.send("ada@example.net", "root@mx1.example.com")


def test_a_commit_that_breaks_mail_only_in_real_traffic_goes_back_by_itself(adopted: AdoptedHost) -> None:
    before = adopted.told()["live"]
    push = adopted.push({"mail.yaml": BROKEN})
    status = adopted.told()
    assert push.accepted
    assert re.search(r"live and verified .*\n.*verified: .*\n.*watching real traffic until \d\d:\d\d", push.text)
    assert status["phase"]["name"] == "Probation"
    assert status["phase"]["generation"] == status["live"]["generation"] > before["generation"]
    assert status["before"] == before["generation"]
    assert f"; generation {before['generation']} stays for a rollback" in adopted.reconciler("status").text
    assert mailed(adopted).startswith("451 4.3.5")
    status = adopted.wait_for("RolledBack", push.oid)
    assert status["phase"] == {"name": "Refusing", "revision": push.oid}
    assert status["live"]["revision"] == before["revision"]
    (finding,) = (one for one in status["last"]["findings"] if FAILURE in one["text"])
    assert finding["rule"] == "cause-in-traffic"
    assert "smtpd logged: NOQUEUE: reject: RCPT from" in finding["text"]
    line = BROKEN.count("\n")
    assert any((one["file"], one["line"]) == ("mail.yaml", line) for one in status["last"]["findings"])
    adopted.patiently(lambda: "rolled back" in adopted.notes(push.oid), "the note")
    assert adopted.log("-1")[0]["outcome"] == "RolledBack"
    assert mailed(adopted).startswith("250")
    assert adopted.postconf("smtpd_sender_restrictions") != PLANTED
    again = adopted.push({"mail.yaml": BROKEN + "  smtpd_helo_required: yes\n"})
    assert mailed(adopted).startswith("451 4.3.5")
    adopted.wait_for("RolledBack", again.oid)  # what another commit was taken back for excuses nothing


def test_what_clients_say_takes_nothing_back(adopted: AdoptedHost) -> None:
    push = adopted.push({"tables/transport": "said.test  relaylim:\n"})
    said = 'RCPT TO:<"451 4.3.5 Server configuration error: Temporary lookup failure; fatal: "@mx1.example.com>'
    replies = adopted.host.dialogue(
        ["EHLO Server.configuration.error", "MAIL FROM:<fatal@example.net>", said, "fatal: panic: "]  # and it hangs up
    )
    assert replies[3].startswith("550 5.1.1")
    adopted.host.wait_for(lambda: "Server configuration error" in adopted.host.mail_log(), what="the line in the log")
    adopted.sh("postmap -q x lmdb:/nonexistent/table; sendmail -C /nonexistent root </dev/null; true")  # commands do
    assert mailed(adopted).startswith("250")
    live = adopted.told()["live"]["generation"]
    assert adopted.reconciler("confirm").text == f"confirmed: generation {live} ({push.oid[:7]}) stays\n"


def test_a_newer_commit_that_fails_goes_back_to_the_one_that_was_still_on_probation(adopted: AdoptedHost) -> None:
    first = adopted.push({"tables/transport": "first.test  relaylim:\n"})
    assert adopted.told()["phase"]["name"] == "Probation"
    second = adopted.push({"mail.yaml": BROKEN})
    assert adopted.told()["phase"]["generation"] == adopted.told()["live"]["generation"]
    mailed(adopted)
    status = adopted.wait_for("RolledBack", second.oid)
    assert status["live"]["revision"] == first.oid
    assert status["phase"]["name"] == "Refusing"
    assert status["phase"]["probation"]["revision"] == first.oid
    assert mailed(adopted).startswith("250")
    third = adopted.push({"mail.yaml": MAIL, "tables/transport": "third.test  relaylim:\n"})
    assert adopted.wait_for("Applied", third.oid)["phase"]["name"] == "Probation"


def test_a_hand_edit_that_is_put_back_begins_no_new_probation(adopted: AdoptedHost) -> None:
    push = adopted.push({"tables/transport": "edit.test  relaylim:\n"})
    phase = adopted.told()["phase"]
    adopted.sh("postconf -e smtpd_banner=hello")
    adopted.host.wait_for(lambda: adopted.told()["phase"]["generation"] > phase["generation"], what="the edit put back")
    after = adopted.told()
    assert after["phase"]["until"] == phase["until"]
    assert after["phase"]["generation"] == after["live"]["generation"]
    assert after["live"]["revision"] == push.oid


def test_what_a_hand_edit_breaks_is_not_the_commits_fault(adopted: AdoptedHost) -> None:
    push = adopted.push({"tables/transport": "innocent.test  relaylim:\n"})
    adopted.sh("postconf -e smtpd_timeout=300x; postfix reload 2>/dev/null")
    adopted.host.wait_for(
        lambda: "300x" in adopted.host.mail_log() or not drifted(adopted), what="somebody who suffers"
    )
    adopted.host.wait_for(lambda: not drifted(adopted), what="what was there before")
    adopted.host.wait_for(adopted.answers, what="Postfix")
    status = adopted.told()
    assert (status["phase"]["name"], status["live"]["revision"]) == ("Probation", push.oid)


def drifted(adopted: AdoptedHost) -> bool:
    return "300x" in adopted.host.read("/etc/postfix/main.cf")


def test_a_commit_refused_meanwhile_does_not_end_the_probation(adopted: AdoptedHost) -> None:
    good = adopted.push({"tables/transport": "still.test  relaylim:\n"})
    refused = adopted.write_past_hook({"mail.yaml": MAIL + "  mynetworks: $my_netz\n"})
    phase = adopted.wait_for("Refused", refused)["phase"]
    assert phase["name"] == "Refusing"
    assert phase["probation"]["revision"] == good.oid


def test_the_daemon_killed_on_probation_reads_on_from_the_mark_of_the_swap(adopted: AdoptedHost) -> None:
    push = adopted.push({"mail.yaml": BROKEN})
    adopted.stop_daemon(signal.SIGKILL)
    assert mailed(adopted).startswith("451 4.3.5")
    assert adopted.status()["phase"]["name"] == "Probation"
    adopted.start_daemon()
    adopted.wait_for("RolledBack", push.oid)
    assert mailed(adopted).startswith("250")


def test_once_without_a_daemon_begins_a_probation_that_the_daemon_goes_on_with(adopted: AdoptedHost) -> None:
    adopted.stop_daemon()
    oid = adopted.write_past_hook({"mail.yaml": BROKEN})
    assert "watching real traffic until" in adopted.reconciler("once").text
    mailed(adopted)
    assert adopted.status()["phase"]["name"] == "Probation"
    adopted.start_daemon()
    adopted.wait_for("RolledBack", oid)


def test_without_room_for_a_new_generation_going_back_is_one_rename(adopted: AdoptedHost) -> None:
    push = adopted.push({"mail.yaml": BROKEN})
    adopted.sh("mount -t tmpfs -o size=4k,mode=700 tmpfs /var/lib/reconciler/private/stage 2>&1 ||"
            " { mkdir -p /var/lib/reconciler/private/stage;"
            " mount -t tmpfs -o size=4k,mode=700 tmpfs /var/lib/reconciler/private/stage; }")  # fmt: skip
    mailed(adopted)
    status = adopted.wait_for("RolledBack", push.oid)
    adopted.sh("umount -l /var/lib/reconciler/private/stage")
    assert status["live"]["revision"] != push.oid
    assert mailed(adopted).startswith("250")


def test_nothing_runs_while_nothing_is_logged(adopted: AdoptedHost) -> None:
    adopted.push({"tables/transport": "idle.test  relaylim:\n"})
    pid = adopted.sh("pgrep -of 'reconciler run'")

    def switches() -> str:
        return adopted.sh(f"cat /proc/{pid}/task/*/status 2>/dev/null | grep ^voluntary_ctxt")  # a thread may end

    def rests() -> bool:
        """Whether no thread runs for some seconds; a daemon that wakes up now and then never rests so long."""
        before = switches()
        time.sleep(2.5)
        return switches() == before

    adopted.patiently(rests, "the end of all that the pass left behind")
    before = switches()
    mailed(adopted)
    adopted.host.wait_for(lambda: switches() != before, what="the look at the log")


def test_a_cause_that_was_there_before_excuses_its_like() -> None:
    settings = '[probation]\ntime = "6s"\n' + UNREHEARSED
    with AdoptedHost(settings=settings, state={**STATE, "mail.yaml": BROKEN}) as adopted:
        assert mailed(adopted).startswith("451 4.3.5")
        adopted.wait_for_phase("Refusing")  # back to what the host had before it was adopted
        oid = adopted.tip()
        adopted.stop_daemon()
        adopted.sh('sed -i \'s/"6s"/"0s"/\' /etc/reconciler.toml')
        adopted.reconciler("once", oid)
        mailed(adopted)
        adopted.sh('sed -i \'s/"0s"/"6s"/\' /etc/reconciler.toml')
        adopted.start_daemon()
        push = adopted.push({"tables/transport": "other.test  relaylim:\n"})
        assert adopted.told()["phase"]["name"] == "Probation"
        assert mailed(adopted).startswith("451 4.3.5")
        status = adopted.wait_for_phase("Steady")
        assert status["live"]["revision"] == push.oid


JOURNAL = """
import json, select, subprocess, sys, time
from reconciler.host.effects import Host
from reconciler.host.maillog import open_log
from reconciler.daemon.watch import changes
log = open_log(Host(), {"maillog_file": "", "mail_owner": "postfix"})
number = changes(log.places)
poll = select.poll()
poll.register(number, select.POLLIN)
mark = log.mark()
subprocess.run(["logger", "-p", "mail.info", "-t", "postfix/smtpd[1]", "fatal: x"], check=True)
woken = bool(poll.poll(10000))
time.sleep(1)
print(json.dumps([type(log).__name__, woken, len(log.since(mark))]))
"""


def test_a_line_in_the_journal_ends_the_sleep_as_one_in_a_file_does(systemd_host: Host) -> None:
    environment = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
    told = systemd_host.run(sys.executable, "-c", JOURNAL, env=environment).stdout
    assert json.loads(told) == ["SystemdJournal", True, 1]
