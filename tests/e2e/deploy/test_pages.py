"""Every command on the pages about upgrading and restoring is run as it is written there.

test_upgrade.py installs a much earlier version. Here it is the commit before the last one, which needs the history of
the checkout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.deploy.installation import hand_over, lay_packages, wheels
from tests.e2e.deploy.test_deploy import banner, clone, push
from tests.e2e.hosts import CHECKOUT, Host
from tests.e2e.pages import commands_of, run_page

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["wheels"]

SECRET = "printf geheim | reconciler secret set relay && git add . && git commit -qm 'A secret' && git push -q"


def administrator(host: Host, wheels: str) -> Callable[[str], str]:
    """Return what runs a command as root, with all that pip needs at hand."""

    def run(command: str, **env: str) -> str:
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels}
        return host.run("bash", "-ec", f"cd /root; exec 2>&1; {command}", env=pip | env, timeout=180).stdout

    return run


def checked_out(host: Host) -> None:
    """Have reconciler's checkout where the pages say that it is."""
    host.run("git", "config", "--global", "safe.directory", "*")
    host.run("git", "clone", "--quiet", "--branch", "main", "/root/upstream", "/root/reconciler")


def upstream(host: Host) -> None:
    """Make a repository to pull from, with the last two commits of the checkout."""
    script = f"""
        git config --global safe.directory '*' && git clone --quiet --bare {CHECKOUT} /root/upstream &&
        cd /root/upstream && git update-ref refs/heads/main HEAD && git symbolic-ref HEAD refs/heads/main"""
    host.run("bash", "-ec", script)


def test_a_host_is_upgraded_and_restored_from_its_backup_with_its_identity(wheels: str) -> None:
    with Host(systemd=True, postfix=True) as host:
        run = administrator(host, wheels)
        upstream(host)
        checked_out(host)
        hand_over(host, wheels)
        run("cd /root/reconciler && git reset --quiet --hard HEAD~1")
        clone(host)
        assert "live and verified" in push(host, "before")

        printed = run_page("upgrading", {"mx1": run})

        assert "OK: " in str(printed["reconciler status"])
        assert banner(host) == "220 before"
        run(f"cd /root/clone && {SECRET}")
        for command in (text for who, text in commands_of("restoring") if who == "mx1"):
            run(command)
        backup = host.run("base64", "/root/reconciler.tgz").stdout
        key = host.read("/etc/reconciler/identity.age")

    with Host(systemd=True, postfix=True) as host:
        run = administrator(host, wheels)
        upstream(host)
        checked_out(host)
        lay_packages(host)
        host.run("bash", "-c", "base64 -d >/root/reconciler.tgz", input=backup)
        kept: list[str] = []

        def new(command: str) -> str:
            if "age-keygen" in command and not kept:
                kept.append(host.read("/etc/reconciler/identity.age"))
                assert "secret-not-opened" not in run("reconciler check main")
            return run(command)

        printed = {command: new(command) for who, command in commands_of("restoring") if who == "new"}

        assert kept == [key]
        assert banner(host) == "220 before"
        assert "OK: " in str(printed["reconciler status"])
        assert host.run("stat", "-c", "%a", "/etc/reconciler/identity.age").stdout == "600\n"
