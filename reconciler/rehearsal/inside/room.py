"""The root of a rehearsal, built from nothing: what Postfix may read, and an empty spool.

Promises: nothing of the host can be written, and of its sockets none can be reached, for there are none. /usr is there
read-only with its sockets covered. Of everything else there is what ETC lists, what the configuration names, and the
candidate itself with the links that lead to it and what is beside them, and of these only what every user may read: a
file that others may not read has a stand-in, which is empty, or a certificate and a key that fit together, or a table
without an entry. What is written goes to memory, of which there is a limit. Everything ends with the mount namespace.
Raises Unusable when a folder that the configuration names can't be used (spool.py), else OSError as the kernel gives
it.

Known limits: /usr is the operating system's and is shown whole, but for files that the configuration names and for
/usr/local/etc. A link of the host's that comes back leads only to what is shown for another reason. A socket below /usr
that was bound by a relative path, in another network than the host's own, or after sockets_of_host() was called
can be reached.
"""

from __future__ import annotations

import ctypes
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.rehearsal.inside import laid, master, pem, shown
from reconciler.rehearsal.inside.spool import fill, folder, made

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.rehearsal.inside.messages import Candidate, Request, Room
    from reconciler.rehearsal.inside.shown import Reached

# What libc, OpenSSL, SASL and Postfix read in /etc without being told to, and what small policy programs read there.
ETC = (
    "aliases", "aliases.cdb", "aliases.db", "aliases.lmdb", "alternatives", "gai.conf", "group", "host.conf",
    "hostname", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "localtime", "mailname",
    "networks", "nsswitch.conf", "passwd", "perl", "postfix-policyd-spf-python", "protocols", "sasl2", "services",
    "ssl/certs", "ssl/openssl.cnf", "timezone",
)  # fmt: skip
_LOCAL = Path("/usr/local")
_INODES = 100_000
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_NODES = ("null", "zero", "full", "random", "urandom", "tty")
_RESOLVER = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
_FOR_POSTMAP = "mynetworks = 127.0.0.0/8\n"
_RUNNABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
# What stands in for a program: it reads a message, and gives a policy's answer to a request.
_PROGRAM = "#!/bin/sh\nwhile IFS= read -r line; do [ \"$line\" ] || printf 'action=DUNNO\\n\\n'; done\nexit 0\n"
_BEFORE_PATH = 7  # words in a line of /proc/net/unix
_LARGEST_PEM = 1 << 20
_MOST_SHOWN = 4096


class Built(NamedTuple):
    """The named files that have a stand-in, because others may not read them; *tables* are those still to be compiled.

    A table is its type, its source and its place.
    """

    closed: list[str]
    tables: list[tuple[str, str, Path]]


def build(request: Request, sockets: Iterable[Path]) -> Built:
    """Make the root that the request describes, and move into it; nothing of the old one stays in reach.

    The *sockets* of the host are covered.
    """
    room, candidate = request["play"]["room"], request["candidate"]
    laid.mount("none", Path("/"), flags=laid.REC | laid.PRIVATE)
    named = _Named(room, candidate, request["stand_ins"])
    data = shown.find(room["parameters"]["data_directory"])
    caches = [shown.find(name) for name in room["folders_of_caches"]]
    options = f"mode=0755,size={room['limits']['space']},nr_inodes={_INODES}"
    laid.mount("tmpfs", laid.BASE, "tmpfs", laid.NOSUID | laid.NODEV, options)
    _outside(candidate)
    _system()
    _devices()
    for name in ("tmp", "var/tmp", "run/lock", "var/mail", "home", "root", "var/log", "proc", "old"):
        folder(laid.BASE / name, 0o1777 if name in {"tmp", "var/tmp", "var/mail"} else 0o755)
    _configuration(candidate)
    _programs(room["programs"])
    for folder_of_caches in caches:
        if folder_of_caches and stat.S_ISDIR(folder_of_caches.status.st_mode):
            laid.open_for_writing(folder_of_caches)
    named.show()
    if not os.path.lexists(laid.BASE / "var/run"):
        (laid.BASE / "var/run").symlink_to("/run")
    for path in sockets:
        _cover(path)
    _enter()
    laid.mount("proc", Path("/proc"), "proc", laid.NOSUID | laid.NODEV)
    laid.mount("none", Path("/proc"), flags=laid.READ_ONLY)  # sysctls are the host's own
    fill(room["parameters"], data, chroot=room["chroot"])
    for name in room["folders"]:
        with suppress(OSError):  # it is part of what is shown, or Postfix says why it can't be
            made(Path(name), 0o1777)
    return Built(sorted(named.closed), list(named.compiled()))


# ---- the host's part -------------------------------------------------------------------------------------------------


def _system() -> None:
    """Show the programs and libraries, and what they read in /etc."""
    laid.bind(Path("/usr"), laid.BASE / "usr")
    for name in _LINKS:
        if Path("/", name).is_symlink():
            (laid.BASE / name).symlink_to(Path("/", name).readlink())
        elif Path("/", name).is_dir():
            laid.bind(Path("/", name), laid.BASE / name)
    laid.close(laid.BASE / _LOCAL.relative_to("/"), 2)
    laid.close(laid.BASE / _LOCAL.relative_to("/") / "etc")
    (folder(laid.BASE / "etc") / "resolv.conf").write_text(_RESOLVER)  # first, or it could be a link to the host's
    for name in ETC:
        path = f"/etc/{name}"
        laid.show_if_open(path, shown.find(path), copied=True)


def _programs(folders: Mapping[str, str]) -> None:
    """Show the folders of a Postfix outside of /usr; a folder without its programs is none of them."""
    for path, marker in folders.items():
        found = shown.find(f"{path}/{marker}")
        if found and found.is_open and stat.S_ISREG(found.status.st_mode):
            laid.show_if_open(path, shown.find(path))


def sockets_of_host() -> list[Path]:
    """Return the sockets of the host, by the paths they were bound to; of thousands, it takes some milliseconds."""
    lines = Path("/proc/1/net/unix").read_text("utf-8", "surrogateescape").split("\n")
    # Postfix's own, of which there may be thousands, have relative paths.
    rows = (line.split(maxsplit=_BEFORE_PATH) for line in lines if " /" in line)
    return [Path(path) for path in {row[-1] for row in rows if len(row) > _BEFORE_PATH} if path.startswith("/")]


def _cover(path: Path) -> None:
    """Hide a socket that would be in reach."""
    inside = laid.place_of(Path(os.path.realpath(path)))
    if inside.is_socket():
        laid.mount(Path("/dev/null"), inside, flags=laid.BIND)


def _devices() -> None:
    folder(laid.BASE / "dev")
    folder(laid.BASE / "dev/shm", 0o1777)
    for name in _NODES:
        (laid.BASE / "dev" / name).touch()
        laid.mount(Path("/dev", name), laid.BASE / "dev" / name, flags=laid.BIND)
    (laid.BASE / "dev/fd").symlink_to("/proc/self/fd")


# ---- the candidate's part --------------------------------------------------------------------------------------------


def _configuration(candidate: Candidate) -> None:
    """Show the candidate where Postfix looks for its configuration, with the files that stand in for its own."""
    link, directory = Path(candidate["directory"]), _directory(candidate)
    if link != directory:  # as on an adopted host, where it leads to the live generation
        laid.place_of(link).parent.mkdir(parents=True, exist_ok=True)
        laid.place_of(link).symlink_to(directory)
    laid.bind(Path(candidate["stage"]), laid.place_of(directory))
    for name, text in candidate["replaced"].items():
        laid.put(text, laid.place_of(directory) / name)


def _outside(candidate: Candidate) -> None:
    """Show the links that lead to the candidate from elsewhere, in folders of the room with what else is there."""
    for name, path in candidate["links"].items():
        inside = laid.place_of(Path(name))
        inside.parent.mkdir(parents=True, exist_ok=True)
        inside.symlink_to(_directory(candidate) / path)
    for name, copy in candidate["returning"].items():
        laid.place_of(Path(name)).parent.mkdir(parents=True, exist_ok=True)
        _return(Path(copy), laid.place_of(Path(name)))
    names = (*candidate["links"], *candidate["returning"])
    for above in sorted({os.path.dirname(name) for name in names}):  # noqa: PTH120 - a path of the host
        with suppress(OSError), os.scandir(above) as entries:
            for entry in sorted(entries, key=lambda one: one.name)[:_MOST_SHOWN]:
                if not entry.is_symlink():
                    laid.show_if_open(entry.path, shown.find(entry.path), copied=True)


def _return(copy: Path, inside: Path) -> None:
    """Show what the host has again in the place of a link; it is empty if others may not read it."""
    status = copy.lstat()
    if stat.S_ISLNK(status.st_mode):
        inside.symlink_to(copy.readlink())
    else:
        text = copy.read_text("utf-8", "surrogateescape") if shown.is_for_all(status) else ""
        laid.put(text, inside, status.st_mode & 0o7777)


def _directory(candidate: Candidate) -> Path:
    """Return the folder that the candidate is shown as."""
    directory = Path(candidate["directory"])
    if directory.is_symlink():
        return Path(os.path.normpath(directory.parent / directory.readlink()))
    return directory


class _Named:
    """The files that the configuration names: *closed* are those that others may not read, with their places."""

    def __init__(self, room: Room, candidate: Candidate, given: Mapping[str, str]) -> None:
        self._room, self._returning = room, candidate["returning"]
        self._candidate = shown.StagedFolder(
            Path(candidate["stage"]), _directory(candidate), Path(candidate["directory"]), candidate["links"]
        )
        self._found: dict[str, Reached] = {}
        self.closed: dict[str, Path] = {}
        self._staged = {path: self._candidate.place_of(path) for path in laid.closed_below(self._candidate.root)}
        for name in room["files"]:
            self._look(name)
        self._texts = self._stand_ins(given)

    def _look(self, name: str) -> None:
        path = self._candidate.follow(name)
        if name in self._returning:
            if not shown.is_for_all(Path(self._returning[name]).lstat()):
                self.closed[name] = Path(name)
        elif isinstance(path, Path):
            if path in self._staged:
                self.closed[name] = self._staged[path]
        elif (found := shown.find(path)) and stat.S_ISREG(found.status.st_mode):
            self._found[name] = found
            if not found.is_open:
                self.closed[name] = found.real
        elif found and name in self._room["folders_of_files"]:
            with suppress(OSError), shown.opened(found) as descriptor:
                for entry in sorted(os.listdir(descriptor))[:_MOST_SHOWN]:  # noqa: PTH208 - of a descriptor
                    self._look(f"{name}/{entry}")

    def _content(self, name: str) -> str:
        """Return what a PEM file holds, to make its stand-in; it leaves this process for nowhere."""
        path = self._candidate.follow(name)
        with suppress(OSError):
            if found := self._found.get(name):
                with shown.opened(found) as descriptor:
                    return os.read(descriptor, _LARGEST_PEM).decode("latin-1")
            elif isinstance(path, Path) and path.is_file():
                with path.open("rb") as stream:
                    return stream.read(_LARGEST_PEM).decode("latin-1")
        return ""

    def _program(self, name: str) -> str:
        """Return a program that does nothing, if the file is one: who may run the real one is a fact of the host."""
        path, found = self._candidate.follow(name), self._found.get(name)
        status = found.status if found else path.lstat() if isinstance(path, Path) else None
        return _PROGRAM if status and status.st_mode & _RUNNABLE else ""

    def _stand_ins(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the texts that are shown; where one private key has a stand-in, so has every certificate."""
        texts = {name: pem.stand_in(self._content(name), given) or self._program(name) for name in self.closed}
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
            laid.put("", laid.place_of(place))
        for name, found in self._found.items():
            if name not in self._texts and not laid.show_if_open(str(self._candidate.follow(name)), found):
                self.closed[name], self._texts[name] = found.real, ""
        for name, text in self._texts.items():
            path, mode = self._candidate.follow(name), 0o755 if text == _PROGRAM else 0o644
            if target := self._found.get(name):
                laid.lay(target)
                laid.put(text, laid.place_of(target.real), mode)
            elif isinstance(path, Path):
                laid.put(text, laid.place_of(self._candidate.place_of(path)), mode)

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
        path = folder(Path("/", laid.OURS)) / f"table-{number}"
        path.write_text(source, "utf-8", "surrogateescape")
        compiled[f"{kind}:{path}"] = place
    if compiled:
        own = folder(Path("/", laid.OURS, "postfix"))
        (own / "main.cf").write_text(_FOR_POSTMAP)
        os.utime(own / "main.cf", (time.time() - laid.AGE,) * 2)
        master.compile_tables(str(own), compiled)
    for table, place in compiled.items():
        if not place.is_file():  # its folder was exchanged for a link, so it has no place here
            continue
        path = Path(table.partition(":")[2])
        laid.mount(path.with_name(path.name + place.suffix), place, flags=laid.BIND)


def _enter() -> None:
    os.chdir(laid.BASE)
    number = _PIVOT_ROOT.get(os.uname().machine)  # libc has no function for it
    if number is None or laid.libc.syscall(number, b".", b"old"):
        code = ctypes.get_errno() if number else 38
        raise OSError(code, f"pivot_root: {os.strerror(code)}", str(laid.BASE))
    os.chdir("/")
    if laid.libc.umount2(b"/old", laid.DETACH):
        raise OSError(ctypes.get_errno(), "umount", "/old")
    Path("/old").rmdir()
