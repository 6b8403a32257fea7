"""``reconciler status`` says truly whether an operator must act, and its exit status says it to scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, REPOSITORY, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPO = MAIL + "  smtpd_sender_restrictions: reject_unknown_sender_domian\n"
CERTIFICATE = """
cd /etc/ssl && openssl req -x509 -newkey ec -pkeyopt group:P-256 -nodes -days {days} \\
    -subj /CN=mx1.example.com -keyout key \\
    -out cert 2>/dev/null && cat key cert >mx.pem && chmod 600 mx.pem
"""
TLS = MAIL + "  smtpd_tls_chain_files: /etc/ssl/mx.pem\n  smtpd_tls_security_level: may\n"


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=UNREHEARSED) as one:
        yield one


def told(adopted: AdoptedHost) -> tuple[int, str, str, str]:
    """Return the exit status, the first and the last line, and all of it; both forms agree where nothing changes."""
    verdict: dict[str, str] = {}
    while True:
        shown, raw, before = adopted.reconciler("status"), adopted.reconciler("status", "--json"), verdict
        verdict = json.loads(raw.text)["verdict"]
        if verdict == before:  # before and after it was shown
            break
    first, *_, last = shown.text.splitlines()
    assert raw.status == shown.status == {"well": 0, "attention": 1, "stopped": 2}[verdict["level"]]
    assert len(first) <= 80
    assert last == f"next: {verdict['next']}"
    return shown.status, first.removeprefix("mx1.example.com   "), last.removeprefix("next: "), shown.text


def test_a_commit_that_is_live_and_then_one_that_is_refused(adopted: AdoptedHost) -> None:
    push = adopted.push({"tables/transport": "one.test  relaylim:\n"}, "One")
    status, first, command, text = told(adopted)
    generation = adopted.told()["live"]["generation"]
    assert (status, first, command) == (0, f"OK: generation {generation} is live", "nothing to do")
    assert f"\n  live       generation {generation}, {push.oid[:7]}  One\n" in text
    assert f"\n  branch     main is at {push.oid[:7]}: applied " in text

    bad = adopted.write_past_hook({"mail.yaml": TYPO}, "Typo")
    adopted.wait_for("Refused", bad)
    status, first, command, text = told(adopted)
    assert (status, first) == (1, f"ATTENTION: commit {bad[:7]} was refused")
    assert command == f"reconciler log {bad[:7]}"
    assert (
        "\n             1 commit ahead of what is live: Typo\n  error      mail.yaml:5:30: unknown restriction" in text
    )
    assert "unknown restriction" in adopted.reconciler(*command.split()[1:]).text

    adopted.push({"mail.yaml": MAIL}, "Fixed")
    assert told(adopted)[0] == 0


def test_postfix_that_somebody_stops(adopted: AdoptedHost) -> None:
    adopted.sh("postfix stop")
    adopted.host.wait_for(
        lambda: " with `postfix stop`" in adopted.reconciler("status").text, what="the line of the log"
    )
    status, first, command, text = told(adopted)
    assert (status, first, command) == (2, "ATTENTION: Postfix is stopped", "postfix start")
    assert " STOPPED at " in text
    assert " with `postfix stop`\n" in text
    adopted.sh(command)
    assert told(adopted)[:2] == (0, f"OK: generation {adopted.told()['live']['generation']} is live")


def test_a_daemon_that_does_not_run_and_commits_that_nobody_applies(adopted: AdoptedHost) -> None:
    adopted.stop_daemon()
    status, first, command, _ = told(adopted)
    assert (status, first, command) == (1, "ATTENTION: the daemon is not running", "systemctl start reconciler")
    for number in range(2):
        oid = adopted.write_past_hook({"tables/transport": f"waits{number}.test  relaylim:\n"}, f"Waits {number}")
    adopted.sh("postconf -e smtpd_banner=hello")
    status, first, _, text = told(adopted)
    assert first == "ATTENTION: the daemon is not running; main is 2 commits ahead"
    assert "\n  also       edited by hand: main.cf" in text
    assert f"main is at {oid[:7]}: not looked at yet\n" in text
    adopted.start_daemon()
    adopted.wait_for("Applied", oid)
    assert told(adopted)[0] == 0


def test_a_rollback_a_resume_and_a_commit_that_is_left(adopted: AdoptedHost) -> None:
    tip = adopted.tip()
    adopted.reconciler("rollback")
    status, first, _, text = told(adopted)
    assert status == 0
    assert first.endswith(" is live, and passes are suspended")
    assert "\n  suspended  by root: rollback of " in text
    done = adopted.reconciler("resume").text
    assert done.startswith("resumed: the suspension by root has ended (rollback of ")
    assert f"commit {tip[:7]} is not applied again" in done
    status, first, command, _ = told(adopted)
    assert (status, first) == (1, f"ATTENTION: commit {tip[:7]} was rolled back by hand")
    assert command == f"push a fix, or reconciler once {tip[:7]}"
    assert adopted.once(tip).status == 0
    adopted.patiently(lambda: told(adopted)[0] == 0, "a pass of the daemon, which may have met that one")
    assert adopted.reconciler("resume").text == "nothing to resume: reconciler is neither suspended nor halted\n"

    def is_halted() -> bool:
        halted = json.dumps({"name": "Halted", "reason": "planted"})
        adopted.host.write("/var/lib/reconciler/private/phase.json", halted, 0o600)
        return told(adopted)[0] == 2

    adopted.patiently(is_halted, "a halt; a pass that had begun writes what it ends in")
    assert adopted.reconciler("resume").text == "resumed: the halt has ended (planted); the branch is applied again\n"
    assert told(adopted)[0] == 0


def test_a_certificate_that_ends_soon(adopted: AdoptedHost) -> None:
    adopted.sh(CERTIFICATE.format(days=90))
    assert "live and verified" in adopted.push({"mail.yaml": TLS}, "TLS").text
    assert told(adopted)[0] == 0
    adopted.sh(CERTIFICATE.format(days=6))
    status, first, command, text = told(adopted)
    assert status == 1
    assert first.startswith('ATTENTION: the certificate "mx1.example.com" in "/etc/ssl/m')
    assert '\n  why        the certificate "mx1.example.com" in "/etc/ssl/mx.pem" expires in 5 days\n' in text
    assert command.startswith("renew the certificate")
    adopted.push({"mail.yaml": MAIL}, "No TLS")
    assert told(adopted)[0] == 0


def test_a_repository_that_is_gone(adopted: AdoptedHost) -> None:
    adopted.sh(f"mv {REPOSITORY} /srv/away")
    try:
        status, first, _, text = told(adopted)
        assert (status, first) == (1, f"ATTENTION: repository {REPOSITORY}: No such file or ...")
        assert f"\n  why        repository {REPOSITORY}: No such file or directory\n" in text
    finally:
        adopted.sh(f"mv /srv/away {REPOSITORY}")
    adopted.patiently(lambda: told(adopted)[0] == 0, "a host that is well")


def test_a_folder_is_planned_before_it_is_a_commit(adopted: AdoptedHost) -> None:
    adopted.sh("rm -rf /root/tree && git clone -q /srv/mail-state.git /root/tree")
    assert adopted.reconciler("plan", "--tree", "/root/tree").status == 0
    adopted.sh("echo '  smtpd_banner: hello' >>/root/tree/mail.yaml")
    planned = adopted.reconciler("plan", "--tree", "/root/tree")
    assert planned.status == 2
    assert "+ smtpd_banner  hello" in planned.text
    assert adopted.reconciler("plan").status == 0
