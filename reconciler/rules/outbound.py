"""A setting for one next hop must not hold for all mail that leaves, and one for all not for programs on this host.

Mail that no server of the Internet takes in this way waits for days, and then bounces. Raises nothing.

Known limit: the rules read the next hops of settings and of plain tables of the commit.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.model import Finding, nothing_mentioned
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.own_tables import knows_all, own_tables
from reconciler.postfix.patterns import takes_all
from reconciler.postfix.references import offers_tls
from reconciler.postfix.restrictions import smtpd_scopes
from reconciler.postfix.routes import TRANSPORT_MAPS, TRANSPORTS, destinations, transport_of
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.table_parts import each, search
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Table

_ENFORCED = frozenset({"encrypt", "dane-only", "fingerprint", "verify", "secure"})
_HOP = re.compile(r"(?:inet:)?(?:\[(?P<inside>[^\]]+)\]|(?P<bare>[^:\[\]]+))(?::(?P<port>[\w-]+))?", re.ASCII)
_WRAPPED = frozenset({"465", "smtps", "submissions"})
_PLAIN = frozenset({"", "25", "smtp", "587", "submission"})
_ADDRESS = re.compile(rb"(?<![\w.-])(?:localhost|[0-9a-f:.]{2,})", re.IGNORECASE)
_ONWARD = re.compile(rb"(?m):[^\S\n]*\S|^[^\S\n]")
"""What a table has that gives a transport a next hop: a word after a colon, or a line that continues another."""
_STAR = re.compile(rb"(?m)^\*\s")
_STRANGERS = ("example.com", "mail.stranger.net", "a.b.co.uk")
_FAR = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that mail can leave, that filters on this host get theirs, and that mail for this host stays here."""
    main = Scope(merged, facts)
    scope = _sender(main)
    if scope and not _all_routed(main):
        yield from _no_dns(scope, main)
        yield from _wrapped(scope, main)
        yield from _demanded(scope, main)
        yield from _not_local(main)
    yield from _local_programs(main)


def _sender(main: Scope) -> Scope | None:
    """Return the scope of the smtp(8) that sends mail to the Internet, if there is one."""
    service = main.merged.services.get(f"{transport_of(main.value('default_transport'))}/unix")
    hop = main.value("default_transport").partition(":")[2]
    return Scope(main.merged, main.facts, service) if service and service.command == "smtp" and not hop else None


def _all_routed(main: Scope) -> bool:
    """Return whether a row of transport_maps may give all mail a next hop."""
    if not knows_all(main, "transport_maps"):
        return True
    for named in own_tables(main, "transport_maps"):
        stars = named.is_plain and search(named.table, _STAR)
        if stars or (not named.is_plain and takes_all(named.table, _STRANGERS)):
            return True
    return False


# ---- all mail --------------------------------------------------------------------------------------------------------


def _no_dns(scope: Scope, main: Scope) -> Iterator[Finding]:
    """Warn of mail to the Internet without MX look-ups; a relay may be found without them."""
    if main.words("relayhost"):
        return
    off = {
        "disable_dns_lookups": scope.is_on("disable_dns_lookups"),
        "smtp_dns_support_level": scope.value("smtp_dns_support_level").lower() == "disabled",
    }
    for name, true in off.items():
        parameter = scope.parameter(name)
        if parameter and true:
            what = (
                f"{name} is {parameter.value}, and there is no relayhost: mail goes to the address of the domain itself"
                " instead of its mail servers"
            )
            yield scope.place_of(parameter).warning("no-mx", parameter, what)


def _wrapped(scope: Scope, main: Scope) -> Iterator[Finding]:
    """Check that sessions begin with TLS only where the server expects that."""
    parameter = scope.parameter("smtp_tls_wrappermode")
    if not parameter or not scope.is_on("smtp_tls_wrappermode"):
        return
    hops = main.words("relayhost")
    match = _HOP.fullmatch(hops[0]) if hops else None
    if (match["port"] or "" if match else "") in _PLAIN:
        where = f'the relayhost "{hops[0]}" expects' if hops else "mail servers expect"
        what = f"smtp_tls_wrappermode is yes, but {where} a greeting in plain text: all outbound mail would wait"
        fix = "set it only on the service for a next hop on port 465"
        yield scope.place_of(parameter).finding("wrapped-client", parameter, f"{what}; {fix}")


def _demanded(scope: Scope, main: Scope) -> Iterator[Finding]:
    """Warn of TLS that every server of the Internet must offer, or even prove."""
    parameter, level = scope.parameter("smtp_tls_security_level"), scope.value("smtp_tls_security_level").lower()
    if parameter and level in _ENFORCED and not main.words("relayhost"):
        lacks = "offers no TLS" if level == "encrypt" else "does not prove itself in this way, as most do not,"
        what = (
            f"smtp_tls_security_level is {level} for all mail that leaves: mail to a server that {lacks} waits, and"
            " bounces; write may (or dane), and a row in tables/tls_policy for each domain that must have more"
        )
        yield scope.place_of(parameter).warning("tls-demanded", parameter, what)


def _not_local(main: Scope) -> Iterator[Finding]:
    """Warn if mail for users of this host leaves, and comes back to it."""
    name = main.value("myhostname").lower()
    parameter = main.parameter("mydestination")
    if not parameter or main.words("relayhost") or main.value("myorigin").lower() != name:
        return
    if not name or any(name in map(str.lower, main.words(domains)) for domains in _FAR):
        return
    if any(not knows_all(main, domains) for domains in (*_FAR, "virtual_alias_maps")):
        return
    keys = {name, f"@{name}"}
    for maps in (*_FAR, "virtual_alias_maps", "transport_maps"):
        for named in own_tables(main, maps):
            if not named.is_plain or any(entry.key.lower() in keys for entry in Entries(named.table)):
                return
    what = (
        f'mydestination does not hold "{name}", which completes the names of local users: mail for root, and bounces to'
        " postmaster, would be sent to this host itself and bounce; add $myhostname"
    )
    yield main.warning("host-not-local", parameter, what, name)


# ---- programs on this host -------------------------------------------------------------------------------------------


def _local_programs(main: Scope) -> Iterator[Finding]:
    """Warn of a level of TLS that holds for a filter or a mail store on this host too."""
    for scope in scopes(main.merged, main.facts):
        for parameter in scope.written:
            for route in destinations(scope, parameter) if parameter.name in TRANSPORTS | TRANSPORT_MAPS else ():
                if what := _needs_tls(main, route):
                    yield scope.warning("local-tls", parameter, f"{parameter.name}: {what}", route)
    for name in sorted(TRANSPORT_MAPS):
        for named in own_tables(main, name):
            suspect = bool(named.table.file) and search(named.table, _ONWARD) and _names_host(named.table, main.facts)
            routes = {entry.value for entry in Entries(named.table)} if suspect else set()
            problems = {route: what for route in routes if (what := _needs_tls(main, route))}
            for entry in Entries(named.table) if problems else ():
                if what := problems.get(entry.value, ""):
                    yield named.finding("local-tls", entry, f'"{entry.key}": {what}')


def _names_host(table: Table, facts: Facts) -> bool:
    own = frozenset(text.encode() for text in facts.own_by_text)
    return any(found for _, found in each(table, _may_be_here, own))


def _may_be_here(table: Table, own: frozenset[bytes]) -> bool:
    """Return whether a table names this host, whose addresses are *own*, in any place; the rows tell if it does."""
    named = (match[0].lower() for match in _ADDRESS.finditer(table.source))
    return any(
        text.startswith((b"127.", b"::1", b"localhost")) or not own.isdisjoint((text, *text.split(b":")))
        for text in named
    )


def _needs_tls(main: Scope, route: str) -> str:
    """Return the problem with ``transport:nexthop`` if it leads to a program on this host, or an empty text."""
    transport, _, hop = route.partition(":")
    service = main.merged.services.get(f"{transport.strip(SPACE)}/unix")
    match = _HOP.fullmatch(hop.strip(SPACE))
    if not service or service.command not in {"smtp", "lmtp"} or not match or not _is_here(main, match):
        return ""
    scope, program = Scope(main.merged, main.facts, service), service.command
    setting = f"{program}_tls_security_level"
    parameter = scope.parameter(setting)
    if not parameter or scope.value(setting).lower() not in _ENFORCED or _has_policy(scope, program, hop):
        return ""
    if any(scope.service and scope.service.name.rpartition(":")[2] == match["port"] for scope in _with_tls(main)):
        return ""
    return (
        f'"{route}" is on this host, but {setting} ({parameter.where}) is {scope.value(setting)} for it too: if it'
        f" offers no TLS, all mail waits; give the service {service.name} the option {setting}=may"
    )


def _with_tls(main: Scope) -> Iterator[Scope]:
    return (scope for scope in smtpd_scopes(main.merged, main.facts) if offers_tls(scope))


def _is_here(main: Scope, match: re.Match[str]) -> bool:
    host = (match["inside"] or match["bare"]).lower().removeprefix("ipv6:")
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address in main.facts.own


def _has_policy(scope: Scope, program: str, hop: str) -> bool:
    """Return whether a row of the policy table may give the next hop a level of its own."""
    maps = f"{program}_tls_policy_maps"
    if not knows_all(scope, maps):
        return True
    return any(
        not named.is_plain or any(entry.key.lower() == hop.lower() for entry in Entries(named.table))
        for named in own_tables(scope, maps)
    )


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "no-mx": (
        "Postfix looks up no MX records, and no relayhost takes the mail. Each message goes to the address of the "
        "domain itself, which is mostly a web server. Set disable_dns_lookups only as an option of a service for a "
        "next hop in brackets."
    ),
    "wrapped-client": (
        "smtp_tls_wrappermode makes every session begin with TLS, as servers on port 465 expect. Other servers send a "
        "greeting in plain text first, so no mail would leave. Set the option only on a service for port 465; "
        "smart_host does so itself."
    ),
    "tls-demanded": (
        "The level of TLS for all mail that leaves is one that not every server reaches. Mail to the others waits for "
        "days, and bounces. Write may or dane for all, and give the domains that need more a row in tables/tls_policy. "
        "If that is meant, allow the finding at its line."
    ),
    "host-not-local": (
        "The name of this host completes the addresses of its own users, but no class of domains holds it. Mail for "
        "root, from cron for example, is sent to the host itself, and bounces as a loop. Add $myhostname to "
        "mydestination, or set a relayhost or another myorigin."
    ),
    "local-tls": (
        "The level of TLS for all mail that leaves holds for a filter or a mail store on this host too. Such a "
        "program mostly offers no TLS, and then all mail waits. Set the level as an option of the service that "
        "connects to it, or give the next hop a row in tables/tls_policy."
    ),
}
