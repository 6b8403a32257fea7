"""Recover an interrupted pass, and undo a failed one, only if that does not end what works now.

Both start Postfix's processes anew with what was live before. A server of passwords that is gone since, a key that
can't be read, an address that the host has lost: processes that start now would fail, while those that run take mail.
An operator's own command is never held back.

Raises WouldStop for a recovery that waits, with what to restore; everything else as apply/recover.py. Files that can't
be judged, and a Postfix that can't be asked, hold nothing back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.apply.recover import recover
from reconciler.host.programs import postfix
from reconciler.model import Activation, Finding
from reconciler.model.errors import ReconcilerError, WouldStop
from reconciler.passes.judge import raise_if_files_stop
from reconciler.trees.gained import settings_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.apply.edges import Edges
    from reconciler.state.manifest import Generation
    from reconciler.state.records import Intent

_LATER = "an interrupted pass is undone then, or by `reconciler once COMMIT`, `rollback` or `rescue`"


def recovered(edges: Edges) -> Intent | None:
    """Undo an interrupted pass as recover() does; raise WouldStop while that would end what works."""

    def permit(back: Generation) -> None:
        if found := _stopped_by(back, edges):
            raise WouldStop([replace(one, text=f"{one.text}; {_LATER}") for one in found])

    return recover(edges, permit=permit)


def stopping(back: Generation, failing: Collection[str], edges: Edges) -> list[Finding]:
    """Return what an undo to *back* would end and could not repair, as errors; nothing if it helps what is *failing*.

    *failing* are the subjects of what speaks against the commit: it is taken back all the same if one of them is
    about a service that would work again, or about none in particular.
    """
    found = _stopped_by(back, edges)
    if not found:
        return []
    ending = {key.partition(" ")[0] for one in found for key in one.starts}
    known = _services(back)
    if any("/" not in one or (one in known and one not in ending) for one in failing):
        return []
    return [replace(one, text=f"not rolled back, because that would end more: {one.text}") for one in found]


def _stopped_by(back: Generation, edges: Edges) -> list[Finding]:
    """Return why processes that start with the files of *back* would fail, if clients can use the service now."""
    try:
        if postfix.running(edges.postfix()) is not None:
            raise_if_files_stop(back.owned(), [Activation.RELOAD], edges)
    except WouldStop as error:
        return list(error.findings)
    except (ReconcilerError, OSError, ValueError):
        pass
    return []


def _services(back: Generation) -> Collection[str]:
    try:
        return settings_of(back.owned()).services.keys()
    except OSError:
        return ()
