"""Gather the facts of this host, with the owners of its sockets.

Promises: gather() changes nothing and needs no working main.cf. The facts of the installed package are read once and
kept while postconf and dynamicmaps.cf stay the same (and the host's name and addresses, which some defaults contain).
The addresses are kept until one comes or goes (address_news.py); the rest is read again each time, which takes about
2 ms. Others are asked all at the same time: servers take up to 0.3 s, names a second more than their answers, and
look-ups 2 s. Raises CommandFailed when postconf fails, OSError as the kernel gives it.

Known limits: a queue_directory that main.cf composes of $names is not found, so that no socket counts as ours. Users of
a directory service that does not list them are missing. A listener whose owner is not visible has no program name.
"""

from __future__ import annotations

import functools
import grp
import os
import pwd
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reconciler.host import (
    accesses,
    addresses,
    certificates,
    lookups,
    other_instances,
    places,
    processes,
    reachable,
    sockets,
)
from reconciler.host.dns import resolver
from reconciler.host.programs import PROGRAMS, binaries, postconf, postfix
from reconciler.model import Facts, Listener, Mentioned, Pem
from reconciler.model.ascii_text import split_lines, split_words
from reconciler.postfix.installed_words import WORDS
from reconciler.postfix.syntax import read_main

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from reconciler.host.effects import Host
    from reconciler.host.settings import Settings
    from reconciler.host.sockets import SocketAddress
    from reconciler.model import Lookup, Server
    from reconciler.model.facts import Interfaces

Question = TypeVar("Question")
Answer = TypeVar("Answer")
NOTHING = Mentioned()
SERVICES = Path("/etc/services")
RESERVED = ("/etc/reconciler",)
DPKG_STATUS = Path("/var/lib/dpkg/status")
_MANY_FILES = 1000
_MASTER, _LEFT = "master", "left by a master"


def gather(
    host: Host, settings: Settings, named: Mentioned = NOTHING, known: Sequence[Facts | FromOthers] = ()
) -> Facts:
    """Gather the facts; *named* is what the desired state names, and what *known* has an answer to is not asked."""
    here = addresses.own()
    installed = _installed_now(host, here)
    known_to, said = spoken(installed.parameters), _ask(host, named, known)
    directory, default = settings.config_directory, Path(installed.parameters["config_directory"])
    return Facts(
        host=settings.host,
        version=installed.parameters["mail_version"],
        parameters={**installed.parameters, "config_directory": str(directory)},
        map_types=installed.map_types,
        programs=installed.programs,
        addresses=here,
        users=frozenset(user.pw_name for user in pwd.getpwall()),
        ports=_ports(stamp(SERVICES)),
        listeners=_listeners(directory, installed.parameters),
        files={path: _readable(path) for path in named.paths},
        pems=_pems(host, named.pems),
        answers=said.answers,
        names=said.names,
        places={place: why for place in named.places if (why := places.problem(place)) is not None},
        packages=_packages(host, stamp(DPKG_STATUS)),
        reserved=_reserved(settings),
        accesses=accesses.ask(named.accesses),
        spaces=accesses.measure(named.spaces),
        lookups=said.lookups,
        hosts=said.hosts,
        resolvers={path: resolver.name_servers(path) for path in named.resolvers},
        reads=known_to.reads,
        unsaid=known_to.unsaid,
        groups=frozenset(group.gr_name for group in grp.getgrall()),
        instances=other_instances.others(directory, installed.parameters),
        is_default=postfix.is_same(directory, default),
        is_listed=other_instances.is_listed(directory, installed.parameters),
        folders=tuple(map(str, settings.folders)),
    )


def postfix_facts(host: Host, settings: Settings) -> Facts:
    """Return what the installed Postfix is like, and no fact of the host around it, which takes longer to gather."""
    installed = _installed_now(host, addresses.own())
    parameters = {**installed.parameters, "config_directory": str(settings.config_directory)}
    return Facts(
        host=settings.host, version=installed.parameters["mail_version"], parameters=parameters,
        map_types=installed.map_types, programs=installed.programs, addresses=(), users=frozenset(), ports={},
        listeners=(),
    )  # fmt: skip


def gather_again(
    host: Host, settings: Settings, facts: Facts, *, ask: bool, known: Sequence[Facts | FromOthers] = ()
) -> Facts:
    """Gather the facts again; without *ask*, no server and no DNS is queried, and the last answers are kept.

    What *known* has an answer to is not asked in any case.
    """
    named = Mentioned(
        frozenset(facts.files), frozenset(facts.pems), frozenset(facts.answers), frozenset(facts.names),
        frozenset(facts.accesses), frozenset(facts.spaces), frozenset(facts.lookups), frozenset(facts.hosts),
        frozenset(facts.resolvers), frozenset(facts.places),
    )  # fmt: skip
    return gather(host, settings, named, known if ask else (facts,))


def ports() -> Mapping[str, int]:
    """Return the TCP ports of this host by their names."""
    return _ports(stamp(SERVICES))


# ---- what others answer ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FromOthers:
    """What others answered, by the questions, as in Facts."""

    answers: Mapping[Server, str | None] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    lookups: Mapping[Lookup, str | None] = field(default_factory=dict)
    hosts: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)


def _ask(host: Host, named: Mentioned, known: Sequence[Facts | FromOthers]) -> FromOthers:
    """Ask servers and DNS at the same time, so that those who do not answer cost the longest time-out alone."""
    with ThreadPoolExecutor(thread_name_prefix="ask") as pool:
        answers = pool.submit(_rest, named.servers, [one.answers for one in known], reachable.ask)
        names = pool.submit(_rest, named.addresses, [one.names for one in known], resolver.reverse_names)
        looked_up = pool.submit(_rest, named.lookups, [one.lookups for one in known], partial(lookups.ask, host))
        hosts = pool.submit(_rest, named.hosts, [one.hosts for one in known], resolver.native_addresses)
        return FromOthers(
            answers=answers.result(), names=names.result(), lookups=looked_up.result(), hosts=hosts.result()
        )  # fmt: skip


def _rest(
    wanted: frozenset[Question], known: Sequence[Mapping[Question, Answer]],
    ask: Callable[[Collection[Question]], dict[Question, Answer]],
) -> dict[Question, Answer]:  # fmt: skip
    """Return the answers that are known, and ask for the rest."""
    given = {one: answers[one] for answers in known for one in wanted & answers.keys()}
    rest = wanted - given.keys()
    return given | ask(rest) if rest else given


def _reserved(settings: Settings) -> tuple[str, ...]:
    own = (*RESERVED, str(settings.identity), str(settings.state / "private"))
    return tuple(dict.fromkeys((*own, *other_instances.reserved())))


def _readable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.R_OK)  # noqa: PTH113 - which has an answer for every text


def _pems(host: Host, paths: Iterable[str]) -> dict[str, Pem]:
    """Return the files' contents; empty for one that can't be read, which *files* records."""
    read = certificates.read(filter(_readable, paths), datetime.now(UTC), host)
    return {path: read.get(path, Pem()) for path in paths}


# ---- what the package brings -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Installed:
    parameters: Mapping[str, str]
    map_types: frozenset[str]
    programs: frozenset[str]


_kept: list[tuple[tuple[object, ...], _Installed]] = []
"""What was installed at last, and what that follows; one at most."""
Stamp = tuple[str, int, int, int]


def stamp(path: Path) -> Stamp:
    """Return a signature that changes with the file; zeros for a missing file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return str(path), 0, 0, 0
    return str(path), status.st_ino, status.st_mtime_ns, status.st_size


def _identity(directory: Path) -> tuple[object, ...]:
    """Return a signature that changes with the package: postconf, and dynamicmaps.cf (each generation has a copy)."""
    more = directory / "dynamicmaps.cf.d"
    maps = (directory / "dynamicmaps.cf", *(sorted(more.iterdir()) if more.is_dir() else ()))
    return postconf.installed(), *((path.name, path.read_bytes()) for path in maps if path.is_file())


def _package(here: Interfaces) -> tuple[object, ...]:
    """Return a signature that changes with all that the defaults follow."""
    return _identity(postfix.STOCK_DIRECTORY), os.uname().nodename, here


def _installed_now(host: Host, here: Interfaces) -> _Installed:
    """Return what is installed; what was read while files came or went is not kept for when they are as before."""
    before = host, *_package(here)
    for known, installed in _kept:
        if known == before:  # thousands of addresses are compared in microseconds, and hashed in a millisecond
            return installed
    installed = _installed(host)
    _kept[:] = [(before, installed)] if (host, *_package(here)) == before else []
    return installed


def _installed(host: Host) -> _Installed:
    """Run postconf in its own folder, because it fails if main.cf is broken or missing; about 20 ms."""
    with postconf.scratch() as directory:
        parameters = postconf.defaults(host, directory)
        map_types = postconf.map_types(host, directory)
    programs = frozenset(path.name for path in Path(parameters["daemon_directory"]).iterdir() if path.is_file())
    return _Installed(parameters, map_types, programs)


def spoken(parameters: Mapping[str, str]) -> binaries.Spoken:
    """Return what the installed programs read and say; *parameters* are the defaults."""
    folders = tuple(parameters[name] for name in binaries.FOLDERS)
    return binaries.spoken(folders, frozenset(parameters), WORDS, postconf.installed())


@functools.lru_cache(maxsize=1)
def _packages(host: Host, _: Stamp) -> dict[str, str]:
    """Return the versions of the installed companions; about 10 ms."""
    names = [program.PACKAGE for program in PROGRAMS.values()]
    shown = "${db:Status-Status} ${Package} ${Version}\\n"
    lines = split_lines(host.run(("dpkg-query", "--show", f"--showformat={shown}", *names)).stdout)
    words = (line.split(" ") for line in lines)  # a known but not installed package has an empty version
    return {name: version for state, name, version in words if state == "installed"}


@functools.lru_cache(maxsize=1)
def _ports(stamp: Stamp) -> dict[str, int]:
    """Read services(5): names and aliases with their TCP ports; the first line with a name wins."""
    path, inode, *_ = stamp
    ports: dict[str, int] = {}
    for line in split_lines(Path(path).read_text("utf-8", "replace")) if inode else ():
        words = split_words(line.partition("#")[0])
        if len(words) > 1 and words[1].endswith("/tcp"):
            for name in (words[0], *words[2:]):
                ports.setdefault(name, int(words[1].removesuffix("/tcp")))
    return ports


# ---- sockets ---------------------------------------------------------------------------------------------------------


def listeners(master: int | None) -> tuple[Listener, ...]:
    """Return every listening TCP socket; those that *master* holds open for its services are ours.

    So may be one whose holder is not visible here: it is no evidence of another program while the master runs. A server
    whose master died keeps the socket until its client is gone, or until reconciler starts Postfix.
    """
    listening = sockets.open_in(sockets.LISTEN)
    ours = set(_held(master, frozenset(one.inode for one in listening))) if master else set()
    owners = _owners(frozenset(one.inode for one in listening if one.inode not in ours))
    programs = owners | dict.fromkeys(ours, _MASTER)
    hidden = {one.inode for one in listening} - programs.keys() if master else set()
    ours |= hidden | {inode for inode, program in owners.items() if program == _LEFT}
    return tuple(Listener(*one.local, program=programs.get(one.inode, ""), ours=one.inode in ours) for one in listening)


@functools.lru_cache(maxsize=1)
def _held(master: int, listening: frozenset[int]) -> frozenset[int]:
    """Return those that a master holds; looks, and only if the listeners changed, at several descriptors a service."""
    return listening & sockets.held(master)


@functools.lru_cache(maxsize=1)
def _owners(inodes: frozenset[int]) -> dict[int, str]:
    """Return the programs that hold these sockets; scans all processes, and only if the listeners changed."""
    owners: dict[int, str] = {}
    for pid in processes.running() if inodes else ():
        if (held := sockets.held(pid) & inodes) and (program := _program(pid)):  # else it ended meanwhile
            owners |= dict.fromkeys(held, program)
    return owners


def _program(pid: int) -> str:
    """Return the name of a program; that of its master for a server of Postfix's, or _LEFT if that has died."""
    name, program = processes.name_of(pid), processes.program_of(pid)
    if name != _MASTER and program and program.with_name("postfix-script").exists():  # a daemon
        return _MASTER if processes.name_of(processes.parent_of(pid) or 0) == _MASTER else _LEFT
    return name


def _listeners(directory: Path, defaults: Mapping[str, str]) -> tuple[Listener, ...]:
    """Return every listening socket; none if this user may not see which of them are ours."""
    try:
        return listeners(_master(directory, defaults))
    except PermissionError:
        return ()


def _master(directory: Path, defaults: Mapping[str, str]) -> int | None:
    """Return the master of this directory; read directly, because postconf sleeps while main.cf is fresh."""
    try:
        text = (directory / postconf.MAIN).read_text("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    written, _ = read_main(text, postconf.MAIN)
    names = ("queue_directory", "process_id_directory")
    values = {name: written[name].value if name in written else defaults[name] for name in names}
    return postfix.running(postfix.Instance(directory, values))


def owner_of_connection(local: SocketAddress, remote: SocketAddress) -> int | None:
    """Return the process at the other end of our own connection from *local*, our end, to *remote*.

    None while no process has accepted it. The newest processes are searched first, but after all others those that hold
    very many files open: Postfix's master, which accepts nothing, has several for each of thousands of services.
    """
    inode = next(
        (one.inode for one in sockets.open_in(sockets.ESTABLISHED) if (one.local, one.remote) == (remote, local)), 0
    )
    if not inode:
        return None
    pids = sorted(processes.running(), key=lambda pid: (sockets.count(pid) > _MANY_FILES, -pid))
    return next((pid for pid in pids if inode in sockets.held(pid)), None)
