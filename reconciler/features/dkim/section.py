"""``dkim``: rspamd signs mail that begins here, with the domain of its From header (RFC 6376).

rspamd signs mail that comes over the loopback interface, from sendmail(1), from *networks*, or after a login. Mail from
elsewhere keeps the signatures that it has. Unless rspamd is the administrator's own (``only_sign: no``), it does
nothing else: it loads one module, knows no action and fetches no list. A signature covers no Received header.

While rspamd does not answer, Postfix answers 451, or keeps mail in the queue, so that no mail leaves unsigned
(``default_action: accept`` changes this). *next* and *previous* are keys that are published and do not sign.

Known limits: one key signs for all domains. The rules do not check that the keys are published.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, InstanceOf, model_validator
from pydantic_core import PydanticCustomError

from reconciler.features.secret_names import one_secret
from reconciler.features.section import Section
from reconciler.model import (
    Companion,
    Contribution,
    File,
    Finding,
    Parameter,
    SecretName,
    Server,
    no_services,
    nothing_mentioned,
)
from reconciler.model.ascii_text import split_words
from reconciler.model.duration import read_duration
from reconciler.postfix.restrictions import smtpd_scopes
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Desired, Facts, Where

SECTION = "dkim"
PROGRAM = "rspamd"
PORT = 11332
OWNER = "root:_rspamd"
PATH = "override.d/dkim_signing.conf"
_MILTER = f"inet:localhost:{PORT}"
_SERVER = Server(host="localhost", port=PORT)
_OVERRIDE = "receive_override_options"
LISTS = ("smtpd_milters", "non_smtpd_milters")
_LOOPBACK = ("127.0.0.0/8", "::1/128")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
SELECTOR = re.compile(_LABEL)
DOMAIN = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_LONGEST, _LAST_YEAR = timedelta(days=7), 9000
PEM = re.compile(r"-----BEGIN (RSA )?PRIVATE KEY-----\s[A-Za-z0-9+/=\s]+-----END (RSA )?PRIVATE KEY-----\s*", re.ASCII)
_ALL = "all"
_STRING = 255
_MADE = "# Made from the desired state; what is edited here is put back.\n"
_ONLY_SIGN = f"""{_MADE}\
modules {{ path = "${{PLUGINSDIR}}/dkim_signing.lua"; }}
dkim {{ enabled = false; }}
actions {{ reject = null; add_header = null; rewrite_subject = null; greylist = null; }}
"""
# Compiling the public suffixes takes rspamd half a minute and 200 MiB; it uses them to find links in spam.
_OPTIONS = f"""{_MADE}\
filters = "dkim";
url_tld = "/dev/null";
"""


_secret = one_secret(
    "a private key in plain text stays in the history; make another with `reconciler dkim new SELECTOR`"
)


def selector(value: str) -> str:
    """Return the selector as DNS compares it; raise ValueError for a malformed one."""
    if not SELECTOR.fullmatch(value):
        text = 'not a selector: "{value}"; expected letters, digits and inner hyphens, such as dkim or s2026'
        raise PydanticCustomError("malformed-selector", text, {"value": value})
    return value.lower()


def _domains(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        text = "an empty list would sign nothing; leave domains out to sign for all, or write enabled: no"
        raise PydanticCustomError("malformed-signing-domain", text)
    for value in values:
        if not DOMAIN.fullmatch(value.rstrip(".")):
            text = 'not a domain: "{value}"; expected a name such as example.com, without user or "@"'
            raise PydanticCustomError("malformed-signing-domain", text, {"value": value})
    return tuple(dict.fromkeys(value.rstrip(".").lower() for value in values))


def _network(value: str) -> str:
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        network = None
    if network is None or "%" in value:
        text = 'not a network: "{value}"; expected an address or one such as 192.0.2.0/24'
        raise PydanticCustomError("malformed-network", text, {"value": value})
    if ip_address(value.partition("/")[0]) != network.network_address:
        text = '"{value}" has bits set beyond its prefix; did you mean {meant}?'
        raise PydanticCustomError("malformed-network", text, {"value": value, "meant": str(network)})
    if network.prefixlen == 0:
        text = '"{value}" matches every client: rspamd would sign mail that strangers send through this host'
        raise PydanticCustomError("malformed-network", text, {"value": value})
    return str(network)


def _time(value: object) -> object:
    try:
        time = read_duration(str(value))
    except ValueError as error:
        text = '{problem}, got "{value}"'
        raise PydanticCustomError("malformed-time", text, {"problem": str(error), "value": str(value)}) from None
    if time < timedelta(seconds=1):
        raise PydanticCustomError("malformed-time", "expected at least a second")
    if time > _LONGEST:
        raise PydanticCustomError("malformed-time", "no name server keeps an answer for longer than 7d")
    return time


def _moment(value: object) -> object:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.year > _LAST_YEAR:
        text = 'expected a moment such as 2026-11-23T10:00:00Z, got "{value}"'
        raise PydanticCustomError("malformed-time", text, {"value": str(value)})
    return moment


Selector = Annotated[str, AfterValidator(selector)]


class DkimKey(Section):
    """A selector and its private key."""

    selector: Selector
    key: Annotated[InstanceOf[SecretName], _secret]


class PublishedKey(DkimKey):
    """A key that is published and does not sign; *since* is the time when that began."""

    since: Annotated[datetime, BeforeValidator(_moment)]


class Schema(Section):
    """*selector* and *key* sign; *ttl* is how long other name servers may cache an answer from this zone."""

    enabled: bool = True
    selector: Selector | None = None
    key: Annotated[InstanceOf[SecretName] | None, _secret] = None
    next: PublishedKey | None = None
    previous: PublishedKey | None = None
    ttl: Annotated[timedelta, BeforeValidator(_time, json_schema_input_type=str)] = timedelta(hours=12)
    domains: Annotated[tuple[str, ...], AfterValidator(_domains)] = ()
    networks: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    default_action: Literal["tempfail", "accept"] = "tempfail"
    only_sign: bool = True

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.selector) != bool(self.key):
            missing = "key" if self.selector else "selector"
            raise PydanticCustomError(
                "half-a-key", "signing needs selector and key; {missing} is missing", {"missing": missing}
            )
        if self.enabled and not self.keys:
            text = "there is no key to sign with; run `reconciler dkim new SELECTOR`, or write selector and key"
            raise PydanticCustomError("half-a-key", text)
        selectors = [key.selector for key in self.keys.values()]
        if len(selectors) != len(set(selectors)):
            text = "each key needs a selector of its own, got {names}"
            raise PydanticCustomError("duplicate-selector", text, {"names": ", ".join(selectors)})
        return self

    @property
    def keys(self) -> dict[tuple[str, ...], DkimKey]:
        """Every key by its place in the section; DNS must publish all of them."""
        signing = DkimKey(selector=self.selector, key=self.key) if self.selector and self.key else None
        held = {(): signing, ("next",): self.next, ("previous",): self.previous}
        return {place: key for place, key in held.items() if key}

    @property
    def signs(self) -> bool:
        """True if rspamd signs mail."""
        return self.enabled and self.selector is not None


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute rspamd, and make it a Milter of smtpd and of cleanup."""
    section = desired.section(Schema)
    if not section or not section.signs:
        return Contribution()
    value = f"{{ {_MILTER}, default_action={section.default_action} }}"
    where = desired.where(SECTION, "selector")
    action = (SECTION, "default_action")
    at = desired.where(*action) if action in desired.places else where
    parameters = {name: Parameter(name, value, at, SECTION) for name in LISTS}
    signer = Companion(name=PROGRAM, files=_files(section, desired), servers=(_SERVER,), where=where)
    return Contribution(parameters=parameters, companions={PROGRAM: signer})


def _files(section: Schema, desired: Desired) -> Mapping[str, File]:
    """Return the files that rspamd reads, by their path below /etc/rspamd.

    The key is part of the configuration itself. With the key in a file of its own, rspamd would sign with the new key
    under the old selector until it has read the new configuration.
    """
    made = {PATH: File.of(_signing(section, desired).encode(), 0o640, OWNER)}
    if section.only_sign:
        made["rspamd.conf.local.override"] = File.of(_ONLY_SIGN.encode())
        made["override.d/options.inc"] = File.of(_OPTIONS.encode())
    return made


def record(public: str) -> str:
    """Return the TXT record of a public key in base64: strings of at most 255 octets (RFC 6376, 3.6.2.2)."""
    text = f"v=DKIM1; k=rsa; p={public}"
    return " ".join(f'"{text[at : at + _STRING]}"' for at in range(0, len(text), _STRING))


def _signing(section: Schema, desired: Desired) -> str:
    secret = desired.secrets.get(section.key.name) if section.key else None
    body = "".join(split_words(secret.value.split("-----")[2])) if secret and PEM.fullmatch(secret.value) else ""
    networks = ", ".join(f'"{network}"' for network in (*_LOOPBACK, *section.networks))
    # rspamd first looks up the author's address as it is written, and then a domain in lower case.
    keys = ", ".join(f'"{domain} %:{section.selector}:{body}"' for domain in section.domains or (_ALL,))
    return (
        f"{_MADE}enabled = true;\nuse_redis = false;\nuse_http_headers = false;\n"
        f"sign_authenticated = true;\nsign_local = false;\nsign_inbound = false;\nsign_networks = [{networks}];\n"
        f'signing_table = ["*@* {"%" if section.domains else _ALL}"];\nkey_table = [{keys}];\n'
    )


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that the keys are valid, that all mail passes the Milter, and that no message changes after signing."""
    section = desired.section(Schema)
    if not section:
        return
    for place, key in section.keys.items():
        secret = desired.secrets.get(key.key.name)
        if secret and not PEM.fullmatch(secret.value):
            what = f"secret {secret.name} is not a private RSA key in PEM; run `reconciler dkim new {key.selector}`"
            where = desired.where(SECTION, *place, "key")
            yield Finding(rule="malformed-key", where=where, text=what, subject=secret.name, excusable=False)
    if section.signs:
        yield from _taken_port(facts, desired.where(SECTION))
        yield from _unsigned_mail(merged, facts)
        yield from _rewritten(merged, facts)


def _taken_port(facts: Facts, where: Where) -> Iterator[Finding]:
    """Report another program on rspamd's port: Postfix would hand all mail to it."""
    for listener in facts.listeners:
        if listener.port == PORT and listener.program not in {PROGRAM, ""}:
            what = f"port {PORT}, which rspamd needs, is already taken by {listener.program}"
            yield Finding(rule="rspamd-port-taken", where=where, text=what, subject=str(PORT), lasting=False)


def _unsigned_mail(merged: Contribution, facts: Facts) -> Iterator[Finding]:
    """Report settings that keep mail away from rspamd."""
    main = Scope(merged, facts)
    places = [(main, "non_smtpd_milters"), *((scope, "smtpd_milters") for scope in smtpd_scopes(merged, facts))]
    for scope, name in places:
        parameter = scope.parameter(name)
        if "no_milters" in scope.words(_OVERRIDE) and (override := scope.parameter(_OVERRIDE)):
            what = f"{_OVERRIDE} contains no_milters: rspamd would not sign mail that comes this way"
            yield scope.warning("unsigned-mail", override, what, name)
        elif parameter and not re.search(rf":{PORT}\b", scope.value(name), re.ASCII):
            what = f'{name} is "{scope.value(name)}", without {_MILTER}: rspamd would not sign mail that comes this way'
            yield scope.warning("unsigned-mail", parameter, what, name)


def _rewritten(merged: Contribution, facts: Facts) -> Iterator[Finding]:
    main = Scope(merged, facts)
    parameter = main.parameter("smtp_generic_maps")
    if parameter and main.words("smtp_generic_maps"):
        what = "smtp_generic_maps changes addresses in headers after signing: the signatures would become invalid"
        yield main.warning("broken-signature", parameter, what)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "half-a-key": (
        "The section dkim has a selector without a key, a key without a selector, or neither. rspamd could not sign "
        "mail. Run `reconciler dkim new SELECTOR`, which makes the key and writes both, or write enabled: no."
    ),
    "malformed-selector": (
        "A selector is not a name that DNS can hold before ._domainkey. No receiver could look up the key. Use "
        "letters, digits and inner hyphens."
    ),
    "malformed-signing-domain": (
        "An entry of dkim.domains is not a domain, or the list is empty. It would match no mail. Write names such as "
        "example.com. List subdomains as names of their own."
    ),
    "malformed-network": (
        "An entry of dkim.networks is not a network, or it matches every client. rspamd could not read it, or would "
        "sign mail from strangers. Write 192.0.2.0/24 or 2001:db8::/32, with no bits set beyond the prefix."
    ),
    "malformed-time": (
        "A time in the section dkim can't be read. The moment when a key may sign or be removed would be unknown. "
        "Write a duration such as 12h, or a moment with its time zone, such as 2026-11-23T10:00:00Z."
    ),
    "duplicate-selector": (
        "Two keys share a selector. DNS can publish only one of them, and receivers could not verify mail signed with "
        "the other. Give each key a selector of its own."
    ),
    "malformed-key": (
        "The secret for signing is not a private RSA key. rspamd would sign no mail, and would report this only in "
        "its log. Run `reconciler dkim new SELECTOR`, or set the secret to a key in PEM."
    ),
    "foreign-rspamd": (
        "An administrator's own files set up rspamd on this host, and reconciler would make it do nothing but sign. "
        "Its filtering would not be in force. Write only_sign: no to keep the filtering and sign as well, or move the "
        "files away."
    ),
    "rspamd-port-taken": (
        "Another program listens on the port of rspamd's Milter. Postfix would hand all mail to it, and no mail would "
        "be signed. Move the other program to another port."
    ),
    "unsigned-mail": (
        "One of your settings prevails over the Milter that signs, so mail that comes this way leaves without a "
        "signature. Add inet:localhost:11332 to the setting, or write an allowance with the reason."
    ),
    "broken-signature": (
        "Postfix rewrites headers when mail leaves, which is after signing. Receivers would see an invalid signature. "
        "Rewrite addresses when mail comes in instead, with the canonical tables."
    ),
}
