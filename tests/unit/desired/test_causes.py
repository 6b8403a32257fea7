"""A finding that follows from another one of its line is left out."""

from __future__ import annotations

from reconciler.desired.causes import without_consequences
from reconciler.model import Where, error_at

STAGES = (("first", "as-first"), ("second",))


def test_a_line_keeps_the_findings_of_its_first_stage_and_other_lines_keep_theirs() -> None:
    found = (("other", 1), ("second", 1), ("first", 1), ("as-first", 1), ("second", 2), ("other", 2), ("other", 3))
    findings = [error_at(rule, Where("mail.yaml", line), "a text") for rule, line in found]
    left = [(one.rule, one.where.line) for one in without_consequences(findings, STAGES)]
    assert left == [("first", 1), ("as-first", 1), ("second", 2), ("other", 3)]
