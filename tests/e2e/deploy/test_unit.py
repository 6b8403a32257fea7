"""The unit's hardening: that it is in force, that all of the work goes on within it, and what it never reaches."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deploy.installation import master, wheels
from tests.e2e.deploy.test_deploy import (
    BOOT_UNIT,
    CLONE,
    OUR_CGROUP,
    UNIT,
    banner,
    cgroup,
    delivered,
    installed,
    push,
    send,
    shown,
    stop_postfix,
)

if TYPE_CHECKING:
    from tests.e2e.hosts import Host

__all__ = ["installed", "wheels"]

CAP_SYS_RESOURCE = 24
EXPOSURE = {UNIT: 45, BOOT_UNIT: 25}  # tenths, as systemd-analyze counts them
POSTFIX_UNITS = ("postfix.service", "postfix@-.service")
IN_FORCE = {
    "TasksMax": "4096", "MemoryMax": str(2 << 30), "MemorySwapMax": "0", "OOMPolicy": "continue",
    "OOMScoreAdjust": "-500", "LimitCORE": "1", "ProtectSystem": "strict", "ProtectHome": "read-only",
    "PrivateTmp": "yes", "PrivateDevices": "yes", "PrivateMounts": "yes", "ProtectClock": "yes",
    "ProtectControlGroups": "yes", "ProtectKernelLogs": "yes", "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes", "ProtectHostname": "no", "RestrictSUIDSGID": "no", "UMask": "0022",
    "NoNewPrivileges": "yes", "LockPersonality": "yes", "MemoryDenyWriteExecute": "no", "RestrictRealtime": "yes",
    "SystemCallArchitectures": "native", "SystemCallErrorNumber": "1",
}  # fmt: skip
SETS = {
    "CapabilityBoundingSet": "cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_fsetid cap_kill cap_setgid "
    "cap_setuid cap_setpcap cap_net_bind_service cap_net_admin cap_sys_chroot cap_sys_ptrace cap_sys_admin",
    "RestrictNamespaces": "ipc net mnt pid uts",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6 AF_NETLINK",
}
REFUSED_CALLS = {"adjtimex", "ptrace", "init_module", "ioperm", "reboot", "swapon", "kexec_load", "vm86"}


def status_of(host: Host, pid: int | str) -> dict[str, str]:
    """Return what the kernel says of a process."""
    lines = host.read(f"/proc/{pid}/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("unit", EXPOSURE)
def test_systemd_finds_the_units_well_protected(installed: Host, unit: str) -> None:
    threshold = f"--threshold={EXPOSURE[unit]}"
    told = installed.run("systemd-analyze", "security", "--no-pager", threshold, unit, check=False)

    assert told.returncode == 0, told.stdout


def test_each_setting_of_the_unit_is_in_force(installed: Host) -> None:
    assert shown(installed, *IN_FORCE) == IN_FORCE
    sets = shown(installed, *SETS)
    assert {name: set(value.split()) for name, value in sets.items()} == {
        name: set(value.split()) for name, value in SETS.items()
    }
    filtered = shown(installed, "SystemCallFilter")["SystemCallFilter"]
    assert filtered.startswith("~")
    assert set(filtered[1:].split()) >= REFUSED_CALLS

    pid = shown(installed, "MainPID")["MainPID"]
    told = status_of(installed, pid)
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
    assert int(told["CapBnd"], 16).bit_count() == len(SETS["CapabilityBoundingSet"].split())
    lowers = int(status_of(installed, 1)["CapEff"], 16) >> CAP_SYS_RESOURCE & 1  # systemd ignores that it may not
    assert installed.read(f"/proc/{pid}/oom_score_adj") == ("-500\n" if lowers else "0\n")


def test_a_rehearsal_in_the_unit_plays_flows_and_tables_of_patterns_and_still_refuses(installed: Host) -> None:
    script = r"""
        cd "$1" && echo '/^bad@/ REJECT no' >tables/patterns.pcre && git add --all &&
        printf '  smtpd_sender_restrictions: check_sender_access table:patterns\n' >>mail.yaml"""
    installed.run("bash", "-c", script, "add", CLONE)
    told = push(installed, "patterns")
    assert "flows: 3 of 3 passed" in told, told
    assert "live and verified" in told
    assert installed.send("bad@client.test", "root@localhost").startswith("554 5.7.1 <bad@client.test>")
    assert installed.send("good@client.test", "root@localhost").startswith("250 ")
    assert "rehearsal off" not in installed.run("reconciler", "status").stdout

    script = r"""
        cd "$1" && printf '  smtpd_recipient_restrictions: reject\n' >>mail.yaml &&
        git commit --quiet --all --message 'Refuse all' && ! git push 2>&1 && git reset --quiet --hard HEAD^"""
    told = installed.run("bash", "-c", script, "refuse", CLONE).stdout
    assert "flow" in told, told


def test_the_daemon_follows_a_change_of_the_host_name(installed: Host) -> None:
    pid = shown(installed, "MainPID")["MainPID"]
    look = ("nsenter", f"--target={pid}", "--uts", "uname", "-n")
    before = installed.run("uname", "-n").stdout
    installed.run("hostname", "renamed.example.com")

    assert installed.run(*look).stdout == "renamed.example.com\n"

    installed.run("hostname", before.strip())


def test_what_the_daemon_commits_can_be_read_by_others(installed: Host) -> None:
    unreadable = installed.run("find", "/srv/mail-state.git", "!", "-perm", "-o=r").stdout

    assert unreadable == ""


def test_without_the_right_to_make_namespaces_the_unit_works_and_says_what_is_missing(installed: Host) -> None:
    place = f"/run/systemd/system/{UNIT}.d/container.conf"
    installed.write(place, "[Service]\nCapabilityBoundingSet=~CAP_SYS_ADMIN CAP_NET_ADMIN\n")
    installed.run("systemctl", "daemon-reload")
    installed.run("systemctl", "restart", UNIT)

    assert "live and verified" in push(installed, "in a container")
    assert "rehearsal off: namespaces are not permitted" in installed.run("reconciler", "status").stdout
    dead = master(installed)
    installed.run("kill", f"-{signal.SIGKILL:d}", str(dead))
    installed.wait_for(lambda: (now := master(installed)) != dead and now, what="another master")

    installed.run("rm", place)
    installed.run("systemctl", "daemon-reload")
    installed.run("systemctl", "restart", UNIT)
    assert "flows: 3 of 3 passed" in push(installed, "no longer")


def test_a_postfix_without_a_unit_is_started_outside_of_ours(installed: Host) -> None:
    stop_postfix(installed)
    installed.run("systemctl", "mask", *POSTFIX_UNITS)
    installed.run("postfix", "start")
    installed.run("systemctl", "restart", UNIT)  # which by then watches the master that runs
    dead = master(installed)
    installed.run("kill", f"-{signal.SIGKILL:d}", str(dead))
    pid = installed.wait_for(lambda: (now := master(installed)) != dead and now, what="another master")

    assert free_of_our_unit(installed, pid)
    send(installed, "without a unit")
    delivered(installed, "without a unit")
    assert "live and verified" in push(installed, "without a unit")
    assert master(installed) == pid
    script = r"""cd "$1" && sed -i '/inet_protocols:/d' mail.yaml && printf '  inet_protocols: ipv4\n' >>mail.yaml"""
    installed.run("bash", "-c", script, "edit", CLONE)
    assert "live and verified" in push(installed, "restarted")  # which a reload does not do
    again = master(installed)
    assert again not in {pid, 0}
    assert free_of_our_unit(installed, again)
    installed.run("systemctl", "stop", UNIT)
    assert (master(installed), banner(installed)) == (again, "220 restarted")

    installed.run("systemctl", "stop", cgroup(installed, again).rpartition("/")[2])
    assert master(installed) == 0
    assert "Postfix of" not in units(installed)
    installed.run("systemctl", "unmask", *POSTFIX_UNITS)
    installed.run("systemctl", "start", "postfix", UNIT)
    assert banner(installed) == "220 restarted"


def units(host: Host) -> str:
    """Return what systemd lists."""
    return host.run("systemctl", "list-units", "--all", "--plain", "--no-pager").stdout


def free_of_our_unit(host: Host, pid: int) -> bool:
    """Whether a process has neither our limits nor our walls."""
    told = status_of(host, pid)
    mounts = host.run("readlink", f"/proc/{pid}/ns/mnt", "/proc/1/ns/mnt").stdout.split()
    assert OUR_CGROUP not in cgroup(host, pid)
    assert cgroup(host, pid).endswith(".service")
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("0", "0")
    assert told["CapBnd"] == status_of(host, 1)["CapBnd"]
    assert host.read(f"/proc/{pid}/oom_score_adj") == "0\n"
    return mounts[0] == mounts[1]
