"""``dns``: the records that each mail domain needs, from templates, and the name server that accepts them.

The section contributes nothing to Postfix. records.py makes the records. The rules here refuse a commit whose templates
make no valid records, or records that conflict.

Known limits: the rules check the first MOST_JUDGED domains, the commands all of them. One server takes all zones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.features.dns import zone
from reconciler.features.dns.records import SECTION, DnsContext, Schema, Templates, key_of, records_of
from reconciler.features.dns.zone import mail_hosts
from reconciler.model import Contribution, Finding, Where, error_at, limits, no_services, nothing_mentioned, warning_at
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.features.dns.zone import Record
    from reconciler.model import Desired, Facts

__all__ = ["EXPLAINED", "PASSING", "SECTION", "Schema", "contribute", "mentioned", "rules", "services"]
MOST_JUDGED = 200
_SENTINEL = '"v=DKIM1; k=rsa; p=PUBLISHED"'


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute nothing, because Postfix does not serve DNS."""
    return Contribution()


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that templates make records without conflicts, for domains and addresses that exist."""
    section, templates = desired.section(Schema), desired.section(Templates)
    context = DnsContext(desired, facts, merged, {"dkim": _SENTINEL})
    if not section:
        if templates and templates.sources:
            where = Where(f"dns/{next(iter(templates.sources))}.zone.j2")
            text = "the templates of dns/ have no effect, because mail.yaml has no section dns"
            yield warning_at("unused-template", where, text, "dns")
        return
    if not context.ips and context.domains and not section.mx:
        text = "this host has no public address for the records; write dns.addresses"
        yield Finding(rule="no-address", where=desired.where(SECTION), text=text, subject="dns", lasting=False)
        return
    if not context.domains and section.domains is None:
        text = "there is no domain to make records for: this host accepts mail only for its own name"
        where = desired.where(SECTION)
        yield warning_at("no-domain", where, text, "dns")
    if section.server and (secret := desired.secrets.get(section.server.key.name)) and not key_of(secret.value):
        text = f"secret {secret.name} is not a TSIG key; run `tsig-keygen NAME | reconciler secret set {secret.name}`"
        where = desired.where(SECTION, "server", "key")
        yield error_at("malformed-tsig", where, text, secret.name)
    if templates and len(templates.sources) > limits.TEMPLATES:
        text = f"dns/ has {len(templates.sources)} templates; the limit is {limits.TEMPLATES}"
        yield error_at("bad-template", Where(f"dns/{max(templates.sources)}.zone.j2"), text, "dns")
        return
    findings: list[Finding] = []
    records = records_of(context, context.domains[:MOST_JUDGED], findings)
    yield from findings
    yield from _unnamed_relay(context, records)
    yield from _other_hosts(context, records)


def _unnamed_relay(context: DnsContext, records: Mapping[str, list[Record]]) -> Iterator[Finding]:
    """Report a relay whose addresses no SPF policy names."""
    relay = Scope(context.merged, context.facts).value("relayhost").strip(SPACE)
    policies = [record for own in records.values() for record in own if zone.is_spf(record)]
    if relay and policies and not any(re.search("include:|redirect=", record.text) for record in policies):
        text = f'mail leaves through "{relay}", which no SPF record names; write its policy under dns.spf_include'
        where = context.desired.where(SECTION, "spf_include")
        yield warning_at("unnamed-relay", where, text, relay)


def _other_hosts(context: DnsContext, records: Mapping[str, list[Record]]) -> Iterator[Finding]:
    """Report an MTA-STS policy that does not list the hosts of the MX records."""
    for domain in context.domains[:MOST_JUDGED] if context.section.mta_sts else ():
        unlisted = [
            host for host in mail_hosts(records[context.zone_of(domain)], domain) if host not in context.mx(domain)
        ]
        if unlisted:
            text = (
                f"the MX of {domain} is {unlisted[0]}, which its MTA-STS policy does not list: senders that follow it"
                " would deliver no mail; write the hosts under dns.mx"
            )
            where = context.desired.where(SECTION, "mta_sts")
            yield error_at("other-mail-hosts", where, text, domain)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = zone.EXPLAINED | {
    "bad-template": (
        "A DNS template can't be read or rendered. reconciler can't make records from it. Correct the line. Templates "
        "have for and if, and the names that docs/dns.md lists. They can't call functions."
    ),
    "unused-template": (
        "The repository contains DNS templates, but no section dns that uses them. They have no effect. Write dns: {} "
        "into mail.yaml, or remove the templates."
    ),
    "no-address": (
        "The records of a mail domain name the addresses of the mail host, but this host has no public address. "
        "Behind NAT, reconciler can't find the public address. Write the addresses under dns.addresses, or name other "
        "hosts under dns.mx."
    ),
    "no-domain": (
        "mail.yaml has the section dns, but there are no mail domains to make records for. reconciler would publish "
        "nothing. Name domains in mydestination or in a Postfix table, or list them under dns.domains."
    ),
    "malformed-tsig": (
        "The secret for signing updates is not a TSIG key. The name server would refuse every update. Set the secret "
        "to a key clause as tsig-keygen prints it."
    ),
    "unreachable-address": (
        "An address under dns.addresses is a loopback, link-local, multicast or unspecified address. Other servers "
        "could not send mail to it. Write the public address of this host."
    ),
    "malformed-reports": (
        "The address for reports is not valid. Receivers would send no reports. Write a mail address, or an https:// "
        "URL."
    ),
    "not-a-domain": (
        "A name is not a valid domain name. It would match no mail, and reconciler could not publish records for it. "
        "Write names such as example.com, and IDNs in their xn-- form."
    ),
    "unnamed-relay": (
        "All mail leaves through a smart host, but the SPF policy names only this host. Receivers would see mail from "
        "an address that the policy does not allow. Write the domain of the relay's own policy under dns.spf_include."
    ),
    "other-mail-hosts": (
        "A template names other mail hosts than the section dns. The MTA-STS policy lists the hosts of the section, "
        "so senders that follow the policy would deliver no mail. Write the hosts under dns.mx, and {{ mx }} into the "
        "template."
    ),
}
