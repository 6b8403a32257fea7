"""Errors: what each of them says, for those who must act."""

from __future__ import annotations

from reconciler.model import Finding, Where
from reconciler.model.errors import CommandFailed, InvalidSource


def test_an_error_with_findings_says_one_a_line_and_keeps_them() -> None:
    findings = [Finding(rule="r", where=Where("mail.yaml", line), text=f"t{line}", subject="s") for line in (1, 2)]

    error = InvalidSource(findings)

    assert str(error) == "mail.yaml:1:1: t1\nmail.yaml:2:1: t2"
    assert error.findings == tuple(findings)


def test_a_command_that_failed_says_how_and_its_last_five_lines() -> None:
    stderr = "".join(f" line {number} \n" for number in range(1, 8))

    assert str(CommandFailed(("postfix", "check"), 1, stderr)) == (
        "postfix check: exited with 1: line 3; line 4; line 5; line 6; line 7"
    )
    assert str(CommandFailed(("postfix", "reload"), None, "")) == "postfix reload: timed out"
