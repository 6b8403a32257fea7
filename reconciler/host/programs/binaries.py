"""What the files of Postfix's programs hold: the parameters that each program reads, and the words that they know.

A program finds its parameters in tables of its own, so its file holds their names. The linker lets a name share the end
of a longer text ("$header_checks"), so a name counts if it stands alone or if the file points at it. smtp and lmtp are
one program under two names, which decide whose parameters it reads.

Promises: spoken() reads the files once for each installed Postfix; about 0.03 s. Raises nothing: a file that can't be
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
_LOADED, _INSTRUCTIONS, _WRITABLE = 1, 1, 2


class Spoken(NamedTuple):
    """The parameters that each program reads, by its name, and the words that none of them knows."""

    reads: Mapping[str, frozenset[str]]
    unsaid: frozenset[str]


class _Segment(NamedTuple):
    """A part of a file that is loaded into memory at an address; the loader writes pointers only into some."""

    address: int
    content: bytes
    has_pointers: bool


class _Binary(NamedTuple):
    """The data of a file, which is a program if it has any, and the texts between its zeros."""

    segments: tuple[_Segment, ...]
    content: bytes
    texts: frozenset[bytes]


@functools.lru_cache(maxsize=1)
def spoken(folders: tuple[str, ...], parameters: frozenset[str], words: frozenset[str], _: tuple[int, ...]) -> Spoken:
    """Return what the programs in the FOLDERS read, and which *words* they lack; the last argument is the package's."""
    daemons, commands, shared = (_files(Path(folder)) for folder in folders)
    programs = {path.name: path for path in commands if _COMMANDS.match(path.name)}
    programs |= {path.name: path for path in daemons}
    names = {parameter.encode(): parameter for parameter in parameters}
    known, reads, unsaid, found = dict[str, frozenset[str]](), dict[str, frozenset[str]](), words, list[Path]()
    for path in shared:
        if _LIBRARY.match(path.name):
            file = _read(path)
            known[path.name], unsaid = _reads(file, names), _not_a_text(file, unsaid)
            found.append(path)
    for name, path in programs.items():  # one after another: their texts take many times their size
        file = _read(path)
        if not file.segments:
            continue
        unsaid = _not_a_text(file, unsaid)
        found.append(path)
        linked = [library for library in known if not library.startswith("lib") or library.encode() in file.content]
        # Without any parameter, it is no program of Postfix.
        if read := _reads(file, names).union(*(known[library] for library in linked)):
            reads[name] = read
    for name, other in zip(_TWINS, reversed(_TWINS), strict=True):
        if name in reads:
            reads[name] = frozenset(read for read in reads[name] if not _is_of_twin(read, name, other, parameters))
    return Spoken(reads, _ends_no_text(found, unsaid) if len(found) > len(known) else frozenset())


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError:
        return []


def _content(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""


def _read(path: Path) -> _Binary:
    file = _content(path)
    segments = tuple(_segments(file)) if file.startswith(_PROGRAM) else ()
    content = b"".join(b"\0" + segment.content + b"\0" for segment in segments)
    return _Binary(segments, content, frozenset(content.split(b"\0")))


def _is_of_twin(parameter: str, name: str, other: str, parameters: frozenset[str]) -> bool:
    """Return whether only the program's other name reads the parameter: both names have one of their own."""
    rest = parameter.removeprefix(f"{other}_")
    return rest != parameter and f"{name}_{rest}" in parameters


def _reads(file: _Binary, names: Mapping[bytes, str]) -> frozenset[str]:
    """Return the parameters that a program names, in one of its texts or at the end of one."""
    found = file.texts.intersection(names) | _pointed_at(file.segments).intersection(names)
    return frozenset(names[name] for name in found)


def _pointed_at(segments: tuple[_Segment, ...]) -> set[bytes]:
    """Return the texts that pointers in the program's data lead to, tails of other texts included (elf(5))."""
    pointers = set[int]()
    for _, content, has_pointers in segments:
        words = array("Q")
        words.frombytes(content[: len(content) // words.itemsize * words.itemsize])
        pointers.update(words if has_pointers else ())
    found = set()
    for address, content, _ in segments:
        for pointer in [pointer for pointer in pointers if address <= pointer < address + len(content)]:
            start = pointer - address
            found.add(content[start : max(content.find(b"\0", start, start + _LONGEST), start)])
    return found


def _segments(file: bytes) -> Iterator[_Segment]:
    """Yield each part that is loaded into memory and holds no instructions; it begins where a pointer can stand."""
    with suppress(struct.error):  # the file is cut off
        (table,), (length, number) = struct.unpack_from("Q", file, 32), struct.unpack_from("HH", file, 54)
        for start in range(table, table + length * number, length or 1):
            (kind, flags), (offset, address, _, size) = (
                struct.unpack_from("II", file, start), struct.unpack_from("QQQQ", file, start + 8)
            )  # fmt: skip
            if kind == _LOADED and not flags & _INSTRUCTIONS:
                before = address % array("Q").itemsize
                yield _Segment(address - before, bytes(before) + file[offset : offset + size], bool(flags & _WRITABLE))


def _not_a_text(file: _Binary, words: frozenset[str]) -> frozenset[str]:
    """Return the words that are none of the texts, in lower or upper case."""
    return frozenset(word for word in words if file.texts.isdisjoint((word.lower().encode(), word.upper().encode())))


def _ends_no_text(paths: list[Path], words: frozenset[str]) -> frozenset[str]:
    """Return the words that end none of the texts of these files; a search takes longer than looking up a text."""
    for path in paths:
        content = _content(path).lower()
        words = frozenset(word for word in words if word.lower().encode() + b"\0" not in content)
    return words
