"""A host that an earlier version was installed on and adopted is upgraded in place, and goes on as it was.

Needs the history of the checkout: the earlier version is taken from it.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.deploy.installation import fetched, install, master, wheels
from tests.e2e.deploy.test_deploy import CLONE, banner, clone, delivered, push, send, shown
from tests.e2e.hosts import CHECKOUT, Host, HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["wheels"]

BEFORE_THE_FOLDERS = "3ae6ec3554d0f1fe65786bed3efb17a30ffd070a"
EARLIER = "/root/earlier"
OVERRIDE = "/etc/systemd/system/reconciler.service.d/override.conf"
# What an administrator had added to the earlier unit.
OWN = """\
[Service]
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETUID
CapabilityBoundingSet=CAP_SETGID CAP_SETPCAP CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_NET_BIND_SERVICE CAP_NET_ADMIN
CapabilityBoundingSet=CAP_SYS_PTRACE
SystemCallFilter=@system-service @mount @chown sethostname
SystemCallErrorNumber=EPERM
RestrictNamespaces=mnt net pid uts ipc
UMask=0077
TasksMax=2000
MemoryMax=1G
LimitCORE=1
"""


def earlier_version() -> str:
    """Return the last version with one folder, as a compressed archive in base64."""
    archived = subprocess.run(
        ["git", "archive", "--format=tar", BEFORE_THE_FOLDERS], cwd=CHECKOUT, capture_output=True, check=False
    )
    if archived.returncode:
        reason = archived.stderr.decode(errors="replace").strip()
        pytest.fail(f"this test needs the history of the checkout (git fetch --unshallow): {reason}", pytrace=False)
    return base64.b64encode(gzip.compress(archived.stdout)).decode()


def needed_then() -> str:
    """Return a folder with the wheel that the earlier version needs, and this one only for its tests."""
    lock = (CHECKOUT / "tests" / "requirements.lock").read_bytes()
    pinned = re.search(rb"^psutil==.*\n(?:    .*\n)+", lock, re.MULTILINE)
    assert pinned
    return fetched(pinned[0]).as_uri()


def records(host: Host, *command: str) -> list[dict[str, Any]]:
    """Return the lines of JSON that a command of reconciler's prints."""
    return [json.loads(line) for line in host.run("reconciler", *command, "--json", check=False).stdout.splitlines()]


@pytest.fixture(scope="module")
def host(wheels: str) -> Iterator[Host]:
    """Return a host where the earlier version has worked for a while, upgraded by deploy/install."""
    with Host(systemd=True, postfix=True) as made:
        made.write(OVERRIDE, OWN)
        made.run("bash", "-c", f"mkdir {EARLIER} && base64 -d | tar -xz -C {EARLIER}", input=earlier_version())
        env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"{wheels} {needed_then()}"}
        made.run(f"{EARLIER}/deploy/install", "--yes", env=env, timeout=180)
        clone(made)
        yield made


def test_an_upgrade_keeps_generations_journal_phase_and_repository(host: Host, wheels: str) -> None:
    for text in ("first", "second"):
        assert "live and verified" in push(host, text)
    host.run("reconciler", "rollback")
    host.run("reconciler", "resume")
    with pytest.raises(HostError, match="refused, nothing changed"):
        push(host, "unknown $parameter")
    host.run("git", "-C", CLONE, "reset", "--quiet", "--hard", "HEAD^")
    assert "live and verified" in push(host, "third")
    host.run("postconf", "-e", "smtpd_client_connection_count_limit=7")
    host.wait_for(lambda: records(host, "log", "-1")[0].get("drift"), what="the hand edit to be put back")
    before, status = records(host, "log", "-50"), records(host, "status")[0]
    generations = host.run("ls", "/var/lib/reconciler/generations").stdout
    notes = host.run("git", "-C", "/srv/mail-state.git", "notes", "--ref=reconciler", "list").stdout
    mail = master(host)

    assert "restarting reconciler.service" in install(host, wheels, "--yes").stderr

    host.wait_for(lambda: records(host, "status")[0]["daemon"], what="the new daemon")
    after = records(host, "status")[0]
    after["live"].pop("subject")  # which the version before did not tell
    assert records(host, "log", "-50") == before
    assert {name: after[name] for name in ("phase", "live", "last")} == {
        name: status[name] for name in ("phase", "live", "last")
    }
    assert host.run("ls", "/var/lib/reconciler/generations").stdout == generations
    assert host.run("git", "-C", "/srv/mail-state.git", "notes", "--ref=reconciler", "list").stdout == notes
    assert (master(host), banner(host)) == (mail, "220 third")
    assert "before it" in host.run("reconciler", "why", "smtpd_banner").stdout

    assert host.read(OVERRIDE) == OWN
    assert shown(host, "MemoryMax", "TasksMax") == {"MemoryMax": str(1 << 30), "TasksMax": "2000"}
    told = push(host, "fourth")
    assert "live and verified" in told
    assert "flows: 3 of 3 passed" in told
    send(host, "after the upgrade")
    delivered(host, "after the upgrade")
    host.run("reconciler", "rollback")
    assert banner(host) == "220 third"
    host.run("reconciler", "resume")
