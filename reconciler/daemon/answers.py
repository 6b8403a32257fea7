"""The answers to requests over the socket: check, follow, status and wake.

Each answer runs in the thread of its request. The result of a check is kept for the next pass, and a refused one is put
on record with the user who asked; apart from that, an answer changes only the queue of reasons. Raises ReconcilerError;
the client shows its text. A bug in reconciler is logged with its traceback; a check that meets one refuses the push,
with the bug as its finding.
"""

from __future__ import annotations

import pwd
import re
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.log import Event
from reconciler.model import errors_in
from reconciler.model.errors import WithFindings
from reconciler.model.phase import Wake
from reconciler.passes.check import Memory, check
from reconciler.passes.internal_error import InternalError, internal_errors
from reconciler.passes.standing import standing
from reconciler.passes.status import status
from reconciler.state.records import RefusedCheck
from reconciler.trees.fold import LEAST, fold
from reconciler.trees.report import finding_lines, flow_line, needs, push_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.apply.edges import Edges
    from reconciler.daemon.checked import CheckedSlot
    from reconciler.daemon.control import Handler, Message
    from reconciler.daemon.progress import ProgressBoard
    from reconciler.host.log import Log
    from reconciler.model import Revision
    from reconciler.passes.check import Checked
    from reconciler.passes.status import Known


MOST_RECORDED = 5
_OID = re.compile("[0-9a-f]{40}")


class Answers:
    """Answers the requests of hooks and commands; *known* returns what the daemon knows for status."""

    def __init__(
        self, edges: Edges, slot: CheckedSlot, board: ProgressBoard, wake: Callable[[Wake], None],
        known: Callable[[], Known], log: Log,
    ) -> None:  # fmt: skip
        self._edges, self._slot, self._board = edges, slot, board
        self._wake, self._known, self._log = wake, known, log
        self._recording = threading.Lock()

    def handlers(self, **others: Handler) -> dict[str, Handler]:
        """Return the handlers by the name of the request, with those that others answer."""
        own = {"check": self.check, "follow": self.follow, "status": self.status, "wake": self.wake}
        return {name: partial(self._safely, handler) for name, handler in (own | others).items()}

    def _safely(self, handler: Handler, request: Message) -> Iterator[Message]:
        """Answer a request; a bug in reconciler is logged, and is an error for the client."""
        messages = handler(request)  # raises KeyError or ValueError for a request that can't be understood
        try:
            with internal_errors():
                for message in messages:
                    yield from _folded(message, int(request.get("columns") or 0))
        except InternalError as error:
            self._log.bug(str(error), error.traceback)
            yield {"error": str(error)}

    def check(self, request: Message) -> Iterator[Message]:
        """Answer pre-receive: do everything up to the swap, and keep the result for the pass."""
        quarantine, new = request.get("quarantine"), str(request["new"])
        if not _OID.fullmatch(new):  # git's expressions, such as a search through all messages, are for operators
            raise ValueError("new is not the full name of a commit")
        return self._check(new, Path(str(quarantine)) if quarantine else None, int(request["uid"]))

    def _check(self, new: str, quarantine: Path | None, uid: int) -> Iterator[Message]:
        repo = self._edges.repo.with_quarantine(quarantine) if quarantine else self._edges.repo
        revision = repo.revision(new)
        memory = Memory()
        self._board.forget(revision.oid)
        yield {"line": f"{self._edges.settings.label}   {revision.short}  {revision.subject}"}
        yield {"line": ""}
        began, known = time.monotonic(), standing(self._edges)
        try:
            with internal_errors():
                checked = check(revision, replace(self._edges, repo=repo), memory, base=repo.tip())
        except WithFindings as error:
            if isinstance(error, InternalError):
                self._log.info(Event.FAILED, revision=revision.short, traceback=error.traceback)
            self._record(revision, error, uid, time.monotonic() - began)
            yield from ({"line": f"  {line}"} for line in finding_lines(error.findings, known))
            yield from self._refusal()
            return
        changes = checked.judged.plan.changes
        yield from ({"line": line} for line in push_lines(changes, checked.findings, checked.judged.powers, known))
        self._log.info(Event.CHECKED, revision=revision.short, changes=len(changes))
        yield {"line": _summary(checked, time.monotonic() - began)}
        self._slot.put(memory)
        yield {"done": {"status": "checked"}}

    def _record(self, revision: Revision, error: WithFindings, uid: int, seconds: float) -> None:
        """Put a refused check on record, with the user who asked for it."""
        findings = tuple(errors_in(error.findings))[:MOST_RECORDED]
        check = RefusedCheck(revision=revision.oid, uid=uid, user=_name_of(uid), findings=findings, seconds=seconds)
        self._log.warning(
            Event.CHECK_REFUSED, revision=revision.oid, uid=uid, user=check.user, findings=[*map(str, findings)]
        )
        with self._recording, suppress(OSError):  # a full disk: the pusher must read the findings in any case
            self._edges.journal.refuse(check)

    def _refusal(self) -> Iterator[Message]:
        live = self._edges.generations.live()
        stays = f"generation {live.number} ({live.name}) stays live" if live else "not adopted yet"
        yield {"line": ""}
        yield {"line": f"  refused, nothing changed: {stays}"}
        yield {"done": {"status": "refused"}}

    def follow(self, request: Message) -> Iterator[Message]:
        """Answer post-receive: wake the daemon, then show the progress of the commit's pass until it ends."""
        lines = self._board.follow(str(request["revision"]))
        self._wake(Wake.PUSH)
        return lines

    def status(self, _: Message) -> Iterator[Message]:
        """Answer `reconciler status`, with the facts that only the daemon knows."""
        yield {"done": status(self._edges, self._known(), daemon=True)}

    def wake(self, request: Message) -> Iterator[Message]:
        """Wake the daemon for the reason in the request."""
        self._wake(Wake(str(request.get("reason", Wake.OPERATOR))))
        return iter([{"done": {}}])


def _folded(message: Message, columns: int) -> Iterator[Message]:
    """Yield a message, with a long line as several if the client has so many columns."""
    if "line" in message and columns > 0:
        yield from ({"line": line} for line in fold([str(message["line"])], max(columns, LEAST)))
    else:
        yield message


def _name_of(uid: int) -> str:
    """Return the name of a user, or the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _summary(checked: Checked, seconds: float) -> str:
    """Return the last line of a check that passed."""
    judged, tests = checked.judged, checked.judged.understood.flows
    how = "checked and rehearsed" if checked.rehearsed else "checked"
    flows = f"   {flow_line(tests, checked.findings, played=checked.rehearsed)}" if tests else ""
    return f"  needs: {needs(judged.plan)}{flows}   {how} in {seconds:.1f} s"
