"""One SMTP dialogue of a rehearsal: who speaks, what was asked, and every reply, whole.

Promises: a Talk never raises for what a server says or fails to say; what went wrong is in its *error*.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from reconciler.rehearsal.inside.smtp_client import SmtpClient, connect_from, handshake_failure

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from reconciler.rehearsal.inside.messages import Endpoint, Step

    Dial = Callable[[str, str, int, float], socket.socket]
    """From a client's address to a server's address and port, with a time-out in seconds."""

PATIENCE = 8.0


class _End(Exception):  # noqa: N818 - how a dialogue ends early
    """The dialogue can't go on."""


class Talks:
    """The dialogues of one rehearsal; clients that are not this host connect through *dial*.

    Each reply may take as long as *patience*, for a client may have to wait for those before it.
    """

    def __init__(self, dial: Dial, patience: float = PATIENCE) -> None:
        self._dial, self._patience = dial, patience
        self._begun: list[Talk] = []

    def begin(self, listener: Endpoint, client: str) -> Talk:
        """Return a new dialogue, not connected yet."""
        talk = Talk(listener, client, self._dial, self._patience)
        self._begun.append(talk)
        return talk

    def hurry(self) -> None:
        """End every dialogue that still waits for an answer."""
        for talk in list(self._begun):
            talk.cut()


class Talk:
    """A dialogue with one listener; *steps* are the commands and their replies."""

    def __init__(self, listener: Endpoint, client: str, dial: Dial, patience: float = PATIENCE) -> None:
        self.listener, self.client = listener, client
        self.steps: list[Step] = []
        self.error = ""
        self._dial, self._patience = dial, patience
        self._connection: SmtpClient | None = None

    def greet(self, helo: str, *, tls: bool = True, login: str = "") -> bool:
        """Connect and introduce ourselves, with TLS where it is offered, and with a *login* if there is one."""
        try:
            connection = self._connect()
            if self.listener["wrapped"]:
                self._shake_hands(connection)
            _require(self._keep("(connect)", connection.reply()))
            offered = _require(self._ask(f"EHLO {helo}"))
            if tls and "STARTTLS" in offered:
                _require(self._ask("STARTTLS"))
                self._shake_hands(connection)
                _require(self._ask(f"EHLO {helo}"))
            if login:
                # XCLIENT (XCLIENT_README) makes smtpd take us for a client that has authenticated, without a password.
                _require(self._ask(f"XCLIENT LOGIN={login}"))
                _require(self._ask(f"EHLO {helo}"))
        except (_End, OSError) as error:
            self._fail(error)
            return False
        return True

    def say(self, command: str, shown: str = "") -> str:
        """Send a command; return the reply, or nothing when there was none. *shown* is kept in the command's place."""
        try:
            return self._ask(command, shown)
        except (_End, OSError) as error:
            self._fail(error)
            return ""

    def send(self, message: str) -> str:
        """Send a message after DATA was accepted; return the final reply."""
        text = message.replace("\r\n", "\n").replace("\n", "\r\n").replace("\r\n.", "\r\n..")
        return self.say(f"{text}\r\n.", "(message)")

    def cut(self) -> None:
        """End a dialogue that waits for an answer which will not come."""
        if self._connection and self._connection.waits:
            self.error = self.error or "no answer"
            self._connection.interrupt()

    def close(self) -> None:
        """Hang up."""
        if self._connection:
            self._connection.close()

    def _connect(self) -> SmtpClient:
        near = ipaddress.ip_address(self.client).is_loopback or self.client == self.listener["address"]
        place = (self.listener["address"], self.listener["port"])
        if near:
            opened = connect_from(self.client, *place, self._patience)
        else:
            opened = self._dial(self.client, *place, self._patience)
        self._connection = SmtpClient(opened)
        if self.listener["proxy"]:
            self._connection.announce_proxy()
        return self._connection

    def _shake_hands(self, connection: SmtpClient) -> None:
        try:
            connection.start_tls()
        except OSError as error:
            self._keep("(TLS handshake)", "")
            raise _End(handshake_failure(error)) from error

    def _ask(self, command: str, shown: str = "") -> str:
        if self._connection is None:
            raise _End("not connected")
        return self._keep(shown or command, self._connection.ask(command))

    def _keep(self, command: str, reply: str) -> str:
        self.steps.append([command, reply])
        return reply

    def _fail(self, error: Exception) -> None:
        text = "no answer" if isinstance(error, TimeoutError) else str(getattr(error, "strerror", None) or error)
        self.error = self.error or text


def _require(reply: str) -> str:
    """Return a reply that says yes; without it the dialogue can't go on."""
    if not reply.startswith("2"):
        raise _End("")
    return reply
