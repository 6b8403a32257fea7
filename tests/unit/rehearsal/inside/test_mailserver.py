"""Whom the mail servers of the world offer TLS, and what they take without it."""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from reconciler.rehearsal.inside.mailserver import Offers, mail_server
from reconciler.rehearsal.inside.messages import Message
from reconciler.rehearsal.inside.smtp_client import SmtpClient
from reconciler.rehearsal.inside.world import accept

if TYPE_CHECKING:
    from collections.abc import Iterator

GOAL = "127.0.0.7"


class Served:
    """A mail server on every loopback address."""

    def __init__(self, opened: ExitStack, offers: Offers | None) -> None:
        self.received: list[Message] = []
        self._opened = opened
        self._listener = socket.create_server(("", 0))  # which is open for as long as a thread waits at it
        serve = mail_server(self.received, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), offers=offers)

        accept(self._listener, serve)

    def client(self, server: str = "127.0.0.1", own: str = "127.0.0.1") -> SmtpClient:
        """Return a client that has been greeted."""
        place = server, self._listener.getsockname()[1]
        connection = self._opened.enter_context(socket.create_connection(place, 5, source_address=(own, 0)))
        client = SmtpClient(connection)
        assert client.reply().startswith("220")
        return client

    def offered(self, name: str = "mx", **of: str) -> bool:
        """Return whether a new client of that name is offered TLS."""
        return "STARTTLS" in self.client(**of).ask(f"EHLO {name}")


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_the_first_of_each_address_and_name_are_offered_tls(opened: ExitStack) -> None:
    served = Served(opened, Offers(2, GOAL))

    assert [served.offered() for _ in range(3)] == [True, True, False]
    assert served.offered("another")
    assert served.offered(own="127.0.0.2")
    assert not served.offered()


def test_each_that_delivers_to_the_goal_is_offered_tls(opened: ExitStack) -> None:
    served = Served(opened, Offers(1, GOAL))

    assert [served.offered(server=GOAL) for _ in range(3)] == [True] * 3


def test_all_are_offered_tls_where_no_number_is_given(opened: ExitStack) -> None:
    served = Served(opened, None)

    assert all(served.offered() for _ in range(4))


def test_a_message_without_tls_is_kept_with_who_brought_it(opened: ExitStack) -> None:
    served = Served(opened, Offers(0, GOAL))
    client = served.client()
    for command in ("EHLO mx", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "DATA", "Subject: x\r\n\r\ny\r\n."):
        assert client.ask(command)[:1] in {"2", "3"}
    kept = Message(source="127.0.0.1", helo="mx", sender="a@b.test", recipients=["c@d.test"], header=["Subject: x"])
    assert served.received == [kept]
