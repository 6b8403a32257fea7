"""Makes a throw-away host and becomes its PID 1; hosts.py starts this in namespaces of its own.

    make_host.py NAME ADDRESS VENV systemd|init PATH...

Everything is an overlay on this machine's root whose upper half lies in memory, so all that is written goes with the
last process. The PATHs (the checkout, the interpreter) appear there read-only. Promises: prints its process id as seen
from outside, then "ready"; on failure a traceback instead. It starts no program but ip(8), for each would take as long
as all that is done here.

Known limit: of what is mounted below /, only the PATHs are carried into the host.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from tests.e2e.inside import init

RDONLY, REMOUNT, BIND = 0x1, 0x20, 0x1000  # <linux/mount.h>
CLONE_NEWCGROUP = 0x02000000  # <linux/sched.h>
LIBC = ctypes.CDLL(None, use_errno=True)
BASE = Path("/media")
ROOT = BASE / "root"
MOUNTS = (
    ("proc", "proc", 0, ""), ("sysfs", "sys", RDONLY, ""), ("tmpfs", "dev", 0, "mode=0755"),
    ("tmpfs", "run", 0, "mode=0755"), ("tmpfs", "tmp", 0, "mode=1777"), ("tmpfs", "dev/shm", 0, "mode=1777"),
    ("devpts", "dev/pts", 0, "newinstance,ptmxmode=0666,mode=0620,gid=5"),
)  # fmt: skip
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {
    "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}  # fmt: skip
NETWORK = """\
link set lo up
link add eth0 address 02:00:{mac} type veth peer name wire address 02:01:{mac}
link set eth0 up
link set wire up
addr add {address}/24 dev eth0
"""
# Nothing is to be packed in a repository of a few minutes, and git would start two programs for each push to ask.
GIT = """\
[maintenance]
auto = false
[receive]
autogc = false
"""
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "hold", "incoming", "maildrop")
# Debian's choice "Local only". The configuration of this machine's own Postfix has no influence.
LOCAL_ONLY = """\
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = {name}
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
mydestination = $myhostname, {short}, localhost.localdomain, localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = loopback-only
default_transport = error
relay_transport = error
inet_protocols = all
"""
# Under systemd, only what is static and harmless starts; nothing this machine has enabled does.
MASKED = """
    apt-daily.timer apt-daily-upgrade.timer console-getty.service dev-hugepages.mount dev-mqueue.mount getty.target
    modprobe@.service packagekit.service proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount systemd-binfmt.service
    systemd-firstboot.service systemd-hwdb-update.service systemd-logind.service systemd-machine-id-commit.service
    systemd-modules-load.service systemd-networkd.service systemd-pstore.service systemd-random-seed.service
    systemd-remount-fs.service systemd-resolved.service systemd-sysctl.service systemd-timesyncd.service
    systemd-udev-settle.service systemd-udev-trigger.service systemd-udevd.service systemd-udevd-control.socket
    systemd-udevd-kernel.socket
"""


def mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Have a file system at that place; raises OSError as the kernel does."""
    told = (source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode())
    if LIBC.mount(*told):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


def lay_root() -> None:
    """Lay an overlay on this machine's root, with file systems of its own in it."""
    mount("tmpfs", BASE, "tmpfs", 0, "mode=0755")
    for folder in (BASE / "upper", BASE / "work", ROOT):
        folder.mkdir()
    mount("overlay", ROOT, "overlay", 0, f"lowerdir=/,upperdir={BASE}/upper,workdir={BASE}/work,redirect_dir=on")
    for kind, place, flags, options in MOUNTS:
        (ROOT / place).mkdir(exist_ok=True)
        mount(kind, ROOT / place, kind, flags, options)
    lock = ROOT / "run/lock"
    lock.mkdir()
    lock.chmod(0o1777)
    for name in DEVICES:
        device = Path("/dev", name).stat()
        os.mknod(ROOT / "dev" / name, device.st_mode, device.st_rdev)
        (ROOT / "dev" / name).chmod(device.st_mode & 0o7777)
    for name, place in LINKS.items():
        (ROOT / "dev" / name).symlink_to(place)


def carry(number: int, path: Path) -> None:
    """Have a path of the machine in the host, read-only.

    Other users of the host run the interpreter too. It may be in a folder that only its owner can enter. An overlay
    allows other modes for its folders, and a bind mount does not.
    """
    upper, work, place = BASE / f"upper{number}", BASE / f"work{number}", ROOT / path.relative_to("/")
    for folder in (upper, work, place):
        folder.mkdir(parents=True, exist_ok=True)
    os.chdir(path)
    mount("overlay", place, "overlay", 0, f"lowerdir=.,upperdir={upper},workdir={work}")
    for folder in (place, *place.parents):
        if folder.is_relative_to(ROOT) and folder != ROOT:
            folder.chmod(folder.stat().st_mode | 0o111)
    mount("none", place, flags=REMOUNT | BIND | RDONLY)


def write(place: str, text: str) -> None:
    """Write a file of the host, in the place of a link, which would lead to the machine's own."""
    path = ROOT / place
    if path.is_symlink():
        path.unlink()
    path.write_text(text)


def empty(folder: Path) -> None:
    """Remove the files below a folder, if it is there."""
    for above, _, files in os.walk(folder):
        for file in files:
            Path(above, file).unlink()


def name_host(name: str, address: str) -> None:
    """Give the host its name and its network."""
    socket.sethostname(name)
    write("etc/hostname", f"{name}\n")
    write("etc/mailname", f"{name}\n")
    write("etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{address} {name} {name.partition('.')[0]}\n")
    write("etc/resolv.conf", "nameserver 127.0.0.1\n")  # refused at once, where a real one would time out
    links = BASE / "links"
    # Hosts of one address have all addresses in common, so that what follows from them is the same in each.
    mac = ":".join(f"{int(part):02x}" for part in address.split("."))
    links.write_text(NETWORK.format(address=address, mac=mac))
    child = os.posix_spawnp("ip", ("ip", "-batch", str(links)), os.environ)  # subprocess takes as long to import
    if status := os.waitpid(child, 0)[1]:
        raise ChildProcessError(f"ip -batch: status {status}")


def configure_mail(name: str) -> None:
    """Give Postfix its configuration, and no mail."""
    for folder in (*(ROOT / "var/spool/postfix" / queue for queue in QUEUES), ROOT / "var/mail"):
        empty(folder)
    (ROOT / "var/log/mail.log").unlink(missing_ok=True)
    shipped = ROOT / "usr/share/postfix"
    write("etc/postfix/master.cf", (shipped / "master.cf.dist").read_text())
    told = LOCAL_ONLY.format(name=name, short=name.partition(".")[0])
    write("etc/postfix/main.cf", (shipped / "main.cf.debian").read_text() + told)
    before = time.time() - 10
    os.utime(ROOT / "etc/postfix/main.cf", (before, before))  # every program sleeps while it is fresh


# ---- under systemd ---------------------------------------------------------------------------------------------------


def join_cgroup(pid: str) -> None:
    """Move to a cgroup of the host's own, made before the namespace so that systemd cannot touch the machine's."""
    cgroups = BASE / "cgroup"
    cgroups.mkdir()
    mount("cgroup2", cgroups, "cgroup2")
    for stale in cgroups.glob("throw-away-*"):
        if not Path("/proc", stale.name.rpartition("-")[2]).is_dir():
            remove_folders(stale)
    own = cgroups / f"throw-away-{pid}"
    own.mkdir()
    (own / "cgroup.procs").write_text("0")


def remove_folders(top: Path) -> None:
    """Remove a tree of folders, as far as its host has ended and no other host removes it."""
    for above, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):
            Path(above).rmdir()


def mask() -> None:
    """Mask units, and the generators of units, each of which every reload of systemd would start."""
    system, generators = ROOT / "etc/systemd/system", ROOT / "etc/systemd/system-generators"
    generators.mkdir(exist_ok=True)
    for folder in (*system.glob("*.wants"), *system.glob("*.requires"), ROOT / "var/log/journal"):
        empty(folder)
    others = (path.name for path in (ROOT / "lib/systemd/system-generators").iterdir())
    masked = (generators / name for name in others if not name.startswith("postfix-"))
    for path in (*(system / name for name in MASKED.split()), *masked):
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    write("etc/fstab", "")


def become_systemd() -> None:
    """Start systemd in the place of this program, in a cgroup namespace of its own."""
    mount(str(ROOT / "proc/sys"), ROOT / "proc/sys", flags=BIND)
    mount("none", ROOT / "proc/sys", flags=REMOUNT | BIND | RDONLY)
    init.be_ready()
    if LIBC.unshare(CLONE_NEWCGROUP):
        raise OSError(ctypes.get_errno(), "unshare")
    mount("cgroup2", ROOT / "sys/fs/cgroup", "cgroup2")
    (ROOT / "sys/fs/cgroup/visitor").mkdir()
    enter()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    environment = {"container": "lxc", "PATH": os.environ["PATH"]}
    os.execve("/lib/systemd/systemd", ["/lib/systemd/systemd", "--unit=multi-user.target"], environment)


def enter() -> None:
    """Have the host's root."""
    os.chdir(ROOT)
    os.chroot(".")


def main() -> None:
    """Make the host."""
    name, address, venv, first, *paths = sys.argv[1:]
    os.umask(0o022)
    pid = str(Path("/proc/self").readlink())  # /proc is still the outer one
    print(pid, flush=True)
    lay_root()
    if first == "systemd":
        join_cgroup(pid)
    for number, path in enumerate(paths):
        carry(number, Path(path))
    command = ROOT / "usr/local/bin/reconciler"
    command.unlink(missing_ok=True)
    command.symlink_to(f"{venv}/bin/reconciler")
    name_host(name, address)
    configure_mail(name)
    write("etc/gitconfig", GIT)
    (ROOT / "var/lib/man-db/auto-update").unlink(missing_ok=True)  # else a change of a package indexes all pages
    if first == "systemd":
        mask()
        become_systemd()
    enter()
    init.main()
