"""Start and stop the companions around Postfix's own swap, as the apply protocol requires, and prepare the outer links.

Promises: provide() runs before Postfix's rename and release() after Postfix has taken over. release() stops a companion
only when no process of Postfix that takes mail is left from before. Raises OSError from the file system, and
CommandFailed when Postfix can't be queried; a companion that does not start is a finding.

Known limit: an SMTP session that lasts longer than DRAIN keeps a companion running until a later pass.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.host import processes
from reconciler.host.programs import daemons, postfix
from reconciler.model import Finding, Severity, Where, errors_in
from reconciler.model.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.model import Contribution
    from reconciler.state.manifest import Generation

DRAIN = 10.0  # seconds
_ASKING = frozenset({"smtpd", "cleanup", "qmqpd"})


def provide(before: Generation, after: Generation, origin: Contribution, edges: Edges) -> list[Finding]:
    """Start the companions of *after*, so that they work before Postfix queries them; then prepare the outer links."""
    if after.companions:
        edges.say("companions")
    try:
        found = edges.generations.companions.provide(before, after, edges.journal.touch)
        if not errors_in(found):
            edges.generations.outer_links.prepare(before, after)
    except OSError:
        back(before, after, edges)
        raise
    known = origin.companions
    return [replace(one, where=known[one.subject].where) if one.subject in known else one for one in found]


def back(before: Generation, after: Generation, edges: Edges) -> None:
    """Restore the companions as far as the disk permits; the next pass handles the rest."""
    edges.generations.outer_links.settle(before)
    with suppress(ReconcilerError, OSError):
        edges.generations.companions.provide(after, before, edges.journal.touch)
        edges.generations.companions.release(before, edges.journal.touch)


def release(edges: Edges) -> list[Finding]:
    """Stop the companions that the live generation does not use, once no process of Postfix queries them.

    An SMTP session that began under the old configuration uses them until it ends; a later pass stops them then.
    """
    live = edges.generations.live()
    unwanted = edges.generations.companions.unwanted(live) if live else set()
    if live is None or not unwanted:
        return []
    edges.say(f"stop {', '.join(sorted(unwanted))}")
    deadline, instance = time.monotonic() + DRAIN, edges.postfix()
    while edges.generations.companions.may_be_asked(unwanted) and (asking := _asking(instance, edges.generations.link)):
        if time.monotonic() > deadline:
            text = (
                f"an SMTP session from before the swap (process {', '.join(map(str, asking))}) may still use"
                f" {' and '.join(sorted(unwanted))}; a later pass stops it"
            )
            return [
                Finding(
                    rule="companion-in-use", where=_folder(min(unwanted), edges), text=text, subject="companions",
                    severity=Severity.WARNING, lasting=False,
                )
            ]  # fmt: skip
        time.sleep(0.02)
    return edges.generations.companions.release(live, edges.journal.touch)


def revive(edges: Edges, *, paused: bool) -> tuple[list[str], str]:
    """Start companions that died and stop those that an earlier pass left running; return both results.

    While an operator has *paused* reconciler, it only starts processes, because mail waits without them.
    """
    live = edges.generations.live()
    if live is None:
        return [], ""
    started, trouble = edges.generations.companions.revive(live, paused=paused)
    if started:
        edges.activated()  # the pace of reloads limits these starts too: a program may die again at once
    return started, "; ".join([trouble, *map(str, release(edges))]).strip("; ")


def _asking(instance: postfix.Instance, link: Path) -> list[int]:
    """Return the processes of Postfix that take mail and began before the last swap, whose time is that of *link*."""
    master = postfix.running(instance)
    since = processes.on_boot_clock(link.lstat().st_mtime)
    taking = daemons.of(master, _ASKING) if master else []
    return [pid for pid in taking if (processes.started(pid) or since) + processes.TICK <= since]


def _folder(name: str, edges: Edges) -> Where:
    return Where(str(edges.generations.companions.folder(name)))


def restore(before: Generation, after: Generation, silent: Collection[str], edges: Edges) -> list[Finding]:
    """Restore the old generation's companions; Postfix is rolled back even if the disk does not permit this."""
    try:
        lost = edges.generations.companions.provide(after, before, edges.journal.touch)
    except OSError as error:
        where = _folder(min(before.companions, default=""), edges)
        return [Finding(rule="activation", where=where, text=str(error), subject="companions", lasting=False)]
    return [one.as_warning("as before") if one.subject in silent else one for one in lost]
