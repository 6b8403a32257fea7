"""The Debian package on throw-away hosts: adoption, an upgrade under a running daemon, removal and purge.

The release before is this one with a lower version, and with a module that this one does not have.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Self

import pytest

from tests.e2e.deploy.installation import INSTALL, UNCOMPRESSED, hand_over, master, package, wheels
from tests.e2e.deploy.test_deploy import CLONE, UNINSTALL, UNIT, banner, clone, delivered, push, send
from tests.e2e.deploy.test_upgrade import OVERRIDE, records
from tests.e2e.hosts import Host

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["package", "wheels"]

DEBS = "/var/tmp"
EARLIER = "0.0.9"
HOME = "/usr/lib/reconciler"
GONE = f"{HOME}/site-packages/reconciler/gone.py"
OUT = "reconciler@out.service"
OWN = "[Service]\nMemoryMax=1G\n"
# What is of the tests and of containers goes, and what only takes time: lists of packages.
SETTLE = """
    rm -rf /usr/local/bin/reconciler /usr/sbin/policy-rc.d /var/lib/apt/lists
    mkdir -p /var/lib/apt/lists/partial"""
# Make the package of the release before from this one.
AGE = r"""
    dpkg-deb -R "$1" "$2" && sed -i "s/^Version: .*/Version: $3/" "$2/DEBIAN/control" &&
    sed -i "s/^Version: .*/Version: $3/" "$2"/usr/lib/reconciler/site-packages/postfix_reconciler-*/METADATA &&
    touch "$2$4" && dpkg-deb --root-owner-group --build "$2" "$5" """


@pytest.fixture
def earlier(package: Path, tmp_path: Path) -> Path:
    """Return the package of the release before."""
    earlier = tmp_path / f"{EARLIER}.deb"
    age = ("bash", "-ec", AGE, "age", package, tmp_path / "earlier", EARLIER, GONE, earlier)
    subprocess.run(age, env={"PATH": "/usr/bin:/bin", **UNCOMPRESSED}, check=True, capture_output=True, timeout=120)
    return earlier


class _Fresh(Host):
    """A host that systemd runs, with packages as files, and nothing of the tests'."""

    def __init__(self, **debs: Path) -> None:
        super().__init__(systemd=True, postfix=True)
        self._debs = debs

    def __enter__(self) -> Self:
        super().__enter__()
        for name, deb in self._debs.items():
            shutil.copy(deb, f"{self.root}{DEBS}/{name}.deb")
        self.run("sh", "-c", SETTLE)
        return self


def apt(host: Host, deb: str) -> str:
    """Install a package as administrators do; its dependencies must be there."""
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    return host.run("apt-get", "install", "--yes", "--allow-downgrades", f"{DEBS}/{deb}", env=env).stdout


def known(host: Host, *instance: str) -> dict[str, Any]:
    """Return what reconciler remembers of its work."""
    status = records(host, *instance, "status")[0]
    return {
        "journal": records(host, *instance, "log", "-50"),
        "generations": host.run("ls", f"/var/lib/reconciler{'-out' if instance else ''}/generations").stdout,
        **{name: status[name] for name in ("phase", "live", "last")},
    }


def running(host: Host) -> dict[str, str]:
    """Return the processes of the daemons."""
    show = ("systemctl", "show", "--property=MainPID", "--value")
    return {unit: host.run(*show, unit).stdout.strip() for unit in (UNIT, OUT)}


def is_folder(host: Host, path: str) -> bool:
    """Whether the path is a folder, and no link to one."""
    return host.run("stat", "-c", "%F", path).stdout == "directory\n"


def found(host: Host, *paths: str) -> list[str]:
    """Return which of the paths exist."""
    return host.run(
        "bash", "-c", 'for one; do [[ ! -e $one && ! -L $one ]] || echo "$one"; done', "found", *paths
    ).stdout.split()


def test_a_host_is_adopted_upgraded_and_given_back(package: Path, earlier: Path) -> None:
    with _Fresh(this=package, earlier=earlier) as host:
        before = host.run("cat", "/etc/postfix/main.cf", "/etc/postfix/master.cf").stdout
        apt(host, "earlier.deb")
        assert host.run("systemctl", "is-enabled", UNIT, check=False).stdout == "disabled\n"
        assert "  - recipient_delimiter " in host.run("reconciler-install", "--plan").stdout
        assert host.run("cat", "/etc/postfix/main.cf", "/etc/postfix/master.cf").stdout == before
        assert found(host, "/etc/reconciler.toml", "/srv/mail-state.git", GONE) == [GONE]

        host.run("reconciler-install", "--yes")
        host.run("reconciler-install", "--yes", "--instance", "out")
        clone(host)
        assert "live and verified" in push(host, "packaged")
        send(host, "adopted")
        delivered(host, "adopted")
        upgrade(host)
        remove(host)
        purge(host, before)


def upgrade(host: Host) -> None:
    host.write(OVERRIDE, OWN)
    memory, daemons, mail = (known(host), known(host, "--instance", "out")), running(host), master(host)

    apt(host, "this.deb")

    host.wait_for(lambda: records(host, "status")[0]["troubles"] == [], what="the daemon to go on after dpkg")
    assert (known(host), known(host, "--instance", "out")) == memory
    assert all(pid not in {"0", daemons[unit]} for unit, pid in running(host).items())
    assert (master(host), banner(host), host.read(OVERRIDE)) == (mail, "220 packaged", OWN)
    assert EARLIER not in host.run("reconciler", "--version").stdout
    assert found(host, GONE, "/usr/share/man/man8/reconciler.8.gz") == ["/usr/share/man/man8/reconciler.8.gz"]
    assert "live and verified" in push(host, "upgraded")
    host.run("postconf", "-e", "smtpd_client_connection_count_limit=7")
    host.wait_for(lambda: records(host, "log", "-1")[0].get("drift"), what="the hand edit to be put back")
    send(host, "upgraded")
    delivered(host, "upgraded")


def remove(host: Host) -> None:
    mail = master(host)
    hold = host.start("flock", "-F", "/var/lib/reconciler/private/lock", "sleep", "1000")
    host.wait_for(lambda: host.run("flock", "-n", "/var/lib/reconciler/private/lock", "true", check=False).returncode)
    refused = host.run("dpkg", "--remove", "reconciler", check=False)
    assert refused.returncode == 1
    assert "the package stays, because Postfix's configuration is a link" in refused.stderr
    assert host.run("systemctl", "is-active", UNIT).stdout == "active\n"
    hold.kill()
    host.wait_for(
        lambda: not host.run("flock", "-n", "/var/lib/reconciler/private/lock", "true", check=False).returncode
    )
    live = host.run("postconf", "-n").stdout

    host.run("dpkg", "--remove", "reconciler")

    assert is_folder(host, "/etc/postfix")
    assert is_folder(host, "/etc/postfix-out")
    assert host.run("postconf", "-n").stdout == live
    assert (master(host), banner(host)) == (mail, "220 upgraded")
    assert running(host) == {UNIT: "0", OUT: "0"}
    assert (
        found(host, HOME, "/usr/bin/reconciler", "/etc/systemd/system/multi-user.target.wants/reconciler.service") == []
    )
    kept = ["/etc/reconciler.toml", "/etc/reconciler/out.toml", "/var/lib/reconciler", "/srv/mail-state.git", OVERRIDE]
    assert found(host, *kept) == kept
    send(host, "removed")
    delivered(host, "removed")


def purge(host: Host, before: str) -> None:
    link = "/etc/postfix-link"
    host.run("ln", "-s", "/var/lib/reconciler/live/postfix", link)
    refused = host.run("dpkg", "--purge", "reconciler", check=False)
    assert (refused.returncode, f"{link} leads to the state, so nothing is purged" in refused.stderr) == (1, True)
    assert found(host, "/etc/reconciler.toml", "/var/lib/reconciler/live/postfix")
    host.run("rm", link)

    told = host.run("dpkg", "--purge", "reconciler").stderr

    gone = ("/etc/reconciler.toml", "/etc/reconciler/out.toml", "/var/lib/reconciler", "/var/lib/reconciler-out")
    assert found(host, *gone) == []
    kept = ["/srv/mail-state.git", "/etc/reconciler/identity.age", "/var/backups/reconciler/postfix"]
    assert found(host, *kept) == kept
    assert "kept: /srv/mail-state.git" in told
    rescued = (f"/var/backups/reconciler/postfix/{name}" for name in ("main.cf", "master.cf"))
    assert host.run("cat", *rescued).stdout == before
    send(host, "purged")
    delivered(host, "purged")


def test_the_package_takes_over_from_deploy_install(package: Path, wheels: str) -> None:
    with _Fresh(this=package) as host:
        hand_over(host, wheels)
        clone(host)
        assert "live and verified" in push(host, "from the checkout")
        memory, mail = known(host), master(host)

        assert "taking over from deploy/install" in apt(host, "this.deb")

        host.wait_for(lambda: records(host, "status")[0]["troubles"] == [], what="the daemon to go on after dpkg")
        assert known(host) == memory
        assert (master(host), banner(host)) == (mail, "220 from the checkout")
        old = ("/opt/reconciler", "/usr/local/bin/reconciler", f"/etc/systemd/system/{UNIT}")
        assert found(host, *old) == []
        assert host.run("systemctl", "is-enabled", UNIT).stdout == "enabled\n"
        shown = host.run("systemctl", "show", UNIT, "--property=ExecStart,MainPID").stdout
        assert "path=/usr/bin/reconciler" in shown
        host.run("/usr/local/sbin/site-removed", "12")
        assert host.run("reconciler-install", "--yes").stderr.count("\n") == 1  # nothing left to do
        assert "live and verified" in push(host, "from the package")
        for command in (INSTALL, UNINSTALL):
            refused = host.run(command, "--yes", check=False)
            assert (refused.returncode, "the Debian package of reconciler is installed" in refused.stderr) == (1, True)
        host.run("apt-get", "remove", "--yes", "reconciler")
        assert is_folder(host, "/etc/postfix")
        assert found(host, "/usr/local/sbin/site-removed", f"{CLONE}/mail.yaml") == [f"{CLONE}/mail.yaml"]
