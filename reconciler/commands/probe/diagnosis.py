"""The diagnosis of ``reconciler probe``: its cases, their meaning for mail, and advice.

diagnose() is a function of the conversation and of the way that Postfix on this host would send; the first case that
matches is the answer. Raises nothing.

Known limit: only the words and the status code of a reply show that it is about a block list or a login, because SMTP
has no other indication.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Certificate

ENFORCED = frozenset({"encrypt", "dane-only", "fingerprint", "verify", "secure"})
_DANE = frozenset({"dane", "dane-only"})
_CHECKED = frozenset({"verify", "secure"})
_SMTP, _SMTPS, _OK, _TEMPORARY, _PERMANENT = 25, 465, 2, 4, 5
_LISTED = re.compile(
    r"dnsbl|\brbl|rbl\b|block(?:ed|ing|list| list)|black[- ]?list|deny ?list|\blisted\b|reputation|spamhaus"
    r"|spamcop|barracuda|sorbs|abuseat|proofpoint|banned|poor sender|sender score|too much spam",
    re.IGNORECASE | re.ASCII,
)
_GREYLISTED = re.compile(r"gr[ea]y-?list|try again (?:later|in)|come back later", re.IGNORECASE | re.ASCII)
_LOGIN = re.compile(
    r"authenticat|auth required|log ?in (?:first|required)|relay|not permitted to", re.IGNORECASE | re.ASCII
)
_ADDRESS = re.compile(
    r"^\d{3}[ -]5\.1\.[0-3]\b|user unknown|no such (?:user|mailbox)|unknown (?:user|recipient)",
    re.IGNORECASE | re.ASCII,
)


class Failure(StrEnum):
    """The reason why there was no conversation."""

    NONE = ""
    NO_SUCH_HOST = "no-such-host"
    NO_MAIL = "null-mx"
    NO_ANSWER_FROM_DNS = "dns-failed"
    REFUSED = "connection-refused"
    TIMED_OUT = "timed-out"
    UNREACHABLE = "unreachable"
    NOT_OURS = "source-address"
    HUNG_UP = "hung-up"
    SILENT = "silent"
    TOO_SLOW = "too-slow"
    NOT_SMTP = "not-smtp"


class Tlsa(StrEnum):
    """How the TLSA records match the certificate; NONE when DNSSEC validated none."""

    NONE = "none"
    UNUSABLE = "unusable"
    MATCHES = "matches"
    DIFFERS = "differs"


class Reply(NamedTuple):
    """A reply of the server, with its lines joined."""

    code: int
    text: str

    def __str__(self) -> str:
        return printable(f"{self.code} {self.text}")

    @property
    def kind(self) -> int:
        """2 for success, 4 for a temporary failure, 5 for a permanent failure."""
        return self.code // 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """The way that Postfix on this host would send, from the live configuration for this destination."""

    nexthop: str
    domain: str
    level: str
    wrapped: bool = False
    helo: str = ""
    sender: str = ""
    recipient: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The certificate that the server sent; *untrusted*, in OpenSSL's words, is empty for a trusted certificate."""

    certificate: Certificate
    protocol: str
    untrusted: str = ""
    anchors: str = ""
    tlsa: Tlsa = Tlsa.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One conversation with one address, possibly incomplete.

    *wrapped*: it began with TLS. *promised*: DNSSEC validated TLSA records, so dane requires a match. *offered* is
    the list of EHLO before TLS. *handshake* is the reason why TLS failed; the rest was then in clear text.
    """

    host: str
    address: str = ""
    port: int = _SMTP
    source: str = ""
    failure: Failure = Failure.NONE
    why: str = ""
    wrapped: bool = False
    greeting: Reply | None = None
    hello: Reply | None = None
    promised: bool = False
    offered: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    starttls: Reply | None = None
    handshake: str = ""
    shown: Shown | None = None
    mail: Reply | None = None
    recipient: Reply | None = None
    transcript: tuple[str, ...] = field(default=(), compare=False)

    @property
    def place(self) -> str:
        """The name, address and port of the server."""
        at = f"[{self.address}]:{self.port}" if self.address else f":{self.port}"
        return printable(at if self.host == self.address else f"{self.host}{at}")

    @property
    def encrypted(self) -> bool:
        """Whether the envelope was sent within TLS."""
        return self.shown is not None

    @property
    def refusal(self) -> Reply | None:
        """The first reply that is a failure, from the greeting to the recipient."""
        replies = (self.greeting, self.hello, self.mail, self.recipient)
        return next((one for one in replies if one and one.kind >= _TEMPORARY), None)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A case, whether the server accepts mail, the reason, and advice."""

    case: str
    delivers: bool
    text: str
    advice: tuple[str, ...] = ()


def diagnose(sending: Sending, seen: Seen) -> Diagnosis:
    """Return the first case that matches."""
    found = _no_conversation(sending, seen) or _tls(sending, seen)
    return found or _refused(sending, seen) or _taken(sending, seen)


def matches(name: str, names: tuple[str, ...]) -> bool:
    """Return whether a certificate with these *names* is for the host *name*; ``*`` stands for one label."""
    name = name.lower().rstrip(".")
    _, _, parent = name.partition(".")
    return any(other in {name, f"*.{parent}"} for other in names)


def _setting(sending: Sending, level: str) -> str:
    name = f'"{sending.nexthop}"' if sending.nexthop.startswith("[") else sending.nexthop
    return f"tls: {{destinations: {{{name}: {level}}}}}"


# ---- no conversation -------------------------------------------------------------------------------------------------

_OLD_TLS = "it may support only old versions of TLS, which OpenSSL's settings on this host (openssl.cnf) disable"
_PROVIDER = (
    "if this happens with every server, your provider blocks the port: ask the provider to open it, or send through a"
    " smart host that listens on 587 or 465: smart_host: {nexthop: ...}"
)
_LOGIN_SETTING = (
    "smart_host: {nexthop: ..., username: ..., password: !secret smart_host}, and `reconciler secret set smart_host`"
)


def _no_conversation(sending: Sending, seen: Seen) -> Diagnosis | None:
    """Return the case of a failed connection, if it is one."""
    if not seen.failure:
        return _wrong_beginning(sending, seen)
    if seen.handshake:
        text = f"the TLS handshake with {seen.place} failed ({seen.handshake}); mail waits"
        return Diagnosis("handshake-failed", False, text, (_OLD_TLS,))
    text, advice = {
        Failure.NO_SUCH_HOST: (
            f"{seen.why}; mail for it is returned as undeliverable",
            ("check the spelling; for a name in brackets, [HOST], no MX record is looked up",),
        ),
        Failure.NO_MAIL: (f"{sending.domain} declares in DNS that it accepts no mail (null MX); mail is returned", ()),
        Failure.NO_ANSWER_FROM_DNS: (
            f"the DNS query for {sending.domain} failed: {seen.why}; mail waits",
            ("check that the name servers in /etc/resolv.conf answer",),
        ),
        Failure.REFUSED: (
            f"no server listens at {seen.place}, or a firewall answers in its place; mail waits",
            (f"check the port; {_PROVIDER}",),
        ),
        Failure.TIMED_OUT: (
            f"{seen.place} does not answer; mail waits",
            (f"a firewall drops the connection, or the server is down; {_PROVIDER}",),
        ),
        Failure.UNREACHABLE: (
            f"{seen.place} can't be reached from this host ({seen.why}); mail waits",
            ("if IPv6 has no route to the Internet, write parameters: {inet_protocols: ipv4}",) if ":" in seen.address
            else ("check `ip route`, and the firewall of this host",),
        ),
        Failure.NOT_OURS: (
            f"{seen.source} is not an address of this host ({seen.why}); mail waits",
            ("correct smtp_bind_address, or add the address to the host",),
        ),
        Failure.HUNG_UP: (
            f"{seen.place} closes the connection before it accepts the message; mail waits",
            ("it may refuse this host's address: try --from-address, and check if the address is on a block list",),
        ),
        Failure.NOT_SMTP: (
            f"the server at {seen.place} does not speak SMTP ({seen.why}); mail waits",
            ("check the port: mail servers listen on 25, 587 and 465",),
        ),
        Failure.SILENT: (
            f"{seen.place} accepts the connection, but sends nothing; mail waits",
            ("a firewall or a spam filter of the server delays the connection: try again with a longer --timeout",),
        ),
        Failure.TOO_SLOW: (
            f"{seen.place} answers too slowly: {seen.why}; mail waits",
            ("a spam filter of the server delays its replies: try again with a longer --timeout and --deadline",),
        ),
    }[seen.failure]  # fmt: skip
    return Diagnosis(seen.failure.value, False, text, advice)


def _wrong_beginning(sending: Sending, seen: Seen) -> Diagnosis | None:
    """Return the case where only one side begins with TLS, if it is that."""
    if seen.wrapped and not sending.wrapped:
        text = f"{seen.place} expects TLS from the first byte, but Postfix would not send it; mail waits"
        advice = "smart_host with port 465 does so automatically; otherwise give the service smtp_tls_wrappermode: yes"
        return Diagnosis("begins-with-tls", False, text, (advice,))
    if sending.wrapped and not seen.wrapped:
        text = f"{seen.place} does not begin with TLS, but smtp_tls_wrappermode requires it; mail waits"
        return Diagnosis("begins-in-clear", False, text, ("port 465 begins with TLS, 587 and 25 do not",))
    return None


# ---- TLS -------------------------------------------------------------------------------------------------------------


def _tls(sending: Sending, seen: Seen) -> Diagnosis | None:
    """Return the case where the server does not meet the TLS level, with any later refusal in clear text."""
    if sending.level == "none" or not seen.hello or seen.hello.kind != _OK:
        return None
    if sending.level in ENFORCED or (sending.level == "dane" and seen.promised):
        return _unencrypted(sending, seen) or _unproven(sending, seen)
    return None


def _unencrypted(sending: Sending, seen: Seen) -> Diagnosis | None:
    if seen.encrypted:
        return None
    if seen.handshake:
        case, text = "handshake-failed", f"the TLS handshake with {seen.place} failed ({seen.handshake})"
    elif seen.starttls:
        case, text = "starttls-refused", f'{seen.place} offers STARTTLS, but refuses it: "{seen.starttls}"'
    else:
        case, text = "no-starttls", f"{seen.place} does not offer STARTTLS"
    text += f", but the TLS level for it is {sending.level}: mail waits"
    if case == "no-starttls":
        text += ', with "TLS is required, but was not offered by host"'
    hidden = _refused(sending, seen)
    if not hidden or hidden.case in {"greylisted", "recipient-refused"}:
        advice = (f"{_setting(sending, 'may')} sends to this server in clear text if it has no TLS",)
        return Diagnosis(case, False, text, advice)
    more = f"in clear text it gives the reason: {hidden.text}"
    return Diagnosis(hidden.case, False, f"{text}; {more}", hidden.advice)


def _unproven(sending: Sending, seen: Seen) -> Diagnosis | None:
    """Return the case where the certificate does not meet the TLS level, if it is that."""
    shown = seen.shown
    if not shown or sending.level not in _CHECKED | _DANE:
        return None
    certificate, encrypt = shown.certificate, _setting(sending, "encrypt")
    if sending.level in _DANE:
        return _by_dane(sending, seen, shown)
    less = f"{encrypt} checks no certificate"
    if certificate.days < 0 or "expired" in shown.untrusted:
        text = f"the certificate of {seen.place} has expired; at level {sending.level}, mail waits"
        return Diagnosis("expired", False, text, ("the server's administrator must renew it; until then, " + less,))
    if why := shown.untrusted:
        self_signed = shown.untrusted.replace(" ", "-").startswith("self-signed-certificate") and "chain" not in why
        case = "self-signed" if self_signed else "untrusted"
        text = f"no authority in {shown.anchors} signed the certificate of {seen.place} ({why}); mail waits"
        more = f"; {_setting(sending, 'fingerprint')} accepts exactly this one" if self_signed else ""
        return Diagnosis(case, False, text, (f"write its authority into tls: {{ca_file: ...}}{more}; {less}",))
    wanted = seen.host if sending.level == "verify" else sending.domain
    if not matches(wanted, certificate.names) and not (
        sending.level == "secure" and any(one.endswith(f".{wanted}") for one in certificate.names)
    ):
        names = printable(", ".join(certificate.names)) or "no name"
        text = f"the certificate of {seen.place} is for {names}, not for {wanted}; at level {sending.level}, mail waits"
        how = " or verify, which accepts the name in the MX record," if sending.level == "secure" else ""
        return Diagnosis("wrong-name", False, text, (f"use the certificate's name as the nexthop,{how} or {encrypt}",))
    return None


def _by_dane(sending: Sending, seen: Seen, shown: Shown) -> Diagnosis | None:
    if shown.tlsa is Tlsa.DIFFERS:
        text = f"the certificate of {seen.place} does not match its TLSA record; at level {sending.level}, mail waits"
        less = _setting(sending, "may")
        advice = f"its administrator changed only one of them, or this is another server; {less} accepts it unchecked"
        return Diagnosis("tlsa-mismatch", False, text, (advice,))
    if sending.level == "dane-only" and shown.tlsa is not Tlsa.MATCHES:
        what = "none that can be used" if shown.tlsa is Tlsa.UNUSABLE else "none that DNSSEC validated"
        text = f"dane-only needs a TLSA record of {seen.host}, and there is {what}; mail waits"
        dane = _setting(sending, "dane")
        advice = f"{dane} does not need the record; /etc/resolv.conf must name a resolver that checks DNSSEC"
        return Diagnosis("no-tlsa", False, text, (advice,))
    return None


# ---- its replies -----------------------------------------------------------------------------------------------------


def _refused(sending: Sending, seen: Seen) -> Diagnosis | None:
    """Return the case of a failure reply, if there is one."""
    reply = seen.refusal
    if not reply:
        return None
    what = f'{seen.place} answers "{reply}"'
    after = "mail is returned" if reply.kind == _PERMANENT else "mail waits"
    if _LISTED.search(reply.text):
        here = seen.source or "this host's address"
        advice = (
            f"find out why {here} is listed, then ask for its removal from the list that the reply names",
            "until then, send from another address, or through a smart host: smart_host: {nexthop: ...}",
        )
        text = f"{what}: it refuses mail from an address on a block list; {after}"
        return Diagnosis("block-list", False, text, advice)
    if "STARTTLS" in reply.text.upper():
        text = f"{what}: it accepts mail only by TLS; {after}"
        return Diagnosis("tls-required", False, text, (_setting(sending, "encrypt"),))
    needs_login = seen.logins or reply.code == 530  # noqa: PLR2004 - RFC 4954: authentication required
    if needs_login and reply in {seen.mail, seen.recipient} and _LOGIN.search(reply.text):
        ways = f" (it offers {' '.join(seen.logins)})" if seen.logins else ""
        return Diagnosis("login-needed", False, f"{what}: it requires a login{ways}; {after}", (_LOGIN_SETTING,))
    return _other_refusal(sending, seen, reply, f"{what}; {after}")


def _other_refusal(sending: Sending, seen: Seen, reply: Reply, text: str) -> Diagnosis:
    if reply == seen.recipient and _ADDRESS.search(str(reply)):
        advice = f"only <{sending.recipient}> is unknown there: use --recipient with an address that exists"
        return Diagnosis("recipient-refused", False, text, (advice,))
    if reply.kind == _TEMPORARY and _GREYLISTED.search(reply.text):
        advice = "greylisting: Postfix retries automatically from the same address, and is then accepted"
        return Diagnosis("greylisted", False, text, (advice,))
    if reply.kind == _TEMPORARY:
        return Diagnosis("try-later", False, text, ("the problem is on the server, and Postfix retries automatically",))
    step = {seen.greeting: "greeting", seen.hello: "hello", seen.mail: "sender"}.get(reply, "recipient")
    advice = {
        "greeting": "it refuses this host's address: check that the PTR record of the address names this host",
        "hello": f'it refuses the name "{sending.helo}": smtp_helo_name must be this host\'s name in DNS',
        "sender": f"it refuses the sender <{sending.sender}>: try --sender; SPF of its domain must allow this host",
        "recipient": "try another --recipient, and check that SPF allows this host to send for the sender's domain",
    }[step]
    return Diagnosis(f"{step}-refused", False, text, (advice,))


def _taken(sending: Sending, seen: Seen) -> Diagnosis:
    """Return the case where the server accepts mail; the notes show what a stricter level would refuse."""
    how = f"within {seen.shown.protocol}" if seen.shown else "in clear text"
    return Diagnosis("delivers", True, f"{seen.place} accepts mail from here, {how}", tuple(_notes(sending, seen)))


def _notes(sending: Sending, seen: Seen) -> Iterator[str]:
    if seen.handshake and sending.level != "none":
        yield f"TLS failed ({seen.handshake}), so mail is sent in clear text"
    if not seen.shown:
        return
    certificate = seen.shown.certificate
    if seen.shown.untrusted:
        why = seen.shown.untrusted
        yield f"no trusted authority signed its certificate ({why}), which level {sending.level} does not require"
    if not matches(seen.host, certificate.names):
        yield f"its certificate is for {printable(', '.join(certificate.names)) or 'no name'}, not for {seen.host}"
