"""Read the folder ``files/`` of a commit: what goes where in Postfix's folder, and which names can't go there.

Promises: a path leads to a file below Postfix's folder that nothing else writes: not main.cf, not a compiled map, not
what the package brings. The bytes stay as they are. Pure; raises nothing.

Known limit: a file that is not ``README*``, ``*.md`` or ``.git*`` is deployed, or refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.layout import INSTEAD, LEFTOVER, PASSWORDS, in_clear, is_sealed
from reconciler.features.files import CommitFile, CommitFiles
from reconciler.model import Finding, Where, error_at, paths_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Secret, Tree

FOLDER = "files/"
SUFFIX = ".age"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,199}")
_MADE = re.compile(r"\.(?:db|lmdb|cdb|dir|pag)\Z")
_RUNNABLE = 0o111
_OF_PACKAGE = frozenset({
    "dynamicmaps.cf", "dynamicmaps.cf.d", "main.cf.proto", "makedefs.out", "master.cf.proto", "post-install",
    "postfix-files", "postfix-files.d", "postfix-script",
})  # fmt: skip


def sealed(files: Tree) -> dict[str, str]:
    """Return the file of each sealed file by the name of its secret, such as ``files/sasl/smtpd.conf``."""
    return {source.removesuffix(SUFFIX): source for source in _sources(files) if source.endswith(SUFFIX)}


def section(files: Tree, secrets: Mapping[str, Secret]) -> dict[type, object]:
    """Return the section of the files that can be deployed."""
    return {CommitFiles: read(files, secrets)}


def read(files: Tree, secrets: Mapping[str, Secret]) -> CommitFiles:
    """Return the files that can be deployed; one that could not be opened is empty."""
    found = {}
    for source in _sources(files):
        path, closed = _path(source), source.endswith(SUFFIX)
        if _problem(source) or path in found:
            continue
        opened = secrets.get(source.removesuffix(SUFFIX)) if closed else None
        content = opened.value.encode("utf-8", "surrogateescape") if opened else b"" if closed else None
        found[path] = CommitFile(
            path=path, source=source, content=files[source].read() if content is None else content,
            is_sealed=closed, is_program=bool(files[source].mode & _RUNNABLE),
        )  # fmt: skip
    return CommitFiles(tuple(found.values()))


def faults(files: Tree, secrets: Mapping[str, Secret]) -> Iterator[Finding]:
    """Yield an error for each file that can't be deployed; *secrets* are those that were decrypted."""
    first: dict[str, str] = {}
    for source in _sources(files):
        path = _path(source)
        if problem := _problem(source):
            yield error_at(problem[0], Where(source), problem[1], source)
        elif (other := first.setdefault(path, source)) != source:
            text = f"both {other} and {source} would become {path}; remove one"
            yield error_at("ambiguous-file", Where(source), text, path, Where(other))
    for name, source in sealed(files).items():
        if name not in secrets and not is_sealed(files[source]) and not _problem(source):
            text = in_clear(source, "does not begin like an age file", name)
            yield error_at("plain-text-secret", Where(source), text, source)


def problem(source: str) -> str:
    """Return why a file of that name can't be deployed; empty if it can."""
    found = _problem(source)
    return found[1] if found else ""


def _sources(files: Tree) -> Iterator[str]:
    for path in paths_in(files, FOLDER):
        name = path.rpartition("/")[2]
        if not name.startswith(("README", ".git")) and not name.endswith(".md"):
            yield path


def _path(source: str) -> str:
    return source.removeprefix(FOLDER).removesuffix(SUFFIX)


def _problem(source: str) -> tuple[str, str] | None:
    """Return the rule and the text of what keeps a file from being deployed."""
    path = _path(source)
    names = path.split("/")
    if wrong := [name for name in names if not _NAME.fullmatch(name)]:
        what = f'"{wrong[0]}" in "{source}" can\'t be a name in Postfix\'s folder: expected letters, digits, _ . @ + -'
        return "invalid-file", f"{what}, and no . at the beginning"
    if names[0] in INSTEAD:
        return "invalid-file", f'"{source}" can\'t be deployed: {INSTEAD[names[0]]}'
    if names[0] in _OF_PACKAGE:
        return "invalid-file", f"\"{source}\" can't be deployed: Postfix's package brings {names[0]} and changes it"
    if made := next(filter(None, map(_MADE.search, names)), None):
        table = made.string[: made.start()]
        return "invalid-file", f'"{source}" is what postmap makes of a table; write its source as tables/{table}'
    if LEFTOVER.search(names[-1]):
        what = f'"{source}" looks like a copy that an editor or a person left; remove it'
        return "invalid-file", f"{what}, since git keeps old versions"
    if PASSWORDS.match(names[-1]) and not source.endswith(SUFFIX):
        what = f'"{source}" would store passwords in the history; use smart_host with password: !secret NAME'
        return "plain-text-secret", f"{what}, or seal the file with `reconciler secret set {source}`"
    return None


EXPLAINED = {
    "invalid-file": (
        "A file of files/ can't be deployed below Postfix's folder. Its name is unusual, or belongs to something that "
        "reconciler, postmap or Postfix's package writes. Move or rename it as the finding says. Files named README*, "
        "*.md and .git* stay in the repository."
    ),
}
