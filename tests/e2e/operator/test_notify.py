"""The administrator's program gets the result of every pass, also of those that nobody waits for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM, GOT = "/usr/local/sbin/notify", "/root/notified"
SETTINGS = f'{UNREHEARSED}[notify]\nrun = "{PROGRAM}"\n'
WORKS = f"#!/bin/sh\ncat >>{GOT}\n"


@pytest.fixture(scope="module")
def notified() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=SETTINGS, daemon=False) as adopted:
        have(adopted, WORKS)
        adopted.start_daemon()
        yield adopted


def have(adopted: AdoptedHost, program: str) -> None:
    """Replace the program in one step: the daemon may start it at any moment."""
    adopted.host.write(f"{PROGRAM}.new", program, 0o755)
    adopted.sh(f"mv {PROGRAM}.new {PROGRAM}")


def results(adopted: AdoptedHost, count: int) -> list[dict[str, Any]]:
    """Wait for that many results, and return them; the program is to get no more."""

    def got() -> list[dict[str, Any]]:
        text = adopted.sh(f"cat {GOT} 2>/dev/null || true")
        lines = [json.loads(line) for line in text.splitlines()]
        return lines if len(lines) >= count else []

    lines = adopted.patiently(got, f"{count} results")
    assert len(lines) == count
    adopted.sh(f"rm {GOT}")
    return lines


def test_results_come_in_order_also_those_of_a_daemon_that_was_killed(notified: AdoptedHost) -> None:
    good = notified.push({"tables/transport": "one.test  relaylim:\n"}, "One")
    bad = notified.write_past_hook({"mail.yaml": MAIL + "  smtpd_sender_restrictions: reject_unknwon\n"}, "Typo")
    notified.wait_for("Refused", bad)
    first, second = results(notified, 2)
    assert first["host"] == "mx1.example.com"
    assert (first["outcome"], first["revision"], first["priority"]) == ("Applied", good.oid, "info")
    assert first["text"].startswith(f"applied {good.oid[:7]} (Ada <ada@example.com>: One) as generation ")
    assert (second["outcome"], second["revision"], second["priority"]) == ("Refused", bad, "warning")
    assert "unknown restriction" in second["text"]
    assert second["findings"][0]["rule"] == "unknown-restriction"

    notified.sh("postconf -e smtpd_banner=hello")
    (third,) = results(notified, 1)
    assert third["priority"] == "warning"
    assert "reverted a hand edit of main.cf" in third["text"]

    notified.stop_daemon()
    fixed = notified.write_past_hook({"mail.yaml": MAIL})
    assert notified.reconciler("once").status == 0
    notified.start_daemon()
    told = [(one["outcome"], one["revision"]) for one in results(notified, 2)]
    assert told == [("Superseded", bad), ("Unchanged", fixed)]


def test_a_program_that_fails_delays_no_pass_and_gets_the_result_later(notified: AdoptedHost) -> None:
    have(notified, "#!/bin/sh\necho no route >&2; exit 1\n")
    push = notified.push({"tables/transport": "two.test  relaylim:\n"}, "Two")
    assert "live and verified" in push.text
    limit = notified.wait_for_limit("notify.run: ")
    assert "no route" in limit
    later = notified.push({"tables/transport": "three.test  relaylim:\n"}, "Three")
    assert "live and verified" in later.text
    have(notified, WORKS)
    assert [one["revision"] for one in results(notified, 2)] == [push.oid, later.oid]
    notified.patiently(lambda: not any("notify.run" in one for one in notified.told()["limits"]), "no trouble")


def test_a_program_that_hangs_keeps_the_daemon_from_nothing(notified: AdoptedHost) -> None:
    have(notified, "#!/bin/sh\nexec sleep 1000\n")
    push = notified.push({"tables/transport": "four.test  relaylim:\n"}, "Four")
    assert "live and verified" in push.text
    assert notified.stop_daemon() == 0
    have(notified, WORKS)
    notified.start_daemon()
    (one,) = results(notified, 1)
    assert one["revision"] == push.oid
