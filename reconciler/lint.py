"""Desired and Facts -> Findings: what is wrong or doubtful, each with its rule's name and its place.

lint() is pure and total: it raises nothing, and what it says of one commit on one host never changes. The rules of a
feature are in its file; those over the whole graph are in rules/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.features import FEATURES
from reconciler.rules import GRAPH
from reconciler.rules.references import mentioned_paths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model import Contribution, Desired, Facts, Finding

__all__ = ["excused", "lint", "mentioned_paths"]


def lint(desired: Desired, facts: Facts, merged: Contribution) -> list[Finding]:
    """Everything that is wrong or doubtful, by place, and nothing twice; *merged* is what compose() made of both."""
    found = list(desired.findings)
    for part in (*FEATURES, *GRAPH):
        found += part.rules(desired, facts, merged)
    unique = {(finding.rule, finding.where, finding.text): finding for finding in found}
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
