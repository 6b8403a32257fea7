"""Run git's own commands that write notes and commits, as the repository's owner.

No file in a repository may belong to root: a note written by root once made half of the next pushes fail. Only the
repository's own configuration is read, and no program that it names is run: no hook, editor, pager, signer, monitor or
transport. Raises CommandFailed when git does not end in time.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE, split_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.host.effects import Completed, Host

NAME = "reconciler"
TIMEOUT = 10.0  # a pass holds the lock meanwhile, and the daemon handles no other event
_PATIENCE = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
_BUSY = ("lock", "File exists")
ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1", "HOME": "/", "LC_ALL": "C",
    "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_TERMINAL_PROMPT": "0",
}  # fmt: skip
# The command line prevails over the repository's configuration.
_HARMLESS = {
    "core.hooksPath": "/dev/null", "core.fsmonitor": "false", "core.editor": "false", "core.pager": "cat",
    "core.sshCommand": "false", "core.askPass": "false", "core.attributesFile": "/dev/null",
    "commit.gpgSign": "false", "gpg.program": "false", "gpg.ssh.program": "false", "gpg.x509.program": "false",
    "maintenance.auto": "false", "gc.auto": "0",
}  # fmt: skip
_TRAILER = re.compile(r"^[A-Z][A-Za-z-]*: \S.*$", re.MULTILINE | re.ASCII)
_NOT_IN_A_NAME = str.maketrans("", "", "<>\n\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit to make: *files* are those that differ from *parent*'s, None for a removed one."""

    parent: str
    author: str
    written_at: float
    message: str
    files: Mapping[str, bytes | None]


def trailers_in(message: str) -> tuple[str, ...]:
    """Return the trailers of a message, lines of the form ``Name: value`` (git-interpret-trailers(1))."""
    return tuple(_TRAILER.findall(message))


def command(path: Path, settings: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """Return the beginning of a git command on the repository *path*, with *settings* beside the harmless ones."""
    all_settings = {**_HARMLESS, "safe.directory": str(path), **settings}
    options = (word for name, value in all_settings.items() for word in ("-c", f"{name}={value}"))
    return ("git", *options, f"--git-dir={path}")


def write(
    host: Host, path: Path, owner: tuple[int, int], argv: tuple[str, ...], stream: bytes | None = None
) -> Completed:
    """Run git on the repository *path* as its owner; waits a little for a ref that is locked."""
    git = (*command(path), *argv)
    env = ENVIRONMENT | {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", NAME), ("EMAIL", _address(NAME)))
    }
    become = owner if os.geteuid() == 0 else None
    for pause in (*_PATIENCE, None):
        done = host.act(git, env=env, owner=become, cwd=Path("/"), timeout=TIMEOUT, input=stream)
        if not done.status or pause is None or not any(word in done.stderr for word in _BUSY):
            break
        time.sleep(pause)
    return done


def fast_import(commit: Commit, branch: str, now: float) -> bytes:
    """Return the stream that makes git-fast-import(1) put *commit* on *branch* and print its name."""
    lines = [
        b"feature done",
        f"commit refs/heads/{branch}".encode(),
        b"mark :1",
        _person(b"author", commit.author, commit.written_at),
        _person(b"committer", NAME, now),
        _data(commit.message.encode("utf-8", "replace")),
        b"from " + commit.parent.encode(),
    ]
    for path, content in sorted(commit.files.items()):
        name = b'"' + path.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        lines += [b"D " + name] if content is None else [b"M 100644 inline " + name, _data(content)]
    return b"\n".join([*lines, b"", b"get-mark :1", b"done", b""])


def _person(role: bytes, name: str, at: float) -> bytes:
    plain = name.translate(_NOT_IN_A_NAME).strip(SPACE) or NAME
    address = _address(re.sub("[^A-Za-z0-9._-]", "", split_words(plain, 1)[0]) or NAME)
    return role + f" {plain} <{address}> {int(at)} +0000".encode("utf-8", "replace")


def _address(name: str) -> str:
    return f"{name}@{os.uname().nodename}"


def _data(content: bytes) -> bytes:
    return b"data %d\n%s" % (len(content), content)
