"""What a program leaves on disk, read from its system calls: a name must never lead to bytes that are not there yet.

Promises: not_durable() tells each rename of something that was not on disk, and everything that was not on disk at the
end. Needs strace (tests/run installs it).

Known limit: the calls of the process itself are read, not those of programs that it runs.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

CALLS = (
    "open", "openat", "write", "pwrite64", "writev", "sendfile", "copy_file_range", "ftruncate", "fsync", "fdatasync",
    "rename", "renameat", "renameat2", "mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat", "unlink",
    "unlinkat", "rmdir",
)  # fmt: skip
STRACE = ("strace", "-y", "-qq", "-s", "0", "-e", f"trace={','.join(CALLS)}")
OPENS = {"open", "openat"}
WRITES = {"write", "pwrite64", "writev", "ftruncate"}
COPIES = {"sendfile": 0, "copy_file_range": 1}
_LINE = re.compile(r"(?P<name>[a-z0-9_]+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_NAME = re.compile(r', "[^"]')
_PATH = re.compile(r'(?:\d+|AT_FDCWD)<(?P<of>[^>]*)>|"(?P<named>[^"]*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that succeeded: the paths that it names, in order, and its text."""

    name: str
    paths: tuple[str, ...]
    text: str


def traced(argv: Sequence[str | Path], log: Path) -> list[Call]:
    """Run a program under strace, and return its calls on files."""
    subprocess.run([*STRACE, "-o", log, *argv], check=True)
    return list(calls(log.read_text(errors="replace")))


def calls(text: str) -> Iterator[Call]:
    """Read strace's output."""
    for line in text.splitlines():
        if (match := _LINE.match(line)) and not match["result"].startswith("-"):
            yield Call(match["name"], tuple(_paths(match["arguments"])), line)


def _paths(arguments: str) -> Iterator[str]:
    folder = ""
    for match in _PATH.finditer(arguments):
        if match["of"] is not None:
            folder = match["of"]
            if not _NAME.match(arguments, match.end()):  # else the folder of the name that follows
                yield folder
        elif match["named"]:  # not what was written, which strace leaves out
            yield match["named"] if match["named"].startswith("/") or not folder else f"{folder}/{match['named']}"


@dataclass
class Disk:
    """What is not on disk yet: *content* of files, and *names* in folders; *there* are the paths that exist."""

    root: str
    there: set[str]
    content: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)

    def below(self, path: str) -> set[str]:
        """What of *path* is not on disk."""
        return {one for one in self.content | self.names if one == path or one.startswith(f"{path}/")}

    def take(self, call: Call) -> None:
        """Take down what a call changes."""
        path = call.paths[-1]
        match call.name:
            case "fsync" | "fdatasync":
                self.content.discard(path)
                self.names.discard(path)
            case "open" | "openat":
                self._opened(path, call.text)
            case "sendfile" | "copy_file_range":
                self.content.add(call.paths[COPIES[call.name]])
            case "unlink" | "unlinkat" | "rmdir":
                self._gone(path)
            case name if name.startswith("rename"):
                self._gone(path)
                self._gone(call.paths[-2])
                self._named(call.paths[-2])
                self._named(path)
            case name if name in WRITES:
                self.content.add(path)
            case name:
                self._named(path)
                self.links |= {path} if name.startswith("symlink") else set()

    def waiting(self, old: str) -> set[str]:
        """What must be on disk before *old* gets another name: of a link, which makes a generation live, everything."""
        return self.below(self.root) - {old.rpartition("/")[0]} if old in self.links else self.below(old)

    def _opened(self, path: str, text: str) -> None:
        if "O_CREAT" in text and path not in self.there:
            self._named(path)
        if "O_TRUNC" in text:
            self.content.add(path)

    def _named(self, path: str) -> None:
        self.names.add(path.rpartition("/")[0])
        self.there.add(path)

    def _gone(self, path: str) -> None:
        self.content -= self.below(path)
        self.names -= self.below(path)
        self.there.discard(path)


def not_durable(
    made: Iterable[Call],
    root: Path,
    there: Iterable[str | Path] = (),
    without: Sequence[str] = (),
    locks: Sequence[str] = (),
) -> list[str]:
    """Return what was not on disk when it counted: before a rename, and at the end.

    *there* are the paths below *root* that existed before. What is below *without* counts only once it is renamed.
    *locks* are files that need not outlast a loss of power while they are empty, nor need their names.
    """
    disk, faults = Disk(str(root), set(map(str, there))), []
    for call in made:
        if not any(path == disk.root or path.startswith(f"{root}/") for path in call.paths[-2:]):
            continue
        if call.name in OPENS and call.paths[-1] in locks:
            continue
        if call.name.startswith("rename"):
            old, new = call.paths[-2:]
            apart = () if old.startswith(tuple(without)) else tuple(without)
            waiting = sorted(one for one in disk.waiting(old) if not one.startswith(apart))
            faults += [f"{old} -> {new} before {one} is on disk" for one in waiting]
        disk.take(call)
    left = sorted(one for one in disk.below(disk.root) if not one.startswith(tuple(without)))
    return faults + [f"{one} is not on disk at the end" for one in left]
