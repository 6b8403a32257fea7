"""The data of records: one normal form for templates and for the answers of servers, from a parser that asks nobody."""

from __future__ import annotations

import subprocess
import sys
import time

import dns.rdata
import pytest

from reconciler.features.dns.rdata import BEFORE_DATA, FORMS, data_of, entries, joined, normal, split, words_of
from reconciler.model import Where

READ = """
import sys
import reconciler.features.composition
early = "dns" in sys.modules
from reconciler.features.dns.rdata import data_of
data_of("a.", "HTTPS", "a. 1 IN HTTPS 1 .", ["1", "."])
print(early, *sorted({"dns.message", "dns.query", "dns.resolver", "dns.zonefile", "ssl"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("kind", "written", "answered"),
    [
        ("AAAA", "::ffff:192.0.2.1", "::FFFF:c000:201"),
        ("MX", "10 Mail.example.com.", "10 mail.EXAMPLE.com."),
        ("CNAME", "A.example.", "a.example."),
        ("TLSA", f"3 0 0 {'AB' * 300}", f"3 0 0 {'ab' * 150} {'ab' * 150}"),
        ("TXT", f'"{"a" * 300}"', f'"{"a" * 200}" "{"a" * 100}"'),
        ("OPENPGPKEY", "QUJD REVG", "QUJDREVG"),
        ("CAA", "0 issue ca.example", '0 issue "ca.example"'),
    ],
)
def test_what_is_written_and_what_a_server_answers_have_one_normal_form(kind: str, written: str, answered: str) -> None:
    entry = f"a.example. 60 IN {kind} {written}"
    data = data_of("a.example.", kind, entry, words_of(entry)[BEFORE_DATA:])
    assert data == normal(dns.rdata.from_text("IN", kind, answered))
    assert kind in FORMS


def test_texts_are_joined_and_split_octet_by_octet() -> None:
    text = "".join(map(chr, range(256))) * 2
    assert joined(split(text)) == text
    assert normal(dns.rdata.from_text("IN", "TXT", split(text))) == split(text)


def test_parentheses_and_quotes_without_end_cost_a_moment() -> None:
    start = time.process_time()
    for text in ("(", "(" * 20, "(;"):
        where, _ = next(entries([(Where("t", number), text) for number in range(1, 20_000)]))
        assert where.line == 1
    assert time.process_time() - start < 2


def test_the_parser_is_imported_by_the_first_record_and_brings_nothing_that_asks() -> None:
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
