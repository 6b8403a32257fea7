"""Zones: records, their places, and records that do not go together."""

from __future__ import annotations

import pytest

from reconciler.features.dns.zone import Record, judge, lookups, read, split
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
