"""Findings and allowances as values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import Allowance, Finding, Severity, Where, error_at, errors_in, limits, listed, warning_at
from reconciler.model.errors import WithFindings

if TYPE_CHECKING:
    import pytest


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


def test_a_finding_quotes_only_so_much_and_its_subject_stays_its_own() -> None:
    long, other = (error_at("r", Where("mail.yaml"), char * 5000) for char in "xy")

    assert long.text == "x" * limits.TEXT + "..."
    assert len(long.subject) < limits.TEXT
    assert long.subject != other.subject
    assert replace(long, severity=Severity.WARNING).subject == long.subject
    assert error_at("r", Where("mail.yaml"), "x" * limits.TEXT).text == "x" * limits.TEXT


def test_no_finding_quotes_what_may_be_a_password() -> None:
    texts = [
        'expected "name = value", got "password geheim"',
        'expected -o name=value, got "-o {my_secret = geheim"',
        'virtual_alias_maps is "pgsql:postgresql://u:geheim@h/d"',
        'quote the value: db_token: "geheim"',
        "warning: unused parameter: url=mysql://u:geheim@h",
    ]
    found = [error_at("x", Where("mail.yaml"), text) for text in texts]

    assert all("(secret)" in one.text for one in found[:3])
    assert [one.text for one in found[:3] + found[4:] if "geheim" in f"{one.text}{one.subject}"] == []


def test_very_many_findings_are_counted_and_errors_are_listed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LISTED", 3)
    findings = [warning_at("w", Where("a", line), f"w{line}") for line in range(1, 6)]
    findings[3:3] = [error_at("e", Where("b", line), f"e{line}") for line in range(1, 3)]

    assert [str(one) for one in listed(findings)] == [
        "a:1:1: warning: w1",
        "b:1:1: e1",
        "b:2:1: e2",
        "a:2:1: warning: 4 more findings are not listed; 0 of them are errors",
    ]
    assert listed(findings[:3]) == tuple(findings[:3])


def test_errors_that_are_not_listed_still_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LISTED", 1)
    errors = [error_at("e", Where("a", line), f"e{line}") for line in range(1, 4)]
    passing = [replace(error, lasting=False) for error in errors]

    assert str(listed(errors)[-1]) == "a:2:1: 2 more findings are not listed; 2 of them are errors"
    assert [one.lasting for one in listed(errors)] == [True, True]
    assert [one.lasting for one in listed(passing)] == [False, False]
    assert WithFindings(errors).findings == listed(errors)
