"""What other people's mail servers meet: they deliver to anybody here, without a login, and often without TLS.

The rules warn: Postfix obeys each of these settings, and each may be intended. They skip services that only this host
or only known clients can use. Raises nothing.

Known limit: the rules do not read tables outside the commit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, nothing_mentioned
from reconciler.postfix.own_tables import NamedTable, own_tables, tables_named
from reconciler.postfix.patterns import first_match, takes_all
from reconciler.postfix.restrictions import LISTS, parsed, relays_mynetworks, smtpd_scopes
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.strangers import is_for_servers, is_inner, met_by_strangers, takes_strangers
from reconciler.postfix.table_parts import mentions
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.model import Contribution, Desired, Facts
    from reconciler.postfix.tables import Entry

_ENFORCED = frozenset({"encrypt", "fingerprint", "verify", "secure"})
_REFUSES = re.compile(r"(?:reject|discard|defer|defer_if_permit|[45]\d\d)(?:\s|\Z)", re.IGNORECASE | re.ASCII)
_ASKED = frozenset({"reject_unverified_recipient", "check_recipient_access", "check_policy_service"})
_AFTER_ALL = ("luser_relay", "fallback_transport", "fallback_transport_maps")
# The tables of recipients, each with its domains and the transport that knows who exists when they take everybody.
_MAPS = {
    "local_recipient_maps": ("mydestination", "local_transport"),
    "virtual_mailbox_maps": ("virtual_mailbox_domains", "virtual_transport"),
    "relay_recipient_maps": ("relay_domains", "relay_transport"),
}
_OWN = {4: 29, 6: 64}  # networks with shorter prefixes hold hosts of other people


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that strangers can deliver mail for users who exist, and do no more than that."""
    main, servers = Scope(merged, facts), smtpd_scopes(merged, facts)
    for scope in scopes(merged, facts):
        if is_for_servers(scope):
            yield from _screen(scope) if scope.service and scope.service.command == "postscreen" else _tls(scope)
    for scope in servers:
        if takes_strangers(scope):
            yield from _null_sender(scope)
            yield from _unlisted(scope)
    if any(map(takes_strangers, servers)):
        yield from _everybody(main, servers)
    if any(relays_mynetworks(scope) and not is_inner(scope) for scope in servers):
        yield from _style(main)
    yield from _backup(servers)


# ---- TLS -------------------------------------------------------------------------------------------------------------


def _screen(scope: Scope) -> Iterator[Finding]:
    yield from _required(scope, "postscreen_tls_security_level")


def _tls(scope: Scope) -> Iterator[Finding]:
    """Warn of TLS that every server must use; RFC 3207 forbids that on a public port."""
    if not takes_strangers(scope):
        return
    if not scope.is_on("smtpd_tls_wrappermode"):  # another rule is about that
        yield from _required(scope, "smtpd_tls_security_level")
    for name in LISTS:
        parameter = scope.parameter(name)
        if parameter and any(one.name == "reject_plaintext_session" for one in met_by_strangers(scope, name)):
            what = f"reject_plaintext_session in {name} refuses every server that does not use TLS on port 25"
            yield scope.place_of(parameter).warning("tls-required", parameter, what, "reject_plaintext_session")


def _required(scope: Scope, name: str) -> Iterator[Finding]:
    level = scope.value(name).lower()
    if not level:
        name = name.replace("tls_security_level", "enforce_tls")
    parameter = scope.parameter(name)
    if parameter and (level in _ENFORCED or (not level and scope.is_on(name))):
        what = (
            f'{name} is "{scope.value(name)}" on port 25: a server that does not use TLS gets 530, and its mail never'
            " arrives; write may here, and encrypt on the services for own users"
        )
        yield scope.place_of(parameter).warning("tls-required", parameter, what)


# ---- senders ---------------------------------------------------------------------------------------------------------


def _null_sender(scope: Scope) -> Iterator[Finding]:
    """Warn of tables that refuse the sender of bounces."""
    null = scope.value("smtpd_null_access_lookup_key")
    for name in LISTS:
        parameter = scope.parameter(name)
        for restriction in met_by_strangers(scope, name) if parameter else ():
            by_name = name == "smtpd_sender_restrictions" and ":" in restriction.name
            text = restriction.argument if restriction.name == "check_sender_access" else restriction.name * by_name
            for named in tables_named(scope, parameter, text or "") if parameter else ():
                entry = _answer(named, null)
                if entry and _REFUSES.match(entry.value):
                    what = (
                        f'"{entry.key}" refuses the empty sender: bounces, receipts and the checks of other servers'
                        f" would not arrive; let {null} pass before it"
                    )
                    yield named.finding("null-sender", entry, what)


def _answer(named: NamedTable, key: str) -> Entry | None:
    """Return the entry of a table that answers for a key without a domain."""
    if not named.is_plain:
        return first_match(named.table, key)
    if not mentions(named.table, [key.encode()]):
        return None
    return next((entry for entry in Entries(named.table) if entry.key.lower() == key), None)


# ---- recipients ------------------------------------------------------------------------------------------------------


def _unlisted(scope: Scope) -> Iterator[Finding]:
    """Warn of an smtpd that does not ask whether a recipient exists."""
    reject, override = "smtpd_reject_unlisted_recipient", "receive_override_options"
    asked = {restriction.name for name in LISTS for restriction in parsed(scope.value(name))}
    if asked & (_ASKED | {"reject_unlisted_recipient"}):
        return
    causes = {
        reject: scope.value(reject).lower() == "no",
        override: "no_unknown_recipient_checks" in scope.value(override).lower(),
    }
    for name, true in causes.items():
        parameter = scope.parameter(name)
        if parameter and true:
            what = (
                f"{name} lets strangers write to users that do not exist: their mail is accepted, and bounces to"
                " senders that are mostly forged"
            )
            yield scope.place_of(parameter).warning("any-recipient", parameter, what)
            return


def _everybody(main: Scope, servers: Sequence[Scope]) -> Iterator[Finding]:
    """Warn of lists of recipients that hold everybody."""
    asked = {one.name for scope in servers for name in LISTS for one in parsed(scope.value(name))}
    if asked & _ASKED:
        return
    for name, (domains, transport) in _MAPS.items():
        parameter, program = main.parameter(name), _program(main, transport)
        if not parameter or not main.words(domains) or program in {"error", "discard", "virtual"}:
            continue
        if program == "local" and any(main.words(after) for after in _AFTER_ALL):
            continue
        samples = [f"{user}@{domain}" for user in ("x.y.z", "4711") for domain in main.words(domains)[:2]]
        takes = any(not named.is_plain and takes_all(named.table, samples) for named in own_tables(main, name))
        if takes or (name == "local_recipient_maps" and not main.words(name)):
            held = "holds everybody" if takes else "is empty"
            what = (
                f"{name} {held}: mail for users that do not exist is accepted, and bounces to senders that are mostly"
                " forged"
            )
            yield main.warning("any-recipient", parameter, what)


def _program(main: Scope, transport: str) -> str:
    service = main.merged.services.get(f"{transport_of(main.value(transport))}/unix")
    return service.command if service else ""


# ---- other people's domains ------------------------------------------------------------------------------------------


def _backup(servers: Sequence[Scope]) -> Iterator[Finding]:
    """Warn of relaying for every domain whose MX record names this host, whoever wrote that record."""
    word, networks = "permit_mx_backup", "permit_mx_backup_networks"
    for scope in servers:
        for name in ("smtpd_relay_restrictions", "smtpd_recipient_restrictions"):
            parameter = scope.parameter(name)
            met = any(one.name == word for one in met_by_strangers(scope, name))
            if parameter and met and takes_strangers(scope) and not scope.words(networks):
                what = (
                    f"{name}: {word} relays for each domain whose MX record names this host, and {networks} is empty,"
                    f" so anybody can add one; list the networks of the primary servers in {networks}, or use"
                    " relay_domains"
                )
                yield scope.place_of(parameter).warning("backup-for-anybody", parameter, what, word)
                return


# ---- networks --------------------------------------------------------------------------------------------------------


def _style(main: Scope) -> Iterator[Finding]:
    """Warn of networks that follow from the addresses of this host, and hold other people's hosts."""
    parameter = main.parameter("mynetworks_style")
    if not parameter or main.parameter("mynetworks"):
        return
    style = main.value("mynetworks_style").lower()
    far = [own for own in main.facts.addresses if own.ip.is_global and own.prefixlen < _OWN[own.ip.version]]
    if style == "class":
        what = "the whole class A, B or C network of each address of this host may relay, with all its other hosts"
    elif style == "subnet" and far:
        what = f"all of {far[0].network} may relay, which is a public network"
    else:
        return
    text = f"mynetworks_style is {style}: {what}; list your own networks in mynetworks"
    yield main.warning("networks-by-style", parameter, text, lasting=style == "class")


mentioned = nothing_mentioned
PASSING = frozenset({"networks-by-style"})
EXPLAINED = {
    "tls-required": (
        "Postfix requires TLS on port 25. Servers that do not use it can't deliver mail: they get 530, and their mail "
        "never arrives. RFC 3207 forbids this for a public server. Set smtpd_tls_security_level to may, and to "
        "encrypt only as an option of the services for own users."
    ),
    "backup-for-anybody": (
        "permit_mx_backup accepts mail for every domain that names this host in an MX record. Without "
        "permit_mx_backup_networks, anybody can make this host relay and queue mail for a domain. List the networks of "
        "the primary servers, or the domains in relay_domains."
    ),
    "null-sender": (
        "An access table refuses the empty sender <>. Bounces and receipts have this sender, and other servers use it "
        "to check whether an address exists, so they may refuse mail from here. Let <> pass, or narrow the pattern."
    ),
    "networks-by-style": (
        "mynetworks_style makes whole networks part of mynetworks, and permit_mynetworks lets them relay. In the "
        "network of a provider, these are the hosts of other customers. List your own networks in mynetworks."
    ),
}
