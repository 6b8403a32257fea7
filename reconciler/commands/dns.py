"""``reconciler dns``: the records that each mail domain needs; shown, compared with what is live, and published.

All of it follows what holds here, not what was only pushed: the last commit that passed, else the branch.
Only records that we made are ever removed or changed. What is about to be ours is on record before a server hears of
it, so that a publication that was cut short is completed by the next.

Exit status: 0 as wanted, 2 differences, 1 trouble; 64 for a domain that is not ours.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import click

from reconciler.commands.console import Context, say, say_all
from reconciler.commands.dkim_records import dkim_records
from reconciler.features.dns.changes import Publication, lines, publication, rrsets_to_query
from reconciler.features.dns.records import DEFAULT, EMAIL, DnsContext, key_of, records_of
from reconciler.features.dns.zone import MAX_LOOKUPS, is_spf, too_many
from reconciler.host.dns.nameserver import MOST_SETS, Declined, Moved, NameServer, Unanswered, authorities, policy
from reconciler.model import Applied, Unchanged, did_you_mean, errors_in, printable
from reconciler.passes.judge import understand
from reconciler.passes.operator import NotPossible
from reconciler.state.published_records import Published
from reconciler.trees.report import finding_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.features.dns.changes import RRsetChange
    from reconciler.features.dns.zone import Record
    from reconciler.model import Finding, Revision
    from reconciler.state.published_records import Ours

_ATTEMPTS = 3


@click.group("dns")
def dns_group() -> None:
    """Make, compare and publish the DNS records of the mail domains (docs/dns.md)."""


@dns_group.command("template")
@click.argument("name", default=EMAIL)
def template_command(name: str) -> None:
    r"""Print the built-in template, to start one of your own from.

    \b
    Example:
      reconciler dns template >dns/email.zone.j2      in a clone of the desired state
    """
    if name != EMAIL:
        raise click.UsageError(f'the one built-in template is {EMAIL}, got "{printable(name)}"')
    click.echo(DEFAULT, nl=False)


@dns_group.command("records")
@click.argument("domain", required=False)
@click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")
@click.pass_obj
def records_command(context: Context, domain: str | None, *, json_output: bool) -> None:
    """Print the records of DOMAIN, or of all mail domains, as lines of a zone file."""
    wanted = _wanted(context, domain)
    if json_output:
        rows = [
            {"zone": zone, "name": one.name, "ttl": one.ttl, "type": one.type, "data": one.data}
            for zone, records in wanted.zones.items()
            for one in records
        ]
        click.echo(json.dumps({"records": rows}))
        return
    for zone, records in wanted.zones.items():
        say(f"; {zone}")
        say_all(map(str, records))


@dns_group.command("mta-sts")
@click.argument("domain")
@click.pass_obj
def policy_command(context: Context, domain: str) -> None:
    """Print the MTA-STS policy of DOMAIN: a web server serves it, https://mta-sts.DOMAIN/.well-known/mta-sts.txt."""
    wanted = _wanted(context, domain)
    if not wanted.context.section.mta_sts:
        raise NotPossible("no MTA-STS policy is wanted; write dns: {mta_sts: testing} into mail.yaml")
    [name] = wanted.domains
    click.echo(wanted.context.section.mta_sts.policy(wanted.context.mx(name)), nl=False)


# ---- what is wanted --------------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """The records of some domains by zone."""

    context: DnsContext
    domains: list[str]
    zones: Mapping[str, list[Record]]
    published: Published

    @property
    def server(self) -> NameServer | None:
        """The server that takes updates; raises NotPossible when the key for it is none."""
        told = self.context.section.server
        if told is None:
            return None
        secret = self.context.desired.secrets.get(told.key.name)
        key = key_of(secret.value) if secret else None
        if key is None:
            raise NotPossible(f"secret {told.key.name} is no TSIG key; `tsig-keygen` makes one")
        return NameServer(str(told.address), told.port, key)


def _wanted(context: Context, domain: str | None = None) -> Wanted:
    edges = context.permitted()
    desired, facts, merged = understand(_in_force(edges), edges)
    dns = DnsContext(desired, facts, merged, dkim_records(desired))
    name = domain.lower().rstrip(".") if domain else None
    if name is not None and name not in dns.domains:
        known = did_you_mean(name, dns.domains) or f"; known are {', '.join(dns.domains[:9]) or 'none'}"
        raise click.UsageError(f'"{printable(name)}" is no mail domain of this host{known}')
    domains = dns.domains if name is None else [name]
    findings: list[Finding] = []
    zones = records_of(dns, domains, findings)
    if errors_in(findings):
        say_all(finding_lines(errors_in(findings)))
        sys.exit(1)
    return Wanted(dns, domains, zones, Published(edges.generations.private, edges.host))


def _in_force(edges: Edges) -> Revision:
    """The commit that holds here: the last one that passed, which need not have made a generation of Postfix's."""
    taken_back = set()
    for conclusion in edges.journal.conclusions():
        if isinstance(conclusion.outcome, Applied | Unchanged) and conclusion.revision not in taken_back:
            if conclusion.revision:
                return edges.repo.revision(conclusion.revision)
            break  # a rollback, or an adoption
        taken_back.add(conclusion.revision)
    generation = edges.generations.live()
    return edges.repo.revision(generation.revision) if generation and generation.revision else edges.repo.required_tip()


# ---- comparing -------------------------------------------------------------------------------------------------------


@dns_group.command("check")
@click.argument("domain", required=False)
@click.pass_obj
def check_command(context: Context, domain: str | None) -> None:
    """Compare the wanted records with those that name servers answer: dns.server, or those of each zone.

    Counts the look-ups of each SPF policy too, those of the policies that it includes among them. Exit status: 0 as
    wanted, 2 differences, 1 trouble.
    """
    wanted, differs = _wanted(context, domain), False
    server = wanted.server
    ours: Ours = wanted.published.read().get(str(server), {}) if server else {}
    for zone in dict.fromkeys((*wanted.zones, *(() if domain else ours))):
        records = wanted.zones.get(zone, [])
        own = ours.get(zone, frozenset())
        own = own & set(records) if domain else own
        for one in [server] if server else authorities(zone):
            found = publication(zone, records, own, one.ask(rrsets_to_query(zone, records, own), zone))
            if not found.empty:
                differs = True
                say(f"{zone} at {one}:")
                say_all(lines(found))
    differs |= _costly(wanted.zones)
    if not differs:
        say(f"as wanted: {sum(map(len, wanted.zones.values()))} records in {len(wanted.zones)} zones")
    sys.exit(2 if differs else 0)


def _costly(zones: Mapping[str, list[Record]]) -> bool:
    """Whether a policy takes more look-ups than receivers make, others' policies included."""
    costly = False
    for record in (one for records in zones.values() for one in records if is_spf(one)):
        try:
            if count := too_many(record, policy):
                costly = True
                say(f"SPF of {record.name}: {count} look-ups or more, and receivers make {MAX_LOOKUPS}")
        except Unanswered as error:
            say(f"limit: the look-ups of SPF were not counted beyond our own records: {error}", err=True)
            break
    return costly


# ---- publishing ------------------------------------------------------------------------------------------------------


@dns_group.command("publish")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and do nothing.")
@click.pass_obj
def publish_command(context: Context, *, only_plan: bool) -> None:
    r"""Bring the records to dns.server by updates (RFC 2136), and remove those of ours that are no longer wanted.

    A record of another author stays as it is; where it is in the way, that is a conflict. Exit status: 0 as
    wanted (with --plan: nothing to do), 2 conflicts (with --plan: changes), 1 trouble.

    \b
    Examples:
      reconciler dns publish --plan
      reconciler dns publish
    """
    wanted = _wanted(context)
    server, ours = wanted.server, wanted.published.read()
    if server is None:
        left = ", ".join(f"{sum(map(len, zones.values()))} at {one}" for one, zones in ours.items())
        hint = f"; records that we made are still there: {left} (publish with domains: [] first)" if left else ""
        raise NotPossible(f"there is no server to publish to; write dns.server into mail.yaml{hint}")
    if elsewhere := sorted(ours.keys() - {str(server)}):
        say(f"records that we made stay at {', '.join(elsewhere)}: dns.server is another now", err=True)
    conflicts = False
    with wanted.published.lock():
        for zone in sorted(wanted.zones.keys() | ours.get(str(server), {}).keys()):
            done = _publish(wanted, server, zone, only_plan=only_plan)
            if not done.empty:
                say(f"{zone} at {server}:")
                say_all(lines(done))
            conflicts |= bool(done.conflicts) or (only_plan and not done.empty)
    if not conflicts:
        say("as wanted" if only_plan else f"published: {sum(map(len, wanted.zones.values()))} records are as wanted")
    sys.exit(2 if conflicts else 0)


def _publish(wanted: Wanted, server: NameServer, zone: str, *, only_plan: bool) -> Publication:
    """Bring one zone to what is wanted; asked anew when it changed in between."""
    records = wanted.zones.get(zone, [])
    for attempt in range(_ATTEMPTS):
        ours = wanted.published.read().get(str(server), {}).get(zone, frozenset())
        found = publication(zone, records, ours, server.ask(rrsets_to_query(zone, records, ours), zone))
        if only_plan:
            return found
        try:
            _send(wanted, server, found, ours)
        except Moved:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    return found


def _send(wanted: Wanted, server: NameServer, found: Publication, ours: frozenset[Record]) -> None:
    """Update a zone step by step; before each, what may be ours after it is on record."""
    made = ours & found.ours | {record for change in found.changes for record in change.remove}
    for changes in _steps(found.changes):
        added = {record for change in changes for record in change.add}
        wanted.published.note(str(server), found.zone, made - added | added)
        try:
            server.update(found.zone, changes)
        except (Declined, Moved):
            wanted.published.note(str(server), found.zone, made)
            raise
        made = (made - {record for change in changes for record in change.remove}) - added | added
    if ours != found.ours or found.changes:
        wanted.published.note(str(server), found.zone, found.ours)


def _steps(changes: tuple[RRsetChange, ...]) -> Iterator[list[RRsetChange]]:
    """The changes in updates of a size that a server takes; a name's sets stay together."""
    step: list[RRsetChange] = []
    for _, sets in groupby(changes, key=lambda change: change.key.name):
        step += sets
        if len(step) >= MOST_SETS:
            yield step
            step = []
    if step:
        yield step
