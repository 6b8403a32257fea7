"""``tls``: the encryption of outbound mail (TLS_README, "Client TLS limitations" and "security levels").

Trust has no defaults: verify and secure need *ca_file* or *ca_path*, and fingerprint needs *fingerprints*.

Known limit: reconciler asks whether the resolver checks DNSSEC, not whether the path to it is safe; 127.0.0.1 is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from reconciler.features import smart_host, stock
from reconciler.features.section import Section
from reconciler.model import (
    RESOLVER,
    Contribution,
    Finding,
    Mentioned,
    Parameter,
    Table,
    error_at,
    no_services,
    warning_at,
)
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.nexthops import bad_nexthop, mail_routes
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Where

SECTION, TABLE = "tls", "tls_policy"
_LEVEL = "smtp_tls_security_level"
_DANE = frozenset({"dane", "dane-only"})
_CHECKED = frozenset({"verify", "secure"})
_ENFORCED = frozenset({"encrypt", "dane-only", "fingerprint", *_CHECKED})
Level = Literal["none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure"]
Path = Annotated[str, StringConstraints(pattern=r"^/\S+$")]


def _fingerprint(value: str) -> str:
    digits = value.replace(":", "").upper()
    if len(digits) != 64 or set(digits) - set("0123456789ABCDEF"):  # noqa: PLR2004 - sha256
        text = (
            'not a fingerprint: "{value}"; expected the 32 bytes of sha256, as'
            " `openssl x509 -noout -fingerprint -sha256` prints them"
        )
        raise PydanticCustomError("malformed-fingerprint", text, {"value": value})
    return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


class Schema(Section):
    """*outbound* is the level for all outbound mail, *destinations* for some, by domain or nexthop as in transport(5).

    If unset, outbound is ``encrypt`` when a smart host has a login or is on port 465, else ``may``.
    """

    outbound: Level | None = None
    destinations: dict[Annotated[str, StringConstraints(pattern=r"^[^\s#,]+$")], Level] = Field(default_factory=dict)
    fingerprints: tuple[Annotated[str, AfterValidator(_fingerprint)], ...] = ()
    ca_file: Path | None = None
    ca_path: Path | None = None

    @property
    def levels(self) -> dict[tuple[str, ...], str]:
        """Every level by its place in the section."""
        outbound = {("outbound",): str(self.outbound)} if self.outbound else {}
        return outbound | {("destinations", name): level for name, level in self.destinations.items()}


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute what levels need, and smtp_tls_security_level: Postfix's default sends in clear text."""
    section, relay = desired.section(Schema) or Schema(), desired.section(smart_host.Schema)
    values: dict[str, tuple[str, str]] = {_LEVEL: (section.outbound or "", "outbound")}
    if section.fingerprints:
        values["smtp_tls_fingerprint_cert_match"] = (", ".join(section.fingerprints), "fingerprints")
        values["smtp_tls_fingerprint_digest"] = ("sha256", "fingerprints")
    if section.ca_file:
        values["smtp_tls_CAfile"] = (section.ca_file, "ca_file")
    if section.ca_path:
        values["smtp_tls_CApath"] = (section.ca_path, "ca_path")
    tables = {}
    if section.destinations:
        tables[TABLE] = table = _policy(section, desired, facts)
        values["smtp_tls_policy_maps"] = (table.reference, "destinations")
    parameters = {
        name: Parameter(name, value, desired.where(SECTION, key), SECTION) for name, (value, key) in values.items()
    }
    if dane := next((place for place, level in section.levels.items() if level in _DANE), None):
        name = "smtp_dns_support_level"
        parameters[name] = Parameter(name, "dnssec", desired.where(SECTION, *dane), SECTION)
    if not section.outbound:
        needs_tls = relay is not None and (relay.has_login or relay.is_wrapped)
        level = "encrypt" if needs_tls else "may"
        parameters[_LEVEL] = Parameter(_LEVEL, level, desired.where("smart_host"), SECTION)
        if stock.is_left_out(desired) and not needs_tls:
            del parameters[_LEVEL]
    return Contribution(parameters=parameters, tables=tables)


def _policy(section: Schema, desired: Desired, facts: Facts) -> Table:
    rows = "".join(f"{name.lower()} {level}\n" for name, level in section.destinations.items())
    places = tuple(desired.where(SECTION, "destinations", name) for name in section.destinations)
    return Table(
        name=TABLE, type=facts.compiled_type, source=rows.encode(), file=places[0].file, compiler="postmap",
        origins=places,
    )  # fmt: skip


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Return the resolver if a level depends on DNSSEC."""
    asks = Scope(merged, facts).value("smtp_dns_support_level").lower() == "dnssec"
    return Mentioned(servers=frozenset({RESOLVER} if asks else ()))


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that every level has what it needs, and that no login goes over an unencrypted connection."""
    main = Scope(merged, facts)
    yield from _relays(desired, main)
    yield from _resolver(desired, main)
    section = desired.section(Schema)
    if not section:
        return
    if section.destinations and TABLE in desired.tables:
        what = f"tls.destinations and the table {TABLE} both set TLS levels; keep one of the two"
        where = desired.where(SECTION, "destinations")
        yield error_at("two-policies", where, what, TABLE)
    known, seen = mail_routes(merged, facts), dict[str, str]()
    for name in section.destinations:
        where = desired.where(SECTION, "destinations", name)
        if problem := bad_nexthop(name.removeprefix("."), known):
            what = f'tls.destinations: "{name}" is not a destination: {problem.partition(", and smtp")[0]}'
            yield error_at("bad-destination", where, what, name)
        elif (other := seen.setdefault(name.lower(), name)) != name:
            what = f'tls.destinations: "{name}" repeats "{other}": Postfix ignores case'
            yield error_at("bad-destination", where, what, name)
    for place, level in section.levels.items():
        if place == ("outbound",) and level in _CHECKED and not section.destinations:
            continue  # rules/prerequisites.py reports it
        yield from _needs(level, ".".join((SECTION, *place)), desired.where(SECTION, *place), main)
    if section.outbound in _ENFORCED and not main.value("relayhost").strip(SPACE):
        what = (
            f"tls.outbound is {section.outbound} for the whole Internet: mail for servers that can't do it waits and"
            " then bounces; name the servers that can under tls.destinations"
        )
        where = desired.where(SECTION, "outbound")
        yield warning_at("tls-for-everybody", where, what, SECTION)


def _needs(level: str, name: str, where: Where, main: Scope) -> Iterator[Finding]:
    """Report a level whose prerequisites are missing."""
    if level == "fingerprint" and not main.words("smtp_tls_fingerprint_cert_match"):
        what = f"{name} is fingerprint, but no fingerprint is set: all its mail would wait; write tls.fingerprints"
        yield error_at("no-fingerprints", where, what, name)
    anchors = ("smtp_tls_CAfile", "smtp_tls_CApath", "smtp_tls_trust_anchor_file")
    if level in _CHECKED and not any(map(main.words, anchors)) and not main.is_on("tls_append_default_CA"):
        what = (
            f"{name} is {level}, but no authority is trusted: all its mail would wait; write tls.ca_file (Debian's is"
            " /etc/ssl/certs/ca-certificates.crt)"
        )
        yield error_at("no-authority", where, what, name)


def _resolver(desired: Desired, main: Scope) -> Iterator[Finding]:
    """Report a name server that does not check DNSSEC, which DANE depends on."""
    problem, parameter = main.facts.answers.get(RESOLVER), main.parameter(_LEVEL)
    if not problem:
        return
    section = desired.section(Schema) or Schema()
    places = [(level, desired.where(SECTION, *place)) for place, level in section.levels.items()]
    if parameter:
        places.append((main.value(_LEVEL).lower(), parameter.where))
    for level, where in places:
        if level in _DANE:
            then = "no certificate would be checked" if level == "dane" else "all its mail would wait"
            what = (
                f"the name server {problem}, which the level {level} needs: {then}; install unbound, and name 127.0.0.1"
                " in /etc/resolv.conf"
            )
            yield Finding(rule="no-dnssec", where=where, text=what, subject=level, lasting=False)


def _relays(desired: Desired, main: Scope) -> Iterator[Finding]:
    """Check the level of each relay that has a login or is on port 465."""
    smart, section = desired.section(smart_host.Schema), desired.section(Schema) or Schema()
    parameter = main.parameter(_LEVEL)
    if not smart or not parameter:
        return
    policies = {name.lower(): (name, level) for name, level in section.destinations.items()}
    for relay in smart.relays.values():
        name, level = policies.get(relay.nexthop.lower(), ("", main.value(_LEVEL).lower()))
        where = desired.where(SECTION, "destinations", name) if name else parameter.where
        if relay.password and level == "none":
            cause = f'tls.destinations has none for "{name}"' if name else "tls.outbound is none"
            what = (
                f"smart_host has a login, but {cause}: Postfix would send the password in plain text, or the server"
                " would refuse it; write encrypt"
            )
            yield error_at("login-in-clear-text", where, what, "smart_host")
        elif smart.is_wrapped and level not in _ENFORCED:
            what = (
                f'"{relay.nexthop}" starts with TLS, which needs the level encrypt or higher, but its level is {level}'
            )
            yield error_at("wrapper-needs-tls", where, what, relay.nexthop)


services = no_services
PASSING = frozenset({"no-dnssec"})
EXPLAINED = {
    "login-in-clear-text": (
        "The smart host has a login, but TLS for outbound mail is off. Postfix would send the password in plain text, "
        "or a careful server would refuse it. Write tls: {outbound: encrypt}."
    ),
    "wrapper-needs-tls": (
        "A smart host on port 465 starts with TLS, but its TLS level is below encrypt. Postfix would not even try to "
        "connect, and mail would wait. Write tls: {outbound: encrypt}, or leave it unset. Other domains may have a "
        "lower level under tls.destinations."
    ),
    "two-policies": (
        "tls.destinations and tables/tls_policy both set how Postfix encrypts mail to some destinations. One of them "
        "would be lost. Keep the table if rows need attributes such as match=, otherwise keep the section."
    ),
    "bad-destination": (
        "A key of tls.destinations is not a name that smtp looks up, or it occurs twice. Its level would never apply. "
        "Write a domain, .DOMAIN for all names below it, or a nexthop exactly as it is written elsewhere, including "
        "brackets and port."
    ),
    "malformed-fingerprint": (
        "A fingerprint is not a SHA-256 fingerprint. No certificate would ever match, and mail would wait. Write the "
        "value that `openssl x509 -noout -fingerprint -sha256` prints after the equals sign."
    ),
    "no-fingerprints": (
        "The level fingerprint is set, but no fingerprint is given. No certificate would match, and mail would wait. "
        "List the fingerprints under tls.fingerprints."
    ),
    "no-authority": (
        "The level verify or secure is set, but no certificate authority is trusted. Postfix would accept no "
        "certificate, and mail would wait. Name a file of authorities in tls.ca_file. There is no default."
    ),
    "no-dnssec": (
        "The level dane or dane-only is set, but the name server of this host does not check DNSSEC. Postfix would "
        "not trust any TLSA record: dane would be no stronger than may, and with dane-only mail would wait. Install a "
        "resolver that checks DNSSEC, such as unbound, and name 127.0.0.1 in /etc/resolv.conf."
    ),
    "tls-for-everybody": (
        "TLS is required of every server on the Internet. Some servers do not support it, or have a certificate that "
        "proves nothing. Mail for them waits for days and then bounces. Leave outbound at may or dane, and require "
        "more of selected servers under tls.destinations, or use a smart host."
    ),
}
