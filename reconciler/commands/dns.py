"""``reconciler dns`` shows the records that each mail domain needs, compares them with DNS, and publishes them.

The commands use the last commit that passed on this host, else the branch, and never a commit that was only pushed.
They remove and change only records that reconciler published. Each change is recorded before it is sent to a server,
so the next run completes an interrupted publication.

Exit status: 0 as wanted, 2 differences, 1 failed; 64 for a domain that is no mail domain of this host.
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
from reconciler.passes.operator import NotPossible
from reconciler.passes.understand import complete, understand
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
    """Show, compare and publish DNS records.

    Each mail domain needs some records; see docs/dns.md.
    """


@dns_group.command("template")
@click.argument("name", default=EMAIL)
def template_command(name: str) -> None:
    r"""Print the built-in template.

    Save it in dns/ to write your own template.

    \b
    Example:
      reconciler dns template >dns/email.zone.j2      in a clone of the desired state
    """
    if name != EMAIL:
        raise click.UsageError(f'the only built-in template is {EMAIL}, got "{printable(name)}"')
    click.echo(DEFAULT, nl=False)


@dns_group.command("records")
@click.argument("domain", required=False)
@click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")
@click.pass_obj
def records_command(context: Context, domain: str | None, *, json_output: bool) -> None:
    """Print records as lines of a zone file.

    Prints the records of DOMAIN, or of all mail domains.
    """
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
    """Print the MTA-STS policy of DOMAIN.

    A web server must serve it at https://mta-sts.DOMAIN/.well-known/mta-sts.txt.
    """
    wanted = _wanted(context, domain)
    if not wanted.context.section.mta_sts:
        raise NotPossible("the desired state has no MTA-STS policy; write dns: {mta_sts: testing} into mail.yaml")
    [name] = wanted.domains
    click.echo(wanted.context.section.mta_sts.policy(wanted.context.mx(name)), nl=False)


# ---- the records -----------------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """The records that some domains need, by zone."""

    context: DnsContext
    domains: list[str]
    zones: Mapping[str, list[Record]]
    published: Published

    @property
    def server(self) -> NameServer | None:
        """The server that accepts updates; raises NotPossible when the secret for it is not a TSIG key."""
        told = self.context.section.server
        if told is None:
            return None
        secret = self.context.desired.secrets.get(told.key.name)
        key = key_of(secret.value) if secret else None
        if key is None:
            raise NotPossible(f"secret {told.key.name} is not a TSIG key; make one with `tsig-keygen`")
        return NameServer(str(told.address), told.port, key)


def _wanted(context: Context, domain: str | None = None) -> Wanted:
    edges = context.permitted()
    desired, facts, merged = complete(understand(_in_force(edges), edges))
    dns = DnsContext(desired, facts, merged, dkim_records(desired))
    name = domain.lower().rstrip(".") if domain else None
    if name is not None and name not in dns.domains:
        known = did_you_mean(name, dns.domains) or f"; the mail domains are {', '.join(dns.domains[:9]) or 'none'}"
        raise click.UsageError(f'"{printable(name)}" is not a mail domain of this host{known}')
    domains = dns.domains if name is None else [name]
    findings: list[Finding] = []
    zones = records_of(dns, domains, findings)
    if errors_in(findings):
        say_all(finding_lines(errors_in(findings)))
        sys.exit(1)
    return Wanted(dns, domains, zones, Published(edges.generations.private, edges.host))


def _in_force(edges: Edges) -> Revision:
    """Return the last commit that passed here; it does not always have a generation of its own."""
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
    """Compare the wanted records with DNS.

    Queries dns.server, or else the name servers of each zone. Also counts the look-ups of each SPF policy, including
    the policies that it includes. Exit status: 0 as wanted, 2 differences, 1 failed.
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
    """Print each SPF policy that needs more look-ups than receivers make; return whether there is one."""
    costly = False
    for record in (one for records in zones.values() for one in records if is_spf(one)):
        try:
            if count := too_many(record, policy):
                costly = True
                say(f"SPF of {record.name}: {count} look-ups or more, but receivers make at most {MAX_LOOKUPS}")
        except Unanswered as error:
            say(f"limit: the look-ups of included SPF policies were not counted: {error}", err=True)
            break
    return costly


# ---- publishing ------------------------------------------------------------------------------------------------------


@dns_group.command("publish")
@click.option("--plan", "only_plan", is_flag=True, help="Show the changes, and make none.")
@click.pass_obj
def publish_command(context: Context, *, only_plan: bool) -> None:
    r"""Publish the records at dns.server.

    Sends updates (RFC 2136), and removes records that reconciler published and that are no longer wanted. A record
    that another author made stays as it is; if it contradicts a wanted record, that is a conflict. Exit status: 0 as
    wanted (with --plan: nothing to do), 2 conflicts (with --plan: changes), 1 failed.

    \b
    Examples:
      reconciler dns publish --plan
      reconciler dns publish
    """
    wanted = _wanted(context)
    server, ours = wanted.server, wanted.published.read()
    if server is None:
        left = ", ".join(f"{sum(map(len, zones.values()))} at {one}" for one, zones in ours.items())
        hint = f"; records from reconciler are still published: {left} (first publish with domains: [])" if left else ""
        raise NotPossible(f"there is no server to publish to; write dns.server into mail.yaml{hint}")
    if elsewhere := sorted(ours.keys() - {str(server)}):
        say(f"records from reconciler stay at {', '.join(elsewhere)}, because dns.server has changed", err=True)
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
    """Publish the wanted records of one zone; query the server again if the zone changed meanwhile."""
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
    """Update a zone step by step; record the records of each step before sending it."""
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
    """Split the changes into updates of a size that a server accepts; all sets of a name are in one update."""
    step: list[RRsetChange] = []
    for _, sets in groupby(changes, key=lambda change: change.key.name):
        step += sets
        if len(step) >= MOST_SETS:
            yield step
            step = []
    if step:
        yield step
