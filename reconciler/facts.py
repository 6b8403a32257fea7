"""What is true of this host now: psutil's one door, and the other look-ups of processes and sockets.

Promises: gather() changes nothing and needs no working main.cf. What comes with the installed package is asked once and
kept while postconf and dynamicmaps.cf stay the same (and the host its name and addresses, which some defaults
are made of); the rest is read anew each time, which takes about 2 ms, and up to 0.3 s where servers are asked. Raises
CommandFailed when postconf does, OSError as the kernel gives it.

Known limits: a queue_directory that main.cf composes of $names is not found, so that nothing is ours. Users whom a
directory service knows but does not list are missing. A listener whose owner may not be seen has no program's name.
Times of processes are exact to a hundredth of a second.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import pwd
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from reconciler import certificates, connections, resolver
from reconciler.circumstances import Listener, Mentioned, Pem
from reconciler.model import Facts
from reconciler.programs import postfix
from reconciler.syntax import read_main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from ipaddress import IPv4Interface, IPv6Interface

    from reconciler.host import Host
    from reconciler.settings import Settings

Endpoint = tuple[str, int]
NOTHING = Mentioned()
SERVICES = Path("/etc/services")
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED, _LISTEN = 1, 10  # include/net/tcp_states.h
_SOCK_DIAG, _BY_FAMILY, _DUMP, _ERROR, _DONE = 4, 20, 0x301, 2, 3  # linux/netlink.h, linux/sock_diag.h
_TICKS = os.sysconf("SC_CLK_TCK")


def gather(host: Host, settings: Settings, named: Mentioned = NOTHING, known: Facts | None = None) -> Facts:
    """Look at this host; *named* is what the desired state names, *known* has what others answered already."""
    here = addresses()
    installed = _installed(host, (_identity(postfix.STOCK_DIRECTORY), os.uname().nodename, here))
    return Facts(
        host=settings.host,
        version=installed.parameters["mail_version"],
        parameters=installed.parameters,
        map_types=installed.map_types,
        programs=installed.programs,
        addresses=here,
        users=frozenset(user.pw_name for user in pwd.getpwall()),
        ports=_ports(_stamp(SERVICES)),
        listeners=_listeners(settings.config_directory, installed.parameters),
        files={path: _readable(path) for path in named.paths},
        pems={path: _pem(path) for path in named.pems},
        answers=known.answers if known else connections.ask(named.servers),
        names=known.names if known else resolver.reverse_names(named.addresses),
    )


def again(host: Host, settings: Settings, facts: Facts, *, ask: bool) -> Facts:
    """The same look once more; without *ask*, nobody connects to a server or asks DNS, and the last answer stands."""
    named = Mentioned(
        frozenset(facts.files), frozenset(facts.pems), frozenset(facts.answers), frozenset(facts.names)
    )  # fmt: skip
    return gather(host, settings, named, None if ask else facts)


def _readable(path: str) -> bool:
    return Path(path).is_file() and os.access(path, os.R_OK)


def _pem(path: str) -> Pem:
    """What is in the file; nothing when it can't be read, which *files* says."""
    try:
        return certificates.read(path, datetime.now(UTC)) if _readable(path) else Pem()
    except OSError:
        return Pem()


# ---- what the package brings -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Installed:
    parameters: Mapping[str, str]
    map_types: frozenset[str]
    programs: frozenset[str]


Stamp = tuple[str, int, int, int]


def _stamp(path: Path) -> Stamp:
    """What changes when a file does; zeros for one that is not there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return str(path), 0, 0, 0
    return str(path), status.st_ino, status.st_mtime_ns, status.st_size


def _identity(directory: Path) -> tuple[object, ...]:
    """What changes with the package: postconf itself, and what dynamicmaps.cf says (each generation has its copy)."""
    more = directory / "dynamicmaps.cf.d"
    maps = (directory / "dynamicmaps.cf", *(sorted(more.iterdir()) if more.is_dir() else ()))
    return postfix.installed(), *((path.name, path.read_bytes()) for path in maps if path.is_file())


@functools.lru_cache(maxsize=1)
def _installed(host: Host, _: tuple[object, ...]) -> _Installed:
    """Ask postconf in a folder of its own, for it fails where main.cf is broken or missing; about 20 ms."""
    with postfix.scratch() as directory:
        parameters = postfix.defaults(host, directory)
        map_types = postfix.map_types(host, directory)
    programs = frozenset(path.name for path in Path(parameters["daemon_directory"]).iterdir() if path.is_file())
    return _Installed(parameters, map_types, programs)


@functools.lru_cache(maxsize=1)
def _ports(stamp: Stamp) -> dict[str, int]:
    """Read services(5): names and aliases with their TCP ports; the first line that has a name wins."""
    path, inode, *_ = stamp
    ports: dict[str, int] = {}
    for line in Path(path).read_text("utf-8", "replace").splitlines() if inode else ():
        words = line.partition("#")[0].split()
        if len(words) > 1 and words[1].endswith("/tcp"):
            for name in (words[0], *words[2:]):
                ports.setdefault(name, int(words[1].removesuffix("/tcp")))
    return ports


# ---- addresses and sockets -------------------------------------------------------------------------------------------


def addresses() -> tuple[IPv4Interface | IPv6Interface, ...]:
    """The addresses of this host's interfaces, with their prefixes."""
    found = []
    for interface in psutil.net_if_addrs().values():
        for one in interface:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                address = one.address.partition("%")[0]
                found.append(ipaddress.ip_interface(f"{address}/{_prefix(one.netmask, one.family)}"))
    return tuple(found)


def _prefix(netmask: str | None, family: int) -> int:
    if netmask is None:
        return 32 if family == socket.AF_INET else 128
    return int(ipaddress.ip_address(netmask)).bit_count()


class _Socket(NamedTuple):
    local: Endpoint
    remote: Endpoint
    inode: int


def _sockets(state: int) -> list[_Socket]:
    """The TCP sockets in that state. Netlink takes 0.1 ms, but needs a module of the kernel; /proc/net/tcp takes 9."""
    try:
        return [one for family in (socket.AF_INET, socket.AF_INET6) for one in _asked(family, state)]
    except OSError:
        return [one for path in _TABLES if path.exists() for one in _listed(path.read_text("ascii"), state)]


def _asked(family: int, state: int) -> Iterator[_Socket]:
    """Ask sock_diag(7) for a dump: struct inet_diag_req_v2 after a header, answered by many inet_diag_msg."""
    request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, 1 << state)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(request), _BY_FAMILY, _DUMP, 0, 0) + request)
        while True:
            answer, start = netlink.recv(1 << 16), 0
            while start < len(answer):
                length, kind = struct.unpack_from("=IH", answer, start)
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise OSError(-struct.unpack_from("=i", answer, start + 16)[0], "sock_diag")
                yield _told(answer[start + 16 : start + length])
                start += (length + 3) & ~3


def _told(message: bytes) -> _Socket:
    family, near, far, here, there, inode = struct.unpack_from("=B3x2s2s16s16s28xI", message)
    ends = ((here, near), (there, far))
    size = 4 if family == socket.AF_INET else 16
    local, remote = ((_address(address[:size]), int.from_bytes(port, "big")) for address, port in ends)
    return _Socket(local, remote, inode)


def _listed(table: str, state: int) -> Iterator[_Socket]:
    """Read /proc/net/tcp."""
    for line in table.splitlines()[1:]:
        _, local, remote, found, *rest = line.split()
        if int(found, 16) == state:
            yield _Socket(_endpoint(local), _endpoint(remote), int(rest[5]))


def _endpoint(text: str) -> Endpoint:
    """``0100007F:0019`` is 127.0.0.1:25: four bytes at a time, each in this machine's order."""
    digits, _, port = text.partition(":")
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    return _address(struct.pack(f"={len(words)}I", *words)), int(port, 16)


@functools.lru_cache(maxsize=4096)
def _address(packed: bytes) -> str:
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def listeners(master: int | None) -> tuple[Listener, ...]:
    """Every listening TCP socket; *master* holds those of its services open itself, which makes them ours."""
    sockets = _sockets(_LISTEN)
    ours = _held(master) if master else set()
    owners = _owners(frozenset(one.inode for one in sockets if one.inode not in ours))
    programs = owners | dict.fromkeys(ours, "master")
    return tuple(Listener(*one.local, program=programs.get(one.inode, ""), ours=one.inode in ours) for one in sockets)


def _held(pid: int) -> set[int]:
    """The inodes of the sockets that a process holds open; none when it has ended or is not ours to see."""
    folder = f"/proc/{pid}/fd"
    held: set[int] = set()
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for name in os.listdir(folder):  # noqa: PTH208 - there are many, and plain strings are twice as quick
            with suppress(FileNotFoundError):  # closed by now
                target = os.readlink(f"{folder}/{name}")  # noqa: PTH115
                if target.startswith("socket:["):
                    held.add(int(target[8:-1]))
    return held


@functools.lru_cache(maxsize=1)
def _owners(inodes: frozenset[int]) -> dict[int, str]:
    """Which programs hold these sockets; looks at all processes, so only when others listen than the last time."""
    owners = {}
    for process in psutil.process_iter(["name"]) if inodes else ():
        for inode in _held(process.pid) & inodes:
            owners[inode] = str(process.info["name"])
    return owners


def _listeners(directory: Path, defaults: Mapping[str, str]) -> tuple[Listener, ...]:
    """Every listening socket; none for who may not see which of them are ours."""
    try:
        return listeners(_master(directory, defaults))
    except PermissionError:
        return ()


def _master(directory: Path, defaults: Mapping[str, str]) -> int | None:
    """The master of this directory. Read here, for postconf sleeps while somebody has just edited main.cf."""
    try:
        text = (directory / postfix.MAIN).read_text("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    written, _ = read_main(text, postfix.MAIN)
    names = ("queue_directory", "process_id_directory")
    values = {name: written[name].value if name in written else defaults[name] for name in names}
    return postfix.running(postfix.Instance(directory, values))


# ---- processes -------------------------------------------------------------------------------------------------------


def boot_clock() -> float:
    """Now, on the clock that process_started() tells times of."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Which boot of this host boot_clock() counts from."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def process_started(pid: int) -> float | None:
    """When a process began, in seconds since this host did, rounded down to a hundredth; None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(text.rpartition(")")[2].split()[19]) / _TICKS


def owner_of_connection(local: Endpoint, remote: Endpoint) -> int | None:
    """The process at the other end of our own connection: *local* is our end of it, *remote* the one that answered.

    None while nobody has accepted it. Who holds it is looked for among the newest processes first.
    """
    inode = next((one.inode for one in _sockets(_ESTABLISHED) if (one.local, one.remote) == (remote, local)), 0)
    if not inode:
        return None
    return next((pid for pid in sorted(psutil.pids(), reverse=True) if inode in _held(pid)), None)
