"""``sender_rewriting``: PostSRSd rewrites senders (SRS), so forwarded mail passes SPF and bounces find their way back.

PostSRSd rewrites senders of other domains to the SRS domain. It never rewrites senders of domains that this host
handles, a list that comes from the repository. sendmail(1) has a cleanup service of its own that rewrites nothing,
because its mail is not forwarded. Headers stay as they are, except for recipients, where a bounce or an automatic reply
may quote a rewritten address.

Postfix asks PostSRSd 1 (Debian 12) through tcp_table(5), and version 2 through socketmap_table(5). ``facts.packages``
says which version is installed.

Known limits: the list lacks domains that only a database knows; name them under *exclude*. PostSRSd 1 takes the list as
one argument, which Linux limits to 128 KiB.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, InstanceOf, model_validator
from pydantic_core import PydanticCustomError

from reconciler.features import parameters
from reconciler.features.domains import CLASSES, DOMAIN, keys_of, mail_domains
from reconciler.features.secret_names import secrets
from reconciler.features.section import Section
from reconciler.features.sites import SECTION as SITES
from reconciler.features.sites import sites_in
from reconciler.model import (
    Companion,
    Contribution,
    File,
    Finding,
    Parameter,
    SecretName,
    Server,
    Service,
    Severity,
    error_at,
    no_services,
    nothing_mentioned,
    warning_at,
)
from reconciler.postfix.references import tables_of
from reconciler.postfix.scopes import CONFIG_DIRECTORY, Scope, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from reconciler.model import Desired, Facts, Where

SECTION = "sender_rewriting"
PROGRAM = "postsrsd"
SENDMAIL = "cleanup-sendmail"
"""The cleanup service for mail from sendmail(1)."""
_CLEANUP = "cleanup_service_name"
FORWARD, REVERSE = 10001, 10002
_HERE = "127.0.0.1"
_SOCKET = "/var/spool/postfix/srs"
MAPS = ("sender_canonical_maps", "recipient_canonical_maps")
ADDRESSES = {
    "sender_canonical_classes": "envelope_sender",
    "recipient_canonical_classes": "envelope_recipient, header_recipient",
}
# Tables whose keys contain more of this host's domains.
_KEYED = ("virtual_alias_maps", "virtual_mailbox_maps", "sender_dependent_default_transport_maps")
SHORTEST = 16
FIXED = {
    "SRS_SEPARATOR": "=", "SRS_SECRET": "/etc/postsrsd.secret", "SRS_HASHLENGTH": "8", "SRS_HASHMIN": "4",
    "SRS_FORWARD_PORT": str(FORWARD), "SRS_REVERSE_PORT": str(REVERSE), "SRS_LISTEN_ADDR": _HERE,
    "RUN_AS": "postsrsd", "CHROOT": "/var/lib/postsrsd",
}  # fmt: skip
"""What /etc/default/postsrsd says beside the domains."""
_LONGEST = 120_000


def _domain(value: str) -> str:
    if not DOMAIN.fullmatch(value.lower()):
        text = 'not a domain: "{value}"; expected a name such as example.com'
        raise PydanticCustomError("malformed-domain", text, {"value": value})
    return value.lower()


def _excluded(value: str) -> str:
    """Validate a domain, or ``.domain``, which stands for all names below it."""
    return value[:1] + _domain(value[1:]) if value.startswith(".") else _domain(value)


_secrets = secrets(
    "expected secrets such as [!secret srs]; a secret in plain text would stay in the history: run"
    " `openssl rand -base64 24 | reconciler secret set srs`"
)
Domain = Annotated[str, AfterValidator(_domain)]
Secrets = Annotated[list[InstanceOf[SecretName]], _secrets]


class Schema(Section):
    """*domain* is the domain of rewritten senders, by default myhostname; the first of *secrets* signs, all are valid.

    *key* is a single secret. *exclude* adds domains that PostSRSd never rewrites; ``.example.com`` stands for all names
    below it.
    """

    enabled: bool = True
    domain: Domain | None = None
    secrets: Secrets | None = None
    key: Secrets | None = None
    exclude: tuple[Annotated[str, AfterValidator(_excluded)], ...] = ()

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.secrets and self.key:
            raise PydanticCustomError(
                "key-and-secrets", "key is one secret, and secrets is a list; write one of the two"
            )
        return self

    @property
    def names(self) -> list[str]:
        """The names of the secrets; the first one signs."""
        return list(dict.fromkeys(secret.name for secret in self.secrets or self.key or ()))


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:
    """Contribute the two lookups, the cleanup service for sendmail(1), and PostSRSd's own files."""
    section = desired.section(Schema)
    if section is None or not section.enabled:
        return Contribution()
    where = desired.where(SECTION)
    final = parameters.contribute(desired, facts, below).over(below)  # they decide which domains this host handles
    main = Scope(final, facts)
    before = [below.parameters[name].value if name in below.parameters else "" for name in MAPS]
    values = {
        name: f"{own}, {lookup}" if own else lookup
        for name, own, lookup in zip(MAPS, before, lookups(facts), strict=True)
    }
    settings = {name: Parameter(name, value, where, SECTION) for name, value in (values | ADDRESSES).items()}
    own = Parameter(MAPS[0], before[0], where, SENDMAIL)
    cleanup = Service(
        name=SENDMAIL, type="unix", private="n", maxproc="0", command="cleanup", overrides=(own,), where=where
    )
    services: dict[str, Service | None] = {}
    pickup = below.services.get("pickup/unix")
    if pickup and not any(option.name == _CLEANUP for option in pickup.overrides):
        chosen = Parameter(_CLEANUP, SENDMAIL, where, pickup.name)
        changed = replace(pickup, overrides=(*pickup.overrides, chosen))
        services = {cleanup.key: cleanup, pickup.key: changed}
    beside = Companion(
        name=PROGRAM, files=_files(section, main, desired), servers=_servers(facts), where=where,
        places=dict(_places(section, desired)),
    )  # fmt: skip
    return Contribution(parameters=settings, services=services, companions={PROGRAM: beside})


def is_new(facts: Facts) -> bool:
    """Return whether PostSRSd 2 is installed, which introduced socketmap."""
    return not facts.packages.get(PROGRAM, "1").startswith(("0", "1"))


def lookups(facts: Facts) -> tuple[str, str]:
    """Return how Postfix asks PostSRSd for senders, and for recipients."""
    if is_new(facts):
        return f"socketmap:unix:{_SOCKET}:forward", f"socketmap:unix:{_SOCKET}:reverse"
    return f"tcp:{_HERE}:{FORWARD}", f"tcp:{_HERE}:{REVERSE}"


def _servers(facts: Facts) -> tuple[Server, ...]:
    if is_new(facts):
        return (Server(path=_SOCKET),)
    return tuple(Server(host=_HERE, port=port) for port in (FORWARD, REVERSE))


def srs_domain(section: Schema, main: Scope) -> str:
    """Return the domain of rewritten senders."""
    return section.domain or main.value("myhostname").lower()


# ---- domains that are never rewritten --------------------------------------------------------------------------------


def own_domains(main: Scope) -> set[str]:
    """Return the domains that this host handles, as far as the repository knows them."""
    origins = {word.lower() for word in main.words("myorigin")}
    addressed = {key.rpartition("@")[2] for name in (*CLASSES, *_KEYED) for key in keys_of(main, name)}
    return mail_domains(main) | set(filter(DOMAIN.fullmatch, origins | addressed))


def excluded(section: Schema, main: Scope, desired: Desired) -> list[str]:
    """Return the domains that are never rewritten, in order, including those of sites, wherever their mail is kept."""
    hosted = (domain for site in sites_in(desired).values() for domain in site.domains)
    return sorted({*own_domains(main), *hosted, *section.exclude, srs_domain(section, main)})


def _places(section: Schema, desired: Desired) -> Iterator[tuple[str, Where]]:
    """Yield the domains that are written for PostSRSd or for a site, with their places."""
    if section.domain:
        yield section.domain, desired.where(SECTION, "domain")
    for place, domain in enumerate(section.exclude):
        yield domain, desired.where(SECTION, "exclude", str(place))
    for name, site in sites_in(desired).items():
        for place, domain in enumerate(site.domains):
            yield domain, desired.where(SITES, name, "domains", str(place))


# ---- PostSRSd's files ------------------------------------------------------------------------------------------------


def _files(section: Schema, main: Scope, desired: Desired) -> dict[str, File]:
    known = [desired.secrets[name].value for name in section.names if name in desired.secrets]
    secret = File.of("".join(f"{value}\n" for value in known).encode(), 0o600)
    new = is_new(main.facts)
    text = (_conf if new else _default)(srs_domain(section, main), excluded(section, main, desired))
    return {"postsrsd.conf" if new else "default": File.of(text.encode()), "secret": secret}


def _default(domain: str, domains: list[str]) -> str:
    """Return /etc/default/postsrsd, which a shell reads; every value contains only letters, digits and .-_."""
    settings = {"SRS_DOMAIN": domain, "SRS_EXCLUDE_DOMAINS": ",".join(domains), **FIXED}
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _conf(domain: str, domains: list[str]) -> str:
    """Return /etc/postsrsd.conf of version 2."""
    listed = ", ".join(f'"{name}"' for name in domains)
    settings = {
        "srs-domain": f'"{domain}"', "domains": f"{{ {listed} }}", "separator": '"="',
        "secrets-file": '"/etc/postsrsd.secret"', "hash-length": 8, "hash-minimum": 4,
        "socketmap": f'"unix:{_SOCKET}"', "unprivileged-user": '"postsrsd"', "chroot-dir": '"/var/lib/postsrsd"',
    }  # fmt: skip
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


# ---- rules -----------------------------------------------------------------------------------------------------------


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that there are secrets, that bounces to the SRS domain are accepted, and that PostSRSd's ports are free."""
    section = desired.section(Schema)
    if section is None or not section.enabled:
        return
    main = Scope(merged, facts)
    yield from _bad_secrets(section, desired)
    yield from _unreachable(srs_domain(section, main), desired.where(SECTION, "domain"), main)
    yield from _not_wired(main)
    for listener in facts.listeners:
        if listener.port in {FORWARD, REVERSE} and listener.program not in {PROGRAM, ""} and not is_new(facts):
            what = f"port {listener.port}, which PostSRSd needs, is already taken by {listener.program}"
            where = desired.where(SECTION)
            yield Finding(rule="srs-port-taken", where=where, text=what, subject=str(listener.port), lasting=False)
    if len(",".join(excluded(section, main, desired))) > _LONGEST and not is_new(facts):
        what = "this host has more domains than PostSRSd 1 accepts on its command line; version 2 accepts any number"
        yield error_at("too-many-domains", desired.where(SECTION), what, SECTION)
    for service in desired.services:
        if service.name == SENDMAIL:
            what = f"duplicate service: {SECTION} already adds {service.key}, and would replace this one; rename it"
            yield error_at("duplicate-service", service.where, what, service.key)
    if "sender_canonical" in desired.tables:
        table = desired.tables["sender_canonical"]
        what = f"with {SECTION}, table {table.name} rewrites only envelope senders, and no longer From: headers"
        yield warning_at("from-not-rewritten", table.where, what, table.name)


def _bad_secrets(section: Schema, desired: Desired) -> Iterator[Finding]:
    if not section.names:
        what = (
            f"{SECTION} has no secret to sign rewritten senders with: run `openssl rand -base64 24 | reconciler"
            " secret set srs` in a clone, and write secrets: [!secret srs]"
        )
        yield error_at("no-srs-secret", desired.where(SECTION), what, SECTION)
    for name in section.names:
        value = desired.secrets[name].value if name in desired.secrets else "x" * SHORTEST
        if not re.fullmatch(r"[!-~]+", value) or len(value) < SHORTEST:
            what = (
                f"secret {name} is shorter than {SHORTEST} characters, or contains blanks or line breaks: an attacker"
                " who guesses it can send mail through this host to any address"
            )
            where = desired.where(SECTION, "secrets" if section.secrets else "key")
            yield error_at("weak-srs-secret", where, what, name)


def _unreachable(domain: str, where: Where, main: Scope) -> Iterator[Finding]:
    """Check that bounces to rewritten senders, which come to the SRS domain, pass the relay protection."""
    elsewhere = [
        reference
        for name in CLASSES
        if (parameter := main.parameter(name))
        for reference in tables_of(main, parameter)
        if not reference.name.startswith(CONFIG_DIRECTORY)
    ]
    if domain in own_domains(main):
        return
    what = (
        f'this host does not accept mail for "{domain}", and would refuse bounces to rewritten senders; add it to'
        " mydestination"
    )
    severity = Severity.WARNING if elsewhere else Severity.ERROR
    yield Finding(rule="no-way-back-to-sender", where=where, text=what, subject=domain, severity=severity)


def _not_wired(main: Scope) -> Iterator[Finding]:
    for name, lookup in zip(MAPS, lookups(main.facts), strict=True):
        parameter = main.parameter(name)
        if parameter and lookup not in main.words(name):
            what = f"{name} does not contain {lookup}: {SECTION} has no effect there"
            yield main.warning("srs-not-asked", parameter, what)
    for name, classes in ADDRESSES.items():
        parameter = main.parameter(name)
        if parameter and set(main.words(name)) != set(words(classes)):
            what = f'{name} is "{main.value(name)}", not "{classes}": bounces get lost, or headers change'
            yield main.warning("srs-not-asked", parameter, what)


services = no_services  # its cleanup service comes after ``services``, which can't change it
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "malformed-domain": (
        "A name that must be a domain is not a valid domain name. Write it as in mail addresses, without @. A dot in "
        "front stands for all names below it."
    ),
    "key-and-secrets": (
        "sender_rewriting has both key and secrets, so it is unclear which secret signs. Write only secrets. The "
        "first secret in the list signs."
    ),
    "no-srs-secret": (
        "sender_rewriting has no secret. Without a secret, any client could forge addresses to which this host "
        "forwards mail. Make a secret, store it in the repository with `reconciler secret set`, and name it under "
        "secrets."
    ),
    "weak-srs-secret": (
        "The secret that signs rewritten senders is too short, or contains blanks or line breaks, which PostSRSd "
        "would misread. Make one with `openssl rand -base64 24`."
    ),
    "no-way-back-to-sender": (
        "Forwarded mail gets a sender in the SRS domain, so that bounces come to this host. This host does not accept "
        "mail for that domain, and would refuse the bounces. Add the domain to mydestination, and give it an MX "
        "record."
    ),
    "srs-port-taken": (
        "Another program listens on a port that PostSRSd needs. PostSRSd could not start, and Postfix would send its "
        "lookups of senders to the wrong program. Move the other program to another port."
    ),
    "too-many-domains": (
        "PostSRSd 1 takes the domains that it never rewrites as one argument of its command line, and Linux limits an "
        "argument to 128 KiB. Install PostSRSd 2, or turn sender_rewriting off."
    ),
    "from-not-rewritten": (
        "Rewritten senders must not appear in From: headers, so sender_canonical_classes is envelope_sender. This "
        "also applies to tables/sender_canonical. Use tables/generic to rewrite addresses in headers."
    ),
    "srs-not-asked": (
        "A value under parameters prevails over the settings of PostSRSd: a list of canonical maps without its "
        "lookup, or other classes of addresses than it needs. As a result, senders are not rewritten, headers are "
        "rewritten too, or bounces do not find their way back. Add the lookup to the list, or put your table into "
        "tables/, and do not set the classes."
    ),
}
