"""The section ``dns``: its templates, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.features.composition import compose
from reconciler.features.dns.records import DnsContext, records_of
from reconciler.model.errors import InvalidSource
from tests.unit.desired_states import desired, findings_of, linted, only_finding
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from reconciler.model import Finding

DNS = {"addresses": ["192.0.2.10", "2001:db8::10"]}


def made(files: dict[str, str] | None = None, dkim: dict[str, str] | None = None, **sections: object) -> list[str]:
    """The lines that the healthy state makes, as a zone file has them."""
    state = desired(None, files, **sections)
    findings: list[Finding] = []
    context = DnsContext(state, HOST, compose(state, HOST), dkim or {})
    zones = records_of(context, context.domains, findings)
    assert findings == []
    return [str(record) for records in zones.values() for record in records]


def test_a_template_of_the_seeds_names_replaces_the_built_in_one() -> None:
    source = (
        "{{ [subdomain, zone] | select | join('.') }}. {{ ttl }} IN MX 10 mail.{{ zone }}.\n"
        "{% for ip in ips %}\nmail.{{ zone }}. {{ ttl }} IN {{ 'AAAA' if ':' in ip else 'A' }} {{ ip }}\n{% endfor %}\n"
    )
    section = {
        "ttl": "60",
        "addresses": ["192.0.2.10"],
        "domains": ["a.v.example", "v.example"],
        "zones": ["v.example"],
    }
    assert made({"dns/email.zone.j2": source}, dns=section) == [
        "a.v.example. 60 IN MX 10 mail.v.example.",
        "mail.v.example. 60 IN A 192.0.2.10",
        "v.example. 60 IN MX 10 mail.v.example.",
    ]


def test_what_is_wrong_with_a_template_stands_at_its_line() -> None:
    bad = {"dns/email.zone.j2": "; mine\n{% for ip in ips %}\n  {{ name }}. {{ ttl }} IN A {{ ip }}\n{% endfor %}\n"}
    assert "dns/email.zone.j2:3:1" in findings_of("malformed-record", None, bad, dns=DNS)[0].__str__()
    assert only_finding("bad-template", None, {"dns/more.zone.j2": "; x\n{{ nmae }}"}, dns=DNS).startswith(
        "dns/more.zone.j2:2:1"
    )
    assert "no section dns" in only_finding("unused-template", None, {"dns/email.zone.j2": "; x"})
    with pytest.raises(InvalidSource, match=r"only files named NAME\.zone\.j2"):
        desired(None, {"dns/email.j2": ""})


def test_the_section_refuses_what_it_can_not_use() -> None:
    for section, what in (
        ({"domains": ["@v.example"]}, "not a domain"),
        ({"ttl": "5"}, "dns.ttl"),
        ({"dmarc": "strict"}, "none, quarantine"),
        ({"tls_rpt": "nobody"}, "an address for reports"),
        ({"server": {"address": "192.0.2.53", "key": "abc"}}, "plain text"),
        ({"sever": {}}, "did you mean server"),
    ):
        with pytest.raises(InvalidSource, match=what):
            desired(dns=DNS | section)
    assert "no public address" in only_finding("no-address", dns={})
    assert "no domain" in only_finding("no-domain", {"virtual_alias_domains": ""}, dns=DNS)
    assert "relay.test" in only_finding("unnamed-relay", {"relayhost": "[relay.test]"}, dns=DNS)
    template = {"dns/email.zone.j2": "{{ name }}. 60 IN MX 10 other.test.\n"}
    assert "other.test" in only_finding("other-mail-hosts", None, template, dns=DNS | {"mta_sts": "enforce"})
    assert [one for one in linted(desired(dns=DNS | {"mta_sts": "enforce"})) if one.is_error] == []
