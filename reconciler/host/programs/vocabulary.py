"""The words that Postfix's programs say by themselves, as their files hold them, and the libraries that they use.

Promises: says() reads the files only when it is asked for a word for the first time, and nothing stays in memory but
the answers. Raises nothing: a file that can't be read says nothing.

Known limit: a word that only another version of a library says is unknown while that library runs no more.
"""

from __future__ import annotations

import errno
import functools
import mmap
import os
import re
from contextlib import suppress
from pathlib import Path
from string import ascii_letters, digits

from reconciler.host.programs import postconf
from reconciler.model.ascii_text import split_words
from reconciler.postfix.quoting import cut_quotes

_FOLDERS = (Path("/usr/lib/postfix"), Path("/usr/libexec/postfix"))
_PROGRAMS = ("postconf", "postmap", "postalias", "postfix")
_LIBRARIES = re.compile(r"lib(?:ssl|crypto|sasl2|pcre2-8|pcre|lmdb|db-\d[.\d]*|c|resolv)\.so(?:[.\d]*)\Z", re.ASCII)
_LIBRARY_FOLDERS = (Path("/usr/lib"), Path("/usr/lib64"))
_KEPT = 4096
_WORD = re.compile("[A-Za-z]+")
_IN_A_WORD = {bytes([code]) for code in (ascii_letters + digits).encode()}


def says(word: str) -> bool:
    """Return whether that word is one of Postfix's own, in any of its programs."""
    return bool(_WORD.fullmatch(word)) and _is_said(word, postconf.installed())


def quotable(text: str, directory: Path) -> str:
    """Return a line of the live log without quoted words that neither Postfix nor the configuration there says."""
    known = []
    for name in (postconf.MAIN, postconf.MASTER):
        with suppress(OSError):
            known.append((directory / name).read_text("utf-8", "surrogateescape"))
    return cut_quotes(text, known, says)


@functools.lru_cache(maxsize=_KEPT)
def _is_said(word: str, installed: tuple[int, ...]) -> bool:
    if any(word in split_words(os.strerror(number)) for number in errno.errorcode):
        return True
    return any(_holds(path, word.encode("ascii")) for path in _files(installed))


@functools.lru_cache(maxsize=1)
def _files(_: tuple[int, ...]) -> tuple[Path, ...]:
    own = [path for folder in _FOLDERS for path in sorted(folder.rglob("*")) if path.is_file()]
    commands = [postconf.POSTCONF.parent / name for name in _PROGRAMS]
    folders = [*_LIBRARY_FOLDERS, *(folder for parent in _LIBRARY_FOLDERS for folder in parent.glob("*-linux-gnu*"))]
    libraries = [path for folder in folders for path in folder.glob("lib*.so*") if _LIBRARIES.match(path.name)]
    return (*own, *commands, *sorted({path.resolve() for path in libraries}))


def _holds(path: Path, word: bytes) -> bool:
    """Return whether the file holds a word, not as part of a longer one."""
    with (
        suppress(OSError, ValueError),  # it is gone, or empty
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        start = content.find(word)
        while start >= 0:
            end = start + len(word)
            if not ({content[max(start - 1, 0) : start], content[end : end + 1]} & _IN_A_WORD):
                return True
            start = content.find(word, end)
    return False
