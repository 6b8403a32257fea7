"""``dns``: the records that each mail domain needs, from templates, and the name server that takes them.

Nothing of it reaches Postfix. The records are made in records.py; here the rules are, which refuse a push whose
templates make none, or such as do not go together.

Known limits: the rules judge the first MOST_JUDGED domains, the commands all of them. One server takes all zones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.features.dns import zone
from reconciler.features.dns.records import SECTION, DnsContext, Schema, Templates, key_of, records_of
from reconciler.features.dns.zone import mail_hosts
from reconciler.model import Contribution, Finding, Where, error_at, no_services, nothing_mentioned, warning_at
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.features.dns.zone import Record
    from reconciler.model import Desired, Facts

__all__ = ["EXPLAINED", "PASSING", "SECTION", "Schema", "contribute", "mentioned", "rules", "services"]
MOST_JUDGED = 200
_SENTINEL = '"v=DKIM1; k=rsa; p=PUBLISHED"'


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute nothing: DNS is not Postfix's."""
    return Contribution()


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Templates make records that go together, for domains and addresses that are there."""
    section, templates = desired.section(Schema), desired.section(Templates)
    context = DnsContext(desired, facts, merged, {"dkim": _SENTINEL})
    if not section:
        if templates and templates.sources:
            where = Where(f"dns/{next(iter(templates.sources))}.zone.j2")
            text = "nothing uses the templates of dns/ while mail.yaml has no section dns"
            yield warning_at("unused-template", where, text, "dns")
        return
    if not context.ips and context.domains and not section.mx:
        text = "this host has no public address that a record could name; write dns.addresses"
        yield Finding(rule="no-address", where=desired.where(SECTION), text=text, subject="dns", lasting=False)
        return
    if not context.domains and section.domains is None:
        text = "there is no domain that records could be for: mail is accepted for this host's own name alone"
        where = desired.where(SECTION)
        yield warning_at("no-domain", where, text, "dns")
    if section.server and (secret := desired.secrets.get(section.server.key.name)) and not key_of(secret.value):
        text = (
            f"secret {secret.name} is no TSIG key; `tsig-keygen NAME | reconciler secret set {secret.name}` makes one"
        )
        where = desired.where(SECTION, "server", "key")
        yield error_at("malformed-tsig", where, text, secret.name)
    findings: list[Finding] = []
    records = records_of(context, context.domains[:MOST_JUDGED], findings)
    yield from findings
    yield from _unnamed_relay(context, records)
    yield from _other_hosts(context, records)


def _unnamed_relay(context: DnsContext, records: Mapping[str, list[Record]]) -> Iterator[Finding]:
    """Mail leaves from a relay whose addresses no policy names."""
    relay = Scope(context.merged, context.facts).value("relayhost").strip()
    policies = [record for own in records.values() for record in own if zone.is_spf(record)]
    if relay and policies and not any(re.search("include:|redirect=", record.text) for record in policies):
        text = f'mail leaves through "{relay}", which no SPF record names; write its policy under dns.spf_include'
        where = context.desired.where(SECTION, "spf_include")
        yield warning_at("unnamed-relay", where, text, relay)


def _other_hosts(context: DnsContext, records: Mapping[str, list[Record]]) -> Iterator[Finding]:
    """A policy that does not list the hosts which the MX records name."""
    for domain in context.domains[:MOST_JUDGED] if context.section.mta_sts else ():
        unlisted = [
            host for host in mail_hosts(records[context.zone_of(domain)], domain) if host not in context.mx(domain)
        ]
        if unlisted:
            text = (
                f"the MX of {domain} is {unlisted[0]}, which its MTA-STS policy does not list: senders that keep to it"
                " would deliver nothing; write the hosts under dns.mx"
            )
            where = context.desired.where(SECTION, "mta_sts")
            yield error_at("other-mail-hosts", where, text, domain)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = zone.EXPLAINED | {
    "bad-template": (
        "A DNS template can't be read or rendered. No record could be made from it. Correct the line; templates have "
        "for and if, the names that docs/dns.md lists, and nothing that could be called."
    ),
    "unused-template": (
        "There are DNS templates, and no section dns that would use them. They have no effect. Write dns: {} into "
        "mail.yaml, or remove them."
    ),
    "no-address": (
        "The records of a mail domain name the mail host's addresses, and this host has none that others can reach. "
        "Behind NAT it can't know better. Write them under dns.addresses, or name other hosts under dns.mx."
    ),
    "no-domain": (
        "The section dns is there, and no mail domain to make records for. Nothing would be published. Name domains in "
        "mydestination or a table of Postfix, or list them under dns.domains."
    ),
    "malformed-tsig": (
        "The secret that updates are to be signed with is no TSIG key. The name server would refuse every update. Set "
        "it to a key clause as tsig-keygen prints one."
    ),
    "unreachable-address": (
        "An address under dns.addresses is one of this host's own loopback, of one wire, or of none. No server "
        "could send "
        "mail to it. Write the address that the world knows this host by."
    ),
    "malformed-reports": (
        "Reports are to go to what is no address. Receivers would send none. Write an address, or an https:// place."
    ),
    "not-a-domain": (
        "A name is no domain. No mail would match it, and nothing could be published for it. Write names such as "
        "example.com, IDNs in xn-- form."
    ),
    "unnamed-relay": (
        "All mail leaves through a smart host, and the SPF policy names this host alone. Receivers would see mail from "
        "a stranger's address. Write the name of the relay's own policy under dns.spf_include."
    ),
    "other-mail-hosts": (
        "A template names other mail hosts than the section does. The MTA-STS policy lists those of the section, and "
        "senders that keep to it would deliver nothing. Write the hosts under dns.mx, and {{ mx }} into the template."
    ),
}
