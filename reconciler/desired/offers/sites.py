"""Write the services that mail of some domains leaves by, each with an address of its own, as ``sites/siteNN``.

Pure; raises nothing. The rows ``@DOMAIN NAME:`` of a table for senders become the domains of a site, with the comments
above them, and the service NAME becomes siteNN-out. What is not the same to the letter is to be confirmed: its name in
the log, that its mail waits while its address is missing, and that it leaves by the address families of its addresses.

Known limits: only a service that nothing but such rows names, and that says nothing else than a site can say; only
rows of a table in the commit; and only if the commit has no sites yet.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from reconciler.desired.offers.mail_text import with_values, without_unexplained
from reconciler.desired.offers.master_text import WRITTEN_ANEW, is_outside_chroot, without_services
from reconciler.desired.offers.offer import MAIL, NotOffered, Offer, plural
from reconciler.desired.offers.transports import is_address
from reconciler.desired.yaml_editor import scalar
from reconciler.features import sites
from reconciler.features.domains import DOMAIN
from reconciler.features.tables import WIRED
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.commented import as_utf8
from reconciler.postfix.reached import idle
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.syntax import is_comment
from reconciler.postfix.tables import Entries, is_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.desired.offers.offer import Ground
    from reconciler.model import Parameter, Service, Table
    from reconciler.postfix.references import Reference

_BIND = {4: "smtp_bind_address", 6: "smtp_bind_address6"}
_ENFORCED, _HELO, _FAMILIES, _TAG = "smtp_bind_address_enforce", "smtp_helo_name", "inet_protocols", "syslog_name"
_KNOWN = {*_BIND.values(), _ENFORCED, _HELO, _FAMILIES, _TAG}
_OURS = re.compile(r"(site[1-9][0-9]{0,8})-out\Z", re.ASCII)
_IN_ONE_LINE = 4


class _Rows(NamedTuple):
    """A table for senders with its *reference*, and the numbers of its lines by service; each has a domain."""

    table: Table
    reference: Reference
    of: Mapping[str, list[tuple[int, str]]]


class _Found(NamedTuple):
    """A service that can be the delivery of a site, with the site's values."""

    service: Service
    site: str
    addresses: tuple[str, ...]
    helo: str


def find(ground: Ground) -> Offer | NotOffered | None:
    """Offer the sites."""
    maps = ground.origin.parameters.get(sites.MAPS)
    if maps is None or sites.sites_in(ground.desired):
        return None
    delivering = [one for one in ground.desired.services if _binds(one)]
    rows = _rows(maps, delivering, ground)
    services = [one for one in delivering if rows and one.name in rows.of]
    if rows is None or not services:
        return None
    problems = {one.key: _problem(one, services, rows, ground) for one in services}
    fit = [one for one in services if not problems[one.key]]
    return _offer(_named(fit, ground), rows, ground) if fit else NotOffered(problems[services[0].key])


def _binds(service: Service) -> bool:
    binds = {*_BIND.values()} & service.options.keys()
    return (service.type, service.command) == ("unix", "smtp") and bool(binds)


def _rows(maps: Parameter, services: Iterable[Service], ground: Ground) -> _Rows | None:
    """Return the first table of the commit with rows of domains for one of the services."""
    main, names = Scope(ground.origin, ground.facts), {one.name for one in services}
    for reference in tables_of(main, maps):
        table = ground.desired.tables.get(own_name(reference.name, ground.facts.directory) or "")
        if (
            table is None
            or table.compiler != "postmap"
            or table.pieces
            or not is_plain(table.source)
            or table.file not in ground.files
        ):
            continue
        of: dict[str, list[tuple[int, str]]] = {}
        for entry in Entries(table):
            name, domain = entry.value.removesuffix(":"), entry.key.lower().removeprefix("@")
            is_row = entry.key.startswith("@") and entry.value.endswith(":") and DOMAIN.fullmatch(domain)
            if is_row and name in names:
                of.setdefault(name, []).append((entry.line, domain))
        if of:
            return _Rows(table, reference, of)
    return None


# ---- what can be a site ----------------------------------------------------------------------------------------------


def _problem(service: Service, others: list[Service], rows: _Rows, ground: Ground) -> str:
    """Return why a service can't be the delivery of a site; empty if it can."""
    name, scope = service.name, Scope(ground.origin, ground.facts, service)
    options = service.options
    fields = (service.private, service.unprivileged, service.wakeup, service.maxproc)
    addresses = _addresses(service)
    if more := sorted(options.keys() - _KNOWN):
        return f"{name} has {more[0]}, which a site can't say"
    if fields != ("-",) * 4 or service.arguments or not is_outside_chroot(service, ground):
        return f"{name} has fields or arguments that a site can't say"
    if len(addresses) != len({*_BIND.values()} & options.keys()):
        return f"{name} leaves from what is no address"
    if len(addresses) > 1 and _FAMILIES in options:
        return f"{name} has {_FAMILIES}, which a site with two addresses can't say"
    if any({*addresses} & {*_addresses(other)} for other in others if other != service):
        return f"{name} shares its address with another service, and each site has its own"
    if not DOMAIN.fullmatch(scope.value(_HELO)):
        return f"{name} says {scope.value(_HELO) or 'nothing'} in HELO, which is no domain in lower case"
    if any(parameter.startswith(f"{name}_") for parameter in ground.origin.parameters):
        return f"main.cf has limits for {name}, which a site can't say"
    return _named_elsewhere(service, rows, ground)


def _addresses(service: Service) -> tuple[str, ...]:
    options = service.options
    named = ((version, options.get(name, "")) for version, name in _BIND.items())
    return tuple(address for version, address in named if is_address(address, version))


def _named_elsewhere(service: Service, rows: _Rows, ground: Ground) -> str:
    """Return what else may name a service or the table, so that another name would change more; empty if nothing."""
    for scope in scopes(ground.origin, ground.facts):
        for parameter in scope.written:
            is_used = parameter.name != sites.MAPS and rows.reference in tables_of(scope, parameter)
            if is_used:
                return f"{parameter.name} reads {rows.table.name} too"
    left = replace(rows.table, source=_without(rows, [service.name])[0].encode("utf-8", "surrogateescape"))
    origin = replace(ground.origin, tables={**ground.origin.tables, left.name: left})
    if service.key in idle([service], origin, ground.facts):
        return ""
    return f"something else may send mail to {service.name}, such as a table that is not in the commit"


def _named(services: Iterable[Service], ground: Ground) -> list[_Found]:
    """Return the services with the names of their sites: the number that one has, else the next that is free."""
    services = list(services)
    own = {one.name: match[1] for one in services if (match := _OURS.match(one.name))}
    taken = ground.origin.names | {one.partition("_")[0] for one in ground.origin.parameters}
    free = (f"site{number}" for number in range(1, len(services) + len(taken) + 1))
    unused = (site for site in free if sites.service_of(site) not in taken)
    return [
        _Found(one, own.get(one.name) or next(unused), _addresses(one),
               Scope(ground.origin, ground.facts, one).value(_HELO))
        for one in services
    ]  # fmt: skip


# ---- the commit ------------------------------------------------------------------------------------------------------


def _offer(found: list[_Found], rows: _Rows, ground: Ground) -> Offer | NotOffered:
    taken = without_services(ground, [one.service for one in found])
    left, told = _without(rows, [one.service.name for one in found])
    is_empty = not any(Entries(replace(rows.table, source=left.encode("utf-8", "surrogateescape"))))
    files: dict[str, bytes | None] = dict(taken.files)
    for number, one in enumerate(found):
        rest = [as_utf8(line) for line in left.split("\n") if is_comment(line)] if is_empty and not number else []
        head = [*rest, *taken.comments[one.service.key]]
        files[f"sites/{one.site}/site.yaml"] = _site(one, head, rows.of[one.service.name], told).encode()
    files[rows.table.file] = None if is_empty else left.encode("utf-8", "surrogateescape")
    mail = _mail(rows, ground, is_empty=is_empty)
    if mail is None:
        return NotOffered(f"{sites.MAPS} can't be written anew at its place")
    keys = {one.service.key: f"{sites.service_of(one.site)}/unix" for one in found}
    home = ground.facts.directory
    old = f"{rows.reference.type}:{rows.reference.name.replace('$config_directory', home)}"
    new = f"{ground.facts.compiled_type}:{home}/{sites.TABLE}"
    return Offer(
        summary=f"write {plural(len(found), 'delivery service')} with addresses of their own as sites"
        f" ({', '.join(f'{one.service.name} as {one.site}' for one in found)})",
        files={MAIL: mail.encode(), **files}, split={old: (new,) if is_empty else (old, new)},
        replaced=keys, moved=frozenset(keys.values()), restated=frozenset(keys.values()),
        adjusted=frozenset({_TAG, _ENFORCED, _FAMILIES}),
        confirm=(
            WRITTEN_ANEW, *(text for one in found for text in _told(one, ground)),
            *([f"{rows.table.name} has no row left, and nothing reads it"] if is_empty else []),
        ),
    )  # fmt: skip


def _without(rows: _Rows, names: Iterable[str]) -> tuple[str, Mapping[int, list[str]]]:
    """Return the text of the table without the rows of some services, and the comments above each by its line."""
    lines = rows.table.source.decode("utf-8", "surrogateescape").split("\n")
    gone, told = set[int](), dict[int, list[str]]()
    for line, _ in sorted(row for name in names for row in rows.of[name]):
        first = line
        while first > 1 and first - 1 not in gone and is_comment(lines[first - 2]):
            first -= 1
        told[line] = [as_utf8(text.strip(SPACE)) for text in lines[first - 1 : line - 1]]
        gone |= {*range(first, line + 1)}
    return "\n".join(text for number, text in enumerate(lines, 1) if number not in gone), told


def _site(one: _Found, head: list[str], rows: list[tuple[int, str]], told: Mapping[int, list[str]]) -> str:
    domains = [domain for _, domain in rows]
    if len(domains) <= _IN_ONE_LINE and not any(told[line] for line, _ in rows):
        lines = [f"domains: [{', '.join(map(scalar, domains))}]"]
    else:
        below = (text for line, domain in rows for text in (*told[line], f"- {scalar(domain)}"))
        lines = ["domains:", *(f"  {text}" for text in below)]
    addresses = ", ".join(map(scalar, one.addresses))
    listed = f"[{addresses}]" if len(one.addresses) > 1 else addresses
    lines.append(f"delivery: {{address: {listed}, helo: {scalar(one.helo)}}}")
    return "".join(f"{line}\n" for line in (*head, *lines))


def _mail(rows: _Rows, ground: Ground, *, is_empty: bool) -> str | None:
    """Return mail.yaml with the sites' table in the list, which is there by itself if no setting prevails."""
    written = ground.origin.parameters[sites.MAPS]
    if written.where.file != MAIL:
        return ground.mail if WIRED.get(rows.table.name) == sites.MAPS else None
    name, new = str(rows.reference), f"table:{sites.TABLE}"
    if written.value.count(name) != 1:
        return None
    if (
        is_empty
        and written.value.strip(SPACE) == name
        and (text := without_unexplained(ground.mail, [sites.MAPS])).names
    ):
        return text.text
    value = written.value.replace(name, new if is_empty else f"{name}, {new}")
    return with_values(ground.mail, {sites.MAPS: value})


def _told(one: _Found, ground: Ground) -> Iterator[str]:
    """Yield what to confirm of a service: where it does not mean the same to the letter."""
    new, scope = sites.service_of(one.site), Scope(ground.origin, ground.facts, one.service)
    own = one.service.options
    if own.get(_TAG) not in {f"postfix/{new}", *(["postfix/$service_name"] if one.service.name == new else [])}:
        yield f"mail that {one.service.name} delivered is logged as postfix/{new}"
    if _ENFORCED in ground.facts.parameters and not scope.is_on(_ENFORCED):
        lost = " or ".join(one.addresses)
        yield f"mail of {new} waits if this host loses {lost}, and no longer leaves from another address"
    version = "6" if ":" in one.addresses[0] else "4"
    if len(one.addresses) == 1 and scope.words(_FAMILIES) != [f"ipv{version}"]:
        yield f"mail of {new} leaves by IPv{version} alone, because it has no address of the other family"
    if _HELO not in own:
        yield f"{new} says {one.helo} in HELO, as main.cf has it now, and no longer follows main.cf there"
