"""The local socket for git's hooks and the commands: its server in the daemon, and ask(), its client.

Each connection carries one request, a line of JSON:
``{"do": "check", "old": OID, "new": OID, "quarantine": PATH or null}``,
``{"do": "follow", "revision": OID}``, ``{"do": "status"}`` or ``{"do": "wake", "reason": "operator"}``. The answer is
any number of lines ``{"line": TEXT}`` and a last one, ``{"done": {...}}`` or ``{"error": TEXT}``.

While a handler waits, it yields an empty message now and then. The server does not send it, but tests whether the
client is still connected.

The kernel identifies the client (unix(7), SO_PEERCRED and SO_PEERGROUPS). Root may do everything; the repository's
owner and the members of the group may do what GUEST_MAY lists. The number of connections, the size of requests and the
time for each are limited, so a client can't block the daemon.

Raises Unavailable when no daemon answers, or when another daemon has the socket. The client raises NotPermitted when it
may not make the request. The text of a handler's ReconcilerError is sent to the client.

Known limit: the socket belongs to root and the group, so an owner of the repository outside that group can't reach it.
"""

from __future__ import annotations

import grp
import json
import os
import select
import socket as sockets
import struct
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from reconciler.model.errors import ReconcilerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

if TYPE_CHECKING:
    Message = dict[str, Any]
    Handler = Callable[[Message], Iterator[Message]]
GUEST_MAY = frozenset({"check", "follow", "status"})
MAX_REQUEST = 64 << 10
MAX_CONNECTIONS = 32
_PATIENCE = 10.0  # seconds for a client to send its request, and to read each line of the answer
_SO_PEERGROUPS = 59  # unix(7); Python has no name for it
_CREDENTIALS = struct.Struct("iII")


class NotPermitted(ReconcilerError):  # noqa: N818 - as in errors.py
    """The client is neither root nor, where that is enough, the repository's owner or a member of the group."""


# ---- the daemon's side -----------------------------------------------------------------------------------------------


class Control:
    """Answers requests with *handlers*, by the request's ``do``; *group* defaults to the repository's."""

    def __init__(self, socket: Path, group: str | None, handlers: Mapping[str, Handler], repository: Path) -> None:
        self._path, self._group, self._handlers, self._repository = socket, group, handlers, repository
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._stopped = threading.Event()
        self._listener: sockets.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to listen; replace a socket without a listener."""
        if _answers(self._path):
            raise Unavailable(f"socket {self._path}: another reconciler answers there")
        group = self._gid()
        listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        try:
            if not self._path.parent.is_dir():
                self._path.parent.mkdir(parents=True)
                self._path.parent.chmod(0o755)  # independent of the umask
            self._path.unlink(missing_ok=True)
            listener.bind(str(self._path))
            if os.geteuid() == 0:
                os.chown(self._path, 0, group)
            self._path.chmod(0o660)
            listener.listen(MAX_CONNECTIONS)  # no client can connect before this
        except OSError as error:
            listener.close()
            raise Unavailable(f"socket {self._path}: {error.strerror or error}") from error
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), name="control", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and remove the socket, without waiting for answers in progress."""
        self._stopped.set()
        if self._listener and self._thread:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._listener.shutdown(sockets.SHUT_RDWR)
            self._thread.join()
            self._listener.close()
        self._listener = self._thread = None

    def _accept(self, listener: sockets.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                if self._stopped.wait(0.1):
                    return
                continue  # out of file descriptors: others will be closed
            if not self._places.acquire(blocking=False):
                _send(connection, {"error": "too many requests at once; try again"})
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), name="request", daemon=True).start()

    def _serve(self, connection: sockets.socket) -> None:
        try:
            with connection:
                connection.settimeout(_PATIENCE)
                self._answer(connection)
        finally:
            self._places.release()

    def _answer(self, connection: sockets.socket) -> None:
        request = _request(connection)
        handler = self._handlers.get(str(request.get("do"))) if request else None
        if not request or not handler:
            _send(connection, {"error": "unknown request"})
            return
        try:
            if not self._permitted(connection, request["do"]):
                _send(connection, {"error": "not permitted"})
                return
            for message in handler(request):
                if _hung_up(connection) if not message else not _send(connection, message):
                    return
        except (KeyError, TypeError, ValueError) as error:
            _send(connection, {"error": f"unknown request: {error!r}"})
        except (ReconcilerError, OSError) as error:
            _send(connection, {"error": str(error)})

    def _permitted(self, connection: sockets.socket, what: str) -> bool:
        credentials = connection.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, gid = _CREDENTIALS.unpack(credentials)
        if uid in (0, os.geteuid()):
            return True
        if what not in GUEST_MAY:
            return False
        return uid == self._owner()[0] or self._gid() in {gid, *_groups(connection)}

    def _owner(self) -> tuple[int, int]:
        """Return the repository's owner and group, or root's while it does not exist."""
        try:
            status = self._repository.stat()
        except OSError:
            return 0, 0
        return status.st_uid, status.st_gid

    def _gid(self) -> int:
        if self._group is None:
            return self._owner()[1]
        try:
            return grp.getgrnam(self._group).gr_gid
        except KeyError:
            raise Unavailable(f'socket {self._path}: there is no group "{self._group}" (daemon.group)') from None


def _answers(path: Path) -> bool:
    with closing(sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)) as probe:
        probe.settimeout(_PATIENCE)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _groups(connection: sockets.socket) -> tuple[int, ...]:
    """Return the client's supplementary groups; none if there are more than the buffer holds (256)."""
    try:
        groups = connection.getsockopt(sockets.SOL_SOCKET, _SO_PEERGROUPS, 1024)
    except OSError:
        return ()
    return struct.unpack(f"{len(groups) // 4}I", groups)


def _request(connection: sockets.socket) -> Message | None:
    """Return a client's request, or None if it is too long, too late or not a JSON object."""
    received = b""
    deadline = time.monotonic() + _PATIENCE
    with suppress(OSError, ValueError, RecursionError):
        while b"\n" not in received and len(received) <= MAX_REQUEST:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = connection.recv(MAX_REQUEST)
            if not piece:
                break
            received += piece
        connection.settimeout(_PATIENCE)
        request = json.loads(received) if len(received) <= MAX_REQUEST else None
        return request if isinstance(request, dict) else None
    return None


def _hung_up(connection: sockets.socket) -> bool:
    """Return whether the client has disconnected; a waiting client sends nothing."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(1, sockets.MSG_PEEK)


def _send(connection: sockets.socket, message: Message) -> bool:
    """Send one line; return False if the client has disconnected."""
    try:
        connection.sendall(json.dumps(message, default=str).encode() + b"\n")
    except OSError:
        return False
    return True


# ---- the client's side -----------------------------------------------------------------------------------------------


def ask(socket: Path, request: Message, timeout: float) -> Iterator[Message]:
    """Send a request to the daemon, and yield its messages as they arrive; *timeout* is for each message."""
    with closing(sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(socket))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("r", encoding="utf-8") as answer:
                yield from _messages(answer)
        except PermissionError:
            raise NotPermitted(f"{socket}: not permitted; ask as root or as a member of daemon.group") from None
        except TimeoutError:
            raise Unavailable(f"{socket}: reconciler did not answer within {timeout:g} s") from None
        except OSError as error:
            raise Unavailable(f"{socket}: reconciler is not running ({error.strerror or error})") from error


def _messages(answer: Iterator[str]) -> Iterator[Message]:
    for line in answer:
        message: Message = json.loads(line)
        if message.get("error") == "not permitted":
            raise NotPermitted("not permitted; ask as root")
        if "error" in message:
            raise Unavailable(str(message["error"]))
        yield message
        if "done" in message:
            return
    raise Unavailable("reconciler stopped before it answered")
