"""Read and write a generation's manifest, which describes each of its files, and compare files on disk.

Promises: reading a manifest never fails. A missing or damaged one gives a tainted generation without files, whose
*source* is UNREADABLE; the next pass makes a new one from the desired state. Raises OSError for files that vanish.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.host.ownership import is_of_others
from reconciler.model import BESIDE, File
from reconciler.postfix.definitions import is_definition, with_passwords_of
from reconciler.state.phases import DAMAGED
from reconciler.state.phases import text as _text
from reconciler.state.source import Source, SourceKind, source_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.model import Tree

PROGRAM = "postfix"
NAME = "manifest.json"
UNREADABLE = Source(SourceKind.UNREADABLE)
PENDING = "pending"
SUFFIXES = {"lmdb": ".lmdb", "hash": ".db", "cdb": ".cdb"}
Signature = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a manifest; *made_from* is the source of a compiled map, all else is as in model.File."""

    mode: int
    owner: str
    sha256: str
    compiled: str = ""
    made_from: str = ""
    in_plain: bool = False
    link: str = ""

    @classmethod
    def of(cls, file: File) -> FileRecord:
        """Return what a manifest says of a file of the target."""
        return cls(file.mode, file.owner, file.digest, file.compiled, in_plain=file.in_plain, link=file.link)

    def read_from(self, path: Path) -> File:
        """Return the file as a value whose bytes are read from *path*."""
        return File(self.sha256, self.mode, self.owner, path.read_bytes, self.compiled, self.in_plain, self.link)

    @property
    def data(self) -> dict[str, Any]:
        """Return its form on disk; the rest is listed beside the files, where older versions ignore it."""
        return {name: value for name, value in asdict(self).items() if name not in {"in_plain", "link"}}


@dataclass(frozen=True, slots=True)
class Generation:
    """A complete tree on disk: *revision* is the commit it was rendered from, or empty; *source* says what made it.

    *carried* names the edits that an ignore rule left in place. *kept* has the sites that were left out of the commit,
    each with the commit that its files come from; empty if it is not live. *edit* is the state of a hand edit that is
    to be kept: PENDING, or the commit that holds it.
    """

    number: int
    path: Path
    revision: str
    source: Source
    files: Mapping[str, FileRecord]
    tainted: bool = False
    carried: tuple[str, ...] = ()
    edit: str = ""
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return its name for people: its short commit, else its source."""
        return self.revision[:7] or str(self.source)

    @property
    def root(self) -> Path:
        """The configuration directory in it."""
        return self.path / PROGRAM

    @property
    def companions(self) -> frozenset[str]:
        """The companions that it has a folder for."""
        return frozenset(path.split("/", 2)[1] for path in self.files if path.startswith(BESIDE))

    @property
    def links(self) -> dict[Path, str]:
        """The links outside of Postfix's folder, and the files of it that they lead to."""
        return {Path(record.link): path for path, record in self.files.items() if record.link}

    def owned(self) -> Tree:
        """Return its rendered files as a tree whose bytes are read from disk."""
        return {path: record.read_from(self.root / path) for path, record in self.files.items() if not record.made_from}


class Deviations(NamedTuple):
    """How a generation differs from its commit on purpose; both as in Generation."""

    carried: tuple[str, ...] = ()
    kept: Mapping[str, str] = MappingProxyType({})


NONE = Deviations()


@dataclass(frozen=True, slots=True)
class Stage:
    """A tree in progress under private/: *foreign* are the signatures of carried files, for a last comparison."""

    root: Path
    foreign: Mapping[str, Signature]

    @property
    def folder(self) -> Path:
        """The folder that becomes the generation's."""
        return self.root.parent


def read_manifest(path: Path) -> Generation:
    """Return the generation in the folder *path*, named ``NUMBER-REVISION``."""
    number = int(path.name.partition("-")[0])
    try:
        data = json.loads((path / NAME).read_bytes())
        plain = frozenset(map(_text, data.get("in_plain", ())))
        links = {_text(name): _absolute(_text(link)) for name, link in data.get("links", {}).items()}
        files = {
            _relative(name): _record(record, in_plain=name in plain, link=links.get(name, ""))
            for name, record in data["files"].items()
        }
        carried, edit = tuple(map(str, data.get("carried", ()))), str(data.get("edit", ""))
        kept = {_text(site): _text(oid) for site, oid in data.get("kept", {}).items()}
        revision, source, tainted = _text(data["revision"]), source_from(_text(data["source"])), bool(data["tainted"])
        return Generation(number, path, revision, source, files, tainted, carried, edit, kept)
    except (OSError, *DAMAGED):
        return Generation(number, path, "", UNREADABLE, {}, tainted=True)


def _record(data: dict[str, Any], *, in_plain: bool, link: str) -> FileRecord:
    record = FileRecord(**data, in_plain=in_plain, link=link)
    if not isinstance(record.mode, int) or not 0 <= record.mode <= 0o7777:  # noqa: PLR2004 - all bits of a mode
        raise ValueError("expected a mode")
    for value in (record.owner, record.sha256, record.compiled, record.made_from):
        _text(value)
    return record


def _relative(name: str) -> str:
    inside = name.removeprefix(BESIDE)
    if not inside or inside.startswith("/") or ".." in inside.split("/") or "\0" in inside:
        raise ValueError("expected a path within the generation")
    return name


def _absolute(name: str) -> str:
    if not name.startswith("/") or ".." in name.split("/") or "\0" in name:
        raise ValueError("expected an absolute path")
    return name


def written(generation: Generation) -> bytes:
    """Return the manifest of a generation in its form on disk."""
    plain = [path for path, record in generation.files.items() if record.in_plain]
    links = {path: record.link for path, record in generation.files.items() if record.link}
    data = {
        "number": generation.number, "revision": generation.revision, "source": str(generation.source),
        "tainted": generation.tainted, "carried": generation.carried, "edit": generation.edit,
        **({"kept": dict(generation.kept)} if generation.kept else {}), **({"in_plain": plain} if plain else {}),
        **({"links": links} if links else {}),
        "files": {path: record.data for path, record in generation.files.items()},
    }  # fmt: skip
    return json.dumps(data, indent=1).encode()


def compiled_name(path: str, file: File) -> str:
    """Return the name of the map that is compiled from a table's source; empty for other files."""
    return path + SUFFIXES[file.compiled.partition(" ")[2]] if file.compiled else ""


def folders_of(paths: Iterable[str]) -> list[str]:
    """Return the folders within Postfix's folder that these paths lie in, each before those in it."""
    inside = (path for path in paths if "/" in path and not path.startswith(BESIDE))
    return sorted({str(folder) for path in inside for folder in PurePosixPath(path).parents[:-1]})


def kept_link(root: Path, path: str) -> Path:
    """Return the target of the link *path* below *root*, in a form that is valid from any folder."""
    to = (root / path).readlink()
    inside = os.path.normpath(Path(path).parent / to)
    return Path(os.path.normpath(root / inside)) if not to.is_absolute() and inside.startswith("..") else to


def signature(path: Path) -> Signature:
    """Return a signature that changes with a file, without reading it; for a folder, mode and owner only."""
    status = path.lstat()
    folder = path.is_dir() and not path.is_symlink()
    times = () if folder else (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
    return status.st_mode, status.st_uid, status.st_gid, *times


def identity(path: Path) -> Signature:
    """Return a signature that changes when another entry takes the path, but not when others edit what is theirs."""
    status = path.lstat()
    return (stat.S_IFMT(status.st_mode), status.st_ino) if is_of_others(path) else signature(path)


def digest(path: Path) -> str:
    """Return the sha256 of a file's bytes in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def intact(generation: Generation) -> bool:
    """Return whether a rollback may use it: it was not edited while live, and its files match its manifest."""
    files = generation.files.items()
    return not generation.tainted and all(_is_file(generation.root / path, record) for path, record in files)


def _is_file(path: Path, record: FileRecord) -> bool:
    return path.is_file() and digest(path) == record.sha256


def with_todays_secrets(old: Tree, live: Tree) -> Tree:
    """Return the old tree with today's secrets, which may have been rotated; of logins, only those still in use.

    The description of a table on a server keeps its question, and gets today's password. Modes, owners and links are
    the old ones, and so is what the commit had in plain text.
    """
    tree = dict(old)
    for path, file in old.items():
        if path not in live or not all(one.is_secret and not one.in_plain for one in (file, live[path])):
            continue
        if is_definition(file.read()) and is_definition(live[path].read()):
            content = with_passwords_of(file.read(), live[path].read())
            tree[path] = File.of(content, file.mode, file.owner, file.compiled, link=file.link)
        elif not file.compiled:
            tree[path] = replace(live[path], mode=file.mode, owner=file.owner, link=file.link)
        else:
            today = {line.partition(" ")[0]: line for line in live[path].lines()}
            lines = [today.get(line.partition(" ")[0], line) for line in file.lines()]
            content = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
            tree[path] = File.of(content, file.mode, file.owner, file.compiled)
    return tree
