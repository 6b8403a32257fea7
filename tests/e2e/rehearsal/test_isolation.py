"""A rehearsal reaches nothing of its host: each wall keeps off an attack that succeeds when that one wall is away."""

from __future__ import annotations

import json
import random
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from reconciler.rehearsal.possible import NAMESPACES
from tests.e2e.hosts import ADDRESS, CHECKOUT, Host, HostError
from tests.e2e.inside.attacker import ATTACKS
from tests.e2e.rehearsal_driver import ENVIRONMENT, REHEARSING, Rehearsed, asked, rehearsed, state

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "of-the-host"
SOCKETS = ("/run/host.sock", "/etc/host.sock", "/usr/lib/host.sock")
FILES = ("/var/mail/ada", "/srv/vmail/ada", "/tmp/existing")
SERVER = """\
import os, socket, sys, threading
def serve(listener, name):
    while True:
        connection, _ = listener.accept()
        open("/run/heard", "a").write(name + "\\n")
        connection.sendall(b"of-the-host")
        connection.close()
tcp = socket.create_server(("", 7777))
pairs = [(tcp, "tcp")]
for place in ("\\0of-the-host", *sys.argv[1:]):
    one = socket.socket(socket.AF_UNIX)
    one.bind(place)
    if place[0] == "/":
        os.chmod(place, 0o777)
    one.listen()
    pairs.append((one, place))
for pair in pairs:
    threading.Thread(target=serve, args=pair).start()
open("/run/serving", "w").close()
"""
WITH_SOURCES = "import sys; sys.path.insert(0, sys.argv[1])\n"  # as any program that plays a script begins
FULL = (
    WITH_SOURCES
    + """
from reconciler.rehearsal.inside import master, play
master.CAPABILITIES += ("sys_admin", "mknod", "sys_resource", "dac_read_search")
play.main()
"""
)
# The room without its root: the candidate alone is shown where Postfix looks for it.
ROOTLESS = (
    WITH_SOURCES
    + """
from pathlib import Path
from reconciler.rehearsal.inside import laid, master, play, room
def build(request, sockets):
    candidate = request["candidate"]
    laid.mount("none", Path("/"), flags=laid.REC | laid.PRIVATE)
    laid.BASE = Path("/")
    room._configuration(candidate)
    Path("/dev/log").unlink()
    return room.Built([], [])
room.build = build
master.CAPABILITIES += ("sys_admin", "mknod")
play.main()
"""
)
ATTACK = "probe unix n n n 1 1 attacker\n"
PIPES = (
    "touch unix - n n - - pipe user=nobody argv=/usr/bin/touch /tmp/piped\n"
    "spawned unix - n n - 0 spawn user=nobody argv=/usr/bin/touch /tmp/spawned\n"
)


@contextmanager
def target() -> Iterator[tuple[Host, dict[str, Any]]]:
    """A host with something worth an attack of every kind."""
    with Host() as host:
        host.run("sh", "-c", "ip link set eth0 down; ip link set eth0 name lan0; ip link set lan0 up")
        host.run("useradd", "ada")
        program = f"#!/usr/bin/python3 -IS\n{(CHECKOUT / 'tests/e2e/inside/attacker.py').read_text()}"
        host.write("/usr/lib/postfix/sbin/attacker", program, 0o755)
        host.run("sh", "-c", "mkdir -p /srv/vmail && for file in $0 $@; do echo kept >$file; done", *FILES)
        host.run("sendmail", "-f", "root", "ada", input=f"Subject: {TOKEN}\n\nReal mail.\n")
        host.start("python3", "-c", SERVER, *SOCKETS)
        host.wait_for((host.root / "run/serving").exists, what="the host's servers")
        pid = int(host.run("sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!").stdout)
        told = {
            "token": TOKEN, "port": 7777, "address": ADDRESS, "abstract": TOKEN, "sockets": SOCKETS, "files": FILES,
            "pid": pid, "key": _segment(host),
        }  # fmt: skip
        host.write("/usr/lib/postfix/targets", json.dumps(told))
        yield host, told


def _segment(host: Host) -> int:
    host.run("ipcmk", "-M", "4096")
    return int(host.run("ipcs", "-m").stdout.split("0x")[1].split()[0], 16)


def attack(host: Host, **replaced: object) -> tuple[dict[str, str], Rehearsed]:
    """Rehearse a hostile candidate; what its attacks came to, by their names."""
    files = state(
        {"smtpd_end_of_data_restrictions": "check_policy_service unix:private/spawned"},
        {"master.d/probe.cf": ATTACK + PIPES},
    )
    done = rehearsed(host, files, **replaced)
    assert not done.trouble, done.trouble
    print(done.log)
    return dict(re.findall(r"attacker\[1\]: ([\w ]+): (.*)", done.log)), done


def harm(host: Host, told: dict[str, Any]) -> set[str]:
    """What has happened to the host."""
    checks = {
        "socket": "test -e /run/heard",
        "queue": 'test -z "$(find /var/spool/postfix/maildrop -type f)"',
        "files": "! grep -qx kept /var/mail/ada || grep -q . /var/mail/ada && test $(cat /var/mail/ada | wc -c) -gt 5",
        "usr": "test -e /usr/attacked",
        "etc": "test -e /etc/ssl/certs/attacked",
        "process": f"! kill -0 {told['pid']}",
        "shared memory": f"! ipcs -m | grep -q {told['key']:08x}",
        "host name": "test $(hostname) = attacked",
        "pipe": "test -e /tmp/piped -o -e /tmp/spawned",
        "spool": "test -e /var/spool/postfix/pid/master.pid",
    }
    return {name for name, check in checks.items() if host.run("sh", "-c", check, check=False).returncode == 0}


def mounts(host: Host) -> str:
    """What is mounted on the host, and its root's folders."""
    return host.run("sh", "-c", "cat /proc/1/mountinfo; ls /").stdout


def test_a_rehearsal_reaches_nothing_of_its_host() -> None:
    with target() as (host, told):
        before = mounts(host)
        results, done = attack(host)
        assert set(results) == set(ATTACKS)
        assert {name for name, result in results.items() if result == "succeeded"} == set(), results
        assert harm(host, told) == set()
        assert mounts(host) == before
        held = re.search(r"attacker\[1\]: holds (\w+)", done.log)
        assert held
        assert int(held[1], 16) == 0x404FB  # nothing that opens files by handle, mounts, or reads devices
        assert host.run("sh", "-c", "cat /var/mail/ada /srv/vmail/ada /tmp/existing").stdout == "kept\n" * 3


@pytest.mark.parametrize(
    ("wall", "attacks", "harms"),
    [
        ("-n", {"loopback", "address", "abstract socket"}, {"socket"}),
        ("-p", {"process"}, {"process"}),
        ("-i", {"shared memory"}, {"shared memory"}),
    ],
)
def test_without_one_namespace_what_it_holds_off_gets_through(wall: str, attacks: set[str], harms: set[str]) -> None:
    with target() as (host, told):
        results, _ = attack(host, namespaces=[one for one in NAMESPACES if one != wall])
        assert {name for name, result in results.items() if result == "succeeded"} == attacks, results
        assert harm(host, told) == harms


def test_with_every_capability_the_uts_namespace_still_keeps_the_host_name() -> None:
    with target() as (host, told):
        results, _ = attack(host, program=FULL)
        assert results["host name"] == "succeeded"
        assert results["device"] != "succeeded"
        assert "host name" not in harm(host, told)
        attack(host, program=FULL, namespaces=[one for one in NAMESPACES if one != "-u"])
        assert "host name" in harm(host, told)


def test_without_its_mount_namespace_the_hosts_own_root_is_changed() -> None:
    with target() as (host, _):
        before = mounts(host)
        rehearsed(host, state())
        assert mounts(host) == before
        open_host = asked(state(), namespaces=[one for one in NAMESPACES if one != "-m"])
        host.run(*REHEARSING, input=open_host, check=False, env=ENVIRONMENT)
        assert Path(f"/proc/{host.pid}/mountinfo").read_text() not in before


def test_without_its_own_root_it_reaches_sockets_queue_mailboxes_and_devices() -> None:
    with target() as (host, told):
        results, _ = attack(host, program=ROOTLESS)
        # What it reads of the queue its own Postfix may have taken first, which harm() sees.
        expected = {"socket in run", "socket in etc", "socket in usr", "files", "usr", "etc", "device", "mount"}
        assert {name for name, result in results.items() if result == "succeeded"} >= expected, results
        assert {"socket", "queue", "files", "usr", "etc", "pipe", "spool"} <= harm(host, told)


# ---- nothing survives ------------------------------------------------------------------------------------------------

HANGS = (
    WITH_SOURCES
    + """
import time
from reconciler.rehearsal.inside import master, play
master.is_alive = lambda parameters: time.sleep(300)
play.main()
"""
)


def trace(host: Host) -> str:
    """What a rehearsal could leave: processes, mounts, links of networks, files in memory and in temporary folders."""
    script = """
        ls /proc | grep -E '^[0-9]+$' | while read pid; do tr '\\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null; echo; done |
            grep -E 'unshare|rehears|master|smtpd|qmgr|pickup|cleanup|setpriv' | grep -v grep
        cat /proc/1/mountinfo; ip -br link; find /dev/shm /tmp /run /var/spool/postfix /proc/sysvipc -type f
    """
    return host.run("bash", "-c", script, check=False).stdout


def test_nothing_survives_the_death_of_whoever_holds_it() -> None:
    chance = random.Random(7)
    with Host() as host:
        before = trace(host)
        host.write("/root/asked", asked(state(), program=HANGS))
        for moment in [0.0, *(chance.uniform(0.0, 0.6) for _ in range(7)), 1.5]:
            with (host.root / "root/asked").open() as request:
                process = host.start_preloaded("rehearse", stdin=request.fileno())
            holder = host.wait_for(lambda: _holder(process.pid), what="a rehearsal")  # noqa: B023
            assert holder
            time.sleep(moment)
            holder.kill()
            ends(host, before, f"{moment:.2f} s in")


def test_nothing_survives_a_rehearsal_that_does_not_end() -> None:
    with Host() as host:
        before = trace(host)
        done = rehearsed(host, state(), program=HANGS, timeout=2.0)
        assert done.trouble == "it does not end within 2 s"
        ends(host, before, "after its time")


def test_nothing_survives_a_rehearsal_that_ends_well() -> None:
    with Host() as host:
        before = trace(host)
        assert rehearsed(host, state()).findings == []
        assert trace(host) == before


def ends(host: Host, before: str, when: str) -> None:
    """Wait until nothing of a rehearsal is left; a failure says what is."""
    with suppress(HostError):
        host.wait_for(lambda: trace(host) == before, what="the end of all")
    assert trace(host) == before, when


def _holder(pid: int) -> psutil.Process | None:
    """The process below *pid* that started unshare; None before."""
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "unshare" in process.name():
                return process.parent()
    return None


# ---- limits ----------------------------------------------------------------------------------------------------------


def test_a_command_can_not_fill_the_memory() -> None:
    pipes = "filler unix - n n - - pipe user=nobody argv=/bin/dd if=/dev/zero of=/tmp/filled bs=1M count=100000\n"
    with Host() as host:
        done = rehearsed(host, state({"message_size_limit": "1000000"}, {"master.d/p.cf": pipes}))
        assert "No space left on device" in done.log, done.log
        assert not (host.root / "tmp/filled").exists()


def test_the_kernel_ends_a_rehearsal_first_when_memory_is_short() -> None:
    pipes = "score unix - n n - - pipe user=nobody argv=/usr/bin/diff /dev/null /proc/self/oom_score_adj\n"
    with Host() as host:
        done = rehearsed(host, state(files={"master.d/p.cf": pipes}))
        assert "Command output: 0a1 > 1000" in done.log, done.log


@pytest.mark.parametrize("user", ["nobody", "root"])
def test_a_command_can_not_multiply_without_end(user: str) -> None:
    starts = {
        "nobody": "bomb unix - n n - - pipe user=nobody argv=/bin/sh /srv/bomb\n",
        "root": "bomb unix n n n 1 1 bomb\n",  # which no limit of the kernel counts
    }
    with Host() as host:
        before = len(host.run("ls", "/proc").stdout.split())
        host.write("/srv/bomb", BOMB)
        host.write("/usr/lib/postfix/sbin/bomb", BOMB, 0o755)
        asks = {"smtpd_client_restrictions": "check_policy_service unix:public/bomb"} if user == "root" else {}
        done = rehearsed(host, state(asks, {"master.d/p.cf": starts[user]}))
        assert re.fullmatch(r"more than 1,\d+ processes", done.trouble), f"{done.trouble}\n{done.log}"
        host.wait_for(lambda: len(host.run("ls", "/proc").stdout.split()) < before + 20, what="the end of all")
        assert rehearsed(host, state()).findings == []  # the machine is well


def test_many_commands_can_not_take_the_memory_together() -> None:
    with Host() as host:
        host.write("/srv/hoard.py", HOARD)
        made = "hoard unix - n n - 0 spawn user=nobody argv=/usr/bin/python3 /srv/hoard.py\n"
        asks = {"smtpd_client_restrictions": "check_policy_service unix:private/hoard"}  # which smtpd waits for
        done = rehearsed(host, state(asks, {"master.d/p.cf": made}))
        assert re.fullmatch(r"more than 1,\d+ MiB of memory", done.trouble), (done.trouble, done.report)


def test_one_process_can_not_take_more_than_its_share() -> None:
    with Host() as host:
        host.write("/usr/lib/postfix/sbin/greedy", f"#!/usr/bin/python3 -IS\n{GREEDY}", 0o755)
        done = rehearsed(host, state(files={"master.d/p.cf": "greedy unix n n n 1 1 greedy\n"}))
        limits = dict(re.findall(r"greedy\[1\]: (\w+) (\S+)", done.log))
        assert int(limits.pop("data")) < 2 << 30
        assert limits == {"cpu": "60", "core": "1", "memory": "MemoryError"}, done.log


BOMB = """\
#!/bin/sh
b() { b & b & sleep 60; }
b
"""
HOARD = """\
import os, time
for _ in range(7):
    if not os.fork():
        break
held = b"x" * (200 << 20)
time.sleep(60)
"""
GREEDY = """\
import resource, socket
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.connect("/dev/log")
for name in ("DATA", "CPU", "CORE"):
    most = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1]
    log.send(f"<22>greedy[1]: {name.lower()} {most}".encode())
try:
    bytearray(2 << 30)
except MemoryError:
    log.send(b"<22>greedy[1]: memory MemoryError")
"""
