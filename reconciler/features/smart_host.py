"""``smart_host``: sends all outbound mail through one next hop, or one for each sender, with or without a login.

The login table is written as a whole, with mode 0600, and only if there is a login. Its key is the nexthop verbatim,
because smtp(8) looks that up (SASL_README, "Configuring SASL authentication in the Postfix SMTP/LMTP client"). A sender
is the key only if several logins share a nexthop: Postfix would try it with every server of that sender's mail.

On port 465 TLS comes first. smtp(8) can't decide this for each destination, so a service of its own does it.

Known limit: that service speaks to all relays, so either all of them are on port 465, or none is.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, model_validator
from pydantic_core import PydanticCustomError

from reconciler.features.secret_names import one_secret
from reconciler.features.section import Section, or_else
from reconciler.model import (
    Contribution,
    Finding,
    Parameter,
    SecretName,
    Service,
    Severity,
    Table,
    Where,
    error_at,
    meant,
    nothing_mentioned,
)
from reconciler.model.ascii_text import NON_ASCII, SPACE, is_digits, split_words
from reconciler.model.hidden_values import without_login
from reconciler.postfix.nexthops import bad_nexthop, mail_routes
from reconciler.postfix.numbers import as_number
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope
from reconciler.postfix.table_parts import search
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import Desired, Facts
    from reconciler.postfix.tables import Entry

SECTION = "smart_host"
LOGIN_TABLE, SENDER_TABLE = "sasl_passwd", "sender_relayhost"
WRAPPED = "smart_host"
PRESETS = {"mailchannels": "smtp.mailchannels.net:587"}
_SEALED = "run `reconciler secret set smart_host` and write password: !secret smart_host"
_HALVES = (("username", "password", _SEALED), ("password", "username", "write username: USER"))
_SENDER = re.compile(rf"(?:[^\s@<>\"#][^\s@<>\"]*)?@[\w{NON_ASCII}.-]+", re.ASCII)
_WRAPPED_PORT = re.compile(r":(?:465|smtps|submissions)\Z")
_BARE = re.compile(rb"(?m)\S:[ \t]*$")
_NEXTHOP = re.compile(r"(?:\[(?P<bracketed>[^\]\s]+)\]|(?P<name>[^\[\]\s:]+))(?::(?P<port>[A-Za-z0-9-]+))?", re.ASCII)


def _nexthop(value: object) -> object:
    if isinstance(value, list):
        inside = ", ".join(str(item) for item in value)
        kind, text = "unquoted-brackets", 'YAML reads brackets as a list; quote the nexthop: "[{inside}]"'
        raise PydanticCustomError(kind, text, {"inside": inside})
    if isinstance(value, str) and value and not _is_nexthop(value):
        text = 'not a nexthop: "{value}"; expected HOST, [HOST], HOST:PORT or [HOST]:PORT{hint}'
        bare = value.rpartition("//")[2].strip(f"{SPACE}/")
        hint = meant(next(filter(_is_nexthop, (bare, ":".join(word.strip(":") for word in split_words(bare)))), None))
        raise PydanticCustomError("malformed-nexthop", text, {"value": without_login(value), "hint": hint})
    return value


def _is_nexthop(value: str) -> bool:
    match = _NEXTHOP.fullmatch(value)
    if not match:
        return False
    host = match["bracketed"] or match["name"]
    if ":" in host:
        try:
            ip_address(host.removeprefix("IPv6:"))
        except ValueError:
            return False
    port = match["port"] or "25"
    return not is_digits(port) or 0 < as_number(port) < 65536  # noqa: PLR2004 - TCP


_secret = one_secret(
    "a password in plain text would stay in the history; run `reconciler secret set smart_host` and"
    " write password: !secret smart_host (and change the password, which others may have seen)"
)


def _username(value: object) -> object:
    if isinstance(value, str) and (":" in value or re.search(r"\s", value, re.ASCII)):
        raise PydanticCustomError(
            "malformed-username", 'a user name contains no blanks and no colon, got "{value}"', {"value": value}
        )
    return value


class Relay(Section):
    """A next hop and its login."""

    nexthop: Annotated[str, BeforeValidator(_nexthop)]
    username: Annotated[str | None, BeforeValidator(_username)] = None
    password: Annotated[InstanceOf[SecretName] | None, _secret] = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.username) != bool(self.password):
            given, missing, write = _HALVES[0 if self.username else 1]
            text = "a login needs username and password; {missing} is missing; {write}"
            raise PydanticCustomError("half-a-login", text, {"missing": missing, "write": write, "at": given})
        if self.username and not self.nexthop:
            text = 'a login needs a nexthop, and there is none; write nexthop: "[HOST]:587"'
            raise PydanticCustomError("half-a-login", text, {"at": "username"})
        return self


def _sender(value: str) -> str:
    if not _SENDER.fullmatch(value):
        text = 'not a sender: "{value}"; expected USER@DOMAIN or @DOMAIN'
        raise PydanticCustomError("malformed-sender", text, {"value": value})
    return value


class Schema(Relay, json_schema_extra=or_else({"enum": ["no", ""]}, nexthop="preset")):
    """The relay for all mail, or a *preset* for it, and those of *senders*; ``smart_host: off`` means no relay."""

    preset: Literal["mailchannels"] | None = None
    senders: dict[Annotated[str, AfterValidator(_sender)], Relay] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        if value in ("no", ""):
            return {"nexthop": ""}
        if isinstance(value, dict) and "preset" in value:
            if "nexthop" in value:
                raise PydanticCustomError("preset-and-nexthop", "a preset has its own nexthop; write one of the two")
            return {**value, "nexthop": PRESETS.get(str(value["preset"]), "")}
        return value

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.preset and not self.username:
            text = "{preset} takes mail only after a login; write username: USER, and {write}"
            raise PydanticCustomError("half-a-login", text, {"preset": self.preset, "write": _SEALED, "at": "preset"})
        for sender, relay in self.senders.items():
            if not relay.nexthop:
                text = 'the nexthop of "{sender}" is empty; remove the sender, or give it one'
                raise PydanticCustomError("malformed-nexthop", text, {"sender": sender})
        return self

    @property
    def services(self) -> frozenset[str]:
        """The services that the section adds."""
        return frozenset({f"{WRAPPED}/unix"} if self.is_wrapped else ())

    @property
    def relays(self) -> dict[tuple[str, ...], Relay]:
        """Every relay by its place in the section."""
        return {(): self, **{("senders", sender): relay for sender, relay in self.senders.items()}}

    @property
    def has_login(self) -> bool:
        """True if any relay has a password."""
        return any(relay.password for relay in self.relays.values())

    @property
    def is_wrapped(self) -> bool:
        """True if the relays are on port 465."""
        return any(_WRAPPED_PORT.search(relay.nexthop) for relay in self.relays.values())


def services(section: object) -> frozenset[str]:
    """Return the service for port 465, if the section adds it."""
    return section.services if isinstance(section, Schema) else frozenset()


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute relayhost, the relays of senders, the service for port 465, and the table of logins."""
    section = desired.section(Schema)
    if not section or not (section.nexthop or section.senders):
        return Contribution()
    kind, nexthop = facts.compiled_type, "preset" if section.preset else "nexthop"
    tables: dict[str, Table] = {}
    values = {"relayhost": (section.nexthop, nexthop)} if section.nexthop else {}
    if section.senders:
        rows = "".join(f"{sender.lower()} {relay.nexthop}\n" for sender, relay in section.senders.items())
        tables[SENDER_TABLE] = table = Table(
            name=SENDER_TABLE, type=kind, source=rows.encode(), file=desired.where(SECTION).file, compiler="postmap",
            origins=tuple(desired.where(SECTION, "senders", sender) for sender in section.senders),
        )  # fmt: skip
        values["sender_dependent_relayhost_maps"] = (table.reference, "senders")
    if logins := _logins(section, desired):
        source = "".join(f"{key} {login}\n" for key, (login, _) in logins.items()).encode()
        places = tuple(desired.where(SECTION, *place, "password") for _, place in logins.values())
        tables[LOGIN_TABLE] = table = Table(
            name=LOGIN_TABLE, type=kind, source=source, file=places[0].file, compiler="postmap", mode=0o600,
            origins=places,
        )  # fmt: skip
        values |= {
            "smtp_sasl_auth_enable": ("yes", "username"),
            "smtp_sasl_password_maps": (table.reference, "password"),
            "smtp_sasl_tls_security_options": ("noanonymous", "password"),
        }
        if any("@" in key for key in logins):
            values["smtp_sender_dependent_authentication"] = ("yes", "senders")
    if section.is_wrapped:
        values["default_transport"] = (WRAPPED, nexthop)
    parameters = {
        name: Parameter(name, value, desired.where(SECTION, key), SECTION) for name, (value, key) in values.items()
    }
    service = _wrapped(desired.where(SECTION, nexthop))
    services = {service.key: service} if section.is_wrapped else {}
    return Contribution(parameters=parameters, tables=tables, services=services)


def _logins(section: Schema, desired: Desired) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return every login and its place by the nexthop; if several share it, return those of senders by the sender."""
    by_key: dict[str, tuple[str, tuple[str, ...]]] = {}
    logins = {place: login for place, relay in section.relays.items() if (login := _login(relay, desired))}
    for place, login in logins.items():
        nexthop = section.relays[place].nexthop
        rivals = {logins.get(at, "") for at, other in section.relays.items() if other.nexthop == nexthop}
        by_key[place[-1].lower() if place and len(rivals) > 1 else nexthop] = login, place
    return by_key


def _login(relay: Relay, desired: Desired) -> str:
    secret = desired.secrets.get(relay.password.name) if relay.password else None
    return f"{relay.username}:{secret.value}" if secret else ""


def _wrapped(where: Where) -> Service:
    options = {"syslog_name": f"postfix/{WRAPPED}", "smtp_tls_wrappermode": "yes"}
    overrides = tuple(Parameter(option, value, where, WRAPPED) for option, value in options.items())
    return Service(name=WRAPPED, type="unix", command="smtp", overrides=overrides, where=where)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that passwords fit on a table's line, that relays fit together, and that no row bypasses them unnoticed."""
    section = desired.section(Schema)
    if not section:
        return
    known = mail_routes(merged, facts)
    for place, relay in section.relays.items():
        yield from _malformed_secret(relay, place, desired)
        if place and (problem := bad_nexthop(relay.nexthop, known)):
            what, where = f"smart_host.{'.'.join(place)}: {problem}", desired.where(SECTION, *place, "nexthop")
            yield error_at("malformed-nexthop", where, what, relay.nexthop)
        elif bool(_WRAPPED_PORT.search(relay.nexthop)) != section.is_wrapped:
            hop = f'"{relay.nexthop}"' if relay.nexthop else "mail that goes directly to its MX"
            what = f"{hop} is not on port 465, but another relay is; one service speaks to all of them"
            where = desired.where(SECTION, *place, "nexthop")
            yield error_at("mixed-wrapping", where, what, relay.nexthop)
    for service in desired.services:
        if service.key in section.services:
            what = f"duplicate service: port 465 already adds {service.key}, and this one would replace it; rename it"
            yield error_at("duplicate-service", service.where, what, service.key)
    yield from _bad_senders(section, desired)
    yield from _bypassing_rows(section, desired, Scope(merged, facts))
    yield from _not_wrapped(section, desired, Scope(merged, facts))


def _malformed_secret(relay: Relay, place: tuple[str, ...], desired: Desired) -> Iterator[Finding]:
    if relay.password and (secret := desired.secrets.get(relay.password.name)):
        where = desired.where(SECTION, *place, "password")
        if not secret.value or "\n" in secret.value or secret.value != secret.value.strip(SPACE):
            what = (
                f"secret {secret.name} is empty, contains a line break, or has blanks at its start or end; set it again"
            )
            yield error_at("malformed-secret", where, what, secret.name)


def _bad_senders(section: Schema, desired: Desired) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for sender in section.senders:
        if (other := first.setdefault(sender.lower(), sender)) != sender:
            what = f'sender "{sender}" repeats "{other}": Postfix ignores case'
            where = desired.where(SECTION, "senders", sender)
            yield error_at("duplicate-sender", where, what, sender)
    if section.senders and SENDER_TABLE in desired.tables:
        what = f"smart_host.senders already makes the table {SENDER_TABLE}; remove this one, or give it another name"
        where = desired.tables[SENDER_TABLE].where
        yield error_at("duplicate-sender", where, what, SENDER_TABLE)


def _bypassing_rows(section: Schema, desired: Desired, main: Scope) -> Iterator[Finding]:
    """Report the first row whose transport has no next hop: transport(5) then uses the recipient's domain."""
    smtp = mail_routes(main.merged, main.facts).smtp - {"relay"}
    table = desired.tables.get("transport")
    if section.nexthop and table and (entry := _row_without_nexthop(table, smtp)):
        what = (
            f'"{entry.value}" has no nexthop: mail for {entry.key} bypasses the smart host and goes to the domain\'s'
            " own MX (reported for the first such row only)"
        )
        yield table.finding("past-smart-host", entry.line, what, severity=Severity.WARNING)


def _not_wrapped(section: Schema, desired: Desired, main: Scope) -> Iterator[Finding]:
    """Report settings that send mail to port 465 by a service that waits there for a greeting in clear text."""
    scopes = [Scope(main.merged, main.facts, service) for service in main.merged.running("smtp")]
    plain = {scope.service.name for scope in scopes if scope.service and not scope.is_on("smtp_tls_wrappermode")}
    then = "does not start with TLS, which the smart host's port 465 requires: mail would wait"
    name = transport_of(main.value("default_transport"))
    if section.is_wrapped and name in plain and not main.value("default_transport").partition(":")[2]:
        what, where = f'default_transport is "{name}", which {then}', main.where("default_transport")
        yield error_at("not-wrapped", where, what, name)
    table = desired.tables.get("sender_transport")
    if section.is_wrapped and table and (entry := _row_without_nexthop(table, plain)):
        what = f'"{entry.value}" has no nexthop and {then} (reported for the first such row only)'
        yield table.finding("not-wrapped", entry.line, what)


def _row_without_nexthop(table: Table, transports: Collection[str]) -> Entry | None:
    """Return the first row that names one of the transports without a next hop."""
    rows = Entries(table) if search(table, _BARE) else ()
    return next((row for row in rows if row.value.endswith(":") and row.value[:-1].strip(SPACE) in transports), None)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unquoted-brackets": (
        "A next hop is written in brackets without quotes, which YAML reads as a list. reconciler can't use a list "
        "here. Put quotes around the whole value, including brackets and port."
    ),
    "half-a-login": (
        "The smart host has a user name or a password, but not both, or a login without a nexthop. No login is "
        "possible. Write nexthop, user name and password, or no login."
    ),
    "malformed-username": (
        "The user name contains a blank or a colon. The table for logins separates it from the password by a colon, "
        "so Postfix would send something else to the smart host. Write only the name."
    ),
    "malformed-secret": (
        "A secret is empty, contains a line break, or has blanks at its start or end. Postfix would send only a part "
        "of it to the smart host, and the login would fail. Set it again with `reconciler secret set NAME`."
    ),
    "preset-and-nexthop": (
        "smart_host has both a preset and a nexthop. It is unclear which of them is intended. Write one of the two."
    ),
    "malformed-sender": (
        "A key of smart_host.senders is not a sender. Postfix looks up only whole addresses and @DOMAIN there. Write "
        "USER@DOMAIN, or @DOMAIN for all senders of a domain."
    ),
    "duplicate-sender": (
        "Two relays are given for one sender, or tables/ contains a table of the same name. One of them would be "
        "lost. Remove the other."
    ),
    "mixed-wrapping": (
        "One relay is on port 465, where TLS comes first, and another is not. One Postfix service speaks to all of "
        "them, and can't do both. Most relays also serve port 587. Use it for all of them."
    ),
    "past-smart-host": (
        "A row of tables/transport names a transport without a next hop. Postfix then uses the recipient's domain, so "
        "this mail goes directly to its MX and bypasses the smart host. If this is not intended, write the nexthop of "
        "the smart host after the colon."
    ),
    "not-wrapped": (
        "default_transport, or a row of tables/sender_transport, sends mail to the smart host by a transport that "
        "does not start with TLS, which the smart host's port 465 requires. The mail would wait. Use port 587, or "
        "give the transport's service the option smtp_tls_wrappermode=yes."
    ),
}
