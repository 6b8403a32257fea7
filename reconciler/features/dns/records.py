"""The section ``dns`` and its records: each template is rendered once for each domain, and the records are by zone.

``email`` is the built-in template, and dns/email.zone.j2 replaces it. Raises nothing; a fault in a template, or in its
result, is a finding at its line.

Known limit: a domain belongs to the longest of ``zones`` that it ends with, otherwise to a zone of its own.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, IPvAnyAddress
from pydantic_core import PydanticCustomError

from reconciler.features import smart_host
from reconciler.features.dns import zone
from reconciler.features.dns.template import BadTemplate, render_lines
from reconciler.features.domains import Domain, mail_domains
from reconciler.features.secret_names import one_secret
from reconciler.features.section import Section
from reconciler.features.site_services import owner_of
from reconciler.features.sites import sites_in
from reconciler.model import Finding, SecretName, Where, error_at, limits, paths_in
from reconciler.postfix.scopes import Scope, every_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.features.dns.zone import Record
    from reconciler.model import Contribution, Desired, Facts, Tree

SECTION = "dns"
EMAIL = "email"
DEFAULT = """\
; The records of a mail domain. No line may be indented, hosts end with a period, text stands in quotes.
{% for host in mx %}
{{ name }}. {{ ttl }} IN MX {{ loop.index }}0 {{ host }}.
{% endfor %}
{{ name }}. {{ ttl }} IN TXT "{{ spf }}"
{% if mail %}
{% for ip in ips %}
{{ mail }}. {{ ttl }} IN {{ 'AAAA' if ':' in ip else 'A' }} {{ ip }}
{% endfor %}
{% endif %}
{% for selector, text in dkim %}
{{ selector }}._domainkey.{{ name }}. {{ ttl }} IN TXT {{ text }}
{% endfor %}
{% if dmarc %}
_dmarc.{{ name }}. {{ ttl }} IN TXT "{{ dmarc }}"
{% endif %}
{% if mta_sts %}
_mta-sts.{{ name }}. {{ ttl }} IN TXT "{{ mta_sts }}"
{% endif %}
{% if tls_rpt %}
_smtp._tls.{{ name }}. {{ ttl }} IN TXT "{{ tls_rpt }}"
{% endif %}
{% if mailchannels %}
_mailchannels.{{ name }}. {{ ttl }} IN TXT "{{ mailchannels }}"
{% endif %}
"""
MAILCHANNELS = "relay.mailchannels.net"
_TEMPLATE = re.compile(r"dns/([A-Za-z0-9][A-Za-z0-9_-]*)\.zone\.j2")
_KEY = re.compile(
    r'\s*key\s+"?(?P<name>[A-Za-z0-9._-]+)"?\s*\{\s*algorithm\s+"?(?P<algorithm>[a-z0-9-]+)"?\s*;'
    r'\s*secret\s+"?(?P<secret>[A-Za-z0-9+/]+={0,2})"?\s*;\s*\}\s*(?:;\s*)?',
    re.ASCII,
)
_ADDRESS = re.compile(r"(?:mailto:)?[A-Za-z0-9.+_-]+@[A-Za-z0-9.-]+|https://[A-Za-z0-9./_~-]+")


@dataclass(frozen=True, slots=True)
class Templates:
    """The DNS templates of a commit by their names, as a section of the desired state."""

    sources: Mapping[str, str] = field(default_factory=dict)


def read_templates(files: Tree) -> Templates:
    """Return the templates among the files of a commit."""
    templates = {match[1]: files[path] for path in paths_in(files, "dns/") if (match := _TEMPLATE.fullmatch(path))}
    return Templates({name: file.read().decode("utf-8", "replace") for name, file in templates.items()})


# ---- the section -----------------------------------------------------------------------------------------------------


def _reachable(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    nowhere = value.is_loopback or value.is_unspecified or value.is_link_local or value.is_multicast
    if nowhere or "%" in str(value):
        text = 'other hosts can\'t reach "{value}"; write the public address of this host'
        raise PydanticCustomError("unreachable-address", text, {"value": str(value)})
    return value


_secret = one_secret(
    "a key in plain text would stay in the history; run `tsig-keygen | reconciler secret set tsig`, and"
    " write key: !secret tsig"
)


def _reports(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        text = 'expected an address for reports, such as postmaster@example.com, got "{value}"'
        raise PydanticCustomError("malformed-reports", text, {"value": value})
    return value if value.startswith(("mailto:", "https:")) else f"mailto:{value}"


def _in_short(key: str, form: object) -> BeforeValidator:
    """Return a validator that accepts a mapping, or the one word that stands for it; *form* is the type of both."""

    def mapping(value: object) -> object:
        return {key: value} if isinstance(value, str) else value

    return BeforeValidator(mapping, json_schema_input_type=form)


Reports = Annotated[str, AfterValidator(_reports)]
Policy = Literal["none", "quarantine", "reject"]
Mode = Literal["testing", "enforce", "none"]


class Dmarc(Section):
    """The policy for mail that fails the check, and the address for reports."""

    policy: Policy
    reports: Reports | None = None

    @property
    def text(self) -> str:
        """The text of the record."""
        return f"v=DMARC1; p={self.policy}" + (f"; rua={self.reports}" if self.reports else "")


class MtaSts(Section):
    """The policy (RFC 8461) that a web server of the domain must serve."""

    mode: Mode
    max_age: Annotated[int, Field(ge=0, le=31557600)] = 604800

    def policy(self, hosts: Iterable[str]) -> str:
        """Return the text of the policy for a domain with these mail hosts."""
        lines = ("version: STSv1", f"mode: {self.mode}", *(f"mx: {host}" for host in hosts), f"max_age: {self.max_age}")
        return "".join(f"{line}\r\n" for line in lines)

    def text(self, hosts: Iterable[str]) -> str:
        """Return the text of the record; its id changes with the policy."""
        return f"v=STSv1; id={hashlib.sha256(self.policy(hosts).encode()).hexdigest()[:20]}"


class UpdateServer(Section):
    """The name server that accepts updates (RFC 2136), and the key for them."""

    address: IPvAnyAddress
    port: Annotated[int, Field(ge=1, le=65535)] = 53
    key: Annotated[InstanceOf[SecretName], _secret]


class Schema(Section):
    """The domains and the content of their records; *domains* defaults to all mail domains but this host's name."""

    ttl: Annotated[int, Field(ge=60, le=604800)] = 3600
    domains: tuple[Domain, ...] | None = None
    zones: tuple[Domain, ...] = ()
    addresses: tuple[Annotated[IPvAnyAddress, AfterValidator(_reachable)], ...] = ()
    mx: tuple[Domain, ...] = ()
    spf_include: tuple[Domain, ...] = ()
    spf_all: Literal["-all", "~all", "?all"] = "~all"
    dmarc: Annotated[Dmarc, _in_short("policy", Dmarc | Policy)] | None = None
    mta_sts: Annotated[MtaSts, _in_short("mode", MtaSts | Mode)] | None = None
    tls_rpt: Reports | None = None
    server: UpdateServer | None = None


@dataclass(frozen=True, slots=True)
class Tsig:
    """A TSIG key; its representation hides the secret."""

    name: str
    algorithm: str
    secret: str = field(repr=False)


def key_of(text: str) -> Tsig | None:
    """Return the key in a clause as tsig-keygen(8) prints it, or None."""
    match = _KEY.fullmatch(text)
    return Tsig(match["name"], match["algorithm"], match["secret"]) if match else None


# ---- the records -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DnsContext:
    """The input of the templates: a desired state on a host, and the DKIM records by selector."""

    desired: Desired
    facts: Facts
    merged: Contribution
    dkim: Mapping[str, str]

    @property
    def section(self) -> Schema:
        """The section, or its defaults if mail.yaml lacks it."""
        return self.desired.section(Schema) or Schema()

    @property
    def templates(self) -> dict[str, str]:
        """Every template by its name, including the built-in one."""
        own = self.desired.section(Templates)
        return {EMAIL: DEFAULT} | dict(own.sources if own else {})

    @property
    def domains(self) -> list[str]:
        """The domains that need records."""
        if self.section.domains is not None:
            return sorted(set(self.section.domains))
        main = Scope(self.merged, self.facts)
        nowhere = (".localdomain", ".localhost")
        accepted = sorted(mail_domains(main) - {main.value("myhostname").lower()})
        return [domain for domain in accepted if not domain.endswith(nowhere)]

    @property
    def ips(self) -> list[str]:
        """The addresses of mail.ZONE: those of the section, otherwise this host's public ones."""
        own = [address.ip for address in self.facts.addresses]
        written = self.section.addresses or [address for address in own if _is_public(address)]
        return [str(address) for address in written]

    def zone_of(self, domain: str) -> str:
        """Return the zone of the domain's records."""
        above = [name for name in self.section.zones if domain == name or domain.endswith(f".{name}")]
        return max(above, key=len, default=domain)

    def mx(self, domain: str) -> list[str]:
        """Return the hosts that take the domain's mail."""
        return list(self.section.mx) or [f"mail.{self.zone_of(domain)}"]

    def where(self, template: str, line: int) -> Where:
        """Return the place of a template's line; for the built-in template, the place of the section."""
        own = self.desired.section(Templates)
        if own and template in own.sources:
            return Where(f"dns/{template}.zone.j2", line)
        return self.desired.where(SECTION)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return not (address.is_private or address.is_loopback or address.is_link_local)


def _bound_addresses(context: DnsContext) -> dict[str, list[str]]:
    """Return the other addresses that mail leaves from, by site; those of all mail are under ""."""
    addresses: dict[str, list[str]] = {}
    for scope in every_scope(context.merged, context.facts):
        bound = addresses.setdefault(owner_of(scope.service) if scope.service else "", [])
        for name in ("smtp_bind_address", "smtp_bind_address6"):
            if scope.parameter(name) in scope.written:
                try:
                    bound.append(str(ip_address(scope.value(name).strip("[]"))))
                except ValueError:
                    continue
    return addresses


def _spf(context: DnsContext, bound: Iterable[str]) -> str:
    """Return the policy that names every address that mail leaves from, and the relay's own policy."""
    section, relay = context.section, context.desired.section(smart_host.Schema)
    networks = [f"ip{6 if ':' in address else 4}:{address}" for address in dict.fromkeys((*context.ips, *bound))]
    includes = (*section.spf_include, *((MAILCHANNELS,) if relay and relay.preset == "mailchannels" else ()))
    policies = (f"include:{domain}" for domain in dict.fromkeys(includes))
    return " ".join(("v=spf1 mx", *networks, *policies, section.spf_all))


def _spf_by_domain(context: DnsContext) -> tuple[dict[str, str], str]:
    """Return the policy of each domain of a site, which adds the site's addresses, and that of all other domains."""
    bound = _bound_addresses(context)
    shared = bound.get("", [])
    by_domain: dict[str, str] = {}
    for name, site in sites_in(context.desired).items():
        policy = _spf(context, (*shared, *bound.get(name, [])))
        by_domain |= dict.fromkeys(site.domains, policy)
    return by_domain, _spf(context, shared)


def _shared_values(context: DnsContext) -> dict[str, Any]:
    """Return the values for templates that are the same for all domains."""
    section, relay = context.section, context.desired.section(smart_host.Schema)
    # MailChannels accepts a domain's mail only from the accounts that the domain's own record names.
    account = relay.username if relay and relay.preset == "mailchannels" else ""
    return {
        "ttl": section.ttl, "ips": context.ips, "dkim": list(context.dkim.items()),
        "hostname": Scope(context.merged, context.facts).value("myhostname").lower(),
        "dmarc": section.dmarc.text if section.dmarc else "",
        "tls_rpt": f"v=TLSRPTv1; rua={section.tls_rpt}" if section.tls_rpt else "",
        "mailchannels": f"v=mc1 auth={account}" if account else "",
    }  # fmt: skip


def records_of(context: DnsContext, domains: Iterable[str], findings: list[Finding]) -> dict[str, list[Record]]:
    """Return the records of these domains by zone, without duplicates, and add faults to *findings*."""
    by_zone: dict[str, dict[Record, Record]] = {}
    values, (spf_by_domain, spf) = _shared_values(context), _spf_by_domain(context)
    broken: set[str] = set()  # a template that fails for one domain fails for all, and is reported once
    for domain in domains:
        within = context.zone_of(domain)
        zone_records = by_zone.setdefault(within, {})
        own = _domain_values(context, domain) | {"spf": spf_by_domain.get(domain, spf)}
        size = 0
        for name, source in context.templates.items():
            if name not in broken:
                placed, wrong = _rendered(context, name, source, values | own)
                size += sum(len(text) for _, text in placed)
                if size > limits.RENDERED:
                    text = f"the templates make more than {limits.RENDERED} characters for {domain}"
                    wrong = [error_at("bad-template", context.where(name, 1), text, name)]
                wrong = wrong or zone.read(placed, within, zone_records)
                findings += wrong
                broken |= {name} if wrong else set()
    for records in by_zone.values():
        findings += zone.judge(records)
    return {within: sorted(records) for within, records in by_zone.items()}


def _domain_values(context: DnsContext, domain: str) -> dict[str, Any]:
    """Return the values for templates that belong to the domain."""
    within, mx, section = context.zone_of(domain), context.mx(domain), context.section
    mta_sts = section.mta_sts.text(mx) if section.mta_sts else ""
    subdomain, mail = domain.removesuffix(within).removesuffix("."), f"mail.{within}"
    return {
        "zone": within, "subdomain": subdomain, "name": domain, "mx": mx, "mta_sts": mta_sts,
        "mail": mail if mail in mx else "",
    }  # fmt: skip


def _rendered(
    context: DnsContext, name: str, source: str, values: Mapping[str, Any]
) -> tuple[list[tuple[Where, str]], list[Finding]]:
    """Return the lines that a template makes for a domain, each with its place, or a finding that says why not."""
    try:
        return [(context.where(name, line), text) for line, text in render_lines(source, values)], []
    except BadTemplate as error:
        text = f"template {name}: {error}"
        return [], [error_at("bad-template", context.where(name, error.line), text)]
