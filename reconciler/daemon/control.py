"""The local socket for git's hooks and the commands: its server in the daemon, and ask(), its client.

Each connection carries one request, a line of JSON:
``{"do": "check", "old": OID, "new": OID, "quarantine": PATH or null}``,
``{"do": "follow", "revision": OID}``, ``{"do": "fetch"}``, ``{"do": "status"}`` or
``{"do": "wake", "reason": "operator"}``. The answer is any number of lines ``{"line": TEXT}`` and a last one,
``{"done": {...}}`` or ``{"error": TEXT}``. To a request with ``"plain": 1``, of a hook that has no time to import
json, the answer is the lines ``line TEXT``, and ``done STATUS`` or ``error TEXT``.

While a handler waits, it yields an empty message now and then. The server does not send it, but tests whether the
client is still connected.

The kernel identifies the client (unix(7), SO_PEERCRED and SO_PEERGROUPS). A handler finds the client's user as ``uid``
in the request. Root may do everything; the repository's owner and the members of the group may do what GUEST_MAY lists.
The size of requests and the time for each are limited. Each user has PLACES of its own for each kind of request, and
for connections that have not asked yet; so a user who takes all of them takes none from root, from other users, or from
its own checks.

renew() makes the socket again after it has vanished, with its folder if necessary. If that fails, *limits* contains the
reason.

Raises Unavailable when no daemon answers (NoDaemon when none runs), or when another daemon has the socket. The client
raises NotPermitted when it may not make the request. The text of a handler's ReconcilerError is sent to the client.

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
from collections import Counter
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

from reconciler.model.errors import NoDaemon, ReconcilerError, SilentDaemon, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

if TYPE_CHECKING:
    Message = dict[str, Any]
    _Place = tuple[int, str]
    """A user and a kind of request."""
    Handler = Callable[[Message], Iterator[Message]]
GUEST_MAY = frozenset({"check", "fetch", "follow", "status"})
MAX_REQUEST = 64 << 10
PLACES = {"": 16, "check": 16, "fetch": 8, "follow": 16, "status": 8, "wake": 8}
"""How many requests of each kind one user may have at the same time; "" is a connection that has not asked yet."""
MOST_USERS = 32  # whose requests are answered at the same time, beside root
_BACKLOG, _BREATH = 128, 0.1
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
        self._places = Places()
        self._renewing = threading.Lock()
        self._listener: sockets.socket | None = None
        self._identity: tuple[int, int] | None = None
        self.limits: list[str] = []

    def start(self) -> None:
        """Start to listen; replace a socket without a listener."""
        if _answers(self._path):
            raise Unavailable(f"socket {self._path}: another reconciler answers there")
        self._listen()

    def renew(self) -> None:
        """Listen anew if the socket has vanished or was replaced; safe from any thread."""
        with self._renewing:
            if self._listener is None or _identity(self._path) == self._identity:
                return
            self._close()
            try:
                self._listen()
            except Unavailable as error:
                self.limits = [f"git hooks and commands can't reach the daemon: {error}"]
            else:
                self.limits = []

    def stop(self) -> None:
        """Stop listening and remove the socket, without waiting for answers in progress."""
        with self._renewing:
            if self._listener and _identity(self._path) == self._identity:
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)
            self._close()
            self._listener = None

    def _listen(self) -> None:
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
            listener.listen(_BACKLOG)  # no client can connect before this
            self._identity = _identity(self._path)
        except OSError as error:
            listener.close()
            raise Unavailable(f"socket {self._path}: {error.strerror or error}") from error
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="control", daemon=True).start()

    def _close(self) -> None:
        """End the listener's thread; connections that are open stay open."""
        if self._listener:
            with suppress(OSError):
                self._listener.shutdown(sockets.SHUT_RDWR)
            self._listener.close()

    def _accept(self, listener: sockets.socket) -> None:
        while listener.fileno() >= 0:
            try:
                connection, _ = listener.accept()
            except ConnectionAbortedError:
                continue
            except OSError:  # it is closed, or there are no file descriptors: others will be closed
                time.sleep(_BREATH)
                continue
            place = (_user(connection), "")
            if not self._places.take(place):
                _refuse(connection)
                continue
            try:
                threading.Thread(target=self._serve, args=(connection, place), name="request", daemon=True).start()
            except RuntimeError:  # the machine has no more threads
                self._places.leave(place)
                _refuse(connection)

    def _serve(self, connection: sockets.socket, place: _Place) -> None:
        with connection:
            try:
                connection.settimeout(_PATIENCE)
                request = _request(connection)
            finally:
                self._places.leave(place)
            what = str(request.get("do")) if request else ""
            if not request or what not in self._handlers:
                _send(connection, {"error": "unknown request"})
                return
            place = (place[0], what)
            if not self._places.take(place):
                _refuse(connection)
                return
            try:
                self._answer(connection, request, what)
            finally:
                self._places.leave(place)

    def _answer(self, connection: sockets.socket, request: Message, what: str) -> None:
        send = partial(_send, connection, encoded=_plain if request.get("plain") else _as_json)
        try:
            if not self._permitted(connection, what):
                send({"error": "not permitted"})
                return
            for message in self._handlers[what](request | {"uid": _credentials(connection)[0]}):
                if _hung_up(connection) if not message else not send(message):
                    return
        except (KeyError, TypeError, ValueError) as error:
            send({"error": f"unknown request: {error!r}"})
        except (ReconcilerError, OSError) as error:
            send({"error": str(error)})

    def _permitted(self, connection: sockets.socket, what: str) -> bool:
        uid, gid = _credentials(connection)
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


class Places:
    """The places that are taken, by user and kind of request; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[_Place] = Counter()

    def take(self, place: _Place) -> bool:
        """Take a place; return False if none is left for this user and kind, or for one more user."""
        user, what = place
        with self._lock:
            users = {one for one, _ in self._taken} - {0}
            if self._taken[place] >= PLACES[what] or (user and user not in users and len(users) >= MOST_USERS):
                return False
            self._taken[place] += 1
        return True

    def leave(self, place: _Place) -> None:
        """Give a place back."""
        with self._lock:
            self._taken[place] -= 1
            if not self._taken[place]:
                del self._taken[place]


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes the socket at *path* from one that is made later; None without one."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _credentials(connection: sockets.socket) -> tuple[int, int]:
    """Return the client's uid and gid."""
    _, uid, gid = _CREDENTIALS.unpack(connection.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, _CREDENTIALS.size))
    return uid, gid


def _user(connection: sockets.socket) -> int:
    """Return the client's uid, with 0 for the daemon's own user."""
    uid, _ = _credentials(connection)
    return 0 if uid == os.geteuid() else uid


def _refuse(connection: sockets.socket) -> None:
    connection.settimeout(0)  # a client that does not read costs nothing
    _send(connection, {"error": "too many requests at once; try again"})
    connection.close()


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


def _as_json(message: Message) -> bytes:
    return json.dumps(message, default=str).encode()


def _plain(message: Message) -> bytes:
    kind = next((name for name in ("line", "done") if name in message), "error")
    text = str(message["done"].get("status", "") if kind == "done" else message.get(kind, ""))
    return f"{kind} {text.replace(chr(10), ' ')}".encode("utf-8", "replace")


def _send(connection: sockets.socket, message: Message, encoded: Callable[[Message], bytes] = _as_json) -> bool:
    """Send one line; return False if the client has disconnected."""
    try:
        connection.sendall(encoded(message) + b"\n")
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
            with suppress(BrokenPipeError):  # a daemon without a place for one more client answers, and reads nothing
                connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("r", encoding="utf-8") as answer:
                yield from _messages(answer)
        except PermissionError:
            raise NotPermitted(f"{socket}: not permitted; ask as root or as a member of daemon.group") from None
        except TimeoutError:
            raise SilentDaemon(f"{socket}: reconciler did not answer within {timeout:g} s") from None
        except OSError as error:
            raise NoDaemon(f"{socket}: reconciler is not running ({error.strerror or error})") from error


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
