"""The SMTP client of probe: one conversation with a server from the greeting to RCPT, without a message.

call() connects as Postfix would: from its address, with its name, and with SNI only if DANE requires it. It connects a
second time, to see the rest of the conversation, if the certificate is not trusted, if the TLS handshake fails, or if
the server expects TLS from the first byte. Raises nothing: a failure is part of the result.

Promises: the conversation ends by the server's *deadline*, each reply within *timeout* and LONGEST_REPLY. After this
module was imported, nothing more is imported, because the user that the process becomes may not read the library.

Known limits: OpenSSL's own settings decide which versions of TLS can be used, as for Postfix on Debian. For a TLSA
record of usage 2, the chain that the server sends decides whether that authority signed its certificate.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - socket.getaddrinfo() needs it; see above
import errno
import hashlib
import smtplib
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.commands.probe.diagnosis import Failure, Reply, Seen, Shown, Tlsa, matches
from reconciler.host.pem import identify, public_key
from reconciler.model.ascii_text import SPACE, split_lines, split_words
from reconciler.rehearsal.inside.smtp_client import Replies, TooLong, TooSlow

if TYPE_CHECKING:
    from reconciler.commands.probe.diagnosis import Sending
    from reconciler.host.dns.resolver import Association

_FAILURES = {
    errno.ECONNREFUSED: Failure.REFUSED, errno.ETIMEDOUT: Failure.TIMED_OUT, errno.EADDRNOTAVAIL: Failure.NOT_OURS,
}  # fmt: skip
_YES, _NO = 2, 5
_USABLE, _TRUST_ANCHOR = (2, 3), 2
_MOST_TEXT = 4096  # characters of a reply that are shown and judged
_DER = 2  # _ssl.ENCODING_DER


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedServer:
    """The server to connect to, and the authorities to trust; *records* are its TLSA records that DNSSEC validated.

    *timeout* is for the connection and for each reply, and *deadline* is the end of all, on the monotonic clock.
    """

    host: str
    address: str
    port: int
    source: str = ""
    records: tuple[Association, ...] = ()
    ca_file: str = ""
    ca_path: str = ""
    timeout: float
    deadline: float

    def patience(self) -> float:
        """Return how long to wait for the next answer; raise TimeoutError after the deadline."""
        rest = self.deadline - time.monotonic()
        if rest <= 0:
            raise TimeoutError("timed out")
        return min(self.timeout, rest)


@dataclass(slots=True)
class _Attempt:
    """The way to make the next connection, from the results of earlier connections."""

    wrapped: bool
    trusting: bool = False
    untrusted: str = ""
    handshake: str = ""
    starttls: Reply | None = None
    lines: list[str] = field(default_factory=list)


class _Untrusted(Exception):  # noqa: N818 - it is a result
    """No trusted authority signed the certificate."""


class _NoHandshake(Exception):  # noqa: N818
    """The TLS handshake failed."""


def call(server: ProbedServer, sending: Sending) -> Seen:
    """Talk to the server up to RCPT; connect again if that shows more."""
    attempt = _Attempt(wrapped=sending.wrapped)
    while True:
        try:
            seen = _talk(server, sending, attempt)
        except _Untrusted as error:
            attempt.trusting, attempt.untrusted = True, str(error)
            continue
        except _NoHandshake as error:
            attempt.handshake, attempt.wrapped = str(error), False
            continue
        if seen.failure is Failure.SILENT and not attempt.wrapped and not attempt.handshake:
            tried = _wrapped(server, sending, attempt)
            return replace(tried or seen, transcript=tuple(attempt.lines))
        return replace(seen, transcript=tuple(attempt.lines))


def _wrapped(server: ProbedServer, sending: Sending, attempt: _Attempt) -> Seen | None:
    """Return a conversation with TLS from the first byte, or None if the server does not speak it."""
    attempt.wrapped, attempt.trusting = True, True
    try:
        seen = _talk(server, sending, attempt)
    except _NoHandshake:
        return None
    return None if seen.failure else seen


# verify and rehearsals use SmtpClient, which talks to this host's own Postfix and accepts replies as they come. For a
# foreign server, smtplib reads the features and refuses malformed replies, and this class checks TLS.
class _Client(smtplib.SMTP):
    """smtplib's client, with a transcript of the conversation."""

    def __init__(self, server: ProbedServer, lines: list[str], helo: str) -> None:
        super().__init__(local_hostname=helo, timeout=server.timeout)
        self._server, self._lines = server, lines
        self.first: ssl.SSLContext | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 - the server's is less
        self._lines.append(f"-- {host} port {port}")
        connection = socket.create_connection((host, port), self._server.patience(), self.source_address)
        return self._shake(self.first, connection) if self.first else connection

    def _shake(self, context: ssl.SSLContext, connection: socket.socket, name: str | None = None) -> ssl.SSLSocket:
        connection.settimeout(self._server.patience())
        return _shake(context, connection, name)

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send a command in capitals, as Postfix does; smtplib writes EHLO in small letters."""
        cmd = cmd.upper() if cmd in {"ehlo", "helo"} else cmd
        self._lines.append(f"> {cmd} {args}".rstrip(SPACE))
        super().putcmd(cmd, args)

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply."""
        if self.sock and not isinstance(self.file, Replies):
            self.file = Replies(self.sock, self._server.timeout)
        if isinstance(self.file, Replies):
            self.file.begin(self._server.patience())
        code, text = super().getreply()
        if not 200 <= code < 600:  # noqa: PLR2004 - RFC 5321, 4.2.1
            raise smtplib.SMTPResponseException(code, text)
        self._lines += [f"< {code} {line}" for line in split_lines(text.decode("utf-8", "replace")) or [""]]
        return code, text

    def say(self, command: str) -> Reply:
        """Send a command and read the reply."""
        return _reply(*self.docmd(command))

    def encrypt(self, context: ssl.SSLContext, name: str | None) -> None:
        """Begin TLS after the server accepted STARTTLS; discard what it sent before (RFC 3207)."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("hung up")
        self.sock = self._shake(context, self.sock, name)
        self.file = None
        self.ehlo_resp, self.helo_resp, self.esmtp_features = None, None, {}


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _reply(code: int, text: bytes) -> Reply:
    return Reply(code, " ".join(split_words(text.decode("utf-8", "replace")))[:_MOST_TEXT])


def _talk(server: ProbedServer, sending: Sending, attempt: _Attempt) -> Seen:
    """Make one connection."""
    seen = Seen(
        host=server.host, address=server.address, port=server.port, source=server.source, wrapped=attempt.wrapped,
        promised=bool(server.records),
        handshake=attempt.handshake, starttls=attempt.starttls,
    )  # fmt: skip
    client = _Client(server, attempt.lines, sending.helo)
    client.first = _context(server, attempt) if attempt.wrapped else None
    client.source_address = (server.source, 0) if server.source else None
    try:
        seen = replace(seen, greeting=_reply(*client.connect(server.address, server.port)))
        seen = _converse(client, server, sending, attempt, seen)
        with suppress(OSError, smtplib.SMTPException):
            client.say("QUIT")
    except (smtplib.SMTPException, OSError) as error:
        failure, why = _failed(error, server)
        return replace(seen, failure=failure, why=why)
    finally:
        client.close()
    return seen


def _converse(client: _Client, server: ProbedServer, sending: Sending, attempt: _Attempt, seen: Seen) -> Seen:
    """Hold the conversation from the greeting on; stop at the first refusal."""
    if seen.greeting and seen.greeting.kind != _YES:
        return seen
    seen = _hello(client, seen)
    if attempt.wrapped:
        seen = replace(seen, shown=_shown(client, server, attempt))
    elif "starttls" in client.esmtp_features and sending.level != "none" and not attempt.handshake:
        seen = _start_tls(client, server, attempt, seen)
    if not seen.hello or seen.hello.kind != _YES:
        return seen
    seen = replace(seen, mail=client.say(f"MAIL FROM:<{sending.sender}>"))
    if seen.mail and seen.mail.kind == _YES:
        seen = replace(seen, recipient=client.say(f"RCPT TO:<{sending.recipient}>"))
        client.say("RSET")
    return seen


def _hello(client: _Client, seen: Seen) -> Seen:
    hello = _reply(*client.ehlo())
    if hello.kind == _NO:  # an old server does not know EHLO
        hello = _reply(*client.helo())
    features = client.esmtp_features
    logins = tuple(dict.fromkeys(split_words(features.get("auth", "").upper().replace("=", " "))))
    offered = seen.offered or tuple(sorted(name.upper() for name in features))
    return replace(seen, hello=hello, offered=offered, logins=logins)


def _start_tls(client: _Client, server: ProbedServer, attempt: _Attempt, seen: Seen) -> Seen:
    attempt.starttls = client.say("STARTTLS")
    seen = replace(seen, starttls=attempt.starttls)
    if attempt.starttls.kind != _YES:
        return seen
    client.encrypt(_context(server, attempt), server.host if server.records else None)
    return replace(_hello(client, seen), shown=_shown(client, server, attempt))


def _failed(error: Exception, server: ProbedServer) -> tuple[Failure, str]:
    """Return the failure that an error means; smtplib hides time-outs behind an error of its own."""
    cause = error.__context__ or error
    if time.monotonic() >= server.deadline:
        return Failure.TOO_SLOW, "the time for the whole probe (--deadline) is over"
    if isinstance(cause, TooSlow):
        return Failure.TOO_SLOW, f"a reply was not complete after {server.timeout:g} s"
    if isinstance(cause, TooLong):
        return Failure.NOT_SMTP, str(cause)
    why = (error.strerror if isinstance(error, OSError) else "") or str(error)
    if isinstance(error, smtplib.SMTPResponseException):
        return Failure.NOT_SMTP, f'it replies "{_reply(error.smtp_code, _bytes(error.smtp_error))}"'
    if isinstance(error.__context__, TimeoutError):
        return Failure.SILENT, "timed out"
    if isinstance(error, TimeoutError):
        return Failure.TIMED_OUT, "timed out"
    if isinstance(error, (smtplib.SMTPException, ConnectionResetError, BrokenPipeError)):
        return Failure.HUNG_UP, why.lower()
    number = error.errno if isinstance(error, OSError) else None
    return _FAILURES.get(number or 0, Failure.UNREACHABLE), why.lower()


# ---- certificates ----------------------------------------------------------------------------------------------------


def _context(server: ProbedServer, attempt: _Attempt) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the TLS level decides which name must match
    if attempt.trusting or attempt.untrusted:
        context.verify_mode = ssl.CERT_NONE
    elif server.ca_file or server.ca_path:
        context.load_verify_locations(server.ca_file or None, server.ca_path or None)
    else:
        context.load_default_certs()
    return context


def _shake(context: ssl.SSLContext, connection: socket.socket, name: str | None = None) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(connection, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        raise _Untrusted(error.verify_message) from error
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise _NoHandshake(str(reason).lower().replace("_", " ")) from error
    finally:
        connection.close()  # wrap_socket took its descriptor over, or the conversation is over


def _shown(client: _Client, server: ProbedServer, attempt: _Attempt) -> Shown | None:
    if not isinstance(client.sock, ssl.SSLSocket):
        return None
    chain = _chain(client.sock)
    return Shown(
        certificate=identify(chain[0], datetime.now(UTC)),
        protocol=client.sock.version() or "TLS",
        untrusted=attempt.untrusted,
        anchors=" or ".join(filter(None, (server.ca_file, server.ca_path))) or "this system's list",
        tlsa=judge(server.records, chain, server.host),
    )


def _chain(connection: ssl.SSLSocket) -> list[bytes]:
    """Return the certificates that the server sent, its own first; the method is public only since Python 3.13."""
    shown = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001
    return [one.public_bytes(_DER) for one in shown]


def judge(records: tuple[Association, ...], chain: list[bytes], host: str) -> Tlsa:
    """Compare TLSA records with the certificates that a server sent (RFC 7672: SMTP uses only usages 2 and 3)."""
    if not records:
        return Tlsa.NONE
    usable = [one for one in records if one.usage in _USABLE and one.selector in {0, 1} and one.matching in {0, 1, 2}]
    if not usable:
        return Tlsa.UNUSABLE
    named = matches(host, identify(chain[0], datetime.now(UTC)).names)
    for record in usable:
        wanted = chain if record.usage == _TRUST_ANCHOR else chain[:1]
        if (named or record.usage != _TRUST_ANCHOR) and any(_is(record, der) for der in wanted):
            return Tlsa.MATCHES
    return Tlsa.DIFFERS


def _is(record: Association, der: bytes) -> bool:
    content = public_key(der) if record.selector else der
    digest = {0: lambda: content, 1: hashlib.sha256(content).digest, 2: hashlib.sha512(content).digest}
    return digest[record.matching]() == record.data
