"""Aliases that lead back to themselves are refused; aliases that end somewhere are fine."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding


@pytest.mark.parametrize(
    ("table", "way"),
    [
        ("@a.example @b.example\n@b.example @a.example\n", "@a.example -> @b.example"),
        ("@a.example x@b.example\n@b.example y@a.example\n", "y@a.example -> x@b.example"),
        ("@a.example @b.example\nx@b.example  x@a.example\n", "x@b.example -> x@a.example"),
        ("a@v.example a@v.example, b@v.example\nc@v.example d@v.example\nd@v.example c@v.example\n", "c@v.example"),
    ],
)
def test_aliases_that_lead_back_are_refused(table: str, way: str) -> None:
    text = only_finding("alias-loop", files={"tables/virtual": table})
    assert way in text
    assert text.startswith("tables/virtual:")


@pytest.mark.parametrize(
    "table",
    [
        "info@v.example info@v.example, b@v.example\nb@v.example info@v.example\n",
        "@a.example @a.example\n",
        "@a.example @b.example\n@b.example root@mx.test.example\n",
        "p@a.example p@b.example\np@b.example root@mx.test.example\n@b.example @a.example\n",
        "a@v.example b@v.example\nb@v.example root\n@v.example a@v.example\n",
        "a@v.example b@v.example\n",
    ],
)
def test_aliases_that_end_somewhere_are_fine(table: str) -> None:
    assert not findings_of("alias-loop", files={"tables/virtual": table})


def test_local_aliases_loop_as_well() -> None:
    assert "would bounce" in only_finding("alias-loop", files={"tables/aliases": "a: b\nb: a\n"})
    assert not findings_of(
        "alias-loop", files={"tables/aliases": "c: c, root\nroot: c\npostmaster: root\nx: |/bin/x\n"}
    )


def test_aliases_that_lead_back_to_themselves_are_refused() -> None:
    loop = "a@v.example b@v.example\nb@v.example C@v.example\nc@v.example a@v.example\n"
    assert "a@v.example -> b@v.example -> c@v.example" in only_finding("alias-loop", files={"tables/virtual": loop})


def test_an_alias_of_itself_is_fine() -> None:
    fine = "a@v.example a@v.example\nb@v.example a@v.example\nc@v.example b@v.example\n"
    assert not findings_of("alias-loop", files={"tables/virtual": fine})


def test_a_loop_through_one_of_several_addresses_is_refused() -> None:
    first = "a@v.example root@mx.test.example, b@v.example\n"
    assert "a@v.example -> b@v.example" in only_finding(
        "alias-loop", files={"tables/virtual": first + "b@v.example x, a@v.example\n"}
    )
    itself = "a@v.example a@v.example, root@mx.test.example\n"
    assert not findings_of("alias-loop", files={"tables/virtual": itself + "b@v.example a@v.example, c@v.example\n"})
