"""What an entry of an alias table stands for, and keys that stand for a domain."""

from __future__ import annotations

import pytest

from reconciler.model import Table
from reconciler.postfix.aliases import domain_of, holds_domains, targets
from reconciler.postfix.tables import Entry


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("Box@MX.example", ["box@mx.example"]),
        ("a@x.test, b@x.test,c", ["a@x.test", "b@x.test", "c"]),
        ("a  b ,", ["a", "b"]),
    ],
)
def test_an_alias_stands_for_every_address_of_its_value_in_small_letters(value: str, addresses: list[str]) -> None:
    assert targets(Entry("info", value, 1)) == addresses


def test_a_domain_is_written_as_its_key_is() -> None:
    assert (domain_of("info@v.example"), domain_of("@v.example"), domain_of("root")) == (
        "@v.example",
        "@v.example",
        "root",
    )


def test_a_key_for_a_domain_is_seen_on_any_line_and_in_no_value() -> None:
    assert holds_domains(table("@v.example box\n"))
    assert holds_domains(table("a b\n@v.example box\n"))
    assert not holds_domains(table("info box@v.example\n"))


def table(text: str) -> Table:
    return Table(name="virtual", type="lmdb", source=text.encode(), file="tables/virtual", compiler="postmap")
