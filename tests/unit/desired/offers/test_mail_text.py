"""Parameters go from mail.yaml, and come into it, with every comment beside what it explains."""

from __future__ import annotations

from reconciler.desired.offers.mail_text import before_parameters, with_values, without, without_unexplained

TEXT = (
    "# head\nbase: none\n\n# all of it\nparameters:\n\n  # one\n  #\n  # two\n  a: 1\n  b: |-\n    x,\n    y\n  c: 3\n"
)


def test_the_comments_above_a_parameter_go_with_it_and_are_returned() -> None:
    shorter = without(TEXT, ["a", "b", "missing"])

    assert shorter.text == "# head\nbase: none\n\n# all of it\nparameters:\n\n  c: 3\n"
    assert shorter.names == ("a", "b")
    assert shorter.comments == ("# one", "#", "# two")


def test_a_parameter_with_a_comment_stays() -> None:
    assert without_unexplained(TEXT, ["a", "c"]).names == ("c",)


def test_the_last_parameter_goes_with_its_section() -> None:
    assert without("base: none\nparameters:\n  a: 1\n", ["a"]).text == "base: none\n"


def test_values_are_added_or_replaced() -> None:
    text = with_values(TEXT, {"c": "4", "d": "", "e": "[x]:1"})

    assert text is not None
    assert text.endswith("  c: 4\n  d: \"\"\n  e: '[x]:1'\n")
    assert with_values(TEXT, {"d": "a\x07"}) is None


def test_a_section_comes_before_the_parameters_and_their_comment() -> None:
    assert before_parameters(TEXT, ["x: y"]).startswith("# head\nbase: none\n\nx: y\n\n# all of it\nparameters:\n")
    assert before_parameters("base: none\n", ["x: y"]) == "base: none\nx: y\n\n"
