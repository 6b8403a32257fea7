"""Zones: records, their places, and records that do not go together."""

from __future__ import annotations

import pytest

from reconciler.features.dns.rdata import split
from reconciler.features.dns.zone import Record, judge, lookups, read
from reconciler.model import Finding, Where


def zone_of(text: str) -> tuple[list[Record], list[Finding]]:
    """The records of example.com in a text, and what is wrong with it."""
    records: dict[Record, Record] = {}
    findings = read(
        [(Where("t", number), line) for number, line in enumerate(text.split("\n"), 1)], "example.com", records
    )
    return list(records), findings


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (" example.com. 1 IN A 192.0.2.1", "indented"),
        ("example.com 1 IN A 192.0.2.1", 'did you mean "example.com."?'),
        ("example.com. IN A 192.0.2.1", "expected NAME. TTL IN TYPE DATA"),
        ("example.com. 1h IN A 192.0.2.1", "TTL in seconds"),
        ("example.com. 1 HS A 192.0.2.1", "class IN"),
        ("example.com. 1 IN AAA ::1", "unknown type"),
        ("example.com. 1 IN TXTT x", "the known types are A, AAAA"),
        ("example.com. 1 IN A ::1", "did you mean AAAA?"),
        ("example.com. 1 IN MX 10 192.0.2.1", "not to an address"),
        ("example.com. 1 IN MX 10 mail.example.com", 'did you mean "mail.example.com."?'),
        ("example.com. 1 IN MX 99999 mail.example.com.", "PREFERENCE HOST."),
        ("example.org. 1 IN A 192.0.2.1", "not in the zone"),
        ("notexample.com. 1 IN A 192.0.2.1", "not in the zone"),
        ("example.com. 1 IN TXT hello", "quotes"),
        ('example.com. 1 IN TXT "hello', "quotes"),
        ('example.com. 1 IN TXT "\\999"', "an escape is greater"),
        ('example.com. 1 IN TXT "\u2192"', "ASCII"),
        ("$TTL 3600", "depends on other lines"),
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
    ("line", "what"),
    [
        (r'example.com. 1 IN TXT "\25x"', "less than three digits"),
        ('example.com. 1 IN TXT "é"', "ASCII"),
        (r'foo\.example.com. 1 IN TXT "x"', "not in the zone"),
        ('example.com. 1 IN CAA 0 issue "é"', "ASCII"),
        ("_x.example.com. 1 IN A 192.0.2.1", "is not a host name"),
        ("_x.example.com. 1 IN MX 10 mail.example.com.", "is not a host name"),
        ("example.com. 1 IN MX 10 mail_1.example.com.", '"mail_1.example.com." is none'),
        ("example.com. 1 IN MX 10 @", "depends on other lines"),
        ("example.com. 1 IN HTTPS 1 mail alpn=h2", 'did you mean "mail."?'),
        ("example.com. 1 IN HTTPS 1 . alpn", "PRIORITY HOST."),
        ("example.com. 1 IN SSHFP 4 2 abc", "ALGORITHM TYPE HEX"),
        (r"example.com. 1 IN TYPE65280 \# 3 C0000201", r"\# LENGTH HEX"),
        (r"example.com. 1 IN TYPE255 \# 0", "unknown type"),
        ("example.com. 1 IN TLSA 5 1 1 ab", "USAGE SELECTOR"),
        ("example.com. 1 IN A 192.0.2.1 192.0.2.2", "expected an IPv4 address"),
        ("example.com. 1 IN MX 10", "PREFERENCE HOST."),
        ("example..com. 1 IN A 192.0.2.1", "not a valid name"),
        ('"example.com." 1 IN A 192.0.2.1', "in quotes"),
        ("example.com. 1 IN TXT (", "not balanced"),
        ('example.com. 1 IN TXT "x" )', "not balanced"),
        ("example.com. 1 IN A 192.0.2.1\x7f", "control character"),
    ],
)
def test_a_record_that_a_name_server_would_refuse_or_misread_is_refused(line: str, what: str) -> None:
    records, [finding] = zone_of(line)
    assert (records, what in finding.text) == ([], True), finding.text


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("example.com. 1 IN A 192.0.2.1 ; ours, für alle", "A 192.0.2.1"),
        ("  ; an indented comment\nexample.com. 1 IN A 192.0.2.1", "A 192.0.2.1"),
        ('example.com. 1 IN TXT "a;b" ; c', 'TXT "a;b"'),
        ('example.com. 1 IN TXT "a""b"', 'TXT "ab"'),
        (r'example.com. 1 IN TXT "\195\169"', r'TXT "\195\169"'),
        ('example.com. 1 IN TXT ( "v=DKIM1; (" ; the key\n    "p=AAAA"\n)', 'TXT "v=DKIM1; (p=AAAA"'),
        ("example.com. 1 IN SRV 0 0 0 .", "SRV 0 0 0 ."),
        ("example.com. 1 IN MX 0 .", "MX 0 ."),
        ("example.com. 1 IN MX 010 Mail.Example.com.", "MX 10 mail.example.com."),
        ("example.com. 1 IN CAA 0 issue letsencrypt.org", 'CAA 0 issue "letsencrypt.org"'),
        ('example.com. 1 IN CAA 0 issue ";"', 'CAA 0 issue ";"'),
        ("example.com. 1 IN HTTPS 1 . alpn=h2", 'HTTPS 1 . alpn="h2"'),
        ('example.com. 1 IN HTTPS 1 . alpn="h2,h3" port=8443', 'HTTPS 1 . alpn="h2,h3" port="8443"'),
        (r"example.com. 1 IN MX \# 5 0001016100", "MX 1 a."),
        ("(example.com. 1 IN A\n192.0.2.1)", "A 192.0.2.1"),
        (f"example.com. 1 IN TLSA 3 1 1 {'AB' * 16} {'CD' * 16}", f"TLSA 3 1 1 {'ab' * 16}{'cd' * 16}"),
        (f"example.com. 1 IN SSHFP 4 2 {'AB' * 32}", f"SSHFP 4 2 {'ab' * 32}"),
        (r"example.com. 1 IN TYPE1 \# 4 C0000201", "A 192.0.2.1"),
        (r"example.com. 1 IN TXT \# 2 0161", 'TXT "a"'),
        (r"example.com. 1 IN TYPE65280 \# 4 C0000201", r"TYPE65280 \# 4 c0000201"),
    ],
)
def test_a_record_that_a_name_server_reads_is_read_alike(text: str, record: str) -> None:
    [read_record], findings = zone_of(text)
    assert (str(read_record), findings) == (f"example.com. 1 IN {record}", [])


def test_names_that_are_no_hosts_are_names_of_other_records() -> None:
    names = ("*", "_dmarc", "-a", r"a\.b", "xn--mnchen-3ya")
    records, findings = zone_of("\n".join(f'{name}.example.com. 1 IN TXT "x"' for name in names))
    assert ([record.name for record in records], findings) == ([f"{name}.example.com." for name in names], [])
    hosts, findings = zone_of("*.example.com. 1 IN A 192.0.2.1\na._spf.example.com. 1 IN A 127.0.0.2")
    assert (len(hosts), findings) == (2, [])


def test_a_malformed_record_over_several_lines_is_at_its_first_and_the_next_is_read() -> None:
    records, [finding] = zone_of("\na.example.com. 1 IN A (\n  192.0.2\n)\nb.example.com. 1 IN A 192.0.2.1")
    assert (finding.where.line, [record.name for record in records]) == (2, ["b.example.com."])


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
        ('example.com. 1 IN TXT "v=spf1 +all"', "lets any host send"),
        ('example.com. 1 IN TXT "v=spf1 -all a"', "ignore the terms after"),
        ('example.com. 1 IN TXT "v=spf1 ' + "".join(f"a:h{n}.test " for n in range(11)) + '-all"', "11 lookups"),
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
