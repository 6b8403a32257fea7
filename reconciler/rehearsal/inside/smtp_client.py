"""The client's side of an SMTP connection: whole replies, TLS, and what a proxy would announce.

It decides nothing: what a reply means is for the caller. Rehearsals and the verification of the live services use it,
and `reconciler probe` uses Replies. Promises: a whole reply ends within the connection's time-out, however slowly its
bytes come, and within LONGEST_REPLY. Raises OSError, of which HungUp, TooLong, TimeoutError and ssl.SSLError are kinds.

Known limit: no certificate is verified, and every version and cipher that OpenSSL has is accepted.
"""

from __future__ import annotations

import functools
import socket
import ssl
import time
from contextlib import suppress

LONGEST_REPLY = 64 << 10
_BLOCK = 4096


class HungUp(ConnectionError):  # noqa: N818 - what a server did, not an error of ours
    """The server closes the connection where it owes a reply."""


class TooLong(OSError):  # noqa: N818 - as above
    """The server sends a reply without end."""


class TooSlow(TimeoutError):  # noqa: N818 - as above
    """The server has begun a reply and does not end it in time."""


def connect_from(client: str, server: str, port: int, timeout: float, *options: tuple[int, int, int]) -> socket.socket:
    """Connect from one address to a port of another; *options* are set before. Raises OSError.

    Addresses are numbers. socket.create_connection() would look them up, for which it imports encodings.idna (5 ms).
    """
    connection = socket.socket(socket.AF_INET6 if ":" in client else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        for option in options:
            connection.setsockopt(*option)
        connection.bind((client, 0))
        connection.connect((server, port))
    except OSError:
        connection.close()
        raise
    return connection


class Replies:
    """Reads replies line by line; begin() starts the time and the size of one, whose limit are *seconds*."""

    def __init__(self, connection: socket.socket, seconds: float | None) -> None:
        self._connection, self._seconds = connection, seconds
        self._buffer, self._size = b"", 0
        self._deadline: float | None = None
        self.begin(seconds)

    def allow(self, seconds: float) -> None:
        """Give each reply from now on that many seconds."""
        self._seconds = seconds
        self._connection.settimeout(seconds)

    def begin(self, seconds: float | None) -> None:
        """Begin a reply that must end within *seconds*; None for no limit."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._size = 0

    def readline(self, limit: int = LONGEST_REPLY + 1) -> bytes:
        """Return the next line with its end, at most *limit* bytes of it; nothing when the server has hung up."""
        try:
            while b"\n" not in self._buffer and len(self._buffer) < limit and (piece := self._more()):
                self._buffer += piece
        finally:
            self._connection.settimeout(self._seconds)
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        line, self._buffer = self._buffer[: min(end, limit)], self._buffer[min(end, limit) :]
        self._size += len(line)
        if self._size > LONGEST_REPLY:
            raise TooLong(f"it sends a reply of more than {LONGEST_REPLY >> 10} KiB")
        return line

    def _more(self) -> bytes:
        try:
            if self._deadline is not None:
                self._connection.settimeout(max(self._deadline - time.monotonic(), 0.001))
            return self._connection.recv(_BLOCK)
        except TimeoutError:
            if self._buffer or self._size:
                raise TooSlow("its reply does not end in time") from None
            raise

    def close(self) -> None:
        """Forget what was read ahead; the connection stays open."""
        self._buffer = b""


class SmtpClient:
    """A connection to an SMTP server; *waits* is true while it owes a reply."""

    def __init__(self, connection: socket.socket) -> None:
        self.waits = False
        self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        self.socket = connection
        self._replies = Replies(connection, connection.gettimeout())

    def allow(self, more: float) -> float:
        """Give each reply from now on that many seconds more than before; return how many these are."""
        seconds = (self.socket.gettimeout() or 0.0) + more
        self._replies.allow(seconds)
        return seconds

    def reply(self) -> str:
        """Return the whole of the next reply, its lines as they came."""
        lines = []
        self.waits = True
        self._replies.begin(self.socket.gettimeout())
        while line := self._replies.readline().decode("utf-8", "replace").rstrip(" \r\n"):
            lines.append(line)
            if line[3:4] != "-":
                self.waits = False
                return "\n".join(lines)
        raise HungUp("it hangs up without a reply")

    def ask(self, command: str) -> str:
        """Send a command and return the reply."""
        self.socket.sendall(command.encode("utf-8", "surrogateescape") + b"\r\n")
        return self.reply()

    def start_tls(self) -> None:
        """Shake hands; what was buffered before is dropped."""
        self._take(_any_tls().wrap_socket(self.socket))

    def announce_proxy(self) -> None:
        """Send the header of a proxy that stands in front of us (HAProxy's PROXY protocol, version 1)."""
        (here, near), (there, far) = self.socket.getsockname()[:2], self.socket.getpeername()[:2]
        family = 6 if ":" in here else 4
        self.socket.sendall(f"PROXY TCP{family} {here} {there} {near} {far}\r\n".encode())

    def interrupt(self) -> None:
        """End the connection from another thread, whatever is waited for."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def handshake_failure(error: OSError) -> str:
    """Say why start_tls() failed, in OpenSSL's words where it has any."""
    return f"the TLS handshake fails: {getattr(error, 'reason', None) or error}"


@functools.cache
def _any_tls() -> ssl.SSLContext:
    """Return settings that accept any TLS at all: what a service may use is the commit's decision."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
