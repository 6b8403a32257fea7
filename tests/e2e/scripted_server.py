"""A mail server that says what a test has it say: for cases that no healthy server shows.

Promises: answers each connection by its script, in threads of the test process, until closed; *said* holds every line
that clients sent, and *users* the uid behind each connection, as the kernel of that network names it.
Known limit: replies are one line, but for EHLO's.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@dataclass(kw_only=True)
class StandIn:
    """A scripted server on a socket that listens; *network* is a process of its network."""

    listener: socket.socket
    network: int
    tls: ssl.SSLContext | None = None
    wrapped: bool = False
    silent: bool = False
    greeting: str = "220 stand.in ESMTP"
    offers: tuple[str, ...] = ()
    replies: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, peer = self.listener.accept()
                self.peers.append(peer[0])
                self.users.append(self._user(peer[1]))
                Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _user(self, port: int) -> int:
        for name in ("tcp", "tcp6"):
            for row in Path(f"/proc/{self.network}/net/{name}").read_text().splitlines()[1:]:
                columns = row.split()
                if int(columns[1].rpartition(":")[2], 16) == port and columns[3] == "01":
                    return int(columns[7])
        return -1

    def _answer(self, connection: socket.socket) -> None:
        with ExitStack() as opened, suppress(OSError):
            opened.callback(connection.close)
            if self.wrapped and self.tls:
                connection = opened.enter_context(self.tls.wrap_socket(connection, server_side=True))
            if self.silent:
                connection.recv(1)
                return
            connection.sendall(f"{self.greeting}\r\n".encode())
            if self._converse(connection, encrypted=self.wrapped) and self.tls:
                connection = opened.enter_context(self.tls.wrap_socket(connection, server_side=True))
                self._converse(connection, encrypted=True)

    def _converse(self, connection: socket.socket, *, encrypted: bool) -> bool:
        """Answer until the end, or until TLS begins."""
        with connection.makefile("rb") as stream:
            while line := stream.readline().decode(errors="replace").strip():
                self.said.append(line)
                verb = line.split()[0].upper()
                begins = verb == "STARTTLS" and self.tls and verb not in self.replies
                reply = "220 go on" if begins else self._reply(verb, encrypted=encrypted)
                connection.sendall(f"{reply}\r\n".encode())
                if begins or verb == "QUIT":
                    return bool(begins)
        return False

    def _reply(self, verb: str, *, encrypted: bool) -> str:
        if verb != "EHLO" or verb in self.replies:
            return self.replies.get(verb, "221 bye" if verb == "QUIT" else "250 ok")
        lines = ["stand.in", *(one for one in self.offers if not (encrypted and one == "STARTTLS"))]
        return "\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])
