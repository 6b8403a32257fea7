"""``files/``: files of the commit that Postfix's folder gets as they are; ``files:``, their modes, owners and links.

``files/sasl/smtpd.conf`` becomes ``$config_directory/sasl/smtpd.conf``; ``files/PATH.age`` is decrypted to PATH. A file
is root's, with mode 0644, or 0755 if it is executable in the commit; what was sealed has 0640 root:postfix.
desired/deployed.py reads the folder and refuses names. A *link* is a path outside of Postfix's folder that leads to the
file, for other programs; its folder must be one that the settings of the host allow.

Known limit: the certificates in such a file are judged when Postfix loads them, in a rehearsal and after the swap.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from reconciler.features.section import Section, SectionValue
from reconciler.model import (
    UNWRITTEN,
    Contribution,
    DeployedFile,
    Finding,
    Where,
    did_you_mean,
    error_at,
    meant,
    no_services,
    nothing_mentioned,
    warning_at,
)
from reconciler.model.tree import OTHERS
from reconciler.postfix.scopes import scopes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Desired, Facts

SECTION = "files"
SEALED_OWNER = "root:postfix"
_PLAIN, _PROGRAM, _SEALED = 0o644, 0o755, 0o640
_MODE = re.compile(r"0?[0-7]{3}")
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,199}"
_LINK = re.compile(rf"(?:/{_NAME}){{2,20}}")
_OWNER = re.compile(r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*):(?P<group>[A-Za-z0-9_][A-Za-z0-9_.-]*)")
_BY_OTHERS = 0o022
_READ_BY_ROOT = 0o400
# Programs look for these without being told to.
_KNOWN = re.compile(r"sasl/.*")
_BOUNCES = re.compile(r"bounce", re.IGNORECASE | re.ASCII)
_WORD = re.compile(rb"[A-Za-z0-9_.@+-]+")
_LARGEST = 1 << 20


def _mode(value: str) -> str:
    if not _MODE.fullmatch(value):
        text = 'not a mode: "{value}"; expected three digits such as 0644, without setuid, setgid and sticky bits'
        raise PydanticCustomError("invalid-mode", text, {"value": value})
    mode = int(value, 8)
    if mode & _BY_OTHERS:
        text = "with mode {value}, another user could change what Postfix reads; only root may write, as with {less}"
        raise PydanticCustomError("invalid-mode", text, {"value": value, "less": f"{mode & ~_BY_OTHERS:04o}"})
    if not mode & _READ_BY_ROOT:
        text = "with mode {value}, its owner may not read it; write {more}"
        raise PydanticCustomError("invalid-mode", text, {"value": value, "more": f"{mode | _READ_BY_ROOT:04o}"})
    return value


def _owner(value: str) -> str:
    match = _OWNER.fullmatch(value)
    if not match:
        text = 'not an owner: "{value}"; expected root:GROUP, such as root:postfix'
        raise PydanticCustomError("invalid-owner", text, {"value": value})
    if match["user"] != "root":
        text = (
            "{user} could change what Postfix reads, so the file has to be root's; for {user} to read it, write"
            " owner: root:{group} and mode: 0640"
        )
        raise PydanticCustomError("invalid-owner", text, {"user": match["user"], "group": match["group"]})
    return value


def _link(value: str) -> str:
    if not _LINK.fullmatch(value):
        text = (
            'not a place for a link: "{value}"; expected an absolute path such as /etc/policyd/rules.conf, without ..'
        )
        raise PydanticCustomError("invalid-link", text, {"value": value})
    return value


def _form(pattern: re.Pattern[str]) -> Any:  # noqa: ANN401 - as pydantic has it
    """Return what tells an editor the form, of which a finding says more than that it does not match."""
    return Field(json_schema_extra={"pattern": f"^(?:{re.sub('[?]P<[a-z]+>', '?:', pattern.pattern)})$"})


class Rights(Section):
    """Who may read a file, or run it, and the link outside of Postfix's folder that leads to it."""

    mode: Annotated[str, AfterValidator(_mode), _form(_MODE)] | None = None
    owner: Annotated[str, AfterValidator(_owner), _form(_OWNER)] | None = None
    link: Annotated[str, AfterValidator(_link), _form(_LINK)] | None = None


class Schema(SectionValue[dict[str, Rights]]):
    """Modes, owners and links by the paths below files/, without ``.age``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFile:
    """A file of the folder files/: *path* is where it goes, *source* where it comes from."""

    path: str
    source: str
    content: bytes = field(repr=False)
    is_sealed: bool = False
    is_program: bool = False


@dataclass(frozen=True, slots=True)
class CommitFiles:
    """The files of the folder."""

    all: tuple[CommitFile, ...] = ()


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute each file."""
    return Contribution(files={one.path: _deployed(one, desired) for one in _files(desired)})


def _files(desired: Desired) -> tuple[CommitFile, ...]:
    found = desired.section(CommitFiles)
    return found.all if found else ()


def _rights(desired: Desired) -> Mapping[str, Rights]:
    section = desired.section(Schema)
    return section.root if section else {}


def _deployed(file: CommitFile, desired: Desired) -> DeployedFile:
    rights = _rights(desired).get(file.path, Rights())
    mode, owner = _SEALED if file.is_sealed else _PROGRAM if file.is_program else _PLAIN, "root:root"
    if file.is_sealed:
        owner = SEALED_OWNER
    return DeployedFile(
        path=file.path, content=file.content, source=file.source, mode=int(rights.mode, 8) if rights.mode else mode,
        owner=rights.owner or owner, link=rights.link or "",
        link_where=desired.where(SECTION, file.path, "link") if rights.link else UNWRITTEN,
    )  # fmt: skip


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that each file has a place of its own, that its group exists, and that something names it."""
    known = {one.path: one for one in _files(desired)}
    for path in _rights(desired):
        if path not in known:
            below = path.removeprefix(f"{SECTION}/").removesuffix(".age")
            hint = meant(below if below in known else None) or did_you_mean(path, known)
            text = f"there is no files/{below} in this commit, so there is nothing that it is about{hint}"
            yield error_at("unknown-file", desired.where(SECTION, path), text, path)
    for path, file in known.items():
        made = merged.files[path]
        where = desired.where(SECTION, path, "mode") if path in _rights(desired) else made.where
        yield from _taken(file, merged)
        if file.is_sealed and made.mode & OTHERS:
            text = f"with mode {made.mode:04o}, every user could read what {file.source} keeps secret; write 0640"
            yield error_at("invalid-mode", where, text, path)
        group = made.owner.partition(":")[2]
        if facts.groups and group not in facts.groups:
            text = f"{file.source} would belong to the group {group}, which does not exist on this host"
            place = desired.where(SECTION, path, "owner") if path in _rights(desired) else made.where
            yield Finding(rule="unknown-group", where=place, text=text, subject=path, lasting=False, excusable=False)
    yield from _misled(facts, merged)
    yield from _unused(desired, facts, merged)


def _taken(file: CommitFile, merged: Contribution) -> Iterator[Finding]:
    """Yield an error for what would become the same file, or a file where a folder has to be."""
    names = file.path.split("/")
    if table := merged.tables.get(names[0]):
        text = f"both {file.source} and the table {table.name} ({table.where}) would become {names[0]}; rename one"
        yield error_at("ambiguous-file", Where(file.source), text, file.path, table.where)
    for above in accumulate(names[:-1], "{}/{}".format):
        if other := merged.files.get(above):
            text = f"{file.source} needs a folder {above}, and {other.source} would become a file {above}; rename one"
            yield error_at("ambiguous-file", Where(file.source), text, file.path, other.where)


def _misled(facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Yield an error for each link that another file has, or in a folder that the settings do not allow."""
    first: dict[str, DeployedFile] = {}
    for made in (one for one in merged.files.values() if one.link):
        folder = made.link.rpartition("/")[0]
        if (other := first.setdefault(made.link, made)) is not made:
            text = f"both {other.source} and {made.source} have the link {made.link}; give each one of its own"
            yield error_at("ambiguous-file", made.link_where, text, made.path, other.link_where)
        elif folder not in facts.folders:
            allowed = f"; allowed are {', '.join(facts.folders)}" if facts.folders else ""
            text = (
                f"{made.source} can't have a link in {folder}: files.folders in the settings of this host does not"
                f" allow it{allowed}; an administrator of the host can add {folder}"
            )
            yield Finding(
                rule="folder-not-allowed", where=made.link_where, text=text, subject=made.path, lasting=False,
                excusable=False,
            )  # fmt: skip


def _unused(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Warn of files that no setting, table or other file names, and that have no link for other programs."""
    linked = {path for path, made in merged.files.items() if made.link}
    files = [one for one in _files(desired) if not _KNOWN.fullmatch(one.path) and one.path not in linked]
    if not files:
        return
    settings = {word for scope in scopes(merged, facts) for one in scope.written for word in _words(one.value.encode())}
    settings |= {word for service in merged.distinct for word in _words(" ".join(service.arguments).encode())}
    inside = {one.path: _words(one.content[:_LARGEST]) for one in merged.files.values()}
    counted = Counter(word for words in inside.values() for word in words)
    tables = (table.source[:_LARGEST] for table in merged.tables.values() if b"/" in table.source[:_LARGEST])
    listed = {word for source in tables for word in _words(source)}
    for file in files:
        parts = file.path.encode().split(b"/")
        by_others = counted[parts[-1]] > (parts[-1] in inside[file.path])
        if settings.isdisjoint(parts) and parts[-1] not in listed and not by_others:
            is_listed = file.path in _rights(desired)
            where = desired.where(SECTION, file.path) if is_listed else merged.files[file.path].where
            yield warning_at("unused-file", where, _advice(file), file.path)


def _words(text: bytes) -> set[bytes]:
    """Return the names that a text may have of files."""
    return {word.rstrip(b".") for word in _WORD.findall(text)}


def _advice(file: CommitFile) -> str:
    name = "bounce_template_file" if _BOUNCES.search(file.path) else "a parameter"
    return f"nothing names {file.source}: name it in {name} as $config_directory/{file.path}, or remove it"


services = no_services
mentioned = nothing_mentioned
PASSING = frozenset({"folder-not-allowed", "unknown-group"})
EXPLAINED = {
    "invalid-mode": (
        "A file of files/ can't have this mode. Only root may write what Postfix reads, nothing runs with the rights of"
        " its owner, and what the commit keeps sealed stays unreadable for other users. Write three digits such as "
        "0644, 0755 or 0640."
    ),
    "invalid-owner": (
        "A file of files/ can't belong to this user. The owner of a file can change it, and Postfix acts on it as root."
        " Let the file be root's, and let a group read it: owner: root:GROUP, mode: 0640."
    ),
    "invalid-link": (
        "The link of a file of files/ has to be an absolute path, such as /etc/policyd/rules.conf, with plain names: "
        "no .., no name that begins with a dot, and no file at the top. Correct the path."
    ),
    "folder-not-allowed": (
        "A file of files/ is to have a link outside of Postfix's folder, in a folder that the settings of this host do "
        "not allow. Other programs read what is there, some of them as root, so an administrator of the host names "
        "each such folder: files.folders in /etc/reconciler.toml, or in the settings of the instance. Have it added, "
        "or remove the link. reconciler checks this again at every pass."
    ),
    "unknown-file": (
        "The section files has a key that is not the path of a file in files/. What it says would have no effect."
        " Write the path below files/, without .age."
    ),
    "ambiguous-file": (
        "A file of files/ and a table have the same name in Postfix's folder, or two files have the same link. One of "
        "them would be lost. Rename one."
    ),
    "unknown-group": (
        "A file of files/ is to belong to a group that does not exist on this host. Create the group, or name another "
        "one. reconciler checks this again at every pass."
    ),
    "unused-file": (
        "No setting, table or other file names a file of files/, so it probably has no effect. Name it in a parameter, "
        "such as bounce_template_file = $config_directory/bounce.cf, or remove it. If a program looks for it without "
        "being told to, write # allow unused-file in files/PATH: REASON in mail.yaml."
    ),
}
