"""The root of a rehearsal, built from nothing: what Postfix may read, and an empty spool.

Promises: nothing of the host can be written, and of its sockets none can be reached, for there are none. /usr is there
read-only with its sockets covered. Of everything else there is what ETC lists, what the configuration names, and the
candidate itself, and of these only what every user may read: a file that others may not read has a stand-in, which is
empty, or a certificate and a key that fit together, or a table without an entry. What is written goes to memory, of
which there is a limit. Everything ends with the mount namespace. Raises Unusable when a folder that the configuration
names can't be used (spool.py), else OSError as the kernel gives it.

Known limits: /usr is the operating system's and is shown whole, but for files that the configuration names and for
/usr/local/etc. A socket below /usr that was bound by a relative path, or in another network than the host's own, can be
reached.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.rehearsal.inside import master, pem, shown
from reconciler.rehearsal.inside.spool import fill, folder, made

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.rehearsal.inside.messages import Candidate, Request, Room
    from reconciler.rehearsal.inside.shown import Reached

BASE = Path("/proc")  # there on every host, and no configuration names a file in it
AGE = 10.0  # as in host/programs/postfix.py, which nothing in here may import
# What libc, OpenSSL, SASL and Postfix read in /etc without being told to, and what small policy programs read there.
ETC = (
    "aliases", "aliases.cdb", "aliases.db", "aliases.lmdb", "alternatives", "gai.conf", "group", "host.conf",
    "hostname", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "localtime", "mailname",
    "networks", "nsswitch.conf", "passwd", "perl", "postfix-policyd-spf-python", "protocols", "sasl2", "services",
    "ssl/certs", "ssl/openssl.cnf", "timezone",
)  # fmt: skip
_LOCAL = Path("/usr/local")
_INODES = 100_000
_RDONLY, _NOSUID, _NODEV, _REMOUNT, BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_DETACH = 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_RESOLVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
_FOR_POSTMAP = "mynetworks = 127.0.0.0/8\n"
_SMALL = _LARGEST_PEM = 1 << 20
_OURS = "rehearsal"
_MOST_SHOWN = 4096
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: Path | str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount something; the flags are those of the system call."""
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, options.encode() or None)
    if _libc.mount(arguments[0], arguments[1], arguments[2], ctypes.c_ulong(flags), arguments[4]):
        number = ctypes.get_errno()
        raise OSError(number, f"mount: {os.strerror(number)}", str(target))


class Built(NamedTuple):
    """The named files that have a stand-in, because others may not read them; *tables* are those still to be compiled.

    A table is its type, its source and its place.
    """

    closed: list[str]
    tables: list[tuple[str, str, Path]]


def build(request: Request) -> Built:
    """Make the root that the request describes, and move into it; nothing of the old one stays in reach."""
    room, candidate = request["play"]["room"], request["candidate"]
    mount("none", Path("/"), flags=_REC | _PRIVATE)
    sockets = _sockets()  # read from /proc, which the room covers
    named = _Named(room, candidate, request["stand_ins"])
    data = shown.find(room["parameters"]["data_directory"])
    mount("tmpfs", BASE, "tmpfs", _NOSUID | _NODEV, f"mode=0755,size={room['limits']['space']},nr_inodes={_INODES}")
    _system()
    _devices()
    for name in ("tmp", "var/tmp", "run/lock", "var/mail", "home", "root", "var/log", "proc", "old"):
        folder(BASE / name, 0o1777 if name in {"tmp", "var/tmp", "var/mail"} else 0o755)
    _configuration(candidate)
    named.show()
    if not os.path.lexists(BASE / "var/run"):
        (BASE / "var/run").symlink_to("/run")
    (BASE / "etc/resolv.conf").write_text(_RESOLVER)
    for path in sockets:
        _cover(path)
    _enter()
    mount("proc", Path("/proc"), "proc", _NOSUID | _NODEV)
    mount("none", Path("/proc"), flags=BIND | _REMOUNT | _RDONLY | _NOSUID | _NODEV)  # sysctls are the host's own
    fill(room["parameters"], data, chroot=room["chroot"])
    for name in room["folders"]:
        with suppress(OSError):  # it is part of what is shown, or Postfix says why it can't be
            made(Path(name), 0o1777)
    return Built(sorted(named.closed), list(named.compiled()))


# ---- the host's part -------------------------------------------------------------------------------------------------


def _system() -> None:
    """Show the programs and libraries, and what they read in /etc."""
    _bind(Path("/usr"), BASE / "usr")
    for name in _LINKS:
        if Path("/", name).is_symlink():
            (BASE / name).symlink_to(Path("/", name).readlink())
        elif Path("/", name).is_dir():
            _bind(Path("/", name), BASE / name)
    _close(BASE / _LOCAL.relative_to("/"), 2)
    _close(BASE / _LOCAL.relative_to("/") / "etc")
    folder(BASE / "etc")
    for name in ETC:
        if (found := shown.find(f"/etc/{name}")) and found.is_open and not _copy(found):
            _show(found)


def _copy(found: Reached) -> bool:
    """Copy a small file, which costs a tenth of two mounts; tell whether it was one."""
    inside = _inside(found.real)
    if not stat.S_ISREG(found.status.st_mode) or found.status.st_size > _SMALL or inside.exists():
        return False
    with found.real.open("rb") as stream:
        status = os.fstat(stream.fileno())
        if (status.st_dev, status.st_ino) != found.identity or not shown.is_for_all(status):
            return False
        _lay(found)
        inside.write_bytes(stream.read(_SMALL))
    inside.chmod(status.st_mode & 0o7777)
    os.utime(inside, ns=(status.st_atime_ns, status.st_mtime_ns))  # or a table would look older than its source
    return True


def _show(found: Reached) -> bool:
    """Show a file, or a folder without what others may not read in it; tell whether it could be shown."""
    _lay(found)
    inside = _inside(found.real)
    if inside.exists():
        return True
    _bind(found.real, inside, is_folder=stat.S_ISDIR(found.status.st_mode))
    now = inside.stat()
    if (now.st_dev, now.st_ino) != found.identity or not shown.is_for_all(now):  # it was exchanged meanwhile
        _libc.umount2(os.fsencode(inside), _DETACH)
        return False
    if inside.is_dir():
        _close(inside)
    return True


def _lay(found: Reached) -> None:
    """Make the folders and the links that lead to a file, as they are on the host."""
    for path, status in found.folders:
        inside = _inside(path)
        if not os.path.lexists(inside):
            inside.mkdir()
            os.chown(inside, status.st_uid, status.st_gid)
            inside.chmod(status.st_mode & 0o7777)
    for link, target in found.links:
        inside = _inside(link)
        if not os.path.lexists(inside) and inside.parent.is_dir():
            inside.symlink_to(target)


def _inside(path: Path) -> Path:
    """Return where a real path of the host lies before the room is entered."""
    return BASE / path.relative_to("/")


def _close(shown_folder: Path, depth: int = 8) -> None:
    """Cover what others may not read below a folder that is shown, down to that depth."""
    for path in _closed_below(shown_folder, depth):
        _put("", path)


def _closed_below(above: Path, depth: int = 8) -> Iterator[Path]:
    """Yield the files below a folder that others may not read, and those in folders that they may not enter."""
    with suppress(FileNotFoundError), os.scandir(above) as entries:
        for entry in entries:
            if entry.is_symlink():
                continue
            is_open = shown.is_for_all(entry.stat(follow_symlinks=False))
            if entry.is_file(follow_symlinks=False) and not is_open:
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False) and not is_open:
                yield from _files_below(Path(entry.path))
            elif entry.is_dir(follow_symlinks=False) and depth > 1:
                yield from _closed_below(Path(entry.path), depth - 1)


def _files_below(above: Path) -> Iterator[Path]:
    for path in above.rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            yield path


def _put(text: str, inside: Path) -> None:
    """Show a text as a file, instead of what is there."""
    here = folder(BASE / _OURS)
    ours = here / f"{len(os.listdir(here))}"  # noqa: PTH208 - a number that is free
    ours.write_text(text, "utf-8", "surrogateescape")
    os.utime(ours, (time.time() - AGE,) * 2)  # every program sleeps while main.cf is young
    if inside.exists():
        mount(ours, inside, flags=BIND)
    else:
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ours, inside)


def _bind(source: Path, target: Path, *, is_folder: bool = True) -> None:
    """Show a file or a folder read-only."""
    if is_folder:
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.touch()
    mount(source, target, flags=BIND)
    mount("none", target, flags=BIND | _REMOUNT | _RDONLY | _NOSUID | _NODEV)


def _sockets() -> list[Path]:
    """The sockets of the host, by the paths they were bound to."""
    lines = Path("/proc/1/net/unix").read_text("utf-8", "surrogateescape").split("\n")[1:]
    paths = (words[7] for line in lines if len(words := re.split(" +", line, maxsplit=7)) > 7)  # noqa: PLR2004 - proc(5)
    return [Path(path) for path in set(paths) if path.startswith("/")]


def _cover(path: Path) -> None:
    """Hide a socket that would be in reach."""
    inside = _inside(Path(os.path.realpath(path)))
    if inside.is_socket():
        mount(Path("/dev/null"), inside, flags=BIND)


def _devices() -> None:
    folder(BASE / "dev")
    folder(BASE / "dev/shm", 0o1777)
    for name in _NODES:
        (BASE / "dev" / name).touch()
        mount(Path("/dev", name), BASE / "dev" / name, flags=BIND)
    (BASE / "dev/fd").symlink_to("/proc/self/fd")


# ---- the candidate's part --------------------------------------------------------------------------------------------


def _configuration(candidate: Candidate) -> None:
    """Show the candidate where Postfix looks for its configuration, with the files that stand in for its own."""
    link, directory = Path(candidate["directory"]), _directory(candidate)
    if link != directory:  # as on an adopted host, where it leads to the live generation
        _inside(link).parent.mkdir(parents=True, exist_ok=True)
        _inside(link).symlink_to(directory)
    _bind(Path(candidate["stage"]), _inside(directory))
    for name, text in candidate["replaced"].items():
        _put(text, _inside(directory) / name)


def _directory(candidate: Candidate) -> Path:
    """Return the folder that the candidate is shown as."""
    directory = Path(candidate["directory"])
    if directory.is_symlink():
        return Path(os.path.normpath(directory.parent / directory.readlink()))
    return directory


class _Named:
    """The files that the configuration names: *closed* are those that others may not read, with their places."""

    def __init__(self, room: Room, candidate: Candidate, given: Mapping[str, str]) -> None:
        self._room = room
        self._link, self._shown_as, self._stage = candidate["directory"], _directory(candidate), candidate["stage"]
        self._found: dict[str, Reached] = {}
        self.closed: dict[str, Path] = {}
        closed = _closed_below(Path(self._stage))
        self._staged = {path: self._shown_as / path.relative_to(self._stage) for path in closed}
        for name in room["files"]:
            self._look(name)
        self._texts = self._stand_ins(given)

    def _look(self, name: str) -> None:
        own = self._own(name)
        if own and not own.is_symlink():
            if own in self._staged:
                self.closed[name] = self._staged[own]
        elif (found := shown.find(name)) and stat.S_ISREG(found.status.st_mode):
            self._found[name] = found
            if not found.is_open:
                self.closed[name] = found.real
        elif found and name in self._room["folders_of_files"]:
            with suppress(OSError):
                for entry in sorted(os.listdir(found.real))[:_MOST_SHOWN]:  # noqa: PTH208 - the names alone
                    self._look(f"{name}/{entry}")

    def _own(self, name: str) -> Path | None:
        """Return the file of the candidate itself that has this name, if there is one."""
        path = Path(self._stage, name.removeprefix(f"{self._link}/"))
        return path if name.startswith(f"{self._link}/") and os.path.lexists(path) else None

    def _content(self, name: str) -> str:
        """Return what a PEM file holds, to make its stand-in; it leaves this process for nowhere."""
        own, found = self._own(name), self._found.get(name)
        path = found.real if found else own
        with suppress(OSError):
            if path and path.is_file():
                with path.open("rb") as stream:
                    return stream.read(_LARGEST_PEM).decode("latin-1")
        return ""

    def _stand_ins(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the texts that are shown; where one private key has a stand-in, so has every certificate."""
        texts = {name: pem.stand_in(self._content(name), given) for name in self.closed}
        contents = {name: self._content(name) for chain in self._room["chains"] for name in chain}
        if any(name in self.closed and pem.holds_key(content) for name, content in contents.items()):
            for chain in self._room["chains"]:
                are_fit = pem.fit(contents[name] for name in chain)
                made = {name: pem.stand_in(contents[name], given, certificates=are_fit) for name in chain}
                texts |= {name: text for name, text in made.items() if text}
        return texts | {name: text for name, text in self._room["texts"].items() if name in self.closed}

    def show(self) -> None:
        """Show each file, or its stand-in."""
        for place in self._staged.values():
            _put("", _inside(place))
        for name, found in self._found.items():
            if name not in self._texts and not _show(found):
                self.closed[name], self._texts[name] = found.real, ""
        for name, text in self._texts.items():
            target = self._found.get(name)
            if target:
                _lay(target)
            place = target.real if target else self._shown_as / name.removeprefix(f"{self._link}/")
            _put(text, _inside(place))

    def compiled(self) -> Iterator[tuple[str, str, Path]]:
        """Yield the type, the source and the place of each closed table that Postfix reads in a compiled form."""
        for name, place in self.closed.items():
            if name in self._room["compiled"]:
                kind, suffix = self._room["compiled"][name]
                yield kind, self._room["texts"].get(name.removesuffix(suffix), ""), place


def compile_tables(tables: Iterable[tuple[str, str, Path]]) -> None:
    """Have Postfix's own program make the stand-ins of compiled tables, by a configuration of ours; needs a network."""
    compiled: dict[str, Path] = {}
    for number, (kind, source, place) in enumerate(tables):
        path = folder(Path("/", _OURS)) / f"table-{number}"
        path.write_text(source, "utf-8", "surrogateescape")
        compiled[f"{kind}:{path}"] = place
    if compiled:
        own = folder(Path("/", _OURS, "postfix"))
        (own / "main.cf").write_text(_FOR_POSTMAP)
        os.utime(own / "main.cf", (time.time() - AGE,) * 2)
        master.compile_tables(str(own), compiled)
    for table, place in compiled.items():
        path = Path(table.partition(":")[2])
        mount(path.with_name(path.name + place.suffix), place, flags=BIND)


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
