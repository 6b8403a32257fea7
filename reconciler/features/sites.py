"""``sites/siteNN/``: the parts of one site, which leave together; ``delivery`` says where the site's mail leaves from.

A site with ``delivery`` gets a service ``siteNN-out``, and each of its domains gets a row in a table for senders.
Postfix reads this table after the one that people write (tables/sender_transport), so their rows prevail. If a site
lacks an address of one address family, Postfix makes no connection of that family: its mail would leave from the host's
own address.

sites/ is no security boundary yet: a site's rows in tables can affect the mail of others.
master.d/siteNN-NAME.cf may contain only services of the smtp(8) kind, with options that open no files: a person who may
write the services of a site must not be able to take over other services, or to run programs.

Known limit: Postfix uses such a row only for mail that goes out by default_transport, never for mail that
tables/transport sends elsewhere.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from itertools import chain, compress, repeat
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError

from reconciler.features import smart_host, transports
from reconciler.features.domains import Domain  # noqa: TC001 - pydantic reads it
from reconciler.features.section import SectionValue, SmallSection
from reconciler.features.site_files import NAME
from reconciler.features.site_services import BIND, bound, owned
from reconciler.model import (
    Contribution,
    Finding,
    Mentioned,
    Parameter,
    Service,
    Severity,
    Table,
    Where,
    error_at,
    warning_at,
)
from reconciler.model.past import PastInAPass, PastOfEach
from reconciler.postfix.plain_options import packed
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts

SECTION = "sites"
TABLE = "site_transport"
MAPS = "sender_dependent_default_transport_maps"
_PROTOCOLS = {4: "ipv4", 6: "ipv6"}
_KEY = "-out/unix"
"""What follows the name of a site in the key of its service."""
_ROUTE = re.compile(rb"(site[1-9][0-9]{0,8}-out):")
Address = IPv4Address | IPv6Address


def _several(value: object) -> object:
    if value == []:
        raise PydanticCustomError("missing-key", "expected at least one address")
    return value if isinstance(value, list | tuple) else [value]


def _one_a_family(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    for version in (4, 6):
        if sum(address.version == version for address in addresses) > 1:
            what = "expected at most one IPv{version} address: a connection leaves from one"
            raise PydanticCustomError("too-many-addresses", what, {"version": version})
    return addresses


Places = tuple[transports.Address, ...] | transports.Address


@dataclass(frozen=True, slots=True)
class Delivery(SmallSection):
    """Where the site's mail leaves from: at most one IPv4 and one IPv6 *address*, and the name in HELO."""

    address: Annotated[
        tuple[transports.Address, ...],
        AfterValidator(_one_a_family),
        BeforeValidator(_several, json_schema_input_type=Places),
    ]
    helo: Domain


@dataclass(frozen=True, slots=True)
class Site(SmallSection):
    """One site: its domains, and its delivery if their mail does not leave from the host's own address."""

    domains: tuple[Domain, ...] = ()
    delivery: Delivery | None = None


class Schema(SectionValue[dict[Annotated[str, StringConstraints(pattern=rf"^{NAME.pattern}$")], Site]]):
    """The sites by their names."""

    @property
    def services(self) -> frozenset[str]:
        """The services that the sites add."""
        return frozenset([name + _KEY for name, site in self.root.items() if site.delivery])


class _Made(NamedTuple):
    """What a site contributes: its service by its key, and a row for each of its domains with its place."""

    key: str
    service: Service
    rows: str
    places: tuple[Where, ...]


_made = PastOfEach[Site, _Made | None]()
_domains = PastOfEach[Site, tuple[str, ...]]()
_addresses = PastOfEach[Site, tuple[str, ...]]()
_greetings = PastOfEach[Site, str]()
_binding = PastOfEach[Service, tuple[str, ...]]()


class _Sorted(NamedTuple):
    """The sites of a section in the order of their numbers; those that deliver have an address of their own."""

    all: dict[str, Site]
    delivering: dict[str, Site]


_sorted: PastInAPass[_Sorted] = PastInAPass(2)
_NONE = _Sorted({}, {})


def service_of(site: str) -> str:
    """Return the name of the service that delivers the site's mail."""
    return sys.intern(f"{site}-out")  # as those are that are read from master.cf


def sites_in(desired: Desired) -> dict[str, Site]:
    """Return the sites of the desired state by their names, in the order of their numbers."""
    return _sites_in(desired).all


def _addresses_of(sites: dict[str, Site]) -> tuple[tuple[str, ...], ...]:
    """Return the addresses that each site delivers from, as texts."""
    return _addresses.of(
        list(sites.values()), (), lambda site: tuple(map(str, site.delivery.address)) if site.delivery else ()
    )


def _sites_in(desired: Desired) -> _Sorted:
    section = desired.section(Schema)
    return _NONE if section is None else _sorted.of((section,), lambda: _in_order(section))


def _in_order(section: Schema) -> _Sorted:
    names = list(map(sys.intern, sorted(sorted(section.root), key=len)))  # no number begins with 0
    sites = dict(zip(names, map(section.root.__getitem__, names), strict=True))
    return _Sorted(sites, dict(compress(sites.items(), _addresses_of(sites))))


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:  # noqa: ARG001 - a Feature
    """Return the addresses that sites deliver from, whose reverse names the rules check."""
    return Mentioned(addresses=frozenset(chain.from_iterable(_binding.of(merged.entries, (), _bound_by))))


def _bound_by(service: Service) -> tuple[str, ...]:
    """Return the addresses that the service of a site binds to."""
    if not NAME.fullmatch(service.name.removesuffix("-out")):
        return ()
    return tuple(option.value for option in service.overrides if option.name in BIND.values())


def services(section: object) -> frozenset[str]:
    """Return the service of each site that delivers from an address of its own."""
    return section.services if isinstance(section, Schema) else frozenset()


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:
    """Contribute a service for each site with an address of its own, and the rows of its domains."""
    made = _delivered(desired, facts)
    services = {one.key: one.service for one in made}
    places = tuple(chain.from_iterable(map(attrgetter("places"), made)))
    if not places:
        return Contribution(services=services)
    table = Table(
        name=TABLE, type=facts.compiled_type, file=places[0].file, compiler="postmap",
        source="".join(map(attrgetter("rows"), made)).encode(), origins=places,
    )  # fmt: skip
    written = below.parameters.get(MAPS)
    value = f"{written.value}, {table.reference}" if written else table.reference
    maps = Parameter(MAPS, value, written.where if written else table.where, SECTION)
    return Contribution(parameters={MAPS: maps}, services=services, tables={TABLE: table})


def _delivered(desired: Desired, facts: Facts) -> list[_Made]:
    """Return what the sites contribute; those that no commit changed since have it from memory."""
    relay = desired.section(smart_host.Schema)
    is_enforced, is_wrapped = "smtp_bind_address_enforce" in facts.parameters, bool(relay and relay.is_wrapped)

    def make(name: str, site: Site, _: object) -> _Made | None:
        if not site.delivery:
            return None
        service = _service(name, site.delivery, desired, is_enforced=is_enforced, is_wrapped=is_wrapped)
        rows = "".join(f"@{domain} {service.name}:\n" for domain in site.domains)
        places = (desired.where(SECTION, name, "domains", str(place)) for place in range(len(site.domains)))
        return _Made(service.key, service, rows, tuple(places))

    sites = sites_in(desired)
    # What was not read from a file that is known has other places each time.
    origins = [origin or object() for origin in desired.origins(SECTION, sites)]
    made = _made.of_rows(([*sites], [*sites.values()], origins), (is_enforced, is_wrapped), make)
    return list(filter(None, made))


def _service(name: str, delivery: Delivery, desired: Desired, *, is_enforced: bool, is_wrapped: bool) -> Service:
    families, service = {address.version for address in delivery.address}, service_of(name)
    options = {"syslog_name": f"postfix/{service}", "smtp_helo_name": delivery.helo}
    options |= {BIND[address.version]: str(address) for address in delivery.address}
    if is_enforced:
        options["smtp_bind_address_enforce"] = "yes"  # otherwise mail would leave from the host's own address
    if len(families) == 1:
        options["inet_protocols"] = _PROTOCOLS[families.pop()]
    if is_wrapped:
        options["smtp_tls_wrappermode"] = "yes"
    where, of_address, of_helo = (
        desired.where(SECTION, name, "delivery", *path) for path in ((), ("address",), ("helo",))
    )
    overrides = [
        Parameter(option, value, of_helo if option == "smtp_helo_name" else of_address, service)
        for option, value in options.items()
    ]
    return Service(name=service, type="unix", command="smtp", overrides=packed(overrides), where=where)


# ---- rules -----------------------------------------------------------------------------------------------------------


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that sites share nothing, that their services only deliver, and that their addresses have reverse names."""
    sites, delivering = _sites_in(desired)
    yield from _shared_domains(sites, desired)
    yield from _shared_addresses(sites, desired)
    yield from _taken_names(delivering, desired)
    for service in desired.services:
        yield from owned(service)
    yield from _unasked_table(desired, merged, facts)
    yield from _unused(delivering, desired, merged)
    yield from _missing_reverse_names(sites, desired, facts)


def _shared_domains(sites: dict[str, Site], desired: Desired) -> Iterator[Finding]:
    first: dict[str, tuple[str, int]] = {}
    domains = list(chain.from_iterable(_domains.of(list(sites.values()), (), attrgetter("domains"))))
    for name, site in sites.items() if len(set(domains)) < len(domains) else ():
        for place, domain in enumerate(site.domains):
            other, earlier = first.setdefault(domain, (name, place))
            if (other, earlier) == (name, place):
                continue
            where, there = (
                desired.where(SECTION, name, "domains", str(place)),
                desired.where(SECTION, other, "domains", str(earlier)),
            )
            if there != where:
                what = f'domain "{domain}" is in {other} ({there}) and in {name} ({where}); a domain has one site'
                yield error_at("shared-domain", where, what, domain, there)


def _shared_addresses(sites: dict[str, Site], desired: Desired) -> Iterator[Finding]:
    first: dict[str, tuple[str, Where | None]] = {}
    own = list(bound(desired.services))
    addresses = [*chain.from_iterable(_addresses_of(sites)), *(address for address, _, _ in own)]
    is_shared = len(set(addresses)) < len(addresses)
    for address, name, place in (*_delivering(sites), *own) if is_shared else ():
        other, earlier = first.setdefault(address, (name, place))
        if other != name:
            where, there = (
                at or desired.where(SECTION, whose, "delivery", "address")
                for whose, at in ((name, place), (other, earlier))
            )
            what = (
                f'address "{address}" is in {other} ({there}) and in {name} ({where}): they would share one reputation'
            )
            yield error_at("shared-address", where, what, address, there)


def _delivering(sites: dict[str, Site]) -> Iterator[tuple[str, str, None]]:
    """Yield the addresses of sites, whose places are looked up if they are needed."""
    for name, addresses in zip(sites, _addresses_of(sites), strict=True):
        for address in addresses:
            yield address, name, None


def _taken_names(sites: dict[str, Site], desired: Desired) -> Iterator[Finding]:
    section = desired.section(transports.Schema)
    own = {f"{name}/unix": desired.where(transports.SECTION, name) for name in (section.named if section else ())}
    taken = {service.key: service.where for service in desired.services} | own
    for name in filter({key.removesuffix(_KEY) for key in taken}.__contains__, sites):
        key = name + _KEY
        if key in taken:
            what = f"duplicate service: the delivery of {name} already adds {key}, and this one would replace it"
            yield error_at("duplicate-service", taken[key], f"{what}; rename it", key, desired.where(SECTION, name))


def _unasked_table(desired: Desired, merged: Contribution, facts: Facts) -> Iterator[Finding]:
    """Report settings that prevail over the table of sites: mail would leave from the host's own address."""
    asked = Scope(merged, facts).parameter(MAPS)
    if TABLE in merged.tables and asked and asked.section != SECTION and TABLE not in asked.value:
        what = f"{MAPS} does not contain {TABLE}: no site's mail would leave from its own address; add table:{TABLE}"
        yield error_at("unasked-sites", asked.where, what, MAPS)
    if TABLE in desired.tables:
        what = f"the sites already make the table {TABLE}; remove this one, or give it another name"
        yield error_at("unasked-sites", desired.tables[TABLE].where, what, TABLE)


def _unused(sites: dict[str, Site], desired: Desired, merged: Contribution) -> Iterator[Finding]:
    """Report rows without their service, and services without any row."""
    idle = {service_of(name).encode() for name, site in sites.items() if not site.domains}
    rows = (table.source for table in desired.tables.values()) if idle else ()
    idle -= {match[1] for source in rows for match in _ROUTE.finditer(source)}
    served = frozenset(map(methodcaller("removesuffix", _KEY), merged.services))
    for name in sites if idle or not served.issuperset(sites) else ():
        service = service_of(name)
        if name not in served:
            what = f"this removes {service}, which delivers the mail of {name}: the mail would wait in the queue"
            yield error_at("unasked-sites", desired.where("services", f"{service}/unix"), what, service)
        if service.encode() in idle:
            where = desired.where(SECTION, name, "delivery")
            what = (
                f"{name} has an address but no domains: no mail leaves from the address; list the domains under domains"
            )
            yield warning_at("unused-delivery", where, what, name)


def reverse_names(desired: Desired) -> Iterator[tuple[str, str]]:
    """Return each address that sites deliver from, with the name that it must have in DNS."""
    return _named(sites_in(desired))


def _named(sites: dict[str, Site]) -> Iterator[tuple[str, str]]:
    addresses = _addresses_of(sites)
    names = _greetings.of(list(sites.values()), (), lambda site: site.delivery.helo if site.delivery else "")
    each_name = chain.from_iterable(map(repeat, names, map(len, addresses)))
    return zip(chain.from_iterable(addresses), each_name, strict=True)


def _missing_reverse_names(sites: dict[str, Site], desired: Desired, facts: Facts) -> Iterator[Finding]:
    """Report addresses without a matching reverse name: receivers treat such a host as a spammer."""
    if all(helo in (facts.names.get(address) or ()) for address, helo in _named(sites)):
        return
    for (address, name, _), (_, helo) in zip(_delivering(sites), _named(sites), strict=True):
        known, where = facts.names.get(address), desired.where(SECTION, name, "delivery", "address")
        if known is None:
            what = f'address "{address}" of {name}: DNS did not answer the query for its reverse name'
            yield Finding(
                rule="unknown-reverse-name", where=where, text=what, subject=address,
                severity=Severity.WARNING, lasting=False,
            )  # fmt: skip
        elif helo not in known:
            got = f"its names are {', '.join(known)}" if known else "it has none"
            what = f'address "{address}" of {name} has no reverse name "{helo}" that resolves back to it ({got})'
            yield Finding(
                rule="reverse-name", where=where, text=f"{what}: receivers would refuse its mail",
                subject=f"{address} {helo}", lasting=False,
            )  # fmt: skip


PASSING = frozenset({"reverse-name", "unknown-reverse-name"})
EXPLAINED = {
    "too-many-addresses": (
        "The delivery of a site has two addresses of one family. Postfix binds a connection to one address. Keep one "
        "of them. For mail from another address, add another site, or a service in master.d/siteNN-NAME.cf."
    ),
    "shared-domain": (
        "Two sites have the same domain. When one of them leaves, it is unclear to which site the rows and the mail "
        "belong. Remove the domain from one of them."
    ),
    "shared-address": (
        "Two sites deliver from the same address. The mail of one site then affects how receivers treat the mail of "
        "the other, which separate addresses should prevent. Give one of them another address."
    ),
    "unowned-service": (
        "A file of master.d is named after a site, but not in the form master.d/siteNN-NAME.cf. It would stay when "
        "the site leaves. Rename it."
    ),
    "site-service": (
        "A site's file of master.d contains more than delivery: a service that is not smtp of type unix, or an option "
        "that opens files or affects other services. Move it to a file of the host, such as master.d/NAME.cf."
    ),
    "unasked-sites": (
        "Sites have addresses of their own, but a parameter of the host, a table of the same name, or a removed "
        "service prevails over them. Their mail would silently leave from the host's own address, or wait in the "
        "queue. Add table:site_transport to the parameter, or remove the setting that prevails."
    ),
    "unused-delivery": (
        "A site has a delivery address but no domains. No mail would leave from that address. List the domains of the "
        "site, or use siteNN-out: in a row of tables/sender_transport."
    ),
    "reverse-name": (
        "A delivery address has no reverse name in DNS that is the site's helo and resolves back to the address. Many "
        "receivers refuse such mail. Ask the owner of the address to set its PTR record, and set the A or AAAA record "
        "of the name. reconciler checks this again at every pass, and ten minutes later if it was right. If receivers "
        "are known to accept the host, write an allowance with the reason."
    ),
    "unknown-reverse-name": (
        "DNS did not answer in time when reconciler asked for the reverse name of a delivery address. The name may be "
        "right or wrong. Mail leaves from the address in either case. reconciler checks the name again when it checks "
        "the commit again."
    ),
}
