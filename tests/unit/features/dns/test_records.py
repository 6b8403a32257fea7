"""Which records a mail domain needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.features.composition import compose
from reconciler.features.dns.records import DnsContext, key_of, records_of
from tests.unit.desired_states import desired
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


def test_a_mail_domain_gets_what_it_needs_and_nothing_that_nobody_wants() -> None:
    assert made(dns=DNS) == [
        "mail.v.example. 3600 IN A 192.0.2.10",
        "mail.v.example. 3600 IN AAAA 2001:db8::10",
        "v.example. 3600 IN MX 10 mail.v.example.",
        'v.example. 3600 IN TXT "v=spf1 mx ip4:192.0.2.10 ip6:2001:db8::10 ~all"',
    ]
    wanted = {"ttl": "600", "dmarc": {"policy": "reject", "reports": "d@v.example"}, "mta_sts": "testing",
              "tls_rpt": "t@v.example", "mx": ["in.test"], "spf_include": ["s.test"], "spf_all": "-all"}  # fmt: skip
    lines = made(None, {"s1": '"v=DKIM1; k=rsa; p=abc"'}, dns=DNS | wanted)
    assert 'v.example. 600 IN TXT "v=spf1 mx ip4:192.0.2.10 ip6:2001:db8::10 include:s.test -all"' in lines
    assert '_dmarc.v.example. 600 IN TXT "v=DMARC1; p=reject; rua=mailto:d@v.example"' in lines
    assert '_smtp._tls.v.example. 600 IN TXT "v=TLSRPTv1; rua=mailto:t@v.example"' in lines
    assert 's1._domainkey.v.example. 600 IN TXT "v=DKIM1; k=rsa; p=abc"' in lines
    assert sum("_mta-sts.v.example." in line and "v=STSv1; id=" in line for line in lines) == 1
    assert not any(line.startswith("mail.") for line in lines)


def test_mailchannels_and_delivery_addresses_enter_the_policy() -> None:
    out = {"master.d/out.cf": "out unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.77\n"}
    relay = "smart_host: {preset: mailchannels, username: u, password: !secret one}\n"
    lines = made(out | {"secrets/one.age": "age-encryption.org/v1\n", "hosts/mx.test.example.yaml": relay}, dns=DNS)
    assert any("ip4:192.0.2.77 include:relay.mailchannels.net ~all" in line for line in lines)


def test_spf_names_the_addresses_of_a_domains_own_site_and_of_no_other() -> None:
    files = {
        "sites/site1/site.yaml": "domains: [one.test]\ndelivery: {address: 192.0.2.11, helo: one.test}\n",
        "sites/site2/site.yaml": "domains: [two.test]\n",
        "master.d/site2-slow.cf": "site2-slow unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.12\n",
        "master.d/out.cf": "out unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.13\n",
    }
    lines = made(files, dns={"addresses": ["192.0.2.10"], "domains": ["one.test", "two.test", "v.example"]})
    policies = {line.split(". ", 1)[0]: line.split('"')[1] for line in lines if "v=spf1" in line}
    assert policies == {
        "one.test": "v=spf1 mx ip4:192.0.2.10 ip4:192.0.2.13 ip4:192.0.2.11 ~all",
        "two.test": "v=spf1 mx ip4:192.0.2.10 ip4:192.0.2.13 ip4:192.0.2.12 ~all",
        "v.example": "v=spf1 mx ip4:192.0.2.10 ip4:192.0.2.13 ~all",
    }


def test_a_key_is_read_as_tsig_keygen_prints_it() -> None:
    key = key_of('key "mail" {\n\talgorithm hmac-sha256;\n\tsecret "YWJj";\n};\n')
    assert key
    assert (key.name, key.algorithm, key.secret) == ("mail", "hmac-sha256", "YWJj")
    assert "YWJj" not in repr(key)
    assert key_of("YWJj") is None
