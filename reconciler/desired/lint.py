"""Desired and Facts -> Findings: the errors and warnings of a commit, each with its rule's name and its place.

lint() is pure: it always returns the same findings for the same commit and facts. It raises InvalidSource for a commit
that is beyond its budget, and nothing else. The rules of a feature are in its file, all others in rules/. This module
names no rule and no feature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired import allowances
from reconciler.desired.budget import BoundedFindings, Budget, bound_values
from reconciler.features import FEATURES
from reconciler.model import Mentioned
from reconciler.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model import Contribution, Desired, Facts, Finding, Rules

SAME = "the live commit has the same error"
"""Why an error is a warning: it refuses no commit, but it is true of this host."""
_PARTS: tuple[Rules, ...] = (*FEATURES, *RULES)
EXPLAINED = {name: text for part in _PARTS for name, text in part.EXPLAINED.items()}
"""The explanations of the rules that judge a readable commit, by their names."""
_ALLOWABLE = frozenset({*EXPLAINED, "misplaced-file", "unused-table"})
PASSING = frozenset(name for part in _PARTS for name in part.PASSING)
"""The rules whose findings come and go with the host, so that an allowance may be unused for some time."""


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Return what the rules need to know of the host; the files, pems, answers and names of *facts* may be empty.

    Raises InvalidSource if the settings are too large together.
    """
    bound_values(merged, facts)
    questions = [part.mentioned(merged, facts) for part in _PARTS]
    return Mentioned(
        paths=frozenset().union(*(question.paths for question in questions)),
        pems=frozenset().union(*(question.pems for question in questions)),
        servers=frozenset().union(*(question.servers for question in questions)),
        addresses=frozenset().union(*(question.addresses for question in questions)),
    )


def lint(desired: Desired, facts: Facts, merged: Contribution, budget: Budget | None = None) -> list[Finding]:
    """Return all findings without duplicates, sorted by place; *merged* is the result of compose() for both.

    The commit's allowances have been applied to the findings.
    """
    budget = budget or Budget()
    found = BoundedFindings(budget, desired.findings)
    for part in _PARTS:
        found += part.rules(desired, facts, merged)
        budget.look()
    findings = list(allowances.honour(found, desired.allowances, _ALLOWABLE, PASSING))
    # A fault in main.cf is a fault in each service that reads it, but is reported once.
    unique = {(finding.rule, finding.where, finding.text): finding for finding in findings}
    return sorted(unique.values(), key=lambda finding: (finding.where, finding.rule, finding.text))


def excused(findings: Iterable[Finding], live: Iterable[Finding]) -> list[Finding]:
    """Return the findings, where an error that the live commit has too is a warning: a commit may keep an old fault."""
    known = {(finding.rule, finding.subject) for finding in live if finding.is_error}
    return [
        finding.as_warning(SAME) if finding.is_error and (finding.rule, finding.subject) in known else finding
        for finding in findings
    ]
