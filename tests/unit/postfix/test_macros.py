"""``$name`` in values, as mac_expand(3) expands it: what is referred to, what comes out, and what it can't read."""

from __future__ import annotations

import pytest

from reconciler.model import limits
from reconciler.postfix.macros import EndlessMacro, MalformedMacro, ValueTooLarge, cost, expand, references

VALUES = {"a": "1", "b": "$a and $a", "empty": "", "level": "3.6", "loop": "${loop}"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$a ${a} $(a)", "1 1 1"),
        ("$b", "1 and 1"),
        ("$nosuch-", "-"),
        ("$$a", "$a"),
        ("${a?yes}${empty?no}", "yes"),
        ("${a:no}${empty:yes}", "yes"),
        ("${a?{x $a}:{y}} ${empty?{x}:{y $a}}", "x 1 y 1"),
        ("${{$a} == {1}?{one}:{other}}", "one"),
        ("${{10} > {9}?{number}:{text}}", "number"),
        ("${{b} > {a}?{after}:{before}}", "after"),
        ("${{$level} >=level {3.10}?{new}:{old}}", "old"),
        ("${{$a} != {1}}", ""),
    ],
)
def test_a_value_is_expanded_as_postfix_does(text: str, expanded: str) -> None:
    assert expand(text, VALUES.get) == expanded


@pytest.mark.parametrize("text", ["$", "$ a", "${a", "$(a}", "${}", "${a b}", "${a?{x}y}", "${{a} ~ {b}?{c}}"])
def test_what_postfix_can_not_expand_is_an_error(text: str) -> None:
    with pytest.raises(MalformedMacro):
        expand(text, VALUES.get)


def test_a_value_that_refers_to_itself_ends() -> None:
    with pytest.raises(EndlessMacro):
        expand("$loop", VALUES.get)


GROWING = {"a0": "x", "e0": ""} | {
    f"{name}{level}": f"${name}{level - 1}" * 10 for name in "ae" for level in range(1, 12)
}


@pytest.mark.parametrize("text", ["$a4", "$e4", "${a4?{$a4}:{}}", "${{$a4} == {x}}", "x" * 1001])
def test_values_that_grow_are_too_large_also_if_nothing_comes_of_them(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(limits, "VALUE", 1000)
    with pytest.raises(ValueTooLarge, match="longer than 1000 characters when its names are expanded"):
        expand(text, GROWING.get)
    assert 1000 < cost(text, GROWING.get) < 2000


def test_a_value_that_would_grow_for_ever_ends() -> None:
    with pytest.raises(ValueTooLarge):
        expand("$a11", GROWING.get)


def test_a_value_that_is_long_but_not_too_long_is_expanded() -> None:
    assert expand("$a4", GROWING.get) == "x" * 10_000
    assert expand("x" * 200_000, GROWING.get) == "x" * 200_000
    assert cost("a $a0 b", GROWING.get) < 40


def test_braces_are_nested_only_so_deep() -> None:
    deep = "${z:{" * 2000 + "}}" * 2000
    for read in (lambda: list(references(deep)), lambda: expand(deep, VALUES.get)):
        with pytest.raises(MalformedMacro):
            read()
    assert list(references("${a:{" * 40 + "$b" + "}}" * 40)) == ["a"] * 40 + ["b"]


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("${{" + "9" * 5000 + "} > {1}?{more}:{less}}", "more"), ("${{007} == {7}?{same}:{other}}", "same")],
)
def test_numbers_of_any_length_are_compared(text: str, expanded: str) -> None:
    assert expand(text, VALUES.get) == expanded


def test_both_sides_of_a_condition_are_references() -> None:
    assert list(references("$a ${b?{$c}:{$d}} ${{$e} == {$f}?{$g}} $$h")) == ["a", "b", "c", "d", "e", "f", "g"]
