"""The root of a rehearsal, built from nothing: what Postfix may read, and an empty spool.

Promises: nothing of the host can be written, and of its sockets none can be reached, for there are none: /usr and /etc
are there read-only with their sockets covered, each file that the configuration names, and nothing else. What is
written goes to memory, of which there is a limit. Everything ends with the mount namespace. Raises OSError as the
kernel gives it.

Known limit: a socket below /usr or /etc that was bound by a relative path, or in another network than the host's own,
can be reached.
"""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.rehearsal.inside.messages import Candidate, Parameters, Room

BASE = Path("/proc")  # there on every host, and no configuration names a file in it
AGE = 10.0  # as in host/programs/postfix.py, which nothing in here may import
_INODES = 100_000
_RDONLY, _NOSUID, _NODEV, _REMOUNT, BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_PRIVATE_FOLDERS = (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace",
)  # fmt: skip
_CHROOT = ("hosts", "localtime", "nsswitch.conf", "resolv.conf", "services")
_RESOLVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: Path | str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount something; the flags are those of the system call."""
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, options.encode() or None)
    if _libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[4]):
        number = ctypes.get_errno()
        raise OSError(number, f"mount: {os.strerror(number)}", str(target))


def build(room: Room, candidate: Candidate) -> None:
    """Make the root that *room* describes, and move into it; nothing of the old one stays in reach."""
    mount("none", Path("/"), flags=_REC | _PRIVATE)
    sockets = _sockets()  # read from /proc, which the next line covers
    mount("tmpfs", BASE, "tmpfs", _NOSUID | _NODEV, f"mode=0755,size={room['space']},nr_inodes={_INODES}")
    for name in ("usr", "etc"):
        _bind(Path("/", name), BASE / name)
    for path in sockets:
        _cover(path)
    for name in _LINKS:
        if Path("/", name).is_symlink():
            (BASE / name).symlink_to(Path("/", name).readlink())
        elif Path("/", name).is_dir():
            _bind(Path("/", name), BASE / name)
    _devices()
    for file in room["files"]:
        _carry(Path(file))
    for name in ("tmp", "var/tmp", "run/lock", "var/mail", "home", "root", "var/log", "proc", "old"):
        _folder(BASE / name, 0o1777 if name in {"tmp", "var/tmp", "var/mail"} else 0o755)
    (BASE / "var/run").symlink_to("/run")
    _replace(Path("/etc/resolv.conf"), _RESOLVER)
    _configuration(candidate)
    _enter()
    mount("proc", Path("/proc"), "proc", _NOSUID | _NODEV)
    mount("none", Path("/proc"), flags=BIND | _REMOUNT | _RDONLY | _NOSUID | _NODEV)  # sysctls are the host's own
    _spool(room["parameters"], chroot=room["chroot"])
    for folder in room["folders"]:
        with suppress(OSError):  # below /usr or /etc it is as the host has it
            _folder(Path(folder), 0o1777)


def _folder(path: Path, mode: int = 0o755) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    return path


def _bind(source: Path, target: Path) -> None:
    """Show a file or a folder read-only."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, target, flags=BIND)
    mount("none", target, flags=BIND | _REMOUNT | _RDONLY | _NOSUID | _NODEV)


def _sockets() -> list[Path]:
    """The sockets of the host, by the paths they were bound to."""
    lines = Path("/proc/1/net/unix").read_text("utf-8", "surrogateescape").splitlines()[1:]
    paths = (words[7] for line in lines if len(words := line.split(None, 7)) > 7)  # noqa: PLR2004 - proc(5)
    return [Path(path) for path in set(paths) if path.startswith("/")]


def _cover(path: Path) -> None:
    """Hide a socket that would be in reach."""
    real = Path(os.path.realpath(path))
    if real.is_socket() and _is_shown(real):
        mount(Path("/dev/null"), BASE / real.relative_to("/"), flags=BIND)


def _devices() -> None:
    _folder(BASE / "dev")
    _folder(BASE / "dev/shm", 0o1777)
    for name in _NODES:
        (BASE / "dev" / name).touch()
        mount(Path("/dev", name), BASE / "dev" / name, flags=BIND)
    (BASE / "dev/fd").symlink_to("/proc/self/fd")


def _carry(path: Path) -> None:
    """Show a file that the configuration names, where it is named and where its links lead."""
    real = Path(os.path.realpath(path))
    if not real.is_file() and not real.is_dir():
        return
    for place in {path, real}:
        if not _is_shown(place):
            _parents(place)
            _bind(real, BASE / place.relative_to("/"))


def _is_shown(path: Path) -> bool:
    """Whether it lies in /usr or /etc, or was carried before."""
    return path.parts[1:2] in {("usr",), ("etc",)} or (BASE / path.relative_to("/")).exists()


def _parents(path: Path) -> None:
    for folder in reversed(path.parents):
        inside = BASE / folder.relative_to("/")
        if not inside.exists():
            status = folder.stat()
            inside.mkdir()
            os.chown(inside, status.st_uid, status.st_gid)
            inside.chmod(status.st_mode & 0o7777)


def _replace(path: Path, text: str) -> None:
    """Show a file of other content in its place, wherever its links lead."""
    real = Path(os.path.realpath(path))
    ours = _folder(BASE / "rehearsal") / path.name
    ours.write_text(text, "utf-8", "surrogateescape")
    os.utime(ours, (time.time() - AGE,) * 2)  # every program sleeps while main.cf is young
    inside = BASE / real.relative_to("/")
    if real.is_file() and _is_shown(real):
        mount(ours, inside, flags=BIND)
    elif not _is_shown(real):
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ours, inside)


def _configuration(candidate: Candidate) -> None:
    """Show the candidate where Postfix looks for its configuration, with the files that stand in for its own."""
    directory, stage = Path(candidate["directory"]), Path(candidate["stage"])
    if directory.is_symlink():  # as on an adopted host, where it leads to the live generation
        link, directory = directory, Path(os.path.normpath(directory.parent / directory.readlink()))
        if not _is_shown(link):
            _parents(link)
            (BASE / link.relative_to("/")).symlink_to(directory)
    inside = BASE / directory.relative_to("/")
    inside.mkdir(parents=True, exist_ok=True)
    _bind(stage, inside)
    for name, text in candidate["replaced"].items():
        ours = _folder(BASE / "rehearsal") / name
        ours.write_text(text, "utf-8", "surrogateescape")
        os.utime(ours, (time.time() - AGE,) * 2)
        mount(ours, inside / name, flags=BIND)


def _enter() -> None:
    os.chdir(BASE)
    number = _PIVOT_ROOT.get(os.uname().machine)  # libc has no function for it
    if number is None or _libc.syscall(number, b".", b"old"):
        code = ctypes.get_errno() if number else 38
        raise OSError(code, f"pivot_root: {os.strerror(code)}", str(BASE))
    os.chdir("/")
    if _libc.umount2(b"/old", _DETACH):
        raise OSError(ctypes.get_errno(), "umount", "/old")
    Path("/old").rmdir()


def _spool(parameters: Parameters, *, chroot: bool) -> None:
    """An empty queue, as ``postfix post-install`` would leave it, but in a hundredth of the time."""
    owner, drop = pwd.getpwuid(0), 0
    with suppress(KeyError):  # master(8) says it better than we could
        owner = pwd.getpwnam(parameters["mail_owner"])
        drop = grp.getgrnam(parameters["setgid_group"]).gr_gid
    queue = _folder(Path(parameters["queue_directory"]))
    for name in _PRIVATE_FOLDERS:
        os.chown(_folder(queue / name, 0o700), owner.pw_uid, 0)
    for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
        os.chown(_folder(queue / name), owner.pw_uid, drop)
        (queue / name).chmod(mode)  # chown clears the set-id bits
    _folder(queue / "pid")
    os.chown(_folder(Path(parameters["data_directory"]), 0o700), owner.pw_uid, owner.pw_gid)
    with suppress(KeyError):
        os.chown("/var/mail", 0, grp.getgrnam("mail").gr_gid)
    if parameters["maillog_file"]:
        _folder(Path(parameters["maillog_file"]).parent)
    if chroot:
        _copies(_CHROOT, queue / "etc")


def _copies(names: Iterable[str], folder: Path) -> None:
    _folder(folder)
    for name in names:
        with suppress(FileNotFoundError):
            shutil.copy(Path("/etc", name), folder / name)
