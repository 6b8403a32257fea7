"""Leave alone what works only because its processes started before a trouble of the host: a reload would end it.

A server of passwords that is gone, a key that can't be read any more, a lock that master could not take again: an error
that acts when a process starts (Finding.starts) is no fault that is live already as long as clients can use the
service. Only asking the service tells.

Promises: Postfix is asked only if there is such an error and a step would start processes. Raises WouldStop for what
would stop; CommandFailed or OSError when Postfix can't be asked.

Known limit: asking does not show whether cleanup, a delivery agent or postscreen uses a file that has vanished. While
such a program runs, and the file was there when Postfix was last activated, it counts as one that does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import Activation, errors_in
from reconciler.model.errors import WouldStop

_STILL = "processes that have started before still work, and nothing is restarted until this is restored"

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from reconciler.model import Finding


def raise_if_it_stops(
    findings: Iterable[Finding], steps: Iterable[Activation], answering: Callable[[], Collection[str]]
) -> None:
    """Raise WouldStop if the steps start processes that would fail, of a service that is *answering* clients now."""
    at_start = [one for one in errors_in([*findings]) if one.starts]
    if not at_start or not set(steps) - {Activation.NOTHING}:
        return
    well = answering()
    if stopping := [one for one in at_start if not one.starts.isdisjoint(well)]:
        raise WouldStop([replace(one, text=f"{one.text}; {_STILL}") for one in stopping])
