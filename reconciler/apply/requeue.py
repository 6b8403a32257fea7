"""Mail that waits for a transport which has just gone is tried again at once, by the route that it has now.

qmgr(8) looks a deferred message's route up anew at each attempt, so none is lost without this; but the next attempt may
be hours away. requeue() raises nothing: what it can't do is a warning.
rerouted() is pure.

Known limits: messages are known by the rows that led them to the transport, so what a parameter or a pattern sent there
waits for its own time. Of very many, the oldest MOST are tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.host.programs import postfix, postqueue
from reconciler.model import Finding, Kind, Severity, Where
from reconciler.model.errors import ReconcilerError
from reconciler.postfix.tables import Entries, table_of

if TYPE_CHECKING:
    from reconciler.host.effects import Host
    from reconciler.model import Plan

MOST = 200


def requeue(keys: frozenset[str], instance: postfix.Instance, host: Host) -> list[Finding]:
    """Try what these rows had led to a transport that is gone."""
    if not keys or postfix.running(instance) is None:
        return []
    try:
        waiting = [one for one in postqueue.queued(host, instance.directory) if one.get("queue_name") == "deferred"]
        oldest = sorted((one for one in waiting if concerns(one, keys)), key=lambda one: int(one["arrival_time"]))
        postqueue.retry(host, instance.directory, [str(one["queue_id"]) for one in oldest[:MOST]])
    except (ReconcilerError, OSError, ValueError, KeyError) as error:
        text = f"mail that waited for a removed transport is tried again at its own time only: {error}"
        return [
            Finding(
                rule="not-requeued", where=Where("mail.yaml"), text=text, subject="queue", severity=Severity.WARNING,
                lasting=False,
            )
        ]  # fmt: skip
    return []


def rerouted(plan: Plan) -> frozenset[str]:
    """The keys of rows that named a transport which goes, in lower case; asked before the swap, for it reads them."""
    gone = {
        change.what.rpartition("/")[0]
        for change in plan.changes
        if change.kind is Kind.SERVICE and change.after is None and change.what.endswith("/unix")
    }
    keys: set[str] = set()
    for path, file in plan.live.items() if gone else ():
        if not file.compiled or file == plan.target.get(path):
            continue
        entries = Entries(table_of(path, file))
        keys |= {entry.key.lower() for entry in entries if entry.value.partition(":")[0].strip() in gone}
    return frozenset(keys)


def concerns(message: dict[str, Any], keys: frozenset[str]) -> bool:
    """Whether one of these rows is about a message's sender or a recipient of it."""
    addresses = [message.get("sender", ""), *(one.get("address", "") for one in message.get("recipients", ()))]
    return any(not keys.isdisjoint(_asked(str(address).lower())) for address in addresses)


def _asked(address: str) -> set[str]:
    """What Postfix looks an address up by: itself, its domain, and those above it."""
    domain = address.rpartition("@")[2]
    labels = domain.split(".")
    above = {"." + ".".join(labels[place:]) for place in range(1, len(labels))}
    return {address, f"@{domain}", domain, *above}
