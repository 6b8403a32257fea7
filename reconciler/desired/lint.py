"""Desired and Facts -> Findings: what is wrong or doubtful, each with its rule's name and its place.

lint() is pure and total: it raises nothing, and what it says of one commit on one host never changes. The rules of a
feature are in its file, all others in rules/; no rule and no feature is known here by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired import allowances
from reconciler.features import FEATURES
from reconciler.model import Mentioned
from reconciler.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model import Contribution, Desired, Facts, Finding, Rules

_PARTS: tuple[Rules, ...] = (*FEATURES, *RULES)
EXPLAINED = {name: text for part in _PARTS for name, text in part.EXPLAINED.items()}
"""What the rules mean that judge a commit which could be read, by their names."""
_ALLOWABLE = frozenset({*EXPLAINED, "misplaced-file", "unused-table"})
PASSING = frozenset(name for part in _PARTS for name in part.PASSING)
"""The rules whose findings come and go with the host, so that an allowance may be idle for now."""


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """What the rules ask of the host; of *facts*, its files, pems, answers and names need not be filled."""
    questions = [part.mentioned(merged, facts) for part in _PARTS]
    return Mentioned(
        paths=frozenset().union(*(question.paths for question in questions)),
        pems=frozenset().union(*(question.pems for question in questions)),
        servers=frozenset().union(*(question.servers for question in questions)),
        addresses=frozenset().union(*(question.addresses for question in questions)),
    )


def lint(desired: Desired, facts: Facts, merged: Contribution) -> list[Finding]:
    """Everything that is wrong or doubtful, by place, and nothing twice; *merged* is what compose() made of both.

    What people allowed has been allowed.
    """
    findings = list(desired.findings)
    for part in _PARTS:
        findings += part.rules(desired, facts, merged)
    findings = list(allowances.honour(findings, desired.allowances, _ALLOWABLE, PASSING))
    # What is wrong in main.cf is wrong in each service that reads it; the reader hears of it once.
    unique = {(finding.rule, finding.where, finding.text): finding for finding in findings}
    return sorted(unique.values(), key=lambda finding: (finding.where, finding.rule, finding.text))


def excused(findings: Iterable[Finding], live: Iterable[Finding]) -> list[Finding]:
    """Never worse than now: an error that is equally true of what is live becomes a warning."""
    known = {(finding.rule, finding.subject) for finding in live if finding.is_error}
    return [
        finding.as_warning("already so in what is live")
        if finding.is_error and (finding.rule, finding.subject) in known
        else finding
        for finding in findings
    ]
