"""A YAML file becomes plain values with their places, and its slips say what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired import yaml_reader
from reconciler.desired.load import load
from reconciler.desired.yaml_scalars import Bracketed, one_text, quoted
from reconciler.model import File, Finding, SecretName
from reconciler.model.errors import InvalidSource
from tests.unit.commits import load_commit, load_findings, parameter_in

if TYPE_CHECKING:
    from reconciler.desired.yaml_reader import Document


def read(text: str) -> tuple[Document, list[Finding]]:
    findings: list[Finding] = []
    return yaml_reader.read("mail.yaml", File.of(text.encode()), findings), findings


def refusal(text: str) -> str:
    _, [finding] = read(text)
    return str(finding)


@pytest.mark.parametrize(
    ("text", "place", "instead"),
    [
        ("smart_host:\n  nexthop: [mail.relay.com]:587\n", "2:12", 'nexthop: "[mail.relay.com]:587"'),
        ("smart_host: {nexthop: [h]:587}\n", "1:23", 'nexthop: "[h]:587"'),
        ("smart_host: {nexthop: [h]:587, username: u}\n", "1:23", 'nexthop: "[h]:587"'),
        ("smart_host: [h]:587\n", "1:13", 'smart_host: {nexthop: "[h]:587"}'),
        ("p:\n  relayhost: [h]:587  # why\n  b: c\n", "2:14", 'relayhost: "[h]:587"'),
        ("p:\n  mynetworks: [::1]/128 127.0.0.0/8\n", "2:15", 'mynetworks: "[::1]/128 127.0.0.0/8"'),
        ("p:\n  smtp_bind_address6: [::1]\nx: y\n", "2:23", 'smtp_bind_address6: "::1"'),
        ("p:\n  relayhost: [::1]\n", "2:14", 'relayhost: "[::1]"'),
        ("p:\n  - [h]:25\n", "2:5", '- "[h]:25"'),
    ],
)
def test_brackets_that_begin_a_text_are_to_be_quoted_with_the_whole_value(text: str, place: str, instead: str) -> None:
    told = refusal(text)

    assert told == f"mail.yaml:{place}: YAML reads brackets as a list; quote the whole value: {instead}"


@pytest.mark.parametrize("value", ["!10.0.0.1, 10/8", "*.example.com", "* x", "*x", "@x", "%x", "`x", "|/bin/x", "&"])
def test_a_text_that_begins_with_one_of_yaml_s_own_marks_is_to_be_quoted(value: str) -> None:
    for text, column in ((f"a: {value}\n", 4), (f"- {value}\n", 3)):
        told = refusal(text)

        assert told.startswith(f"mail.yaml:1:{column}: "), told
        assert f'quote it: {"a:" if column == 4 else "-"} "{value}"' in told


def test_a_tag_alone_is_refused_with_the_way_out() -> None:
    assert 'quote a text that starts with "!"' in refusal("a: !10.0.0.1 x\n")


@pytest.mark.parametrize("end", ["\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_a_line_ends_where_it_ends_for_yaml(end: str) -> None:
    above = f"{f'#{end}' * 5}#\n"
    assert refusal(f"{above}a: !x y\n").startswith("mail.yaml:7:4: ")
    assert refusal(f"{above}p:\n\ta: b\n").endswith(":8:1: the line begins with a tab; indent YAML with blanks only")
    assert refusal(f"{above}p: [h]:587\n").endswith('quote the whole value: p: "[h]:587"')


def test_a_text_with_a_colon_and_a_blank_is_to_be_quoted() -> None:
    assert refusal("banner: a: b\n").endswith('quote the whole value: banner: "a: b"')


def test_a_line_that_begins_with_a_tab_is_told_of() -> None:
    assert refusal("p:\n\ta: b\n") == "mail.yaml:2:1: the line begins with a tab; indent YAML with blanks only"


@pytest.mark.parametrize("value", ["@hunter2", "!hunter2", "!hunter2 x", "[hunter2]x", "hunter2: x", "%hunter2"])
def test_what_stands_under_a_key_for_a_password_is_never_repeated(value: str) -> None:
    for text in (f"smart_host:\n  password: {value}\n", f"smart_host: {{password: {value}}}\n"):
        _, findings = read(text)

        assert "hunter2" not in "".join(map(str, findings))
        assert any("!secret NAME" in one.text for one in findings) or value == "!hunter2"


def test_nor_is_a_password_that_stands_inside_of_another_value() -> None:
    assert "hunter2" not in refusal("foo: password: hunter2\n")


def test_a_control_character_is_refused_at_its_place() -> None:
    assert refusal("a: b\nc: \x1bx\n").startswith("mail.yaml:2:4: control characters are not allowed")


@pytest.mark.parametrize(
    ("key", "items", "text"),
    [
        ("mynetworks", ["127.0.0.0/8", "10.0.0.0/8"], "127.0.0.0/8, 10.0.0.0/8"),
        ("mynetworks", Bracketed(["127.0.0.0/8", "10.0.0.0/8"]), "127.0.0.0/8, 10.0.0.0/8"),
        ("mynetworks", Bracketed(["2001:db8::1"]), "[2001:db8::1]"),
        ("relayhost", Bracketed(["a.example"]), "[a.example]"),
        ("relayhost", ["a.example"], "a.example"),
        ("hostname", Bracketed(["a.example"]), "a.example"),
        ("hostname", [], None),
        ("hostname", ["a", None], None),
    ],
)
def test_the_text_that_a_list_stands_for(key: str, items: list[object], text: str | None) -> None:
    assert one_text(key, items) == text


@pytest.mark.parametrize(("text", "scalar"), [("a", '"a"'), ('a "b"', "'a \"b\"'"), ("\\d'\"", "'\\d''\"'")])
def test_a_quoted_text_is_read_back_as_it_was(text: str, scalar: str) -> None:
    assert quoted(text) == scalar
    assert read(f"a: {scalar}\n")[0].value == {"a": text}


def test_a_document_that_is_copied_can_be_changed_by_itself() -> None:
    one, _ = read("a: {b: [c]}\n")
    other = one.copy()
    other.forget(("a",), other.value.pop("a"))

    assert one.value == {"a": {"b": ["c"]}}
    assert ("a", "b", "0") in one.places
    assert not other.places


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", "yes"), ("True", "yes"), ("on", "yes"), ("OFF", "no"), ("false", "no"), ('"true"', "true"),
        ("010", "010"), ("1e3", "1e3"), ("0", "0"), ('""', ""), ("'no'", "no"), ("y", "y"), ("0x1F", "0x1F"),
        ("2026-11-22", "2026-11-22"), ("12:30", "12:30"), ("'~'", "~"), ("$myhostname", "$myhostname"),
        ('"{{ 7*7 }}"', "{{ 7*7 }}"),
    ],
)  # fmt: skip
def test_a_value_is_the_text_of_its_scalar(written: str, meant: str) -> None:
    assert parameter_in(load_commit(f"parameters:\n  p: {written}\n"), "p") == meant


def test_bytes_that_are_not_text_are_refused_with_their_line() -> None:
    with pytest.raises(InvalidSource, match=r"mail.yaml:2:4: this is not UTF-8"):
        load({"mail.yaml": File.of(b"a: b\nc: \xff\n")}, "mx1", {})


def test_a_huge_yaml_file_is_refused_unread() -> None:
    [told] = load_findings("a: " + "x" * (1 << 20))

    assert "at most" in told.text


def test_the_values_of_a_kind_are_found_at_any_depth() -> None:
    value: dict[str, object] = {"a": None, "b": [None, "x", {"c": SecretName("s"), "d": None}], "e": {}}
    assert [*yaml_reader.paths_of(value, type(None))] == [("a",), ("b", "0"), ("b", "2", "d")]
    assert [*yaml_reader.paths_of(value, SecretName)] == [("b", "2", "c")]
