"""Findings and allowances as values."""

from __future__ import annotations

from reconciler.model import Allowance, Finding, Severity, Where, error_at, errors_in, warning_at


def test_nothing_that_steers_a_terminal_is_printed() -> None:
    finding = Finding(rule="r", where=Where("mail.yaml", 3, 7), text='"a\x1b[2J\nb"', subject="s")

    assert str(finding) == r'mail.yaml:3:7: "a\x1b[2J\nb"'


def test_a_finding_that_is_excused_is_a_warning_that_says_why() -> None:
    finding = Finding(rule="r", where=Where("mail.yaml"), text="too wide", subject="s")
    excused = finding.as_warning("it was so before")

    assert errors_in([finding, excused]) == [finding]
    assert str(excused) == "mail.yaml:1:1: warning: too wide (it was so before)"


def test_an_allowance_is_for_its_own_line_and_for_the_one_it_stands_above() -> None:
    allowance = Allowance("open-relay", "a lab", Where("mail.yaml", 3), 5)

    assert allowance.places == (("open-relay", "mail.yaml", 3), ("open-relay", "mail.yaml", 5))


def test_what_is_said_of_a_place_is_its_own_subject_unless_one_is_named() -> None:
    place = Where("mail.yaml", 3)

    assert error_at("r", place, "wrong") == Finding(rule="r", where=place, text="wrong", subject="wrong")
    assert warning_at("r", place, "odd", "key") == Finding(
        rule="r", where=place, text="odd", subject="key", severity=Severity.WARNING
    )
