"""A mail server of the world: it takes every message over SMTP and LMTP, with TLS and any login, and keeps a record.

Raises OSError and ssl.SSLError when the client breaks off, which ends the connection and nothing else.
"""

from __future__ import annotations

import re
import socket
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.rehearsal.inside.messages import Message

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

NAME = "world.rehearsal.example"
_OFFERS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN")
_MOST_LINES = 200
_VERB = re.compile("[A-Za-z]+")


class Offers:
    """Who is offered TLS: of the clients of one address and name the first *most*, and each that delivers to *goal*."""

    def __init__(self, most: int, goal: str) -> None:
        self._most, self._goal = most, goal
        self._seen = Counter[tuple[str, str]]()  # two threads may offer it to one more

    def to(self, client: str, name: str, server: str) -> bool:
        """Return whether a client who has just said its name is offered TLS."""
        self._seen[client, name] += 1
        return server == self._goal or self._seen[client, name] <= self._most


def mail_server(
    received: list[Message], tls: ssl.SSLContext, *, wrapped: bool = False, offers: Offers | None = None
) -> Callable[[socket.socket], None]:
    """What serves one connection, and adds each message to *received*; *wrapped* begins with TLS.

    Without *offers*, every client is offered TLS.
    """

    def serve(connection: socket.socket) -> None:
        session = _Session(connection, received, tls, offers)
        if wrapped:
            session.shake_hands()
        session.run()

    return serve


class _Session:
    """One connection."""

    def __init__(
        self, connection: socket.socket, received: list[Message], tls: ssl.SSLContext, offers: Offers | None
    ) -> None:
        self._received, self._tls, self._offers = received, tls, offers
        self._is_encrypted, self._speaks_lmtp = False, False
        source = "" if connection.family == socket.AF_UNIX else _plain(connection.getpeername()[0])
        self._message = Message(source=source, helo="", sender="", recipients=[], header=[])
        self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        self._connection, self._stream = connection, connection.makefile("rb")

    def shake_hands(self) -> None:
        """Begin TLS."""
        self._stream.close()
        self._take(self._tls.wrap_socket(self._connection, server_side=True))
        self._is_encrypted = True

    def run(self) -> None:
        """Serve commands until the client leaves."""
        self._say(f"220 {NAME} ESMTP")
        while line := self._stream.readline(8192).decode("utf-8", "replace").rstrip(" \r\n"):
            verb, _, rest = line.partition(" ")
            answer = getattr(self, f"_{verb.lower()}", None) if _VERB.fullmatch(verb) else None
            if answer is None:
                self._say("250 2.0.0 ok")
            elif answer(rest):
                return

    def _say(self, *lines: str) -> None:
        self._connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _ehlo(self, name: str) -> None:
        self._message["helo"] = name
        offers = [NAME, *(["STARTTLS"] if self._offers_tls(name) else []), *_OFFERS]
        self._say(*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}")

    _helo = _ehlo

    def _offers_tls(self, name: str) -> bool:
        if self._is_encrypted or self._offers is None or self._connection.family == socket.AF_UNIX:
            return not self._is_encrypted
        return self._offers.to(self._message["source"], name, _plain(self._connection.getsockname()[0]))

    def _lhlo(self, name: str) -> None:
        self._speaks_lmtp = True
        self._ehlo(name)

    def _starttls(self, _: str) -> None:
        self._say("220 2.0.0 go ahead")
        self.shake_hands()

    def _auth(self, argument: str) -> None:
        # What follows a mechanism in its line is its first answer (RFC 4954): then the argument is none of these names.
        for _ in range({"LOGIN": 2, "PLAIN": 1}.get(argument.upper(), 0)):
            self._say("334 ")
            self._stream.readline(8192)
        self._say("235 2.7.0 welcome")

    def _mail(self, argument: str) -> None:
        self._message["sender"], self._message["recipients"] = _path(argument), []
        self._say("250 2.1.0 ok")

    def _rcpt(self, argument: str) -> None:
        self._message["recipients"].append(_path(argument))
        self._say("250 2.1.5 ok")

    def _data(self, _: str) -> None:
        self._say("354 go ahead")
        self._message["header"] = self._header()
        self._received.append(self._message.copy())
        # LMTP has a reply for each recipient (RFC 2033, 4.2).
        self._say(*["250 2.0.0 taken"] * (len(self._message["recipients"]) if self._speaks_lmtp else 1))

    def _header(self) -> list[str]:
        """Read a message; its header's lines."""
        lines: list[str] = []
        inside = True
        while (line := self._stream.readline(65536)) not in {b".\r\n", b""}:
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            inside = inside and bool(text)
            if inside and len(lines) < _MOST_LINES:
                lines.append(text)
        return lines

    def _quit(self, _: str) -> bool:
        with suppress(OSError):
            self._say("221 2.0.0 bye")
        return True


def _plain(address: str) -> str:
    return address.removeprefix("::ffff:") if "." in address else address


def _path(text: str) -> str:
    match = re.match(r"[^<]*<([^>]*)>", text)
    return match[1] if match else ""
