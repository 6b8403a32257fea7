"""Store the published DNS records by name server and zone; they are on disk before a server gets them.

private/dns.json is replaced whole by one rename. Raises OSError from the file system, Unavailable while another process
publishes, and BadRecord for an unreadable file, because without it the owner of each record is unknown.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.features.dns.zone import Record
from reconciler.model.errors import ReconcilerError
from reconciler.state.locks import held
from reconciler.state.phases import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from reconciler.host.effects import Host

Ours = dict[str, frozenset[Record]]


class BadRecord(ReconcilerError):  # noqa: N818 - as in errors.py
    """The file of published records can't be read; the operator must fix it."""


class Published:
    """The file private/dns.json: by server, the records that reconciler made in each zone."""

    def __init__(self, private: Path, host: Host) -> None:
        self.path, self.host = private / "dns.json", host

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock for publishing; it differs from the pass's lock, so no pass waits for a name server."""
        with held(self.path.with_suffix(".lock"), "another `dns publish` is running"):
            yield

    def read(self) -> dict[str, Ours]:
        """Return all records; empty if none were ever published."""
        try:
            said = json.loads(self.path.read_text())
            return {
                server: {
                    zone: frozenset(Record(name, kind, data, int(ttl)) for name, kind, data, ttl in records)
                    for zone, records in zones.items()
                }
                for server, zones in said.items()
            }
        except FileNotFoundError:
            return {}
        except DAMAGED as error:
            text = (
                "it can't be read, so reconciler does not know which records it made; restore the file, or remove"
                " the file and those records"
            )
            raise BadRecord(f"{self.path}: {text}") from error

    def note(self, server: str, zone: str, records: Iterable[Record]) -> None:
        """Store our records of a zone; a zone without records is removed."""
        said = self.read()
        own = said.setdefault(server, {})
        own[zone] = frozenset(records)
        data = {
            one: {
                name: [[record.name, record.type, record.data, record.ttl] for record in sorted(kept)]
                for name, kept in zones.items()
                if kept
            }
            for one, zones in said.items()
        }
        told = {one: zones for one, zones in data.items() if zones}
        self.host.replace(self.path, json.dumps(told, indent=1).encode() + b"\n")
