"""The record of fetching from a remote: when it last worked, what is wrong now, and which rewritten history to follow.

Promises: the record is replaced as a whole. A record that is missing or damaged is an empty one, because the next fetch
writes it anew; an operator's consent that is lost so is asked for again. Reading raises PermissionError unless run by
root, and writing OSError.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from reconciler.state.phases import DAMAGED, text

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.host.effects import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRecord:
    """What the last fetches found.

    *at* is the time of the last one that worked, in UTC. *problem* says why the remote is not followed now, empty if it
    is, and *advice* what to do about it. *since* is when that began, in UTC, if it may end by itself, and empty if a
    person must act. *accepted* is the commit with a rewritten history that an operator accepted.
    *notes* and *edits* are what the remote has got of this host's git notes and of its hand edits.
    """

    at: str = ""
    problem: str = ""
    advice: str = ""
    since: str = ""
    accepted: str = ""
    notes: str = ""
    edits: str = ""


class Fetches:
    """The record in the folder *private*."""

    def __init__(self, private: Path, host: Host) -> None:
        self._file, self._host = private / "remote.json", host

    def read(self) -> FetchRecord:
        """Return the record."""
        with suppress(FileNotFoundError, NotADirectoryError, *DAMAGED):
            data = json.loads(self._file.read_bytes())
            return FetchRecord(**{field.name: text(data.get(field.name, "")) for field in fields(FetchRecord)})
        return FetchRecord()

    def write(self, record: FetchRecord) -> None:
        """Replace the record; one that says the same is left alone."""
        if record != self.read():
            self._host.replace(self._file, json.dumps(asdict(record)).encode())
