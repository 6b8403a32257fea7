"""With confirm.mode manual a commit stays only when a person says so in time."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import MAIL, STATE, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

MANUAL = '[probation]\ntime = "0s"\n[confirm]\nmode = "manual"\ntime = "10m"\n'


@pytest.fixture(scope="module")
def _asking() -> Iterator[Site]:
    with Site(settings=MANUAL) as site:
        yield site


@pytest.fixture
def site(_asking: Site) -> Site:
    """A host that asks for a word on each commit, with a good one live and confirmed."""
    _asking.push({**STATE, "tables/transport": f"good.test  relaylim:\n# {time.monotonic_ns()}\n"})
    assert _asking.reconciler("confirm").status == 0
    _asking.wait_for_phase("Steady")
    return _asking


def within(site: Site, limit: str) -> None:
    """Give commits that much time from now on."""
    site.stop_daemon()
    site.sh(f'sed -i \'s/^time = "[1-9].*"/time = "{limit}"/\' /etc/reconciler.toml')
    site.start_daemon()


def test_a_commit_that_is_confirmed_stays(site: Site) -> None:
    push = site.push({"tables/transport": "kept.test  relaylim:\n"})
    assert re.search(r"goes back at \d\d:\d\d unless somebody says `reconciler confirm`", push.text)
    phase = site.told()["phase"]
    assert (phase["name"], phase["confirm"]) == ("Probation", True)
    assert "unless somebody says `reconciler confirm`" in site.reconciler("status").text
    done = site.reconciler("confirm")
    assert (done.status, done.text) == (0, f"confirmed: generation {phase['generation']} ({push.oid[:7]}) stays\n")
    assert site.told()["phase"] == {"name": "Steady"}
    assert site.log("-1")[0]["why"] == "confirmed by root"
    done = site.reconciler("confirm")
    assert (done.status, done.text) == (0, "nothing to confirm: no commit is on probation\n")
    assert site.told()["live"]["revision"] == push.oid


def test_a_commit_that_nobody_confirms_goes_back_and_says_why(site: Site) -> None:
    before = site.told()["live"]
    within(site, "2s")
    push = site.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n"})
    status = site.wait_for("RolledBack", push.oid)
    within(site, "10m")
    (finding,) = status["last"]["findings"]
    assert finding["rule"] == "not-confirmed"
    assert finding["text"].startswith("not confirmed within 2s")
    assert status["phase"] == {"name": "Refusing", "revision": push.oid}
    assert status["live"]["revision"] == before["revision"]
    assert site.postconf("smtpd_helo_required") == "no"
    assert "nobody confirmed it" in site.notes(push.oid)
    again = site.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n", "tables/transport": "x.test relaylim:\n"})
    assert site.reconciler("confirm").status == 0
    assert site.told()["live"]["revision"] == again.oid


def test_once_without_a_daemon_waits_for_a_word_and_the_daemon_keeps_the_time(site: Site) -> None:
    before = site.told()["live"]["revision"]
    within(site, "2s")
    site.stop_daemon()
    oid = site.write_past_hook({**STATE, "tables/transport": "alone.test  relaylim:\n"})
    assert "unless somebody says `reconciler confirm`" in site.reconciler("once").text
    phase = json.loads(site.host.read("/var/lib/reconciler/private/phase.json"))
    assert (phase["name"], phase["confirm"], phase["revision"]) == ("Probation", True, oid)
    site.start_daemon()
    assert site.wait_for("RolledBack", oid)["live"]["revision"] == before
    within(site, "10m")


def test_the_time_goes_on_over_a_daemon_that_was_killed(site: Site) -> None:
    within(site, "3s")
    push = site.push({"tables/transport": "killed.test  relaylim:\n"})
    site.stop_daemon(signal.SIGKILL)
    site.start_daemon()
    site.wait_for("RolledBack", push.oid)
    within(site, "10m")


def test_nothing_goes_back_while_an_operator_has_suspended(site: Site) -> None:
    push = site.push({"tables/transport": "waits.test  relaylim:\n"})
    site.reconciler("suspend", "--why", "moving disks")
    assert site.told()["phase"]["probation"]["revision"] == push.oid
    site.reconciler("resume")
    assert site.told()["phase"]["name"] == "Probation"


def test_going_back_by_hand_ends_the_probation(site: Site) -> None:
    site.push({"tables/transport": "by-hand.test  relaylim:\n"})
    site.reconciler("rollback")
    assert "probation" not in site.told()["phase"]
    assert site.reconciler("confirm").text.startswith("nothing to confirm")
    site.push({"tables/transport": "further.test  relaylim:\n"})
    assert site.told()["phase"]["name"] == "Probation"
