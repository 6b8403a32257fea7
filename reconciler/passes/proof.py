"""Prove that a desired state renders to what a configuration directory holds: Postfix tells its own view of both.

The rendered files are put into a stage with copies of all others, and Postfix's programs read the stage and the
directory: settings to the letter, services in their order, options, the rows of each table, and the other files.

Promises: the directory is only read, and the stage is removed. No value is quoted that differs in a file that only root
may read. Raises OSError, CommandFailed, and InvalidSource for files that can't be read as a desired state.
"""

from __future__ import annotations

import stat
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.effects import named
from reconciler.host.programs import postconf, postmap
from reconciler.model import printable
from reconciler.model.ascii_text import SPACE, split_lines, split_words
from reconciler.state.generations import Generations
from reconciler.state.manifest import compiled_name, digest, kept_link
from reconciler.state.others import walk
from reconciler.trees.render import MASTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.host.effects import Host
    from reconciler.model import Contribution, Tree

MOST = 20


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a proof: how many of *total* are *equal*, *how* that was found out, and what differs."""

    what: str
    equal: int
    total: int
    how: str
    differences: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Return whether nothing differs."""
        return not self.differences

    def __str__(self) -> str:
        return f"{self.what:10}{self.equal} of {self.total} equal ({self.how})"


def prove(directory: Path, target: Tree, origin: Contribution, host: Host) -> list[Line]:
    """Compare a rendered tree with a directory, both as Postfix's own programs read them."""
    with tempfile.TemporaryDirectory(prefix="reconciler-import-") as scratch:
        generations = Generations(Path(scratch), directory, host, Path(scratch, "backup"))
        stage = generations.stage(target, "import", time.time() - postconf.AGE).root
        tables = [table for table in origin.tables.values() if table.compiler]
        complaints = postmap.compile_tables(host, stage, tables)
        lines = [_asked(host, directory, stage, *question) for question in _QUESTIONS]
        lines += _rows(directory, stage, target, host) if not complaints else []
        lines.append(_others(directory, stage, target))
        if complaints:
            told = tuple(printable(one.text) for one in complaints[:MOST])
            lines.append(Line("tables", 0, len(tables), "postmap", told))
    return lines


# ---- what Postfix says -----------------------------------------------------------------------------------------------

_QUESTIONS = (
    ("settings", "-n", "postconf -n"), ("services", "-M", "postconf -M, in order"), ("options", "-P", "postconf -P"),
)  # fmt: skip


def _asked(host: Host, directory: Path, stage: Path, what: str, option: str, how: str) -> Line:
    asked = (host.run(("postconf", "-c", str(folder), option)).checked().stdout for folder in (directory, stage))
    old, new = (split_lines(said.replace(str(stage), str(directory))) for said in asked)
    if option == "-M":
        old, new = last_of_each(old), last_of_each(new)
    return compared(what, old, new, how)


def last_of_each(lines: Sequence[str]) -> list[str]:
    """Return the services of ``postconf -M``, of each name and type only the last, which Postfix uses."""
    services: list[str] = []
    for line in lines:
        if line[:1] in " \t" and services:
            services[-1] += f" {line.strip(SPACE)}"
        else:
            services.append(line)
    last = {tuple(split_words(line)[:2]): number for number, line in enumerate(services)}
    return [line for number, line in enumerate(services) if last[tuple(split_words(line)[:2])] == number]


def compared(what: str, old: Sequence[str], new: Sequence[str], how: str) -> Line:
    """Return the line for two lists, whose order counts."""
    gone, more = Counter(old) - Counter(new), Counter(new) - Counter(old)
    told = [f"- {printable(line)}" for line in gone] + [f"+ {printable(line)}" for line in more]
    if not told and list(old) != list(new):
        told = ["the order differs"]
    return Line(what, len(old) - gone.total(), len(old), how, tuple(told[:MOST]))


def _rows(directory: Path, stage: Path, target: Tree, host: Host) -> list[Line]:
    """Return a line for the rows of all compiled tables, if there are any."""
    equal, total, told = 0, 0, list[str]()
    for path, file in sorted(target.items()):
        compiler, _, kind = file.compiled.partition(" ")
        if compiler:
            old, new = (Counter(postmap.rows(host, f"{kind}:{root / path}", compiler)) for root in (directory, stage))
            total, equal = total + old.total(), equal + (old & new).total()
            if count := (old - new).total() + (new - old).total():
                told.append(f"table {path}: {count} rows differ")
    return [Line("rows", equal, total, "postmap -s", tuple(told))] if total or told else []


# ---- files -----------------------------------------------------------------------------------------------------------


def _others(directory: Path, stage: Path, target: Tree) -> Line:
    """Compare every file but main.cf, master.cf and compiled maps, which were compared as Postfix reads them."""
    compared = {postconf.MAIN, MASTER, *(compiled_name(path, file) for path, file in target.items())}
    old, new = (
        {path: identity_of(root, path) for path in walk(root) if path not in compared} for root in (directory, stage)
    )
    told = [f"file {printable(path)}" for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    return Line("files", len(old.keys()) - len([path for path in old if old[path] != new.get(path)]), len(old),
                "bytes, mode and owner of all others", tuple(told[:MOST]))  # fmt: skip


def identity_of(root: Path, name: str) -> tuple[str, ...]:
    """Return everything about a file but its times."""
    path = root / name
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    content = str(kept_link(root, name)) if path.is_symlink() else digest(path) if path.is_file() else ""
    mode = "" if path.is_symlink() else f"{stat.S_IMODE(status.st_mode):04o}"
    return f"{kind:o}", mode, named(status.st_uid, status.st_gid), content
