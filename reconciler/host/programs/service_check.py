"""Have postconf(1) read main.cf and master.cf of a directory, in pieces if there are many services.

Promises: every service is read, with main.cf, or one that differs from it in its name, tag and address alone; what
postconf says of a line is said of that line. What it said nothing of is not asked again while main.cf, the forms of the
services, the definitions of tables that postconf reads as well and the installed Postfix stay the same. Few services
are read in one piece, by a program that prints the value of every parameter as well (EVALUATED). Raises CommandFailed
for a program that does not end in time, and OSError as the kernel gives it.

Known limit: that a setting of main.cf is unused is said if no piece uses it.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.effects import Completed
from reconciler.host.regular_files import start_of
from reconciler.model.ascii_text import split_lines
from reconciler.postfix.master_pieces import pieces

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from reconciler.host.effects import Host
    from reconciler.postfix.master_pieces import Piece

OPTIONS = ("-n", "-P")
"""``-n`` complains about both files. Only where it ends at an error, ``-P`` may complain about more of master.cf."""
EVALUATED = "-x"
"""Complains as ``-n`` does, and ends at an error in a value of main.cf that no program may ever use."""
_MAIN, _MASTER = "main.cf", "master.cf"
_AT_ONCE = 4
_MOST_KEPT = 1024
_LARGEST = 1 << 20  # of the definition of a table
_AGE = 10.0
_LINE = re.compile(r"(?<=line )[0-9]+", re.ASCII)
_UNUSED = re.compile(r"/main\.cf: unused parameter: ", re.ASCII)
# postconf opens these by their absolute path, and complains about what they set.
_SERVERS = ("ldap", "mongodb", "mysql", "pgsql", "sqlite")
_DEFINED = re.compile(rf"\b(?:{'|'.join(_SERVERS)}):([^\s,{{}}]+)", re.ASCII)
_OWN_FOLDER = re.compile(r"\$(?:config_directory\b|\{config_directory\}|\(config_directory\))", re.ASCII)
_silent: dict[Hashable, None] = {}  # the oldest first


def ask(host: Host, directory: Path, files: Mapping[str, str], installed: Hashable) -> list[Completed]:
    """Return what postconf says with OPTIONS, one or both, or EVALUATED; *files* are main.cf and master.cf."""
    parts = pieces(files[_MAIN], files[_MASTER])
    texts = {files[_MAIN], *(part.form or part.text for part in parts)}  # of many services that are alike, one
    on_servers = [text for text in texts if any(f"{server}:" in text for server in _SERVERS)]
    defined = {name for text in on_servers for name in _DEFINED.findall(text)}
    beside = (installed, os.uname().nodename, _digest(files[_MAIN]), _definitions(directory, defined))
    if len(parts) == 1:
        return _said_of_all(host, directory, (*beside, _digest(files[_MASTER])))
    keys = [(*beside, _digest(part.form)) for part in parts]

    def asked(part: Piece, key: Hashable) -> list[Completed]:
        return _said(host, directory, files[_MAIN], part, key, with_others=bool(defined))

    of_forms = dict(zip(keys, parts, strict=True))
    if of_forms.keys() <= _silent.keys():
        return [_silence(directory)]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        if len(of_forms) < len(parts):  # of the others, nothing is said either if nothing is said of these
            list(threads.map(asked, of_forms.values(), of_forms))
        said = list(threads.map(asked, parts, keys))
    every = [[one[place] for one in said if place < len(one)] for place in range(len(OPTIONS))]
    return [_together(directory, option, found) for option, found in zip(OPTIONS, every, strict=True) if found]


def _said_of_all(host: Host, directory: Path, key: Hashable) -> list[Completed]:
    """Return what postconf says of both files as they are, or said before."""
    if key in _silent:
        return [_silence(directory)]
    done = host.run(_argv(directory, EVALUATED))
    if done.status:
        return _asked(host, directory)
    _keep(key, [done])
    return [done]


def _asked(host: Host, directory: Path) -> list[Completed]:
    done = host.run(_argv(directory, OPTIONS[0]))
    return [done, host.run(_argv(directory, OPTIONS[1]))] if done.status else [done]


def _argv(directory: Path, option: str) -> tuple[str, ...]:
    return ("postconf", "-c", str(directory), option)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _definitions(directory: Path, names: Iterable[str]) -> Hashable:
    """Return what the files with the definitions of tables hold; what can't be told is unlike anything else."""
    paths = sorted(_OWN_FOLDER.sub(lambda _: str(directory), name) for name in names)
    if any("$" in path for path in paths):
        return object()
    return tuple(_content(Path(path)) for path in paths if path.startswith("/"))


def _content(path: Path) -> Hashable:
    """Return what tells the content of a file from another; a commit may name a pipe, which is never waited for."""
    try:
        text = start_of(path, _LARGEST + 1) if path.is_file() else None
    except OSError as error:
        return error.errno
    if text is None:
        return None
    return hashlib.sha256(text).digest() if len(text) <= _LARGEST else object()


def _said(host: Host, directory: Path, main: str, part: Piece, key: Hashable, *, with_others: bool) -> list[Completed]:
    """Return what postconf says of a piece, or what it said before; *with_others* beside it if it reads more files."""
    if key in _silent:
        return [_silence(directory)]
    with tempfile.TemporaryDirectory(prefix="reconciler-") as name:
        folder = Path(name)
        for path, text in ((_MAIN, main), (_MASTER, part.text)):
            (folder / path).write_text(text, "utf-8", "surrogateescape")
        for other in directory.iterdir() if with_others else ():
            if other.name not in (_MAIN, _MASTER):
                (folder / other.name).symlink_to(other)
        os.utime(folder / _MAIN, (time.time() - _AGE,) * 2)
        done = _asked(host, folder)
    done = [replace(one, stderr=_in_whole(one.stderr, folder, directory, part)) for one in done]
    _keep(key, done)
    return done


def _silence(directory: Path) -> Completed:
    return Completed(_argv(directory, OPTIONS[0]), 0, "", "")


def _keep(key: Hashable, done: Sequence[Completed]) -> None:
    """Remember that nothing was said, if it was so."""
    if not any(one.stderr or one.status for one in done):
        _silent[key] = None
    for old in list(islice(_silent, max(len(_silent) - _MOST_KEPT, 0))):
        _silent.pop(old, None)


def _in_whole(text: str, folder: Path, directory: Path, part: Piece) -> str:
    """Return what was said of a piece as it is true of the directory: with its name, and the lines of its file."""
    lines = (line.replace(str(folder), str(directory)) for line in split_lines(text))
    return "".join(
        f"{_LINE.sub(lambda match: str(part.line(int(match[0]))), line) if _MASTER in line else line}\n"
        for line in lines
    )


def _together(directory: Path, option: str, said: Sequence[Completed]) -> Completed:
    """Return what was said of any piece; that a setting of main.cf is unused counts if it is said of all of them."""
    every = [dict.fromkeys(split_lines(one.stderr)) for one in said]
    lines = dict.fromkeys(line for one in every for line in one if not _UNUSED.search(line) or _by_all(line, every))
    status = next((one.status for one in said if one.status), 0)
    text = "".join(one.stdout for one in said)
    return Completed(_argv(directory, option), status, text, "".join(f"{line}\n" for line in lines))


def _by_all(line: str, every: Iterable[Mapping[str, None]]) -> bool:
    return all(line in one for one in every)
