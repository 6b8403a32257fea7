"""What the files of Postfix's programs hold: the parameters that each program reads, and the words that they know.

A program finds its parameters in tables of its own, so its file holds their names. The linker lets a name share the end
of a longer text ("$header_checks"), so a name counts if it stands alone or if the file points at it. smtp and lmtp are
one program under two names, which decide whose parameters it reads.

Promises: spoken() reads the files once for each installed Postfix; about 0.07 s. Raises nothing: a file that can't be
read, or that is no 64-bit program, is left out.

Known limit: a program that only names a parameter in a message counts as one that reads it.
"""

from __future__ import annotations

import functools
import re
import struct
from array import array
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDERS = ("daemon_directory", "command_directory", "shlib_directory")
_COMMANDS = re.compile(r"(?:post(?!conf\Z|tls-finger\Z)\w+|sendmail)\Z", re.ASCII)  # these two name every parameter
_LIBRARY = re.compile(r"(lib)?postfix-\w+\.so\Z", re.ASCII)
_TWINS = ("smtp", "lmtp")
_PROGRAM = b"\x7fELF\x02"
_LONGEST = 100
_LOADED = 1


class Spoken(NamedTuple):
    """The parameters that each program reads, by its name, and the words that none of them knows."""

    reads: Mapping[str, frozenset[str]]
    unsaid: frozenset[str]


class _Binary(NamedTuple):
    """A file, and the texts between its zeros."""

    content: bytes
    texts: frozenset[bytes]

    @property
    def is_program(self) -> bool:
        return self.content.startswith(_PROGRAM)


@functools.lru_cache(maxsize=1)
def spoken(folders: tuple[str, ...], parameters: frozenset[str], words: frozenset[str], _: tuple[int, ...]) -> Spoken:
    """Return what the programs in the FOLDERS read, and which *words* they lack; the last argument is the package's."""
    daemons, commands, shared = (_files(Path(folder)) for folder in folders)
    programs = {path.name: path for path in commands if _COMMANDS.match(path.name)}
    programs |= {path.name: path for path in daemons}
    names = {parameter.encode(): parameter for parameter in parameters}
    known, reads, unsaid, are_there = dict[str, frozenset[str]](), dict[str, frozenset[str]](), words, False
    for path in shared:
        if _LIBRARY.match(path.name):
            file = _read(path)
            known[path.name], unsaid = _reads(file, names), unsaid - _said(file.texts, unsaid)
    for name, path in programs.items():  # one after another: together they are 20 MiB, and their texts as many again
        file = _read(path)
        if not file.is_program:
            continue
        are_there, unsaid = True, unsaid - _said(file.texts, unsaid)
        linked = [library for library in known if not library.startswith("lib") or library.encode() in file.content]
        # Without any parameter, it is no program of Postfix.
        if read := _reads(file, names).union(*(known[library] for library in linked)):
            reads[name] = read
    for name, other in zip(_TWINS, reversed(_TWINS), strict=True):
        if name in reads:
            reads[name] = frozenset(read for read in reads[name] if not _is_of_twin(read, name, other, parameters))
    return Spoken(reads, unsaid if are_there else frozenset())


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError:
        return []


def _read(path: Path) -> _Binary:
    content = b""
    with suppress(OSError):
        content = path.read_bytes()
    return _Binary(content, frozenset(content.split(b"\0")))


def _is_of_twin(parameter: str, name: str, other: str, parameters: frozenset[str]) -> bool:
    """Return whether only the program's other name reads the parameter: both names have one of their own."""
    rest = parameter.removeprefix(f"{other}_")
    return rest != parameter and f"{name}_{rest}" in parameters


def _reads(file: _Binary, names: Mapping[bytes, str]) -> frozenset[str]:
    """Return the parameters that a program names, in one of its texts or at the end of one."""
    if not file.is_program:
        return frozenset()
    return frozenset(names[name] for name in names.keys() & (file.texts | _pointed_at(file.content)))


def _pointed_at(content: bytes) -> set[bytes]:
    """Return the texts that pointers in the program's data lead to, tails of other texts included (elf(5))."""
    segments = list(_segments(content))
    pointers = array("Q")
    pointers.frombytes(content[: len(content) // pointers.itemsize * pointers.itemsize])
    end = max((address + size for address, _, size in segments), default=0)
    found = set()
    for pointer in {pointer for pointer in pointers if 0 < pointer < end}:
        for address, offset, size in segments:
            if address <= pointer < address + size:
                start = pointer - address + offset
                found.add(content[start : max(content.find(b"\0", start, start + _LONGEST), start)])
    return found


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the address, the place in the file and the size of each part that is loaded into memory."""
    with suppress(struct.error):  # the file is cut off
        (table,), (length, number) = struct.unpack_from("Q", content, 32), struct.unpack_from("HH", content, 54)
        for start in range(table, table + length * number, length or 1):
            (kind,), (offset, address, _, size) = (
                struct.unpack_from("I", content, start), struct.unpack_from("QQQQ", content, start + 8)
            )  # fmt: skip
            if kind == _LOADED:
                yield address, offset, size


def _said(texts: frozenset[bytes], words: frozenset[str]) -> frozenset[str]:
    """Return the words that end any of the texts, in lower or upper case."""
    whole = frozenset(word for word in words if not texts.isdisjoint((word.lower().encode(), word.upper().encode())))
    joined = b"\0".join(text for text in texts if text[-3:].isascii()).lower() + b"\0"
    return whole | frozenset(word for word in words - whole if word.lower().encode() + b"\0" in joined)
