"""Tell which programs of Postfix may still have a file in memory that has vanished since they began.

Whether cleanup, a delivery agent or postscreen works shows only after a client was answered, so that none can be asked.
Raises nothing.

Known limit: the time at which a file vanished is that of the last change in its folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host import processes
from reconciler.host.programs import daemons
from reconciler.model import reading

if TYPE_CHECKING:
    from collections.abc import Collection


def at_work(master: int, files: Collection[str]) -> frozenset[str]:
    """Return the programs that run for that master, each with those *files* that were there when it began.

    A file may be a table with its type in front. The texts are those of Finding.starts.
    """
    began = {name: processes.started(pid) for pid, name in daemons.names_of(master).items()} if files else {}
    found = set()
    for file in files:
        gone = _changed(Path(file[file.find("/") :])) if "/" in file else None
        found |= {reading(name, file) for name, at in began.items() if gone and at and at < gone}
    return frozenset(found)


def _changed(path: Path) -> float | None:
    """Return when the nearest folder above that exists was changed last, in seconds since boot."""
    for folder in path.parents:
        try:
            return processes.on_boot_clock(folder.stat().st_mtime)
        except OSError:
            continue
    return None
