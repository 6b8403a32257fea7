"""Settings that need another one to take effect, or to do no harm, must have it. Raises nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, nothing_mentioned
from reconciler.model.ascii_text import SPACE, is_digits
from reconciler.postfix.domain_routes import all_routed
from reconciler.postfix.numbers import as_number
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.restrictions import LISTS, parsed
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope, scopes, words
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Contribution, Desired, Facts, Parameter, Table

_CLIENTS = ("smtp", "lmtp")
_AUTHORITIES = ("smtp_tls_CAfile", "smtp_tls_CApath", "smtp_tls_trust_anchor_file")
_PRINTS = "smtp_tls_fingerprint_cert_match"
_DEBIANS = "Debian's is /etc/ssl/certs/ca-certificates.crt"
_KEY = re.compile(r"(?P<program>smtpd?|lmtp)_tls_(?P<kind>ec|d)?key_file\Z")
_ANY = {
    "relay_domains": "relay_recipient_maps",
    "virtual_mailbox_domains": "virtual_mailbox_maps",
}
_RECIPIENT_CHECKS = frozenset({"reject_unverified_recipient", "check_recipient_access", "check_policy_service"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that the settings that another one needs are there."""
    main = Scope(merged, facts)
    yield from _any_recipient(main)
    yield from _policies(main, desired.tables)
    yield from _owners(main)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            yield from _lonely_key(scope, parameter)
        if scope.service and scope.service.command in _CLIENTS:
            for judge in (_login, _dane, _authority, _wrapped):
                yield from judge(scope, scope.service.command)


def _finding(scope: Scope, parameter: Parameter, text: str, severity: Severity = Severity.ERROR) -> Finding:
    return scope.place_of(parameter).finding("missing-partner", parameter, text, severity=severity)


def _login(scope: Scope, program: str) -> Iterator[Finding]:
    """Check that a login has a password table: without one, smtp(8) exits ("specify a password table")."""
    parameter, passwords = scope.parameter(f"{program}_sasl_auth_enable"), f"{program}_sasl_password_maps"
    if parameter and scope.is_on(parameter.name) and not scope.words(passwords):
        what = f"{parameter.name} needs {passwords}: without it, {program} would exit, and all its mail would wait"
        yield _finding(scope, parameter, what)


def _dane(scope: Scope, program: str) -> Iterator[Finding]:
    """Check that DANE has DNSSEC, which it depends on."""
    name = f"{program}_tls_security_level"
    parameter, level = scope.parameter(name), scope.value(name).lower()
    if not parameter or level not in {"dane", "dane-only"}:
        return
    if scope.value(f"{program}_dns_support_level").lower() == "dnssec":
        return
    only = level == "dane-only"
    then = "all its mail would wait" if only else "no certificate would be checked"
    what = f"{name} is {level}, which needs {program}_dns_support_level = dnssec: {then}"
    yield _finding(scope, parameter, what, Severity.ERROR if only else Severity.WARNING)


def _authority(scope: Scope, program: str) -> Iterator[Finding]:
    """Check that a certificate authority is trusted where certificates must verify."""
    name = f"{program}_tls_security_level"
    parameter, level = scope.parameter(name), scope.value(name).lower()
    if not parameter or level not in {"verify", "secure"}:
        return
    sources = (f"{program}_tls_CAfile", f"{program}_tls_CApath", f"{program}_tls_trust_anchor_file")
    if not any(scope.value(source).strip(SPACE) for source in sources) and not scope.is_on("tls_append_default_CA"):
        what = (
            f"{name} is {level}, but no authority is trusted: every certificate would fail, and all its mail would"
            f" wait; set {sources[0]} (Debian's is /etc/ssl/certs/ca-certificates.crt)"
        )
        own = scope.words(f"{program}_tls_policy_maps")  # each destination may have its own authority
        yield _finding(scope, parameter, what, Severity.WARNING if own else Severity.ERROR)


def _policies(main: Scope, tables: Mapping[str, Table]) -> Iterator[Finding]:
    """Yield rows of smtp_tls_policy_maps that need an authority or a fingerprint that is not set."""
    parameter = main.parameter("smtp_tls_policy_maps")
    # Any smtp service may read the table with its own options, so an option of one service counts for all.
    own = {override.name for service in main.merged.distinct for override in service.overrides}
    vouched = any(main.value(name).strip(SPACE) or name in own for name in _AUTHORITIES) or main.is_on(
        "tls_append_default_CA"
    )
    printed = bool(main.words(_PRINTS)) or _PRINTS in own
    for reference in tables_of(main, parameter) if parameter else ():
        # Features check the rows of their own tables.
        table = tables.get(own_name(reference.name, main.facts.directory) or "")
        if not table or (vouched and printed):
            continue
        for entry in Entries(table):
            level, *given = words(entry.value.lower()) or [""]
            named = {attribute.strip("{} ").partition("=")[0].strip(SPACE) for attribute in given}
            if level in {"verify", "secure"} and not vouched and "tafile" not in named:
                missing = f"no authority is trusted: set {_AUTHORITIES[0]} ({_DEBIANS})"
            elif level == "fingerprint" and not printed and "match" not in named:
                missing = "no fingerprint is given: write match= after it"
            else:
                continue
            what = f'"{entry.key}" is {level}, but {missing}; its mail would wait'
            yield table.finding("missing-partner", entry.line, what, entry.key)


def _wrapped(scope: Scope, program: str) -> Iterator[Finding]:
    """Check that TLS is required where a session begins with it, as smtp(8) demands."""
    parameter, level = scope.parameter(f"{program}_tls_wrappermode"), f"{program}_tls_security_level"
    if parameter and scope.is_on(parameter.name) and scope.value(level).lower() in {"", "none", "may"}:
        what = f"{parameter.name} needs {level} = encrypt or stronger: without it, no session would begin with TLS"
        own = scope.words(f"{program}_tls_policy_maps")  # may set the level of a destination
        yield _finding(scope, parameter, what, Severity.WARNING if own else Severity.ERROR)


def _lonely_key(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    match = _KEY.match(parameter.name)
    if not match or (scope.expanded(parameter.value) or "").strip(SPACE) in {"", "none"}:
        return
    certificate = parameter.name.replace("key_file", "cert_file")
    if not scope.value(certificate).strip(SPACE) and not scope.value(f"{match['program']}_tls_chain_files").strip(
        SPACE
    ):
        what = f"{parameter.name} is set, but {certificate} is not: Postfix has no certificate to show"
        yield _finding(scope, parameter, what, Severity.WARNING)


def _owners(main: Scope) -> Iterator[Finding]:
    """Check that virtual(8) knows the owners of mailboxes, and that virtual_minimum_uid permits them."""
    transport, least = transport_of(main.value("virtual_transport")), main.value("virtual_minimum_uid")
    service = main.merged.services.get(f"{transport}/unix")
    domains = main.parameter("virtual_mailbox_domains")
    if not domains or not main.words(domains.name) or not service or service.command != "virtual":
        return
    scope = Scope(main.merged, main.facts, service)
    missing = [name for name in ("virtual_uid_maps", "virtual_gid_maps") if not scope.words(name)]
    elsewhere = all_routed(main, domains.name)
    if missing and not elsewhere:
        both = " and ".join(missing)
        what = f"virtual_mailbox_domains needs {both}, or another virtual_transport: all its mail would wait"
        severity = Severity.WARNING if elsewhere is None else Severity.ERROR
        yield _finding(main, scope.parameter(missing[0]) or domains, what, severity)
    maps, parameter = scope.words("virtual_uid_maps"), scope.parameter("virtual_uid_maps")
    number = maps[0].removeprefix("static:") if len(maps) == 1 and maps[0].startswith("static:") else ""
    if parameter and is_digits(number) and is_digits(least) and as_number(number) < as_number(least):
        what = f"{parameter.name}: {number} is below virtual_minimum_uid ({least}): all mail for mailboxes would wait"
        yield _finding(scope, parameter, what)


def _any_recipient(main: Scope) -> Iterator[Finding]:
    """Warn if Postfix accepts mail for unknown users, which it then bounces to forged senders."""
    for domains, recipients in _ANY.items():
        parameter = main.parameter(domains)
        if not parameter or not main.words(domains) or main.words(recipients):
            continue
        if domains == "relay_domains" and main.words(domains) == main.words("mydestination"):
            continue
        if not any(map(_asks_recipients, scopes(main.merged, main.facts))):
            what = (
                f"{recipients} is empty, so Postfix accepts mail for every address in {domains}; mail for unknown"
                " addresses bounces, mostly to forged senders"
            )
            yield main.warning("any-recipient", parameter, what)


def _asks_recipients(scope: Scope) -> bool:
    return any(restriction.name in _RECIPIENT_CHECKS for name in LISTS for restriction in parsed(scope.value(name)))


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "missing-partner": (
        "A setting needs another one that is not set: a login its password table, DANE its DNSSEC lookups, a verified "
        "connection a trusted authority, a key its certificate, or a mailbox its owner. Without it, mail would wait, "
        "or Postfix would check nothing. Set the parameter that the finding names."
    ),
    "any-recipient": (
        "Postfix accepts mail for every address of a domain, even for recipients that do not exist. Mail that it "
        "can't deliver later bounces to its sender, which is usually forged, and such bounces put a host on "
        "blocklists. List the recipients, or add reject_unverified_recipient to smtpd_recipient_restrictions."
    ),
}
