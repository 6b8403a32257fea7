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
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from reconciler.host import certificates, reachable, sockets
from reconciler.host.dns import resolver
from reconciler.host.programs import PROGRAMS, postfix
from reconciler.model import Facts, Listener, Mentioned, Pem
from reconciler.postfix.syntax import read_main

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Interface, IPv6Interface

    from reconciler.host.effects import Host
    from reconciler.host.settings import Settings
    from reconciler.host.sockets import SocketAddress

NOTHING = Mentioned()
SERVICES = Path("/etc/services")
DPKG_STATUS = Path("/var/lib/dpkg/status")
_TICKS = os.sysconf("SC_CLK_TCK")
TICK = 1 / _TICKS
"""As exact as the kernel tells when a process started, in seconds."""


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
        answers=known.answers if known else reachable.ask(named.servers),
        names=known.names if known else resolver.reverse_names(named.addresses),
        packages=_packages(host, _stamp(DPKG_STATUS)),
    )


def gather_again(host: Host, settings: Settings, facts: Facts, *, ask: bool) -> Facts:
    """Look once more; without *ask*, no server is connected to, DNS is not asked, and the last answer stands."""
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
def _packages(host: Host, _: Stamp) -> dict[str, str]:
    """The versions of the companions that are installed; about 10 ms."""
    names = [program.PACKAGE for program in PROGRAMS.values()]
    shown = "${db:Status-Status} ${Package} ${Version}\\n"
    lines = host.run(("dpkg-query", "--show", f"--showformat={shown}", *names)).stdout.splitlines()
    words = (line.split(" ") for line in lines)  # of a package that is only known, the version is empty
    return {name: version for state, name, version in words if state == "installed"}


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


def listeners(master: int | None) -> tuple[Listener, ...]:
    """Every listening TCP socket; *master* holds those of its services open itself, which makes them ours."""
    listening = sockets.open_in(sockets.LISTEN)
    ours = sockets.held(master) if master else set()
    owners = _owners(frozenset(one.inode for one in listening if one.inode not in ours))
    programs = owners | dict.fromkeys(ours, "master")
    return tuple(Listener(*one.local, program=programs.get(one.inode, ""), ours=one.inode in ours) for one in listening)


@functools.lru_cache(maxsize=1)
def _owners(inodes: frozenset[int]) -> dict[int, str]:
    """Which programs hold these sockets; looks at all processes, so only when others listen than the last time."""
    owners = {}
    for process in psutil.process_iter(["name"]) if inodes else ():
        for inode in sockets.held(process.pid) & inodes:
            owners[inode] = str(process.info["name"])
    return owners


def _listeners(directory: Path, defaults: Mapping[str, str]) -> tuple[Listener, ...]:
    """Every listening socket; none for who may not see which of them are ours."""
    try:
        return listeners(_master(directory, defaults))
    except PermissionError:
        return ()


def _master(directory: Path, defaults: Mapping[str, str]) -> int | None:
    """The master of this directory. Read here, since postconf sleeps while main.cf is fresh."""
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


def owner_of_connection(local: SocketAddress, remote: SocketAddress) -> int | None:
    """The process at the other end of our own connection: *local* is our end of it, *remote* the one that answered.

    None while it is not accepted. Who holds it is looked for among the newest processes first.
    """
    inode = next(
        (one.inode for one in sockets.open_in(sockets.ESTABLISHED) if (one.local, one.remote) == (remote, local)), 0
    )
    if not inode:
        return None
    return next((pid for pid in sorted(psutil.pids(), reverse=True) if inode in sockets.held(pid)), None)
