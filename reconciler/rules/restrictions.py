"""smtpd's access restriction lists: their words, and the protection against relaying (smtpd_check.c).

A word that smtpd does not know is no syntax error: it answers 451 4.3.5 to everybody who gets that far. A list that
never rejects foreign destinations keeps smtpd from serving at all. Raises nothing.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Severity
from reconciler.rules.scopes import Scope, scopes, words
from reconciler.rules.vocabulary import names
from reconciler.syntax import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

LISTS = tuple(
    f"smtpd_{stage}_restrictions"
    for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn")
)
_RELAY = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
_SERVERS = ("", "_mx", "_ns", "_a")
WITH_TABLE = frozenset(
    f"check_{what}{server}_access"
    for what in ("client", "reverse_client_hostname", "helo", "sender", "recipient")
    for server in _SERVERS
) | {"check_ccert_access", "check_sasl_access", "check_etrn_access"}
WITH_DOMAIN = names(
    """
    permit_dnswl_client permit_rhswl_client reject_rbl reject_rbl_client reject_rhsbl_client reject_rhsbl_helo
    reject_rhsbl_recipient reject_rhsbl_reverse_client reject_rhsbl_sender
    """
)
WITH_ARGUMENT = WITH_TABLE | WITH_DOMAIN | {"check_policy_service", "sleep"}
ALONE = names(
    """
    check_recipient_maps check_relay_domains defer defer_if_permit defer_if_reject defer_unauth_destination permit
    permit_auth_destination permit_inet_interfaces permit_mx_backup permit_mynetworks permit_naked_ip_address
    permit_sasl_authenticated permit_tls_all_clientcerts permit_tls_clientcerts reject
    reject_authenticated_sender_login_mismatch reject_invalid_helo_hostname reject_invalid_hostname
    reject_known_sender_login_mismatch reject_maps_rbl reject_multi_recipient_bounce reject_non_fqdn_helo_hostname
    reject_non_fqdn_hostname reject_non_fqdn_recipient reject_non_fqdn_sender reject_plaintext_session
    reject_sender_login_mismatch reject_unauth_destination reject_unauth_pipelining
    reject_unauthenticated_sender_login_mismatch reject_unknown_address reject_unknown_client
    reject_unknown_client_hostname reject_unknown_forward_client_hostname reject_unknown_helo_hostname
    reject_unknown_hostname reject_unknown_recipient_domain reject_unknown_reverse_client_hostname
    reject_unknown_sender_domain reject_unlisted_recipient reject_unlisted_sender reject_unverified_recipient
    reject_unverified_sender warn_if_reject
    """
)
KNOWN = ALONE | WITH_ARGUMENT
_BY_PROOF = ("permit_tls_", "permit_dnswl_", "permit_rhswl_")
_LOOPBACK = ip_address("127.0.0.1"), ip_address("::1")
_FINAL = frozenset({"permit", "reject", "defer"})
# smtpd_check.c, rcpt_required: without one of them smtpd ends with "specify at least one working instance of".
PROTECTION = names(
    "check_relay_domains reject_unauth_destination reject defer defer_if_permit defer_unauth_destination"
)


class Restriction(NamedTuple):
    """One restriction of a list, lower case, and its argument, if it takes one."""

    name: str
    argument: str | None = None


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Every restriction is known and complete, and every smtpd is protected against relaying."""
    for scope in scopes(merged, facts):
        lists = {*LISTS, *_classes(scope)}
        for parameter in scope.written:
            if parameter.name in lists:
                yield from _list_problems(scope, parameter)
            if parameter.name == "smtpd_restriction_classes":
                yield from _undefined_classes(scope, parameter)
                yield from _endless_classes(scope, parameter)
    told = set()
    for scope in smtpd_scopes(merged, facts):
        finding = _unprotected(scope)
        if finding and finding.where not in told:
            told.add(finding.where)
            yield finding


def smtpd_scopes(merged: Contribution, facts: Facts) -> list[Scope]:
    """One scope for each service that smtpd runs."""
    return [scope for scope in scopes(merged, facts) if scope.service and scope.service.command == "smtpd"]


def parsed(text: str) -> list[Restriction]:
    """The restrictions of a list, in order."""
    found = []
    rest = iter(words(text))
    for word in rest:
        name = word.lower()
        argument = next(rest, "") if name in WITH_ARGUMENT else None
        found.append(Restriction(name if name in KNOWN else word, argument))
    return found


def _classes(scope: Scope) -> list[str]:
    return scope.words("smtpd_restriction_classes")


# ---- the words of a list ---------------------------------------------------------------------------------------------


def _list_problems(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    classes = _classes(scope)
    after, warned = "", False
    for restriction in parsed(scope.expanded(parameter.value) or ""):
        name = restriction.name
        if after:
            what = f'{parameter.name}: "{name}" comes after "{after}" and is never reached'
            yield scope.finding("unreachable-restriction", parameter, what, name, severity=Severity.WARNING)
            return
        if restriction.argument is not None:
            yield from _bad_argument(scope, parameter, restriction)
        elif name not in KNOWN and name not in classes and ":" not in name:
            hint = did_you_mean(name, KNOWN.union(classes))
            what = f'unknown restriction "{name}" in {parameter.name}: smtpd would answer 451 4.3.5 to everybody{hint}'
            yield scope.finding("unknown-restriction", parameter, what, name)
        after = name if name in _FINAL and not (warned and name != "permit") else ""
        warned = name == "warn_if_reject"


def _bad_argument(scope: Scope, parameter: Parameter, restriction: Restriction) -> Iterator[Finding]:
    name, argument = restriction.name, restriction.argument or ""
    if name in WITH_TABLE:
        bad, expected = ":" not in argument, "a table such as table:NAME"
    elif name == "check_policy_service":
        bad, expected = ":" not in argument, "a server such as unix:private/policy"
    elif name == "sleep":
        bad, expected = not argument.isdigit(), "a number of seconds"
    else:
        bad, expected = not argument or argument.lower() in KNOWN, "a domain"
    if bad:
        got = f'got "{argument}"' if argument else "got nothing"
        what = f'{parameter.name}: "{name}" must be followed by {expected}, {got}; smtpd would answer 451 4.3.5'
        yield scope.finding("incomplete-restriction", parameter, what, name)


def _endless_classes(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    """A class that leads back to itself: smtpd calls itself until it dies."""
    classes = _classes(scope)
    inner = {name: [one.name for one in parsed(scope.value(name)) if one.name in classes] for name in classes}
    for name in classes:
        reached, waiting = set(), list(inner[name])
        while waiting:
            one = waiting.pop()
            if one not in reached:
                reached.add(one)
                waiting += inner[one]
        if name in reached:
            what = f'restriction class "{name}" leads back to itself: smtpd would die, and clients get no answer'
            yield scope.finding("endless-class", scope.parameter(name) or parameter, what, name)
            return


def _undefined_classes(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for name in words(scope.expanded(parameter.value) or ""):
        if not scope.parameter(name):
            what = f'restriction class "{name}" has no definition: smtpd would die'
            yield scope.finding("undefined-class", parameter, what, name)


# ---- relaying --------------------------------------------------------------------------------------------------------


def _unprotected(scope: Scope) -> Finding | None:
    if any(_protects(scope.value(name), scope) for name in _RELAY):
        return None
    culprit = next(filter(None, map(scope.parameter, _RELAY)), None)
    if not culprit:
        return None
    at = scope if scope.service and culprit in scope.service.overrides else Scope(scope.merged, scope.facts)
    what = (
        f"no relay protection: neither {_RELAY[0]} nor {_RELAY[1]} holds reject_unauth_destination, got"
        f' "{scope.value(culprit.name)}"; smtpd would refuse to serve'
    )
    return at.finding("no-relay-protection", culprit, what)


def _protects(text: str, scope: Scope, depth: int = 0) -> bool:
    """What smtpd's own has_required() answers."""
    classes = _classes(scope)
    rest = iter(words(text))
    for word in rest:
        name = word.lower()
        if name == "warn_if_reject":
            next(rest, None)
        elif name == "permit":
            return False
        elif name in PROTECTION or (
            word in classes and depth < len(classes) and _protects(scope.value(word), scope, depth + 1)
        ):
            return True
    return False


def relays_mynetworks(scope: Scope) -> bool:
    """Whether both lists let a client of mynetworks through to any destination."""
    return all(_permits_mynetworks(scope, name) for name in _RELAY)


def _permits_mynetworks(scope: Scope, name: str) -> bool:
    for restriction in parsed(scope.value(name)):
        if restriction.name in {"permit_mynetworks", "permit"}:
            return True
        if restriction.name in PROTECTION:
            return False
    return True


def depends_on_client(scope: Scope) -> bool:
    """Whether a list may let in others than this host itself: tables, servers and certificates know more clients."""
    texts = [scope.value(name) for name in (*LISTS, *_classes(scope))]
    for text in texts:
        asked = parsed(text)
        closed = any(one.name in _FINAL - {"permit"} for one in asked)
        for one in asked:
            if one.name in WITH_TABLE | {"check_policy_service"} and not (one.argument or "").startswith("static:"):
                return True
            if closed and (one.name.startswith(_BY_PROOF) or (one.name == "permit_mynetworks" and not _is_mine(scope))):
                return True
    return False


def _is_mine(scope: Scope) -> bool:
    """Whether mynetworks holds this host itself, so far as that can be read."""
    for word in scope.words("mynetworks"):
        with suppress(ValueError):
            network = ip_network(word.replace("[", "").replace("]", ""), strict=False)
            if any(one in network for one in _LOOPBACK):
                return True
    return False


EXPLAINED = {
    "unknown-restriction": (
        "A list of restrictions holds a word that smtpd does not know. It answers 451 4.3.5 to everybody who gets "
        "that far; `postfix check` says nothing. Correct the spelling, or declare the class in "
        "smtpd_restriction_classes."
    ),
    "incomplete-restriction": (
        "A restriction lacks its argument, or has one of the wrong kind. smtpd would take the next word for it and"
        " answer 451, or check something else than was meant. Write the table, server or domain right behind it."
    ),
    "unreachable-restriction": (
        "A restriction stands behind one that always decides. It is never reached, so it protects nothing. Move it"
        " in front of the permit, reject or defer."
    ),
    "undefined-class": (
        "smtpd_restriction_classes names a class that has no restrictions. smtpd would answer 451 4.3.5 when it "
        "meets it. Set a parameter of that name to a list of restrictions."
    ),
    "endless-class": (
        "A class of restrictions holds itself, by way of others or directly. smtpd follows it until it dies, and "
        "clients get no answer. Take the class out of its own list."
    ),
    "no-relay-protection": (
        "No list of restrictions rejects mail for foreign destinations. smtpd refuses to serve at all, and clients"
        " get no greeting. Put reject_unauth_destination into smtpd_relay_restrictions."
    ),
}
