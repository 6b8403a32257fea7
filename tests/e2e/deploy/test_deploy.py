"""The commands of deploy/, on throw-away hosts: what they show, set up, leave alone and put back."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deploy.installation import INSTALL, LISTING, QUICKSTART, hand_over, install, install_anew, master, wheels
from tests.e2e.hosts import CHECKOUT, Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["wheels"]

BACKUP = "/var/backups/reconciler"
UNINSTALL = CHECKOUT / "deploy" / "uninstall"
UNIT = "reconciler.service"
PANEL_HOOK = "/usr/local/sbin/site-removed"
MAN_PAGE = "/usr/local/share/man/man8/reconciler.8"
COMPLETION = "/usr/local/share/bash-completion/completions/reconciler"
COMPLETE = (
    'source "$0"; COMP_WORDS=(reconciler help troub) COMP_CWORD=2; _reconciler_completion reconciler; '
    'echo "${COMPREPLY[@]}"'
)
BOOT_UNIT = "reconciler-egress.service"
CLONE = "/root/clone"
OUR_CGROUP = "system.slice/reconciler.service"


@pytest.fixture(scope="module")
def installed(wheels: str) -> Iterator[Host]:
    """Return a host that systemd runs, handed over with `install --yes`; each test leaves it running and well."""
    with Host(systemd=True, postfix=True) as host:
        hand_over(host, wheels)
        clone(host)
        yield host


def clone(host: Host) -> None:
    """Clone the desired state, as an administrator would."""
    host.run("git", "clone", "--quiet", "/srv/mail-state.git", CLONE)
    host.run("git", "config", "--global", "user.email", "admin@example.com")
    host.run("git", "config", "--global", "user.name", "Admin")


def push(host: Host, banner: str) -> str:
    """Push another smtpd_banner, and return what the person who pushes reads."""
    script = r"""
        cd "$1" && sed -i '/smtpd_banner:/d' mail.yaml && printf '  smtpd_banner: %s\n' "$2" >>mail.yaml &&
        git commit --quiet --all --message "Say $2" && git push 2>&1"""
    return host.run("bash", "-c", script, "push", CLONE, banner).stdout


def banner(host: Host) -> str:
    """Return what port 25 says first."""
    return host.dialogue(["QUIT"])[0]


def cgroup(host: Host, pid: int) -> str:
    """Return which unit a process belongs to."""
    return host.read(f"/proc/{pid}/cgroup").strip().rpartition("::/")[2]


def shown(host: Host, *names: str) -> dict[str, str]:
    """Return what systemd tells about our unit."""
    lines = host.run("systemctl", "show", UNIT, f"--property={','.join(names)}").stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)


def stop_postfix(host: Host) -> None:
    """Stop Postfix as an administrator does; systemctl returns while Debian's real unit is still stopping."""
    host.run("systemctl", "stop", "postfix")
    host.wait_for(lambda: not master(host), what="Postfix to stop")


def delivered(host: Host, subject: str) -> None:
    """Wait until root has the message."""
    host.wait_for(lambda: f"Subject: {subject}\n" in host.run("cat", "/var/mail/root", check=False).stdout)


def send(host: Host, subject: str) -> None:
    """Send root a message over SMTP."""
    assert host.send("a@client.test", "root@localhost", f"Subject: {subject}\n\nHello.").startswith("250")


@pytest.mark.parametrize("command", [QUICKSTART, INSTALL], ids=["quickstart", "install"])
def test_another_mail_server_is_never_removed(bare_host: Host, command: Path) -> None:
    script = r"""
        sed -i '/^Package: postfix-lmdb$/,/^Status:/ s/^Status:.*/Status: deinstall ok not-installed/' "$1"
        printf '\nPackage: exim4\nStatus: install ok installed\nMaintainer: x\nVersion: 1\nArchitecture: all\n' >>"$1"
        printf 'Provides: mail-transport-agent\nDescription: x\n' >>"$1" """
    bare_host.run("bash", "-c", script, "edit", "/var/lib/dpkg/status")
    stopped = bare_host.run(command, check=False)
    assert stopped.returncode == 1
    assert "another mail server is installed: exim4" in stopped.stderr


@pytest.mark.parametrize("command", [QUICKSTART, INSTALL, UNINSTALL], ids=["quickstart", "install", "uninstall"])
def test_ordinary_users_and_wrong_words_are_told_so(bare_host: Host, command: Path) -> None:
    assert bare_host.run(command, user="nobody", check=False).returncode == 77
    assert bare_host.run(command, "--nonsense", check=False).returncode == 64


# ---- install and uninstall -------------------------------------------------------------------------------------------


def test_plan_says_what_adoption_would_take_and_touches_nothing(host: Host) -> None:
    before = host.run(*LISTING).stdout
    told = host.run(INSTALL, "--plan").stdout
    assert "  - recipient_delimiter " in told
    assert "  - uucp/unix " in told
    assert "..." not in told
    assert "would make  /srv/mail-state.git" in told
    assert host.run(*LISTING).stdout == before


def test_install_stops_before_adoption_and_uninstall_puts_the_host_back(systemd_host: Host, wheels: str) -> None:
    host = systemd_host
    host.start_postfix()
    before = host.run("tar", "-C", "/etc/postfix", "--sort=name", "--mtime=@0", "-c", ".").stdout
    ready = install_anew(host, wheels, "--name", "mx7.example.com", check=False)
    assert ready.returncode == 2
    assert "  - recipient_delimiter " in ready.stdout
    assert host.run("test", "-d", "/etc/postfix", "-a", "!", "-L", "/etc/postfix")
    assert host.run("stat", "-c", "%a", "/etc/reconciler/identity.age").stdout == "600\n"
    assert 'name = "mx7.example.com"' in host.read("/etc/reconciler.toml")

    host.write("/etc/reconciler.toml", host.read("/etc/reconciler.toml") + "# mine\n")
    assert install(host, wheels, "--yes").returncode == 0
    assert host.read("/etc/reconciler.toml").endswith("# mine\n")
    own = master(host)
    clone(host)
    host.run("sed", "-i", "1i egress: {}", f"{CLONE}/mail.yaml")
    push(host, "mx7 live")
    host.run("systemctl", "start", BOOT_UNIT)
    assert install(host, wheels, "--yes").stderr.count("\n") == 1  # nothing left to do
    assert host.run("reconciler", "help", "troubles").stdout.startswith("When the host has a trouble\n=====")
    assert host.read(MAN_PAGE) == host.run("reconciler", "help", "--man").stdout
    assert host.run("bash", "-c", COMPLETE, COMPLETION).stdout == "troubles\n"
    assert host.run("ls", f"{CLONE}/.schema").stdout.split() == ["flows.json", "host.json", "mail.json", "site.json"]

    assert host.run(UNINSTALL, check=False).returncode == 2
    live = host.run("postconf", "-n").stdout
    assert host.run("find", BACKUP, "-name", "main.cf").stdout
    host.run(UNINSTALL, "--yes")
    assert not host.run("find", BACKUP, check=False).stdout
    assert host.run("postconf", "-n").stdout == live
    assert host.run("find", "/etc/postfix", "-maxdepth", "0", "-type", "d").stdout
    assert (master(host), banner(host)) == (own, "220 mx7 live")
    assert host.run("systemctl", "cat", UNIT, check=False).returncode
    assert BOOT_UNIT not in host.run("systemctl", "list-units", "--all", "--plain", "reconciler*").stdout
    ours = ("/opt/reconciler", "/usr/local/bin/reconciler", PANEL_HOOK, MAN_PAGE, COMPLETION)
    assert not host.run("find", *ours, check=False).stdout
    assert host.run("git", "-C", "/srv/mail-state.git", "log").stdout

    hand_over(host, wheels)
    assert banner(host) == "220 mx7 live"
    host.run(UNINSTALL, "--yes", "--rescue", "--purge")
    assert host.run("tar", "-C", "/etc/postfix", "--sort=name", "--mtime=@0", "-c", ".").stdout == before
    assert banner(host) == "220 mx1.example.com ESMTP Postfix (Debian/GNU)"
    gone = (
        BACKUP,
        "/srv/mail-state.git",
        "/etc/reconciler.toml",
        "/etc/reconciler/identity.age",
        "/var/lib/reconciler",
    )
    assert not host.run("find", *gone, check=False).stdout


def test_a_folder_of_another_user_outlives_uninstall_and_purge(host: Host, wheels: str) -> None:
    folder = (
        "useradd --system eve; for name; do install -d -o eve /etc/postfix/$name && echo x >/etc/postfix/$name/x; done"
    )
    host.run("bash", "-c", folder, "make", "early")
    hand_over(host, wheels)
    host.run("bash", "-c", folder, "make", "late")
    clone(host)
    push(host, "with folders")
    host.run("reconciler", "once")
    assert host.run("stat", "-c", "%F", "/etc/postfix/early", "/etc/postfix/late").stdout == "symbolic link\n" * 2
    host.run(UNINSTALL, "--yes", "--purge")
    assert host.run("stat", "-c", "%F %U", "/etc/postfix/early").stdout == "directory eve\n"
    assert host.run("cat", "/etc/postfix/early/x", "/etc/postfix/late/x").stdout == "x\nx\n"
    left = host.run("find", "/var/lib/reconciler", "-mindepth", "1", "-maxdepth", "1", check=False).stdout.split()
    assert set(left) <= {"/var/lib/reconciler/others"}
    assert not host.run("find", "/srv/mail-state.git", "/etc/reconciler.toml", check=False).stdout


def test_without_systemd_install_says_what_it_left_out(host: Host, wheels: str) -> None:
    told = hand_over(host, wheels).stderr
    assert "reconciler.service is not installed, because systemd does not run here" in told
    send(host, "adopted")
    delivered(host, "adopted")


@pytest.mark.parametrize("later", [False, True], ids=["at the first installation", "later"])
def test_user_git_can_push_and_owns_every_note(systemd_host: Host, wheels: str, *, later: bool) -> None:
    host = systemd_host
    host.start_postfix()
    if later:
        hand_over(host, wheels)
    host.write("/etc/reconciler.toml", '[daemon]\ngroup = "git"\n')
    told = hand_over(host, wheels).stderr
    assert ("handing /srv/mail-state.git over to git" in told, "restarting reconciler.service" in told) == (
        later,
        later,
    )
    host.run("git", "config", "--system", "safe.directory", "*")
    host.run("git", "clone", "--quiet", "/srv/mail-state.git", "/tmp/clone")
    host.run("chown", "-R", "git:", "/tmp/clone")
    script = r"""
        cd /tmp/clone && git config user.name Git && git config user.email git@example.com &&
        echo '  smtpd_banner: from git' >>mail.yaml &&
        git commit --quiet --all --message 'As git' && git push 2>&1"""
    assert "live and verified" in host.run("bash", "-c", script, user="git").stdout
    assert banner(host) == "220 from git"
    notes = host.run("git", "-C", "/srv/mail-state.git", "log", "--notes=reconciler", "-1", "main", user="git").stdout
    assert "live and verified" in notes
    assert host.run("find", "/srv/mail-state.git", "!", "-user", "git").stdout == ""


# ---- under systemd ---------------------------------------------------------------------------------------------------


def test_systemd_sees_that_it_is_ready_how_it_is_and_that_it_lives(installed: Host) -> None:
    told = shown(installed, "Type", "ActiveState", "StatusText", "WatchdogUSec")
    assert told.pop("StatusText").startswith("Probation: ")
    assert told == {"Type": "notify", "ActiveState": "active", "WatchdogUSec": "5min"}
    sign = "WatchdogTimestampMonotonic"
    before = shown(installed, sign)
    installed.run("systemctl", "reload", UNIT)
    installed.wait_for(lambda: shown(installed, sign) != before, what="another sign of life")


def test_the_unit_leaves_room_for_rehearsals(installed: Host) -> None:
    told = push(installed, "rehearsed")
    assert "flows: 3 of 3 passed" in told, told
    assert "checked and rehearsed" in told
    assert ", sendmail" in told, told  # verified by a user that gains no group in the unit
    assert "rehearsal off" not in installed.run("reconciler", "status").stdout


def test_a_panel_has_a_hook_that_it_can_call(installed: Host) -> None:
    script = r"""
        cd "$1" && mkdir -p sites/site12 && echo 'domains: [twelve.test]' >sites/site12/site.yaml &&
        git add sites && git commit --quiet --message 'A site' && git push 2>&1"""
    installed.run("bash", "-c", script, "push", CLONE)
    assert installed.run("stat", "-c", "%U %a", PANEL_HOOK).stdout == "root 755\n"
    installed.run(PANEL_HOOK, "12")
    log = ("git", "-C", "/srv/mail-state.git", "log", "-1", "--format=%s", "main")
    installed.wait_for(lambda: installed.run(*log).stdout == "Remove site12\n", what="the commit")
    installed.run("git", "-C", CLONE, "pull", "--quiet")


def test_the_unit_leaves_room_for_the_lockdown_and_another_loads_it_at_boot(installed: Host) -> None:
    after = installed.run("systemctl", "show", "--property=After", "--value", "postfix@-.service").stdout.split()
    assert {"postsrsd.service", "rspamd.service"} <= set(after), "what Postfix asks is there before it, at boot too"

    def table() -> bool:
        return installed.run("nft", "list", "table", "inet", "reconciler", check=False).returncode == 0

    installed.run("bash", "-c", f"sed -i '1i egress: {{}}' {CLONE}/mail.yaml")
    assert "live and verified" in push(installed, "locked")
    assert table()
    installed.run("nft", "flush", "ruleset")
    installed.wait_for(table, what="the table to be put back")
    installed.run("systemctl", "stop", UNIT)
    installed.run("nft", "flush", "ruleset")
    installed.run("systemctl", "is-enabled", BOOT_UNIT)
    installed.run("systemctl", "start", BOOT_UNIT)
    assert table()
    installed.run("systemctl", "start", UNIT)
    installed.run("sed", "-i", "/^egress:/d", f"{CLONE}/mail.yaml")
    assert "live and verified" in push(installed, "unlocked")
    assert not table()


def test_programs_beside_postfix_are_its_units_come_back_and_leave_no_trace(installed: Host) -> None:
    look = ("bash", "-c", "systemctl is-enabled rspamd postsrsd; find /etc/rspamd /etc/default -printf '%p %m %l\\n'")
    before = installed.run(*look, check=False).stdout
    script = """
        cd "$1" && mkdir -p secrets && age-keygen -y /etc/reconciler/identity.age >secrets/recipients &&
        openssl genrsa 2048 2>/dev/null | reconciler secret set k1 &&
        echo 24-letters-nobody-guesses | reconciler secret set srs &&
        sed -i '1i sender_rewriting: {domain: mx1.example.com, secrets: [!secret srs]}' mail.yaml &&
        sed -i '1i dkim: {selector: k1, key: !secret k1}' mail.yaml && git add --all"""
    installed.run("bash", "-c", script, "seal", CLONE)
    assert "live and verified" in push(installed, "all of it")

    def runs(name: str) -> bool:
        active = installed.run("systemctl", "is-active", name, check=False).stdout == "active\n"
        return active and f"  {name:<11}running\n" in installed.run("reconciler", "status", check=False).stdout

    for name in ("postsrsd", "rspamd"):
        assert runs(name)
        assert cgroup(installed, int(installed.run("pgrep", "-o", "-x", name).stdout)).endswith(f"{name}.service")
        installed.run("systemctl", "stop", name)
        installed.wait_for(lambda name=name: runs(name), what=name)  # type: ignore[misc]
        installed.run("pkill", "-KILL", "-x", name)
        installed.wait_for(lambda name=name: runs(name), what=name)  # type: ignore[misc]
    installed.run("systemctl", "mask", "postsrsd")
    installed.run("pkill", "-KILL", "-x", "postsrsd")
    installed.wait_for(
        lambda: "postsrsd.service is masked" in installed.run("reconciler", "log", "-1").stdout, what="it"
    )
    installed.run("systemctl", "unmask", "postsrsd")
    installed.wait_for(lambda: runs("postsrsd"), what="PostSRSd")

    installed.run("sed", "-i", "/^sender_rewriting:/d; /^dkim: {/d", f"{CLONE}/mail.yaml")
    assert "live and verified" in push(installed, "none of it")
    assert installed.run(*look, check=False).stdout == before


@pytest.mark.parametrize("command", ["stop", "restart", "kill", "kill --signal=KILL"])
def test_whatever_systemctl_does_to_reconciler_mail_goes_on(installed: Host, command: str) -> None:
    pid, daemon = master(installed), shown(installed, "MainPID")
    group = cgroup(installed, pid)
    assert group.endswith("postfix@-.service")
    with installed.smtp() as conversation:
        conversation.ehlo()
        installed.run("systemctl", *command.split(), UNIT)
        conversation.sendmail("a@client.test", "root@localhost", f"Subject: during {command}\n\nHello.")
    delivered(installed, f"during {command}")
    assert (master(installed), cgroup(installed, pid)) == (pid, group)
    installed.wait_for(lambda: shown(installed, "MainPID") != daemon, what="the end of the daemon")
    installed.run("systemctl", "start", UNIT)
    assert f"220 after {command}" != banner(installed)
    assert "live and verified" in push(installed, f"after {command}")
    assert banner(installed) == f"220 after {command}"
    assert master(installed) == pid


def test_a_folder_of_the_socket_that_was_removed_is_made_again_by_the_running_daemon(installed: Host) -> None:
    pid = shown(installed, "MainPID")
    # At once, for the daemon makes it again while rm(1) would still look at it.
    installed.run("sh", "-c", "mv /run/reconciler /run/removed && rm -r /run/removed")
    installed.wait_for(
        lambda: "daemon is not running" not in installed.run("reconciler", "status", check=False).stdout,
        what="the socket",
    )
    assert "live and verified" in push(installed, "after the socket was lost")
    assert shown(installed, "MainPID") == pid


def test_a_postfix_that_an_administrator_stopped_stays_stopped(installed: Host) -> None:
    stop_postfix(installed)
    assert "live" in push(installed, "while it was stopped")
    installed.run("systemctl", "restart", UNIT)
    assert master(installed) == 0
    installed.run("systemctl", "start", "postfix")
    assert banner(installed) == "220 while it was stopped"
    assert cgroup(installed, master(installed)).endswith("postfix@-.service")
    assert "live and verified" in push(installed, "once it was started")
    assert banner(installed) == "220 once it was started"


@pytest.mark.parametrize("lingering", [False, True], ids=["alone", "with an smtpd that lingers"])
def test_a_master_that_was_killed_is_started_in_its_own_unit(installed: Host, lingering: bool) -> None:
    installed.run("systemctl", "restart", UNIT)  # which by then watches the master that runs
    dead = master(installed)
    with installed.connect() as visitor:
        if lingering:
            assert visitor.recv(100).startswith(b"220 ")
        else:
            visitor.close()
        installed.run("kill", f"-{signal.SIGKILL:d}", str(dead))
        pid = installed.wait_for(lambda: (now := master(installed)) != dead and now, what="another master")
    assert cgroup(installed, pid).endswith("postfix@-.service")
    assert OUR_CGROUP not in cgroup(installed, pid)
    subject = f"revived {lingering}"
    send(installed, subject)
    delivered(installed, subject)
    stop_postfix(installed)
    installed.run("systemctl", "start", "postfix")
