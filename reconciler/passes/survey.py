"""Look at a host's /etc/postfix, or at a copy of another host's, and decide what can be in a first commit.

A table can be in it if its source compiles to the very rows of its map, and nothing about the file would change.
Everything else stays where it is, and is listed with the reason.

Promises: reads only. Raises OSError, and CommandFailed for a program that hangs.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.desired.move_in import ConfigurationFiles
from reconciler.desired.table_files import file_of
from reconciler.features.tables import WIRED
from reconciler.host.effects import named
from reconciler.host.mounts import mounts_in
from reconciler.host.programs import postmap
from reconciler.model import File, printable
from reconciler.model.ascii_text import split_lines, split_words
from reconciler.postfix import writers
from reconciler.postfix.commented import comment_lines, may_hold_password
from reconciler.postfix.references import CLIENTS, FILES, MADE, SUFFIXES, files_of, lists_of, own_name, tables_of
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.tables import TEXT_TYPES
from reconciler.trees.gained import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.host.effects import Host
    from reconciler.model import Contribution, Facts
    from reconciler.postfix.references import Reference

_SUFFIXES = (".proto", ".dist")
_PACKAGE = Path("/usr/share/postfix")
_QUEUES = frozenset({"/var/spool/postfix", "$queue_directory"})


class Left(NamedTuple):
    """Something that stays where it is, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What the commit is made from, *left* as what stays where it is, and *remarks* to read before anything else."""

    found: ConfigurationFiles
    left: tuple[Left, ...]
    remarks: tuple[str, ...]


def survey(directory: Path, facts: Facts, host: Host, *, is_copy: bool) -> Survey:
    """Look at a configuration directory; *is_copy* if it is another host's, so that this host says nothing about it."""
    main, master = ((directory / name).read_bytes() for name in ("main.cf", "master.cf"))
    settings = settings_of({"main.cf": File.of(main), "master.cf": File.of(master)})
    shipped = shipped_comments(directory, "main.cf")
    tables, left = dict[str, bytes](), list[Left]()
    uses, home = _uses(settings, facts), facts.directory
    for reference, names in uses.items():
        if why := _reason(reference, names, directory, uses, home) or _wired(reference, settings, home):
            left.append(Left(printable(str(reference)), why))
        elif (name := own_name(reference.name, home)) and (path := file_of(name, reference.type)):
            if problem := _difference(host, directory / name, reference.type):
                left.append(Left(str(reference), problem))
            else:
                tables[path] = (directory / name).read_bytes()
    left += _named_files(settings, facts, is_copy=is_copy)
    found = ConfigurationFiles(source=str(directory), main=main, master=master, tables=tables, shipped=shipped)
    remarks = [*_of_writers(found, is_copy=is_copy), *_of_settings(settings, facts)]
    return Survey(found, tuple(left), tuple(remarks))


def shipped_comments(directory: Path, file: str) -> frozenset[str]:
    """Return the lines of comments in the package's own copies of a file."""
    paths = (folder / f"{file}{suffix}" for folder in (directory, _PACKAGE) for suffix in _SUFFIXES)
    return frozenset(line for path in paths if path.is_file() for line in comment_lines(path.read_bytes()))


# ---- tables ----------------------------------------------------------------------------------------------------------


def _named_files(settings: Contribution, facts: Facts, *, is_copy: bool) -> Iterator[Left]:
    """Yield the files that settings name and that are no tables: lists, templates, certificates and keys."""
    named: dict[str, set[str]] = {}
    for scope in scopes(settings, facts):
        for parameter in scope.written:
            listed = files_of(scope, parameter) if FILES.search(parameter.name) else lists_of(scope, parameter)
            for path in listed:
                named.setdefault(path, set()).add(parameter.name)
    for path, names in named.items():
        is_inside = path.startswith(f"{facts.directory}/")
        why = "it is no table" if is_inside else f"it is not below {facts.directory}"
        is_missing = not is_copy and not Path(path).exists()
        yield Left(printable(path), f"read by {', '.join(sorted(names))}; {'it is missing' if is_missing else why}")


def _uses(settings: Contribution, facts: Facts) -> dict[Reference, set[str]]:
    """Return the tables with files, each with the names of the settings that name it; no caches of Postfix's own."""
    uses: dict[Reference, set[str]] = {}
    for scope in scopes(settings, facts):
        for parameter in scope.written:
            for reference in () if MADE.search(parameter.name) else tables_of(scope, parameter):
                if reference.type in {*SUFFIXES, *CLIENTS} and not reference.name.startswith("{"):
                    uses.setdefault(reference, set()).add(parameter.name)
    return uses


def _reason(reference: Reference, names: set[str], directory: Path, uses: dict[Reference, set[str]], home: str) -> str:
    """Return why a table can't be in the commit, as far as its name and its file show; empty if it can.

    *home* is the directory that the names are of, and *directory* the one that is read.
    """
    name = own_name(reference.name, home)
    if reference.type in CLIENTS:
        return "a server holds its rows; the commit has the name of this file, and not its login"
    if any(one.endswith("_password_maps") for one in names):
        return "it holds passwords"
    if name is None:
        return f"it is not directly in {directory}"
    if name == "aliases":
        return "newaliases writes its map"
    if file_of(name, reference.type) is None:
        return "a commit can't hold a table of this name or type"
    if any(own_name(other.name, home) == name and other.type != reference.type for other in uses):
        return "it is used as tables of two types"
    return _unfit(directory / name, directory / "main.cf")


def _wired(reference: Reference, settings: Contribution, home: str) -> str:
    """Return why the name alone keeps a table out of the commit: there it would set a parameter that is unset."""
    parameter = WIRED.get(own_name(reference.name, home) or "", "")
    is_set = not parameter or parameter in settings.parameters
    return "" if is_set else f"a commit's table of this name would set {parameter}"


def _unfit(path: Path, main: Path) -> str:
    """Return why adopting a file would change or disclose it; its owner is to be that of main.cf."""
    if path.is_symlink():
        return f"it is a link to {path.readlink()}"
    if not path.is_file():
        return "it has no source here"
    status, owner = path.stat(), main.stat()
    if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) != (0o644, owner.st_uid, owner.st_gid):
        mode = f"{named(status.st_uid, status.st_gid)}, mode {stat.S_IMODE(status.st_mode):04o}"
        return f"its owner or mode would change ({mode})"
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    return "it may hold a password" if any(map(may_hold_password, split_lines(text))) else ""


def _difference(host: Host, source: Path, kind: str) -> str:
    """Return how a table's map differs from its source, or what is wrong with a table that is read as text."""
    if kind not in TEXT_TYPES:
        return postmap.difference(host, source, kind)
    return "" if postmap.opens(host, f"{kind}:{source}") else "postmap complains about it"


# ---- remarks ---------------------------------------------------------------------------------------------------------


def of_place(directory: Path, live: Path) -> Iterator[str]:
    """Yield what stands in the way of an adoption; *live* is reconciler's own link."""
    if directory.is_symlink() and directory.readlink() != live:
        target = directory.readlink()
        yield (
            f"{directory} is a link to {target}, which another program made: adoption needs a folder there, and that"
            " program may make its link again"
        )
    elif points := mounts_in(directory):
        yield (
            f"{points[0]} is a mount point, which adoption can't exchange for a link: unmount it and put its files into"
            f" {directory} before `reconciler once --adopt`"
        )


def _of_writers(found: ConfigurationFiles, *, is_copy: bool) -> Iterator[str]:
    then = "reconciler will put back what it writes, so stop it from writing there before you adopt"
    for file, content in (("main.cf", found.main), ("master.cf", found.master)):
        for sign in writers.signs(file, content, found.shipped):
            yield f"a program seems to write {file}, which says {printable(sign.text)!r}: {then}"
    places = {} if is_copy else writers.PLACES
    for name in sorted({name for place, name in places.items() if Path(place).exists()}):
        yield f"{name} is on this host and writes Postfix's files: {then}"


def _of_settings(settings: Contribution, facts: Facts) -> Iterator[str]:
    scope = Scope(settings, facts)
    if others := split_words(scope.value("multi_instance_directories")):
        yield (
            f"there are other instances of Postfix ({', '.join(others)}): this commit is about this one alone, and"
            " `deploy/install --instance NAME` hands over another one"
        )
    queue = settings.parameters.get("queue_directory")
    if queue and scope.value("queue_directory").rstrip("/") not in _QUEUES:
        yield f"the queue is in {queue.value}: keep queue_directory, or mail that waits there stays behind"
