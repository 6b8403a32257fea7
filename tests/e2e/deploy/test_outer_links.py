"""A link in a folder where the unit could not write: what says so, what lets it, and what is left of it at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.adopted_host import unfolded
from tests.e2e.deploy.installation import hand_over, install, wheels
from tests.e2e.deploy.test_deploy import CLONE, UNINSTALL, UNIT, clone, shown

if TYPE_CHECKING:
    from tests.e2e.hosts import Host

__all__ = ["wheels"]

LINK = "/opt/policyd/rules.conf"
PUSH = r"""
    cd "$1" && mkdir -p files && echo "$2" >files/rules.conf &&
    { grep -q ^files: mail.yaml || printf 'files:\n  rules.conf: {link: %s}\n' "$3" >>mail.yaml; } &&
    git add --all && git commit --quiet --message "Rules" && git push 2>&1"""


def push(host: Host, text: str) -> str:
    """Push that text as the file behind the link; what the pusher reads."""
    return unfolded(host.run("bash", "-c", PUSH, "push", CLONE, text, LINK, check=False).stdout)


def test_the_unit_may_write_where_the_settings_say_and_a_removal_gives_the_host_back(
    systemd_host: Host, wheels: str
) -> None:
    host = systemd_host
    host.start_postfix()
    host.run("mkdir", "/opt/policyd")
    host.write(LINK, "the host's\n", 0o640)
    hand_over(host, wheels)
    clone(host)
    settings = host.read("/etc/reconciler.toml")
    host.write("/etc/reconciler.toml", settings.replace("folders = []", 'folders = ["/opt/policyd"]'))
    host.run("systemctl", "restart", UNIT)

    refused = push(host, "first")
    assert "/opt/policyd can't be written here; run `deploy/install` again" in refused, refused

    assert "restarting reconciler.service" in install(host, wheels, "--yes").stderr
    assert "/opt/policyd" in shown(host, "ReadWritePaths")["ReadWritePaths"]
    accepted = push(host, "second")
    assert "live and verified" in accepted, accepted
    assert host.run("stat", "-c", "%F", LINK).stdout == "symbolic link\n"
    assert host.read(LINK) == "second\n"

    host.run(UNINSTALL, "--yes")
    assert host.run("stat", "-c", "%F %a", LINK).stdout == "regular file 644\n"
    assert host.read(LINK) == "second\n"

    host.write(LINK, "the host's\n", 0o640)
    hand_over(host, wheels)
    assert host.read(LINK) == "second\n"
    host.run(UNINSTALL, "--yes", "--rescue", "--purge")
    assert host.run("stat", "-c", "%F %a", LINK).stdout == "regular file 640\n"
    assert host.read(LINK) == "the host's\n"
    assert host.run("ls", "-A", "/opt/policyd").stdout == "rules.conf\n"
