"""With confirm.mode manual a commit stays only when a person says so in time."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

PHASE = "/var/lib/reconciler/private/phase.json"
MANUAL = UNREHEARSED + '[probation]\ntime = "0s"\n[confirm]\nmode = "manual"\ntime = "10m"\n'


@pytest.fixture(scope="module")
def _asking() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=MANUAL) as adopted:
        yield adopted


@pytest.fixture
def adopted(_asking: AdoptedHost) -> AdoptedHost:
    """A host that asks for a word on each commit, with a good one live and confirmed."""
    _asking.push({**STATE, "tables/transport": f"good.test  relaylim:\n# {time.monotonic_ns()}\n"})
    assert _asking.reconciler("confirm").status == 0
    _asking.wait_for_phase("Steady")
    return _asking


def within(adopted: AdoptedHost, limit: str) -> None:
    """Give commits that much time from now on."""
    adopted.stop_daemon()
    adopted.sh(f'sed -i \'s/^time = "[1-9].*"/time = "{limit}"/\' /etc/reconciler.toml')
    adopted.start_daemon()


def test_a_commit_that_is_confirmed_stays(adopted: AdoptedHost) -> None:
    push = adopted.push({"tables/transport": "kept.test  relaylim:\n"})
    assert re.search(r"rolled back at \d\d:\d\d unless `reconciler confirm` is run", push.text)
    phase = adopted.told()["phase"]
    assert (phase["name"], phase["confirm"]) == ("Probation", True)
    assert "unless `reconciler confirm` is run" in adopted.reconciler("status").text
    done = adopted.reconciler("confirm")
    assert (done.status, done.text) == (0, f"confirmed: generation {phase['generation']} ({push.oid[:7]}) stays\n")
    assert adopted.told()["phase"] == {"name": "Steady"}
    assert adopted.log("-1")[0]["why"] == "confirmed by root"
    done = adopted.reconciler("confirm")
    assert (done.status, done.text) == (0, "nothing to confirm: no commit is on probation\n")
    assert adopted.told()["live"]["revision"] == push.oid


def test_a_commit_that_nobody_confirms_goes_back_and_says_why(adopted: AdoptedHost) -> None:
    before = adopted.told()["live"]
    within(adopted, "2s")
    push = adopted.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n"})
    status = adopted.wait_for("RolledBack", push.oid)
    within(adopted, "10m")
    (finding,) = status["last"]["findings"]
    assert finding["rule"] == "not-confirmed"
    assert finding["text"].startswith("not confirmed within 2s")
    assert (finding["file"], finding["line"]) == ("mail.yaml", MAIL.count("\n") + 1), "the only line that was changed"
    assert status["phase"] == {"name": "Refusing", "revision": push.oid}
    assert status["live"]["revision"] == before["revision"]
    assert adopted.postconf("smtpd_helo_required") == "no"
    adopted.patiently(lambda: "no operator confirmed it in time" in adopted.notes(push.oid), "the note")
    again = adopted.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n", "tables/transport": "x.test relaylim:\n"})
    assert adopted.reconciler("confirm").status == 0
    assert adopted.told()["live"]["revision"] == again.oid


def test_a_rollback_that_was_recorded_is_told_before_its_phase_is_written(adopted: AdoptedHost) -> None:
    within(adopted, "2s")
    push = adopted.push({"tables/transport": "recorded.test  relaylim:\n"})
    on_probation = adopted.host.read(PHASE)
    assert json.loads(on_probation)["revision"] == push.oid
    adopted.wait_for("RolledBack", push.oid)
    adopted.stop_daemon()
    adopted.host.write(PHASE, on_probation)  # as if it was killed in between

    status = json.loads(adopted.reconciler("status", "--json").text)

    assert (status["last"]["outcome"], status["last"]["revision"]) == ("RolledBack", push.oid)
    assert status["phase"] == {"name": "Refusing", "revision": push.oid}
    adopted.start_daemon()
    within(adopted, "10m")


def test_once_without_a_daemon_waits_for_a_word_and_the_daemon_keeps_the_time(adopted: AdoptedHost) -> None:
    before = adopted.told()["live"]["revision"]
    within(adopted, "2s")
    adopted.stop_daemon()
    oid = adopted.write_past_hook({**STATE, "tables/transport": "alone.test  relaylim:\n"})
    assert "unless `reconciler confirm` is run" in adopted.reconciler("once").text
    phase = json.loads(adopted.host.read(PHASE))
    assert (phase["name"], phase["confirm"], phase["revision"]) == ("Probation", True, oid)
    adopted.start_daemon()
    assert adopted.wait_for("RolledBack", oid)["live"]["revision"] == before
    within(adopted, "10m")


def test_the_time_goes_on_over_a_daemon_that_was_killed(adopted: AdoptedHost) -> None:
    within(adopted, "3s")
    push = adopted.push({"tables/transport": "killed.test  relaylim:\n"})
    adopted.stop_daemon(signal.SIGKILL)
    adopted.start_daemon()
    adopted.wait_for("RolledBack", push.oid)
    within(adopted, "10m")


def test_nothing_goes_back_while_an_operator_has_suspended(adopted: AdoptedHost) -> None:
    push = adopted.push({"tables/transport": "waits.test  relaylim:\n"})
    adopted.reconciler("suspend", "--why", "moving disks")
    assert adopted.told()["phase"]["probation"]["revision"] == push.oid
    adopted.reconciler("resume")
    assert adopted.told()["phase"]["name"] == "Probation"


def test_going_back_by_hand_ends_the_probation(adopted: AdoptedHost) -> None:
    adopted.push({"tables/transport": "by-hand.test  relaylim:\n"})
    adopted.reconciler("rollback")
    assert "probation" not in adopted.told()["phase"]
    assert adopted.reconciler("confirm").text.startswith("nothing to confirm")
    adopted.push({"tables/transport": "further.test  relaylim:\n"})
    assert adopted.told()["phase"]["name"] == "Probation"
