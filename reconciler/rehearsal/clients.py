"""Choose the listeners that a rehearsal talks to, and the clients that talk to them.

Pure. A listener has a client on this host, one that is a stranger, and where it takes logins, one that has logged in
and one that sends as somebody else. postscreen has a stranger who comes back if it is put off. Raises nothing.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import is_digits, split_words
from reconciler.model.past import PastOf
from reconciler.postfix.numbers import as_number
from reconciler.postfix.references import own_name, table_inside, tables_in
from reconciler.postfix.restrictions import depends_on_client
from reconciler.postfix.scopes import Scope
from reconciler.postfix.table_parts import beginning
from reconciler.postfix.tables import PATTERN_TYPES, Entries
from reconciler.rehearsal.inside import messages
from reconciler.rehearsal.inside.messages import CLIENT, FORGED, LOGIN, SCREENED
from reconciler.rehearsal.master_cf import twin_port
from reconciler.rehearsal.outside import LOOPBACK
from reconciler.rehearsal.recipients import REMOTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model import Service
    from reconciler.model.facts import ByText
    from reconciler.rehearsal.strangers import Strangers

OTHER = "somebody-else"
_INTERFACES = "postscreen_allowlist_interfaces"
_OWNERS = "smtpd_sender_login_maps"
_SENDER = "somebody@sender.rehearsal.example"
_MOST_ROWS, _BEGINNING = 50, 4096
_reached: PastOf[tuple[str, ...]] = PastOf(2)
"""By the addresses of the host: those that strangers are to reach."""


@dataclass(frozen=True, slots=True)
class Owned:
    """An address that only a login may send from; no address if every login may send from any."""

    address: str = ""
    login: str = "rehearsal"


# ---- listeners -------------------------------------------------------------------------------------------------------


def listeners(services: Iterable[Service], main: Scope, ports: list[int]) -> Iterator[messages.PlayedListener]:
    """Yield the addresses of each listener: loopback if it listens there, and one that strangers reach."""
    for number, service in enumerate(services):
        if service.command in {"smtpd", "postscreen"} and service.type in {"inet", "pass"}:
            yield from _places(service, number, main, ports)


def _places(service: Service, number: int, main: Scope, ports: list[int]) -> Iterator[messages.PlayedListener]:
    scope = Scope(main.merged, main.facts, service)
    is_screen = service.command == "postscreen"
    if service.type == "pass":
        hosts, port = main.words("inet_interfaces"), twin_port(number, ports)
    else:
        host, _, name = service.name.rpartition(":")
        port = as_number(name) if is_digits(name) else main.facts.ports.get(name, 0)
        hosts = [host.strip("[]")] if host else main.words("inet_interfaces")
    proxy = "postscreen_upstream_proxy_protocol" if is_screen else "smtpd_upstream_proxy_protocol"
    for address in _addresses(hosts, main):
        yield messages.PlayedListener(
            address=address,
            port=port,
            wrapped=not is_screen and scope.is_on("smtpd_tls_wrappermode"),
            proxy=scope.value(proxy) == "haproxy",
            service=number,
            # What is behind postscreen promises that, and is talked to by itself.
            tls="" if is_screen else scope.value("smtpd_tls_security_level"),
            sasl=not is_screen and scope.is_on("smtpd_sasl_auth_enable"),
            choosy=_screens_by_table(scope) if is_screen else depends_on_client(scope),
            asks_certificate=not is_screen
            and (scope.is_on("smtpd_tls_req_ccert") or scope.is_on("smtpd_tls_ask_ccert")),
        )


def _screens_by_table(scope: Scope) -> bool:
    """Return whether postscreen lets some clients by that others are not, or on some addresses only."""
    return ":" in scope.value("postscreen_access_list") or scope.value(_INTERFACES) != "static:all"


def _addresses(hosts: list[str], main: Scope) -> list[str]:
    """Return the addresses to talk to: at most one loopback address, and one public address of each family."""
    own = main.facts.own_by_text
    reached = _reached.of(own, (), lambda: _first_of_each_family(own))
    every = [LOOPBACK, "::1", *reached]
    listening: list[str] = []
    for host in hosts:
        if host in {"all", "0.0.0.0", "::"}:  # noqa: S104 - compared, never bound
            listening += every if host == "all" else [one for one in every if (":" in one) == (host == "::")]
        elif found := main.facts.hosts.get(host):
            listening += found
        elif host.lower() == main.value("myhostname").lower():
            listening += reached
        elif host in {"loopback-only", "localhost"}:
            listening += [LOOPBACK, "::1"]
        else:
            listening += [host.strip("[]")] if _is_address(host.strip("[]")) else []
    protocols = main.words("inet_protocols")
    kinds: dict[tuple[bool, bool], str] = {}
    for address in listening:
        if "all" in protocols or ("ipv6" if ":" in address else "ipv4") in protocols:
            loopback = is_loopback(address)
            # 127.0.0.1 and ::1 are treated alike, but strangers of the two families may be treated differently.
            kinds.setdefault((loopback, ":" in address and not loopback), address)
    return list(kinds.values())


def _first_of_each_family(own: ByText) -> tuple[str, ...]:
    """Return the first address of each family that strangers reach."""
    first: dict[int, str] = {}
    for text, one in own.items():
        if one.version not in first and not one.is_loopback and not one.is_link_local:
            first[one.version] = text
    return tuple(first.values())


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    """Return whether an address is one of this host alone."""
    return ipaddress.ip_address(address).is_loopback


# ---- clients ---------------------------------------------------------------------------------------------------------


def dialogues(
    played: list[messages.PlayedListener], main: Scope, recipients: list[str], strangers: Strangers
) -> Iterator[messages.Dialogue]:
    """Yield the dialogues with each listener."""
    services = main.merged.entries
    for listener in played:
        is_near = is_loopback(listener["address"])
        client = listener["address"] if is_near else strangers.facing(listener["address"])
        service = services[listener["service"]]
        if service.command == "postscreen":
            # On the address of a backup, new clients are always put off: they are to try the other address first.
            if f"!{listener['address']}" not in Scope(main.merged, main.facts, service).words(_INTERFACES):
                yield _dialogue(SCREENED, listener, client, recipients[:1])
        else:
            login = "rehearsal" if is_near and listener["sasl"] else ""
            yield _dialogue(CLIENT, listener, client, recipients, login=login)
            if listener["sasl"] and not is_near:
                yield from _logins(listener, client, Scope(main.merged, main.facts, service), recipients)


def _logins(
    listener: messages.PlayedListener, client: str, scope: Scope, recipients: list[str]
) -> Iterator[messages.Dialogue]:
    """Yield a client that has logged in, and where only owners may send from an address, one that is not its owner."""
    owned = _owned(scope)
    if owned:
        own = next((one for one in recipients[2:] if one != REMOTE), recipients[0])
        yield _dialogue(LOGIN, listener, client, [REMOTE], login=owned.login, sender=owned.address or own)
        if owned.address:
            yield _dialogue(FORGED, listener, client, [REMOTE], login=OTHER, sender=owned.address)


def _dialogue(
    kind: str, listener: messages.PlayedListener, client: str, recipients: list[str],
    *, login: str = "", sender: str = _SENDER,
) -> messages.Dialogue:  # fmt: skip
    name = "dialogue" if kind == CLIENT else kind
    return messages.Dialogue(
        id=f"{name}-{listener['service']}-{len(client)}",
        kind=kind,
        listener=listener,
        client=client,
        login=login,
        sender=sender,
        recipients=recipients,
    )


def _owned(scope: Scope) -> Owned | None:
    """Return an address with its owner; None if there may be owners, but none that can be read."""
    references = [reference for word in scope.words(_OWNERS) for reference in tables_in(word)]
    for reference in references:
        table = scope.merged.tables.get(own_name(reference.name, scope.facts.directory) or "") or table_inside(
            reference
        )
        if table and table.type not in PATTERN_TYPES:
            for entry in islice(Entries(beginning(table, _BEGINNING)), _MOST_ROWS):
                owners = split_words(entry.value.replace(",", " "))
                if not entry.key.startswith("@") and "@" in entry.key and owners and entry.key.isascii():
                    return Owned(entry.key, owners[0])
    return None if references else Owned()
