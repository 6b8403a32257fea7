"""One SMTP dialogue of a rehearsal: who speaks, what was asked, and every reply, whole.

Promises: a Talk never raises for what a server says or fails to say; what went wrong is in its *error*.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Dial = Callable[[str, str, int, float], socket.socket]
    """From a client's address to a server's address and port, with a time-out in seconds."""

PATIENCE = 8.0
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TLS.check_hostname = False
_TLS.verify_mode = ssl.CERT_NONE
_TLS.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
_TLS.set_ciphers("ALL:@SECLEVEL=0")


class _End(Exception):  # noqa: N818 - how a dialogue ends early
    """The dialogue can't go on."""


class Talks:
    """The dialogues of one rehearsal; clients that are not this host connect through *dial*."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._begun: list[Talk] = []

    def begin(self, listener: dict[str, Any], client: str) -> Talk:
        """Return a new dialogue, not connected yet."""
        talk = Talk(listener, client, self._dial)
        self._begun.append(talk)
        return talk

    def hurry(self) -> None:
        """End every dialogue that still waits for an answer."""
        for talk in list(self._begun):
            talk.cut()


class Talk:
    """A dialogue with one listener; *steps* are pairs of what was said and the whole reply."""

    def __init__(self, listener: dict[str, Any], client: str, dial: Dial) -> None:
        self.listener, self.client = listener, client
        self.steps: list[tuple[str, str]] = []
        self.error = ""
        self._dial = dial
        self._socket: socket.socket | None = None
        self._waits = False

    def greet(self, helo: str, *, tls: bool = True, login: str = "") -> bool:
        """Connect and introduce ourselves, with TLS where it is offered; as somebody who has authenticated, if told."""
        try:
            self._connect()
            if self.listener["wrapped"]:
                self._shake_hands()
            self._expect("(connect)", self._reply())
            offered = self._expect(f"EHLO {helo}", self.ask(f"EHLO {helo}"))
            if tls and "STARTTLS" in offered:
                self._expect("STARTTLS", self.ask("STARTTLS"))
                self._shake_hands()
                offered = self._expect(f"EHLO {helo}", self.ask(f"EHLO {helo}"))
            if login:
                self._become(login, helo)
        except (_End, OSError, ssl.SSLError) as error:
            self._fail(error)
            return False
        return True

    def _become(self, login: str, helo: str) -> None:
        """Be who has authenticated (XCLIENT; XCLIENT_README), and introduce ourselves anew."""
        self._expect("XCLIENT", self.ask(f"XCLIENT LOGIN={login}"))
        self._expect(f"EHLO {helo}", self.ask(f"EHLO {helo}"))

    def say(self, command: str, shown: str = "") -> str:
        """Send a command; the reply, or empty when there was none."""
        try:
            return self.ask(command, shown)
        except (_End, OSError, ssl.SSLError) as error:
            self._fail(error)
            return ""

    def send(self, message: str) -> str:
        """Send a message after DATA was accepted; the final reply."""
        text = message.replace("\r\n", "\n").replace("\n", "\r\n").replace("\r\n.", "\r\n..")
        return self.say(f"{text}\r\n.", "(message)")

    def cut(self) -> None:
        """End a dialogue that waits for an answer which will not come."""
        if self._socket and self._waits:
            self.error = self.error or "no answer"
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        if self._socket:
            self._socket.close()

    def ask(self, command: str, shown: str = "") -> str:
        """Send a command and keep the reply, beside what is *shown* for the command."""
        if self._socket is None:
            raise _End("not connected")
        self._socket.sendall(command.encode("utf-8", "surrogateescape") + b"\r\n")
        reply = self._reply()
        self.steps.append((shown or command, reply))
        return reply

    def _connect(self) -> None:
        near = ipaddress.ip_address(self.client).is_loopback or self.client == self.listener["address"]
        place = (self.listener["address"], self.listener["port"])
        if near:
            self._socket = socket.create_connection(place, PATIENCE, source_address=(self.client, 0))
        else:
            self._socket = self._dial(self.client, *place, PATIENCE)
        self._stream = self._socket.makefile("rb")
        if self.listener["proxy"]:
            (here, near_port), (there, far_port) = self._socket.getsockname()[:2], self._socket.getpeername()[:2]
            family = 6 if ":" in here else 4
            self._socket.sendall(f"PROXY TCP{family} {here} {there} {near_port} {far_port}\r\n".encode())

    def _shake_hands(self) -> None:
        if self._socket is None:
            raise _End("not connected")
        self._stream.close()
        try:
            self._socket = _TLS.wrap_socket(self._socket)
        except (OSError, ssl.SSLError) as error:
            self.steps.append(("(TLS handshake)", ""))
            raise _End(f"the TLS handshake fails: {getattr(error, 'reason', None) or error}") from error
        self._stream = self._socket.makefile("rb")

    def _expect(self, what: str, reply: str) -> str:
        if what == "(connect)":
            self.steps.append((what, reply))
        if not reply.startswith("2"):
            raise _End("")
        return reply

    def _reply(self) -> str:
        lines = []
        self._waits = True
        while line := self._stream.readline(8192).decode("utf-8", "replace").rstrip():
            lines.append(line)
            if line[3:4] != "-":
                self._waits = False
                return "\n".join(lines)
        raise _End("it hangs up without a reply")

    def _fail(self, error: Exception) -> None:
        text = "no answer" if isinstance(error, TimeoutError) else str(getattr(error, "strerror", None) or error)
        self.error = self.error or text
