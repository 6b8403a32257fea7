"""The language of smtpd's access restriction lists: their words, and the clients that they permit. Raises nothing."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from reconciler.postfix.derived import derived
from reconciler.postfix.scopes import Scope, scopes, words
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from reconciler.model import Contribution, Facts

LISTS = tuple(
    f"smtpd_{stage}_restrictions"
    for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn")
)
RELAY = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
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
REMOVED = dict.fromkeys(("check_relay_domains", "permit_naked_ip_address", "reject_maps_rbl"), (3, 9))
"""Restrictions that are errors from that release of Postfix on (DEPRECATION_README)."""
FINAL = frozenset({"permit", "reject", "defer"})
# smtpd_check.c, rcpt_required: without one of these, smtpd exits with "specify at least one working instance of".
PROTECTION = names(
    "check_relay_domains reject_unauth_destination reject defer defer_if_permit defer_unauth_destination"
)


class Restriction(NamedTuple):
    """One restriction of a list in lower case, and its argument if it takes one."""

    name: str
    argument: str | None = None


@derived
def smtpd_scopes(merged: Contribution, facts: Facts) -> tuple[Scope, ...]:
    """Return one scope for each service that runs smtpd."""
    return tuple(scope for scope in scopes(merged, facts) if scope.service and scope.service.command == "smtpd")


def parsed(text: str) -> list[Restriction]:
    """Return the restrictions of a list, in order."""
    restrictions = []
    rest = iter(words(text))
    for word in rest:
        name = word.lower()
        argument = next(rest, "") if name in WITH_ARGUMENT else None
        # Postfix ignores the case of its own words, but not of a class or a table.
        restrictions.append(Restriction(name if name in KNOWN else word, argument))
    return restrictions


def lacking(name: str, facts: Facts) -> str:
    """Return why this Postfix does not have a restriction that other versions have; empty if it has it."""
    if name in facts.unsaid:
        return f"Postfix {facts.version} does not know it"
    since = REMOVED.get(name)
    return f"Postfix {'.'.join(map(str, since))} removed it" if since and facts.release >= since else ""


def classes_of(scope: Scope) -> list[str]:
    """Return the names of the defined restriction classes."""
    return scope.words("smtpd_restriction_classes")


def relays_mynetworks(scope: Scope) -> bool:
    """Return whether both lists permit a client of mynetworks to send to any destination."""
    return all(lets_pass(scope, name, {"permit_mynetworks", "permit"}, PROTECTION) for name in RELAY)


def lets_pass(scope: Scope, name: str, permits: AbstractSet[str], refusals: AbstractSet[str]) -> bool:
    """Return whether a list permits a client before it refuses; one without a decision permits it."""
    decisions = (one.name in permits for one in parsed(scope.value(name)) if one.name in permits | refusals)
    return next(decisions, True)


def trusts_others(scope: Scope) -> bool:
    """Return whether mynetworks may hold a client that is not this host; tables and names in it are not read."""
    for word in scope.words("mynetworks"):
        with suppress(ValueError):
            network = ip_network(word.replace("[", "").replace("]", ""), strict=False)
            alone = network.network_address if network.num_addresses == 1 else None
            if network.is_loopback or alone in scope.facts.own:
                continue
        return True
    return False


def depends_on_client(scope: Scope) -> bool:
    """Return whether a list may permit clients other than this host, by a table, a server or a certificate."""
    texts = [scope.value(name) for name in (*LISTS, *classes_of(scope))]
    for text in texts:
        restrictions = parsed(text)
        closed = any(restriction.name in FINAL - {"permit"} for restriction in restrictions)
        for restriction in restrictions:
            name, looks_up = restriction.name, restriction.name in WITH_TABLE | {"check_policy_service"}
            if looks_up and not (restriction.argument or "").startswith("static:"):
                return True
            if closed and (name.startswith(_BY_PROOF) or (name == "permit_mynetworks" and not _is_mine(scope))):
                return True
    return False


def _is_mine(scope: Scope) -> bool:
    """Return whether mynetworks contains a loopback address; tables and names in it are not read."""
    for word in scope.words("mynetworks"):
        with suppress(ValueError):
            network = ip_network(word.replace("[", "").replace("]", ""), strict=False)
            if any(address in network for address in _LOOPBACK):
                return True
    return False
