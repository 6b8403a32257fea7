"""DNS templates, the records that come of them, what is wrong with them, and what publishing them means."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reconciler.features import compose
from reconciler.features.dns.changes import Found, Key, asked, lines, publication
from reconciler.features.dns.records import Site, key_of, records_of
from reconciler.features.dns.template import BadTemplate, render_lines
from reconciler.features.dns.zone import Record, judge, lookups, read, split
from reconciler.features.domains import mail_domains
from reconciler.host.effects import Host
from reconciler.model import Finding, Where
from reconciler.model.errors import InvalidSource
from reconciler.postfix.scopes import Scope
from reconciler.state.published_records import BadRecord, Published
from tests.unit.facts import HOST
from tests.unit.states import desired, linted, the, told

if TYPE_CHECKING:
    from pathlib import Path

DNS = {"addresses": ["192.0.2.10", "2001:db8::10"]}


def zone_of(text: str) -> tuple[list[Record], list[Finding]]:
    """The records of example.com in a text, and what is wrong with it."""
    records: dict[Record, Record] = {}
    findings = read(
        [(Where("t", number), line) for number, line in enumerate(text.split("\n"), 1)], "example.com", records
    )
    return list(records), findings


def made(files: dict[str, str] | None = None, dkim: dict[str, str] | None = None, **sections: object) -> list[str]:
    """The lines that the healthy state makes, as a zone file has them."""
    state = desired(None, files, **sections)
    findings: list[Finding] = []
    site = Site(state, HOST, compose(state, HOST), dkim or {})
    zones = records_of(site, site.domains, findings)
    assert findings == []
    return [str(record) for records in zones.values() for record in records]


# ---- the sandbox -----------------------------------------------------------------------------------------------------


def test_each_line_knows_the_line_of_the_template_it_came_from() -> None:
    source = (
        "; one\n{# two\nthree #}\n{{ name }} four\n{% for ip in ips %}\n{% if ':' in ip %}\nseven\n{% else %}\n"
        "nine {{ ip }}\n{% endif %}\n{% endfor %}\nlast"
    )
    told = [(line, text) for line, text in render_lines(source, {"name": "x", "ips": ["1", "::"]}) if text]
    assert told == [(1, "; one"), (4, "x four"), (9, "nine 1"), (7, "seven"), (12, "last")]


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("a\n{% include 'x' %}", 2, 'no "include"'),
        ("{% set x = 1 %}", 1, 'no "set"'),
        ("{% macro x() %}{% endmacro %}", 1, 'no "macro"'),
        ("a\n\n{{ ''.__class__ }}", 3, "__class__"),
        ("{{ name['__class__'] }}", 1, "__class__"),
        ("{{ 'x'.join(ips) }}", 1, "join"),
        ("{{ range(9) }}", 1, "range"),
        ("{{ ips|map('upper') }}", 1, "map"),
        ("{{ ips|attr('x') }}", 1, "attr"),
        ("{{ 'a' * 1000000000 }}", 1, '"*"'),
        ("{{ '%999999999d' % 1 }}", 1, '"%"'),
        ("{{ 9 ** 9 ** 9 }}", 1, '"**"'),
        ("{{ name ~ name }}", 1, '"~"'),
        ("{{ name + name }}", 1, '"+"'),
        ("{{ 'xxx'|join('yyy') }}", 1, "join takes a list"),
        ("{{ ips|replace('1', 'x') }}", 1, "replace"),
        ("{% for x in 'xxx' if x == 'y' %}{% endfor %}", 1, 'no "if"'),
        ("{{ " + "9" * 5000 + " }}", 1, "digits"),
        ("{% for x in ips recursive %}{{ loop(ips) }}{% endfor %}", 1, "recursive"),
        ("a\n" + "{% for x in 'xxxxxxxxxxxxxxxxxxxxxxxx' %}" * 6 + "{% endfor %}" * 6, 2, "without end"),
        ("{% if x in y %}" * 60 + "{% endif %}" * 60, 1, ""),
        ("\n\n{{ nope }}", 3, "'nope' is undefined"),
        ("a\n{% for x in ips %}", 2, "endfor"),
        ("a\n\x02", 2, "control character"),
        ("x" * 70000, 1, "more than the"),
        ("{{ 1 / 0 }}", 1, "zero"),
    ],
)
def test_a_template_reaches_nothing_and_ends(source: str, line: int, what: str) -> None:
    with pytest.raises(BadTemplate) as raised:
        render_lines(source, {"name": "x", "ips": ["1"]})
    assert (raised.value.line, what in str(raised.value)) == (line, True), str(raised.value)


# ---- records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (" example.com. 1 IN A 192.0.2.1", "indented"),
        ("example.com 1 IN A 192.0.2.1", 'did you mean "example.com."?'),
        ("example.com. IN A 192.0.2.1", "expected NAME. TTL IN TYPE DATA"),
        ("example.com. 1h IN A 192.0.2.1", "TTL in seconds"),
        ("example.com. 1 HS A 192.0.2.1", "class IN"),
        ("example.com. 1 IN AAA ::1", "unknown type"),
        ("example.com. 1 IN TXTT x", "known are A, AAAA"),
        ("example.com. 1 IN A ::1", "did you mean AAAA?"),
        ("example.com. 1 IN MX 10 192.0.2.1", "never to an address"),
        ("example.com. 1 IN MX 10 mail.example.com", 'did you mean "mail.example.com."?'),
        ("example.com. 1 IN MX 99999 mail.example.com.", "PREFERENCE HOST."),
        ("example.org. 1 IN A 192.0.2.1", "not in the zone"),
        ("notexample.com. 1 IN A 192.0.2.1", "not in the zone"),
        ("example.com. 1 IN TXT hello", "quotes"),
        ('example.com. 1 IN TXT "hello', "quotes"),
        ('example.com. 1 IN TXT "\\999"', "octet"),
        ('example.com. 1 IN TXT "\u2192"', "ASCII"),
        ("$TTL 3600", "stands for"),
    ],
)
def test_a_line_that_is_no_record_is_told_of_with_its_place(line: str, what: str) -> None:
    records, [finding] = zone_of(f"; fine\n{line}")
    assert (records, finding.where.line) == ([], 2)
    assert what in finding.text
    assert line.strip() in finding.text


def test_long_text_is_split_and_names_are_compared_in_lower_case() -> None:
    [record], _ = zone_of(f'Mail.Example.COM. 60 IN TXT "v=DKIM1; p={"a" * 300}" "b\\"\\\\"')
    assert record.name == "mail.example.com."
    assert len(record.data.strip('"').split('" "')[0]) == 255
    assert record.text == f'v=DKIM1; p={"a" * 300}b"\\'
    assert split(record.text) == record.data


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("www.example.com. 1 IN CNAME x.test.\nwww.example.com. 1 IN A 192.0.2.1", "CNAME, and no other"),
        ("w.example.com. 1 IN CNAME x.test.\nexample.com. 1 IN MX 10 w.example.com.", "which is a CNAME"),
        ('w.example.com. 1 IN TXT "x"\nexample.com. 1 IN MX 10 w.example.com.', "has no address"),
        ("example.com. 1 IN A 192.0.2.1\nexample.com. 2 IN A 192.0.2.2", "different TTLs"),
        ('example.com. 1 IN TXT "v=spf1 a -all"\nexample.com. 1 IN TXT "v=spf1 mx -all"', "more than one v=spf1"),
        ('example.com. 1 IN TXT "v=spf1 inclde:x -all"', "did you mean include?"),
        ('example.com. 1 IN TXT "v=spf1 ip4:1.2.3 -all"', "no IPv4 network"),
        ('example.com. 1 IN TXT "v=spf1 +all"', "lets anybody send"),
        ('example.com. 1 IN TXT "v=spf1 -all a"', "ever read"),
        ('example.com. 1 IN TXT "v=spf1 ' + "".join(f"a:h{n}.test " for n in range(11)) + '-all"', "11 look-ups"),
    ],
)
def test_records_that_do_not_go_together_are_told_of(text: str, what: str) -> None:
    records, findings = zone_of(text)
    assert findings == []
    assert [what in finding.text for finding in judge(records)] == [True]


def test_look_ups_are_counted_through_what_is_included_and_circles_end() -> None:
    policies = {"a.test": "v=spf1 a mx include:b.test -all", "b.test": "v=spf1 include:a.test exists:x -all"}
    assert lookups("v=spf1 include:a.test ip4:192.0.2.0/24 a/24 -all") == 2
    assert lookups("v=spf1 include:a.test a/24 -all", lambda name: policies[name]) == 7


# ---- the section -----------------------------------------------------------------------------------------------------


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
    lines = made(out | {"secrets/one.age": "age-encryption.org/v1\n"}, dns=DNS, smart_host={"preset": "mailchannels"})
    assert any("ip4:192.0.2.77 include:relay.mailchannels.net ~all" in line for line in lines)


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
    assert "dns/email.zone.j2:3:1" in told("malformed-record", None, bad, dns=DNS)[0].__str__()
    assert the("bad-template", None, {"dns/more.zone.j2": "; x\n{{ nmae }}"}, dns=DNS).startswith(
        "dns/more.zone.j2:2:1"
    )
    assert "nothing uses" in the("unused-template", None, {"dns/email.zone.j2": "; x"})
    with pytest.raises(InvalidSource, match=r"only files named NAME\.zone\.j2"):
        desired(None, {"dns/email.j2": ""})


def test_the_section_refuses_what_it_can_not_use() -> None:
    for section, what in (
        ({"domains": ["@v.example"]}, "not a domain"),
        ({"ttl": "5"}, "dns.ttl"),
        ({"dmarc": "strict"}, "none, quarantine"),
        ({"tls_rpt": "nobody"}, "reports go to an address"),
        ({"server": {"address": "192.0.2.53", "key": "abc"}}, "plain text"),
        ({"sever": {}}, "did you mean server"),
    ):
        with pytest.raises(InvalidSource, match=what):
            desired(dns=DNS | section)
    assert "no public address" in the("no-address", dns={})
    assert "no domain" in the("no-domain", {"virtual_alias_domains": ""}, dns=DNS)
    assert "relay.test" in the("unnamed-relay", {"relayhost": "[relay.test]"}, dns=DNS)
    template = {"dns/email.zone.j2": "{{ name }}. 60 IN MX 10 other.test.\n"}
    assert "other.test" in the("other-mail-hosts", None, template, dns=DNS | {"mta_sts": "enforce"})
    assert [one for one in linted(desired(dns=DNS | {"mta_sts": "enforce"})) if one.is_error] == []


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


def test_no_command_imports_dnspython_before_it_asks() -> None:
    script = "import sys, reconciler.commands.main; sys.exit(any(name.startswith('dns.') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_key_is_read_as_tsig_keygen_prints_it() -> None:
    key = key_of('key "mail" {\n\talgorithm hmac-sha256;\n\tsecret "YWJj";\n};\n')
    assert key
    assert (key.name, key.algorithm, key.secret) == ("mail", "hmac-sha256", "YWJj")
    assert "YWJj" not in repr(key)
    assert key_of("YWJj") is None


def test_mail_domains_are_those_that_the_repository_says_literally() -> None:
    files = {"tables/relay_domains": "r.example OK\n.sub.example OK\n", "tables/box": "x@b.example x\nb.example OK\n"}
    state = desired({"virtual_mailbox_domains": "table:box, pcre:/etc/x"}, files)
    found = mail_domains(Scope(compose(state, HOST), HOST))
    assert found == {"b.example", "mx.test.example", "r.example", "v.example"}


# ---- publishing ------------------------------------------------------------------------------------------------------

MX = Record("v.example.", "MX", "10 mail.v.example.", 60)
SPF = Record("v.example.", "TXT", '"v=spf1 mx -all"', 60)


def found(ttl: int, *data: str) -> Found:
    """A set as a server has it."""
    return Found(ttl, {one: one for one in data})


def test_only_what_we_made_is_removed_and_what_is_in_the_way_is_a_conflict() -> None:
    old = Record("v.example.", "TXT", '"v=spf1 a -all"', 60)
    key = Key("v.example.", "TXT")
    theirs = '"verification=1"'
    done = publication("v.example", [SPF], frozenset({old}), {key: found(60, old.data, theirs)})
    assert lines(done) == [f"  - {old}", f"  + {SPF}"]
    assert done.ours == {SPF}

    done = publication("v.example", [SPF], frozenset(), {key: found(60, old.data, theirs)})
    assert (len(done.changes), len(done.conflicts), len(done.ours)) == (0, 1, 0)
    done = publication("v.example", [SPF], frozenset(), {key: found(60, SPF.data)})
    assert done.empty
    assert done.ours == set()
    done = publication("v.example", [MX], frozenset(), {Key("v.example.", "CNAME"): found(60, "x.test.")})
    assert "CNAME x.test." in done.conflicts[0]
    assert done.changes == ()


def test_a_set_that_is_not_all_ours_keeps_its_ttl() -> None:
    key = Key("v.example.", "TXT")
    done = publication("v.example", [SPF], frozenset(), {key: found(999, '"theirs"')})
    assert [record.ttl for record in done.changes[0].add] == [999]
    assert publication("v.example", [SPF], done.ours, {key: found(999, '"theirs"', SPF.data)}).empty
    done = publication("v.example", [SPF], frozenset({SPF}), {key: found(999, SPF.data)})
    assert lines(done) == [f"  ~ {SPF}"]


def test_a_cname_of_ours_gives_way_to_an_address_and_is_asked_for() -> None:
    alias = Record("w.v.example.", "CNAME", "v.example.", 60)
    address = Record("w.v.example.", "A", "192.0.2.1", 60)
    assert Key("w.v.example.", "CNAME") in asked("v.example", [address], [])
    done = publication(
        "v.example", [address], frozenset({alias}), {Key("w.v.example.", "CNAME"): found(60, "v.example.")}
    )
    assert Key("mail.v.example.", "CNAME") in asked("v.example", [MX], [])
    assert asked("w.example", [MX], []) == [Key("v.example.", "MX")]
    assert lines(done) == [f"  + {address}", f"  - {alias}"]
    assert done.conflicts == ()


def test_what_is_ours_is_remembered_by_server_and_zone(tmp_path: Path) -> None:
    published = Published(tmp_path, Host())
    assert published.read() == {}
    published.note("192.0.2.53", "v.example", {MX, SPF})
    published.note("192.0.2.53", "w.example", {MX})
    published.note("192.0.2.53", "w.example", set())
    assert published.read() == {"192.0.2.53": {"v.example": {MX, SPF}}}
    (tmp_path / "dns.json").write_text("[")
    with pytest.raises(BadRecord, match="nobody knows"):
        published.read()
