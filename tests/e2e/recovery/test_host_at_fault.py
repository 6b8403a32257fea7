"""What only the host is to blame for quarantines no commit, and a recovery ends nothing that works."""

from __future__ import annotations

import errno
import json

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.asked_servers import end_servers, serve
from tests.e2e.crash_driver import KILLED, RESTART, CrashDriver, crash_driver
from tests.e2e.push.test_next_start import LOGINS, ONE_SMTPD, SOCKET

PATIENT = "  service_throttle_time: 1s\n" + ONE_SMTPD
SIGNAL = "signal"


def activation(driver: CrashDriver) -> int:
    """Return the number of the effect that has Postfix read its configuration, after a whole run.

    Postfix is restarted then: after a reload, which nothing waits for, a server of that run may be the next to answer.
    """
    driver.save("before")
    whole = driver.run("once")
    assert whole.status == 0, whole.output
    driver.restore(RESTART)
    return next(number for number, what in enumerate(whole.effects, 1) if SIGNAL in what)


def phase(driver: CrashDriver) -> str:
    return str(json.loads(driver.host.read("/var/lib/reconciler/private/phase.json"))["name"])


def test_a_reload_that_could_not_be_sent_postpones_the_commit_and_starts_nothing_anew() -> None:
    with crash_driver() as driver:
        driver.run("once")
        driver.adopted.write_past_hook({"tables/transport": "new.test  smtp:[127.0.0.1]:2525\n"}, "New")
        number, master = activation(driver), driver.adopted.master()
        for error in (errno.EPERM, errno.EIO, errno.ENOSPC):
            ran = driver.run("once", at=number, when="once", error=error)
            assert ran.status == 75, ran.output
            assert "what was live before is live again" in ran.output
            assert phase(driver) == "Retrying"
            assert "new.test" not in driver.host.read("/etc/postfix/transport")
            assert driver.adopted.master() == master, "nothing was read, so nothing has to be restarted"
            driver.answers(errno.errorcode[error])
        driver.succeed("once")
        assert "new.test" in driver.host.read("/etc/postfix/transport")


def test_a_recovery_waits_while_it_would_end_a_listener_whose_password_server_is_gone() -> None:
    with crash_driver() as driver:
        adopted = driver.adopted
        serve(adopted, "logins", SOCKET)
        adopted.write_past_hook({"mail.yaml": LOGINS + PATIENT}, "Logins")
        driver.succeed("once")
        adopted.write_past_hook({"mail.yaml": MAIL + PATIENT}, "No logins")
        number = activation(driver)
        assert adopted.answers()
        assert driver.run("once", at=number, when="before").status == KILLED
        end_servers(adopted, SOCKET)
        for _ in range(2):
            ran = driver.run("once")
            assert ran.status == 75, ran.output
            assert "an interrupted pass is undone then" in ran.output
            assert adopted.answers()
        serve(adopted, "logins", SOCKET)
        driver.succeed("once")
        assert adopted.answers()
        assert adopted.postconf("smtpd_sasl_auth_enable") == "no"


def test_a_server_whose_master_was_killed_takes_no_port_from_its_successor() -> None:
    with AdoptedHost(daemon=False, settings=UNREHEARSED) as adopted, adopted.host.connect() as client:
        assert client.recv(4096).startswith(b"220 ")
        adopted.host.run("pkill", "-KILL", "-x", "master")
        adopted.host.run("pgrep", "-x", "smtpd")
        assert is_ours(adopted)
        assert adopted.once().status == 0
        assert adopted.answers()


def is_ours(adopted: AdoptedHost) -> bool:
    """Tell whether every socket of port 25 counts as one of the managed Postfix."""
    found = [one for one in json.loads(adopted.reconciler("facts").text)["listeners"] if one["port"] == 25]
    return bool(found) and all(one["ours"] for one in found)
