"""Requeue mail that waits for a removed transport, so that it takes its new route at once.

qmgr(8) looks up a deferred message's route at each attempt, so no message is lost without this; but the next attempt
may be hours away. requeue() raises nothing: a failure is a warning. rerouted() is pure.

Known limits: messages are found by the table rows that led them to the transport, so a message that a parameter or a
pattern sent there waits for its next attempt. Of very many messages, the oldest MOST are requeued.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconciler.host.programs import postfix, postqueue
from reconciler.model import Finding, Kind, Severity, Where
from reconciler.model.ascii_text import SPACE
from reconciler.model.errors import ReconcilerError
from reconciler.postfix.tables import Entries, is_plain, table_of

if TYPE_CHECKING:
    from reconciler.host.effects import Host
    from reconciler.model import Plan, Table

MOST = 200


def requeue(keys: frozenset[str], instance: postfix.Instance, host: Host) -> list[Finding]:
    """Requeue the messages that rows with these keys had led to a removed transport."""
    if not keys or postfix.running(instance) is None:
        return []
    try:
        waiting = [one for one in postqueue.queued(host, instance.directory) if one.get("queue_name") == "deferred"]
        oldest = sorted((one for one in waiting if concerns(one, keys)), key=lambda one: int(one["arrival_time"]))
        postqueue.retry(host, instance.directory, [str(one["queue_id"]) for one in oldest[:MOST]])
    except (ReconcilerError, OSError, ValueError, KeyError) as error:
        text = (
            "can't requeue mail that waits for a removed transport; Postfix retries it at its next scheduled attempt:"
            f" {error}"
        )
        return [
            Finding(
                rule="not-requeued", where=Where(str(instance.queue_directory)), text=text, subject="queue",
                severity=Severity.WARNING, lasting=False,
            )
        ]  # fmt: skip
    return []


def rerouted(plan: Plan) -> frozenset[str]:
    """Return the keys, in lower case, of live rows that name a removed transport; call it before the swap."""
    gone = {
        change.what.rpartition("/")[0]
        for change in plan.changes
        if change.kind is Kind.SERVICE and change.after is None and change.what.endswith("/unix")
    }
    keys: set[str] = set()
    for path, file in plan.live.items() if gone else ():
        if not file.compiled or file == plan.target.get(path):
            continue
        entries = Entries(_naming(table_of(path, file), gone))
        keys |= {entry.key.lower() for entry in entries if entry.value.partition(":")[0].strip(SPACE) in gone}
    return frozenset(keys)


def _naming(table: Table, names: set[str]) -> Table:
    """Return a table with those entries alone that contain one of the names, where each line is an entry."""
    if not is_plain(table.source):
        return table
    wanted = "|".join(map(re.escape, sorted(names))).encode("utf-8", "surrogateescape")
    source, lines, end = table.source, list[bytes](), -1
    for match in re.finditer(wanted, table.source):
        if match.start() > end:
            start, end = source.rfind(b"\n", 0, match.start()) + 1, source.find(b"\n", match.end())
            end = end if end >= 0 else len(source)
            lines.append(source[start:end])
    return replace(table, source=b"\n".join(lines))


def concerns(message: dict[str, Any], keys: frozenset[str]) -> bool:
    """Return whether one of the keys matches the message's sender or one of its recipients."""
    addresses = [message.get("sender", ""), *(one.get("address", "") for one in message.get("recipients", ()))]
    return any(not keys.isdisjoint(_asked(str(address).lower())) for address in addresses)


def _asked(address: str) -> set[str]:
    """Return the keys by which Postfix looks an address up: the address, its domain, and the parent domains."""
    domain = address.rpartition("@")[2]
    labels = domain.split(".")
    above = {"." + ".".join(labels[place:]) for place in range(1, len(labels))}
    return {address, f"@{domain}", domain, *above}
