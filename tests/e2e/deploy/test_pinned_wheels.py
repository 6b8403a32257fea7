"""deploy/install takes no file that the lock file does not pin, and a refusal leaves everything as it was."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deploy.installation import LISTING, hand_over, install, wheels
from tests.e2e.deploy.test_deploy import UNINSTALL

if TYPE_CHECKING:
    from tests.e2e.hosts import Host

__all__ = ["wheels"]

REFUSED = "refused, nothing was installed: another file than the lock file pins:\n    watchdog=="
TAMPER = r"""
    mkdir -p "$2" && cp "$1"/*.whl "$2" && cd "$2" && "$3" - watchdog-*.whl <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "a") as wheel:
    wheel.writestr("watchdog/tampered.py", "")
PYTHON"""
# As if the checkout pinned another version than the one that is installed.
OUTDATE = r"""
    cd /opt/reconciler && : >stamp && cd lib/python3.*/site-packages &&
    sed -i 's/^Version: .*/Version: 5.9.1/' watchdog-*.dist-info/METADATA &&
    mv watchdog-*.dist-info watchdog-5.9.1.dist-info"""
INSTALLED = ("find", "/opt/reconciler", "-name", "__pycache__", "-prune", "-o", "-printf", r"%p %s %T@\n")


@pytest.fixture
def tampered(host: Host, wheels: str) -> str:
    """Return a folder of wheels where the one of watchdog has a file more."""
    folder = "/tmp/tampered"
    host.run("bash", "-c", TAMPER, "tamper", wheels.removeprefix("file://"), folder, sys.executable)
    return f"file://{folder}"


def test_a_wheel_of_other_bytes_is_refused_and_nothing_is_left_of_the_installation(host: Host, tampered: str) -> None:
    before = host.run(*LISTING).stdout

    refused = install(host, tampered, "--yes", check=False)

    assert refused.returncode == 1
    assert REFUSED in refused.stderr
    assert refused.stderr.endswith("install: failed: installing the packages for reconciler into /opt/reconciler\n")
    assert host.run(*LISTING).stdout == before
    assert "reconciler is not installed here" in host.run(UNINSTALL).stderr


def test_an_upgrade_that_meets_such_a_wheel_changes_nothing(host: Host, tampered: str, wheels: str) -> None:
    hand_over(host, wheels)
    host.run("bash", "-c", OUTDATE)
    before = sorted(host.run(*INSTALLED).stdout.splitlines())

    refused = install(host, tampered, "--yes", check=False)

    assert refused.returncode == 1
    assert REFUSED in refused.stderr
    assert sorted(host.run(*INSTALLED).stdout.splitlines()) == before
    assert host.run("reconciler", "get", "myhostname").stdout

    install(host, wheels, "--yes")
    assert host.run("/opt/reconciler/bin/python", "-m", "pip", "check").stdout == "No broken requirements found.\n"
