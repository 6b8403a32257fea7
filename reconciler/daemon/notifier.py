"""Those outside who get each conclusion of the journal: the administrator's program, and the forge of the remote.

Promises: the program gets a conclusion as one line of JSON on standard input. The forge gets one that says something
about a commit as a commit status; one that it refuses for good, such as that of a commit it does not have, is logged
and left out. Raises nothing: the outbox tries again what failed.

Known limit: the program runs as root, with the daemon's rights, and must end within TIMEOUT.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from reconciler.daemon.outbox import Outbox
from reconciler.host.log import Event
from reconciler.model.ascii_text import SPACE
from reconciler.model.errors import Unavailable
from reconciler.passes.commit_status import Forge, status_request
from reconciler.passes.headline import headline

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.host.log import Log
    from reconciler.state.records import ConclusionLine

TIMEOUT = 30.0
_REFUSED, _BROKEN, _UNKNOWN = 300, 500, 404
_LATER = frozenset({401, 403, 408, 429})
"""The answers that an administrator, or time, changes."""
_NEW = timedelta(hours=1)
"""How long a commit that the forge does not know is tried again: a token without rights gets the same answer."""
_MOST_SAID = 200
_OTHERS = 0o077


def notifier(edges: Edges, log: Log) -> Outbox:
    """Return the outbox for the program of ``notify.run``; without that setting, it does nothing."""
    program = edges.settings.notify
    return Outbox("notify.run", "notified.json", partial(_run, str(program), edges) if program else None, edges, log)


def _run(program: str, edges: Edges, line: ConclusionLine) -> None:
    told, settings = headline(line), edges.settings
    named = {"host": settings.host} | ({"instance": settings.instance} if settings.instance else {})
    message = {**named, "priority": told.priority.name.lower(), "text": told.text, **line}
    edges.host.run((program,), timeout=TIMEOUT, input=json.dumps(message).encode() + b"\n").checked()


def statuses(edges: Edges, log: Log) -> Outbox:
    """Return the outbox for the forge of ``statuses.forge``; without that setting, it does nothing."""
    known = edges.settings.url and edges.settings.forge
    return Outbox("statuses.forge", "statuses.json", partial(_post, edges, log) if known else None, edges, log)


def _post(edges: Edges, log: Log, line: ConclusionLine) -> None:
    settings = edges.settings
    if not settings.forge or settings.url is None:
        return
    forge = Forge(settings.forge, settings.url, settings.api, _secret(settings.token))
    request = status_request(forge, settings.host, line)
    if request is None:
        return
    from reconciler.host import web  # noqa: PLC0415 - it takes 2 MiB, and most hosts post nothing

    answer = web.post(*request)
    why = f"{request.url} answered {answer.status}: {answer.text[:_MOST_SAID]}"
    is_new = datetime.now(UTC) - datetime.fromisoformat(line["at"]) < _NEW
    if answer.status >= _BROKEN or answer.status in _LATER or (answer.status == _UNKNOWN and is_new):
        raise Unavailable(why)
    if answer.status >= _REFUSED:
        log.warning(Event.NOT_NOTIFIED, why=why)


def _secret(path: Path) -> str:
    """Return the token in a file that nobody but its owner can read."""
    if path.stat().st_mode & _OTHERS:
        raise Unavailable(f"{path} can be read by other users; run `chmod 600 {path}`")
    return path.read_text("utf-8", "replace").strip(SPACE)
