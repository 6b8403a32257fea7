"""A mail server for a throw-away host to deliver to: it keeps each message with its envelope.

Promises: listens on a socket that is already bound (and so may belong to another network namespace), speaks SMTP
with STARTTLS when given a certificate, or TLS from the first byte. With *login* it demands that one, and TLS before it.
Runs in a thread of the test process. *most* counts messages that were under way at once, each from MAIL to the answer
to its end, because a client does not wait until its session is closed. *pause* is how long it thinks about each
message, and *verdict* what it then says (one that is no 2xx keeps nothing).
Known limit: without *login* it accepts everything, with or without authentication.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Self

from aiosmtpd.smtp import SMTP, AuthResult

if TYPE_CHECKING:
    import socket
    import ssl

    from aiosmtpd.smtp import Envelope, Session


@dataclass(frozen=True)
class Received:
    """One message as it arrived: the envelope, the bytes, and who brought them."""

    sender: str
    recipients: tuple[str, ...]
    data: str
    peer: str
    helo: str
    login: str | None
    tls: bool


Login = tuple[str, str]


class Sink:
    """Accepts mail on a listening socket until closed; what came is in `received`."""

    def __init__(
        self,
        listener: socket.socket,
        tls: ssl.SSLContext | None = None,
        *,
        wrapped: bool = False,
        login: Login | None = None,
    ) -> None:
        self.received: list[Received] = []
        self.verdict = "250 2.0.0 kept"
        self.pause = 0.0
        self.under_way: set[SMTP] = set()
        self.most = 0
        self._listener = listener
        self._tls = tls
        self._wrapped = wrapped
        self._login = login
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take no mail from those who should have logged in; aiosmtpd calls this for each sender."""
        if self._login and not (server and session.authenticated):
            return "530 5.7.0 Authentication required"
        self.under_way.add(server)
        self.most = max(self.most, len(self.under_way))
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        """Keep the message; aiosmtpd calls this at the final dot."""
        await asyncio.sleep(self.pause)
        self.under_way.discard(server)
        if not self.verdict.startswith("2"):
            return self.verdict
        content = envelope.content or b""
        message = Received(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            data=content.decode("utf-8", "surrogateescape") if isinstance(content, bytes) else content,
            peer=str((session.peer or ("",))[0]),
            helo=str(session.host_name),
            login=session.auth_data.login.decode() if session.auth_data else None,
            tls=self._wrapped or session.ssl is not None,
        )
        self.received.append(message)
        return self.verdict

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(
            self._protocol, sock=self._listener, ssl=self._tls if self._wrapped else None
        )

    def _protocol(self) -> SMTP:
        return _Counted(
            self,
            hostname="sink.test",
            loop=self._loop,
            tls_context=None if self._wrapped else self._tls,
            authenticator=self._judge,
            auth_require_tls=False,
            require_starttls=self._login is not None and not self._wrapped,
        )

    def _judge(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, told: object
    ) -> AuthResult:
        """Let the one in who is to come, or anybody, and remember who it was."""
        given = (getattr(told, "login", b"").decode(), getattr(told, "password", b"").decode())
        return AuthResult(success=self._login in {None, given}, handled=False, auth_data=told)

    async def _close(self) -> None:
        self._server.close()
        await self._server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Counted(SMTP):
    """A session whose message is no longer under way when it breaks off."""

    def connection_lost(self, error: Exception | None) -> None:
        """Count its message out."""
        self.event_handler.under_way.discard(self)
        super().connection_lost(error)
