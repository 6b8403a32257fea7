"""Desired and Facts -> Findings: the errors and warnings of a commit, each with its rule's name and its place.

lint() is pure: it always returns the same findings for the same commit and facts. It raises InvalidSource for a commit
that is beyond its budget, and nothing else. The rules of a feature are in its file, all others in rules/. This module
names no rule and no feature.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from reconciler.desired import allowances
from reconciler.desired.budget import BoundedFindings, Budget, bound_values
from reconciler.desired.causes import without_consequences
from reconciler.features.composition import FEATURES
from reconciler.model import Mentioned
from reconciler.postfix.alike import of_all, with_alike
from reconciler.postfix.derived import keeping
from reconciler.postfix.target_facts import with_files
from reconciler.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model import Contribution, Desired, Facts, Finding, Rules

SAME = "what is live has the same error"
"""Why an error is a warning: it refuses no commit, but it is true of this host."""
_STAGES = (("malformed-entry",),)  # a row that can't be read as it was meant
_PARTS: tuple[Rules, ...] = (*FEATURES, *RULES)
EXPLAINED = {name: text for part in _PARTS for name, text in part.EXPLAINED.items()}
"""The explanations of the rules that judge a readable commit, by their names."""
_ALLOWABLE = frozenset({*EXPLAINED, "commented-service", "misplaced-file", "unused-table", *allowances.STAGED})
PASSING = frozenset(name for part in _PARTS for name in part.PASSING)
"""The rules whose findings come and go with the host, so that an allowance may be unused for some time."""


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Return what the rules need to know of the host; *facts* may lack what is asked for.

    Raises InvalidSource if the settings are too large together.
    """
    bound_values(merged, facts)
    few = with_alike(merged, facts)
    with keeping():
        questions = [part.mentioned(few, facts) for part in _PARTS]
    return Mentioned(*(frozenset().union(*asked) for asked in zip(*questions, strict=True)))


def lint(desired: Desired, facts: Facts, merged: Contribution, budget: Budget | None = None) -> list[Finding]:
    """Return all findings without duplicates, sorted by place; *merged* is the result of compose() for both.

    The commit's allowances have been applied to the findings.
    """
    budget, facts = budget or Budget(), with_files(facts, merged)
    found, few = BoundedFindings(budget, desired.findings), with_alike(merged, facts)
    with keeping():
        for part in _PARTS:
            found += of_all(partial(part.rules, desired, facts), few, merged)
            budget.look()
    placed = without_consequences(map(desired.at_home, found), _STAGES)
    findings = list(allowances.honour(placed, desired.allowances, _ALLOWABLE, PASSING | allowances.STAGED))
    # A fault in main.cf is a fault in each service that reads it, but is reported once.
    unique = {(finding.rule, finding.where, finding.text): finding for finding in findings}
    return sorted(unique.values(), key=lambda finding: (finding.where, finding.rule, finding.text))


def staged(findings: Iterable[Finding], desired: Desired, told: Iterable[Finding]) -> list[Finding]:
    """Return the findings of the stages after lint() at their places, after the commit's allowances.

    *told* are the findings of lint(), which need no repetition where a person has allowed them.
    """
    return list(allowances.honour_staged(map(desired.at_home, findings), desired.allowances, told))


def excused(findings: Iterable[Finding], live: Iterable[Finding]) -> list[Finding]:
    """Return the findings, where an error that is live too is a warning: a commit may keep an old fault.

    An error that is not excusable stays one: live has what the target would lack.
    """
    known = identities(live)
    return [
        finding.as_warning(SAME) if finding.is_error and finding.excusable and identity(finding) in known else finding
        for finding in findings
    ]


def identities(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    """Return the identity of each error."""
    return {identity(finding) for finding in findings if finding.is_error}


def identity(finding: Finding) -> tuple[str, str]:
    """Return what is the same in two findings of one fault: the rule and the subject."""
    return finding.rule, finding.subject
