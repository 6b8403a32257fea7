"""``$name`` in values, as mac_expand(3) expands it: what is referred to, what comes out, and what it can't read."""

from __future__ import annotations

import pytest

from reconciler.postfix.macros import EndlessMacro, MalformedMacro, expand, references

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


def test_both_sides_of_a_condition_are_references() -> None:
    assert list(references("$a ${b?{$c}:{$d}} ${{$e} == {$f}?{$g}} $$h")) == ["a", "b", "c", "d", "e", "f", "g"]
