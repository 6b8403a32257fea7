"""Which findings of a commit are causes: a line whose text is at fault may have others that follow from that.

Pure. Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model import Finding


def without_consequences(findings: Iterable[Finding], stages: Sequence[Sequence[str]]) -> list[Finding]:
    """Return the findings without those on a line that has one of an earlier stage; *stages* are rules, first to last.

    A rule that is in no stage comes after all of them.
    """
    every = list(findings)
    stage_of = {rule: stage for stage, rules in enumerate(stages) for rule in rules}
    first: dict[tuple[str, int], int] = {}
    for one in every:
        if (stage := stage_of.get(one.rule)) is not None:
            line = (one.where.file, one.where.line)
            first[line] = min(first.get(line, stage), stage)
    last = len(stages)
    return [one for one in every if stage_of.get(one.rule, last) <= first.get((one.where.file, one.where.line), last)]
