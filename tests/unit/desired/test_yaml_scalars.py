"""What a person is told to write is read back as it was meant."""

from __future__ import annotations

import pytest

from reconciler.desired import yaml_reader
from reconciler.desired.yaml_scalars import counted, is_private, is_secret, may_show_password, scalar
from reconciler.model import File, Finding


@pytest.mark.parametrize(
    ("text", "written"),
    [("a", "a"), ("", '""'), ("a: b", '"a: b"'), ("*a", '"*a"'), ("a#b", "a#b"), ("a #b", '"a #b"'), ("a:", '"a:"')],
)
def test_a_text_is_quoted_where_it_must_be(text: str, written: str) -> None:
    findings: list[Finding] = []

    assert scalar(text) == written
    assert yaml_reader.read("mail.yaml", File.of(f"p: {written}\n".encode()), findings).value == {"p": text}


def test_what_may_be_a_password_is_known_by_its_name() -> None:
    assert is_secret("smart_host: {password:")
    assert not is_secret("smtp_sasl_password_maps:")
    assert is_private("my passwd is x")
    assert not is_private("proxy:unix:passwd.byname $alias_maps")
    assert is_private("smtp_sasl_password_maps: static:me:x")
    assert not is_private("smtp_sasl_password_maps: hash:/etc/x")
    assert is_secret("people_bind_pw")
    assert not is_secret("smtpd/pass")


def test_a_text_is_searched_for_the_passwords_of_a_value() -> None:
    assert may_show_password("smart_host", {"password": ["x1"]}, "got x1")
    assert may_show_password("smart_host", "password: x1\n", 'nexthop: "password: x1"')
    assert not may_show_password("smart_host", {"password": "x1", "nexthop": "a"}, "got a")
    assert not may_show_password("nexthop", "a", "got a")


def test_lines_are_counted_in_words() -> None:
    assert (counted(1, "line"), counted(2, "line")) == ("1 line", "2 lines")
