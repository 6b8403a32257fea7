"""The client's side of an SMTP connection: whole replies, TLS, and what a proxy would announce.

It decides nothing: what a reply means is for the caller. Both sides use it, the program of a rehearsal and whoever
asks a live service for a sign of life. Raises OSError, of which HungUp and ssl.SSLError are kinds.

Known limit: no certificate is verified, and every version and cipher that OpenSSL has is accepted.
"""

from __future__ import annotations

import functools
import socket
import ssl
from contextlib import suppress

_LONGEST_LINE = 8192


class HungUp(ConnectionError):  # noqa: N818 - what a server did, not an error of ours
    """The server closes the connection where it owes a reply."""


class SmtpClient:
    """A connection to an SMTP server; *waits* is true while it owes a reply."""

    def __init__(self, connection: socket.socket) -> None:
        self.waits = False
        self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        self.socket = connection
        self._stream = connection.makefile("rb")

    def reply(self) -> str:
        """Return the whole of the next reply, its lines as they came."""
        lines = []
        self.waits = True
        while line := self._stream.readline(_LONGEST_LINE).decode("utf-8", "replace").rstrip():
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
        self._stream.close()
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
        self._stream.close()
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
