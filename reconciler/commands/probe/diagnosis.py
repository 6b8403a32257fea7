"""What a mail server showed a client, and what that means for mail: the cases of ``reconciler probe``, in plain words.

diagnose() is a function of what was seen and of how Postfix here would send; the first case that holds is the answer.
Raises nothing.

Known limit: that a refusal is about a block list or a login is told by its words and its status code, for SMTP has no
other sign of it.
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
    re.IGNORECASE,
)
_GREYLISTED = re.compile(r"gr[ea]y-?list|try again (?:later|in)|come back later", re.IGNORECASE)
_LOGIN = re.compile(r"authenticat|auth required|log ?in (?:first|required)|relay|not permitted to", re.IGNORECASE)
_ADDRESS = re.compile(
    r"^\d{3}[ -]5\.1\.[0-3]\b|user unknown|no such (?:user|mailbox)|unknown (?:user|recipient)", re.IGNORECASE
)


class Failure(StrEnum):
    """Why there was no conversation."""

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
    NOT_SMTP = "not-smtp"


class Tlsa(StrEnum):
    """What the TLSA records say of the certificate; NONE when there are none that DNSSEC vouches for."""

    NONE = "none"
    UNUSABLE = "unusable"
    MATCHES = "matches"
    DIFFERS = "differs"


class Reply(NamedTuple):
    """A reply of the server, its lines joined."""

    code: int
    text: str

    def __str__(self) -> str:
        return printable(f"{self.code} {self.text}")

    @property
    def kind(self) -> int:
        """2 for yes, 4 for later, 5 for no."""
        return self.code // 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How Postfix here would send: what the live configuration says for this destination."""

    nexthop: str
    domain: str
    level: str
    wrapped: bool = False
    helo: str = ""
    sender: str = ""
    recipient: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The certificate that the server showed; *untrusted*, in OpenSSL's words, is empty when an authority vouches."""

    certificate: Certificate
    protocol: str
    untrusted: str = ""
    anchors: str = ""
    tlsa: Tlsa = Tlsa.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One conversation with one address, as far as it went.

    *wrapped*: it began with TLS. *promised*: DNSSEC vouches for TLSA records, and dane takes nothing less. *offered* is
    what EHLO listed before TLS. *handshake* says why TLS failed; what follows was then said in clear.
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
        """Which server that is."""
        at = f"[{self.address}]:{self.port}" if self.address else f":{self.port}"
        return printable(at if self.host == self.address else f"{self.host}{at}")

    @property
    def encrypted(self) -> bool:
        """Whether the envelope was sent within TLS."""
        return self.shown is not None

    @property
    def refusal(self) -> Reply | None:
        """The first reply that says no or later, from the greeting to the recipient."""
        replies = (self.greeting, self.hello, self.mail, self.recipient)
        return next((one for one in replies if one and one.kind >= _TEMPORARY), None)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Which case it is, whether mail would be taken, why, and what helps."""

    case: str
    delivers: bool
    text: str
    advice: tuple[str, ...] = ()


def diagnose(sending: Sending, seen: Seen) -> Diagnosis:
    """Say which of the cases it is."""
    found = _no_conversation(sending, seen) or _tls(sending, seen)
    return found or _refused(sending, seen) or _taken(sending, seen)


def matches(name: str, names: tuple[str, ...]) -> bool:
    """Whether a certificate with these *names* is for the host *name*; ``*`` stands for one label."""
    name = name.lower().rstrip(".")
    _, _, parent = name.partition(".")
    return any(other in {name, f"*.{parent}"} for other in names)


def _setting(sending: Sending, level: str) -> str:
    name = f'"{sending.nexthop}"' if sending.nexthop.startswith("[") else sending.nexthop
    return f"tls: {{destinations: {{{name}: {level}}}}}"


# ---- nobody to talk to -----------------------------------------------------------------------------------------------

_OLD_TLS = "it may know old versions of TLS only, which OpenSSL's own settings on this host (openssl.cnf) rule out"
_PROVIDER = (
    "when it is so for every server, your provider blocks the port: ask for it to be opened, or send through a smart"
    " host that listens on 587 or 465: smart_host: {nexthop: ...}"
)
_LOGIN_SETTING = (
    "smart_host: {nexthop: ..., username: ..., password: !secret smart_host}, and `reconciler secret set smart_host`"
)


def _no_conversation(sending: Sending, seen: Seen) -> Diagnosis | None:
    """The cases without a greeting."""
    if not seen.failure:
        return _wrong_beginning(sending, seen)
    if seen.handshake:
        text = f"the TLS handshake with {seen.place} fails ({seen.handshake}); mail waits"
        return Diagnosis("handshake-failed", False, text, (_OLD_TLS,))
    text, advice = {
        Failure.NO_SUCH_HOST: (
            f"{seen.why}; mail for it comes back as undeliverable",
            ("mind the spelling; in brackets, [HOST], no MX record is looked up",),
        ),
        Failure.NO_MAIL: (f"{sending.domain} says in DNS that it takes no mail at all (null MX); mail comes back", ()),
        Failure.NO_ANSWER_FROM_DNS: (
            f"DNS does not say where {sending.domain} is: {seen.why}; mail waits",
            ("see that the name servers in /etc/resolv.conf answer",),
        ),
        Failure.REFUSED: (
            f"no server listens at {seen.place}, or a firewall answers in its place; mail waits",
            (f"mind the port; {_PROVIDER}",),
        ),
        Failure.TIMED_OUT: (
            f"{seen.place} does not answer; mail waits",
            (f"a firewall on the way drops the connection, or the server is down; {_PROVIDER}",),
        ),
        Failure.UNREACHABLE: (
            f"there is no way to {seen.place} from here ({seen.why}); mail waits",
            ("without IPv6 to the Internet write parameters: {inet_protocols: ipv4}",) if ":" in seen.address
            else ("see `ip route`, and the firewall of this host",),
        ),
        Failure.NOT_OURS: (
            f"{seen.source} is no address of this host ({seen.why}); mail waits",
            ("correct smtp_bind_address, or add the address to the host",),
        ),
        Failure.HUNG_UP: (
            f"{seen.place} hangs up before it has taken the message; mail waits",
            ("it may not like this address: try --from-address, and see whether the address is on a block list",),
        ),
        Failure.NOT_SMTP: (
            f"what answers at {seen.place} does not speak SMTP ({seen.why}); mail waits",
            ("mind the port: mail servers listen on 25, 587 and 465",),
        ),
        Failure.SILENT: (
            f"{seen.place} accepts the connection and then says nothing; mail waits",
            ("a firewall or a spam filter on its side holds the connection: try again with a longer --timeout",),
        ),
    }[seen.failure]  # fmt: skip
    return Diagnosis(seen.failure.value, False, text, advice)


def _wrong_beginning(sending: Sending, seen: Seen) -> Diagnosis | None:
    """TLS from the first byte, which one side wants and the other does not."""
    if seen.wrapped and not sending.wrapped:
        text = f"{seen.place} begins with TLS, and waits for ours; mail would wait without end"
        advice = "as smart_host, port 465 does that by itself; else give the service smtp_tls_wrappermode: yes"
        return Diagnosis("begins-with-tls", False, text, (advice,))
    if sending.wrapped and not seen.wrapped:
        text = f"{seen.place} does not begin with TLS, as smtp_tls_wrappermode asks; mail waits"
        return Diagnosis("begins-in-clear", False, text, ("port 465 begins with TLS, 587 and 25 do not",))
    return None


# ---- TLS -------------------------------------------------------------------------------------------------------------


def _tls(sending: Sending, seen: Seen) -> Diagnosis | None:
    """What the level asks for and the server has not; what hides behind it is said as well."""
    if sending.level == "none" or not seen.hello or seen.hello.kind != _OK:
        return None
    if sending.level in ENFORCED or (sending.level == "dane" and seen.promised):
        return _unencrypted(sending, seen) or _unproven(sending, seen)
    return None


def _unencrypted(sending: Sending, seen: Seen) -> Diagnosis | None:
    if seen.encrypted:
        return None
    if seen.handshake:
        case, text = "handshake-failed", f"the TLS handshake with {seen.place} fails ({seen.handshake})"
    elif seen.starttls:
        case, text = "starttls-refused", f'{seen.place} offers STARTTLS and then refuses it: "{seen.starttls}"'
    else:
        case, text = "no-starttls", f"{seen.place} does not offer STARTTLS"
    text += f", and the level for it is {sending.level}: mail waits"
    if case == "no-starttls":
        text += ', with "TLS is required, but was not offered by host"'
    hidden = _refused(sending, seen)
    if not hidden or hidden.case in {"greylisted", "recipient-refused"}:
        advice = (f"{_setting(sending, 'may')} sends to this one server in clear text when it has no TLS",)
        return Diagnosis(case, False, text, advice)
    more = f"in clear text it says what hides behind that: {hidden.text}"
    return Diagnosis(hidden.case, False, f"{text}; {more}", hidden.advice)


def _unproven(sending: Sending, seen: Seen) -> Diagnosis | None:
    """A certificate that is not what the level asks for."""
    shown = seen.shown
    if not shown or sending.level not in _CHECKED | _DANE:
        return None
    certificate, encrypt = shown.certificate, _setting(sending, "encrypt")
    if sending.level in _DANE:
        return _by_dane(sending, seen, shown)
    less = f"{encrypt} looks at no certificate"
    if certificate.days < 0 or "expired" in shown.untrusted:
        text = f"the certificate of {seen.place} has expired; at {sending.level} mail waits"
        return Diagnosis("expired", False, text, ("its administrator must renew it; until then " + less,))
    if why := shown.untrusted:
        self_signed = shown.untrusted.replace(" ", "-").startswith("self-signed-certificate") and "chain" not in why
        case = "self-signed" if self_signed else "untrusted"
        text = f"no authority in {shown.anchors} vouches for the certificate of {seen.place} ({why}); mail waits"
        more = f"; {_setting(sending, 'fingerprint')} takes this very one" if self_signed else ""
        return Diagnosis(case, False, text, (f"name its authority in tls: {{ca_file: ...}}{more}; {less}",))
    wanted = seen.host if sending.level == "verify" else sending.domain
    if not matches(wanted, certificate.names) and not (
        sending.level == "secure" and any(one.endswith(f".{wanted}") for one in certificate.names)
    ):
        names = printable(", ".join(certificate.names)) or "no name"
        text = f"the certificate of {seen.place} is for {names}, not for {wanted}; at {sending.level} mail waits"
        how = " or verify, which takes the name that the MX record gives," if sending.level == "secure" else ""
        return Diagnosis("wrong-name", False, text, (f"write the name it has as nexthop,{how} or {encrypt}",))
    return None


def _by_dane(sending: Sending, seen: Seen, shown: Shown) -> Diagnosis | None:
    if shown.tlsa is Tlsa.DIFFERS:
        text = f"the certificate of {seen.place} does not match its TLSA record; mail waits, at {sending.level}"
        less = _setting(sending, "may")
        advice = f"its administrator changed one without the other, or it is not the server; {less} takes it on trust"
        return Diagnosis("tlsa-mismatch", False, text, (advice,))
    if sending.level == "dane-only" and shown.tlsa is not Tlsa.MATCHES:
        what = "none that can be used" if shown.tlsa is Tlsa.UNUSABLE else "none that DNSSEC vouches for"
        text = f"dane-only needs a TLSA record of {seen.host}, and there is {what}; mail waits"
        dane = _setting(sending, "dane")
        advice = f"{dane} does without; a resolver that checks DNSSEC must stand in /etc/resolv.conf"
        return Diagnosis("no-tlsa", False, text, (advice,))
    return None


# ---- what it says ----------------------------------------------------------------------------------------------------


def _refused(sending: Sending, seen: Seen) -> Diagnosis | None:
    """A reply that says no or later."""
    reply = seen.refusal
    if not reply:
        return None
    what = f'{seen.place} answers "{reply}"'
    after = "mail comes back" if reply.kind == _PERMANENT else "mail waits"
    if _LISTED.search(reply.text):
        here = seen.source or "this host's address"
        advice = (
            f"ask for {here} to be taken off the list the reply names, after finding what put it there",
            "meanwhile send from another address, or through a smart host: smart_host: {nexthop: ...}",
        )
        text = f"{what}: it takes nothing from an address on a block list; {after}"
        return Diagnosis("block-list", False, text, advice)
    if "STARTTLS" in reply.text.upper():
        text = f"{what}: it takes mail by TLS only; {after}"
        return Diagnosis("tls-required", False, text, (_setting(sending, "encrypt"),))
    needs_login = seen.logins or reply.code == 530  # noqa: PLR2004 - RFC 4954: authentication required
    if needs_login and reply in {seen.mail, seen.recipient} and _LOGIN.search(reply.text):
        ways = f" (it offers {' '.join(seen.logins)})" if seen.logins else ""
        return Diagnosis("login-needed", False, f"{what}: it wants a login{ways}; {after}", (_LOGIN_SETTING,))
    return _other_refusal(sending, seen, reply, f"{what}; {after}")


def _other_refusal(sending: Sending, seen: Seen, reply: Reply, text: str) -> Diagnosis:
    if reply == seen.recipient and _ADDRESS.search(str(reply)):
        advice = f"only <{sending.recipient}> is unknown there: name an address that exists with --recipient"
        return Diagnosis("recipient-refused", False, text, (advice,))
    if reply.kind == _TEMPORARY and _GREYLISTED.search(reply.text):
        advice = "greylisting: Postfix tries again by itself, from the same address, and is then let in"
        return Diagnosis("greylisted", False, text, (advice,))
    if reply.kind == _TEMPORARY:
        return Diagnosis("try-later", False, text, ("the trouble is on its side, and Postfix tries again by itself",))
    step = {seen.greeting: "greeting", seen.hello: "hello", seen.mail: "sender"}.get(reply, "recipient")
    advice = {
        "greeting": "it does not talk to this address: see that its PTR record names this host",
        "hello": f'it refuses the name "{sending.helo}": smtp_helo_name must be this host\'s name in DNS',
        "sender": f"it refuses the sender <{sending.sender}>: try --sender; SPF of its domain must allow this host",
        "recipient": "try another --recipient, and see that SPF allows this host to send for the sender's domain",
    }[step]
    return Diagnosis(f"{step}-refused", False, text, (advice,))


def _taken(sending: Sending, seen: Seen) -> Diagnosis:
    """It would take the message; notes say what a stricter level would meet."""
    how = f"within {seen.shown.protocol}" if seen.shown else "in clear text"
    return Diagnosis("delivers", True, f"{seen.place} would take mail from here, {how}", tuple(_notes(sending, seen)))


def _notes(sending: Sending, seen: Seen) -> Iterator[str]:
    if seen.handshake and sending.level != "none":
        yield f"TLS fails ({seen.handshake}), so mail goes in clear text"
    if not seen.shown:
        return
    certificate = seen.shown.certificate
    if seen.shown.untrusted:
        why = seen.shown.untrusted
        yield f"no trusted authority signed its certificate ({why}), which {sending.level} does not ask for"
    if not matches(seen.host, certificate.names):
        yield f"its certificate is for {printable(', '.join(certificate.names)) or 'no name'}, not for {seen.host}"
