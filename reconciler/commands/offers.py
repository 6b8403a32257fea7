"""The second step of ``reconciler import``: what it offers, and ``--then``, which makes a commit of each offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reconciler.commands.console import say, say_all, who
from reconciler.commands.contract import change_line
from reconciler.desired.offers import OFFERS
from reconciler.desired.offers.offer import plural
from reconciler.model import did_you_mean
from reconciler.model.ascii_text import SPACE
from reconciler.model.errors import WithFindings
from reconciler.passes.move_in_offers import commit_offer
from reconciler.state.records import finding_line
from reconciler.trees.report import finding_lines, plan_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.passes.move_in_offers import Made, Proven, Stays

ALL = "all"


class Names(click.ParamType[tuple[str, ...]]):
    """Names of offers with commas between them, or ``all``; in the order of their commits."""

    name = "names"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names."""
        words = [word.strip(SPACE) for word in str(value).split(",")]
        for word in words:
            if word != ALL and word not in OFFERS:
                hint = did_you_mean(word, (*OFFERS, ALL)) or f"; the offers are {', '.join(OFFERS)}"
                self.fail(f'there is no offer "{word}"{hint}', param, ctx)
        return tuple(OFFERS) if ALL in words else tuple(name for name in OFFERS if name in words)


# ---- what is offered -------------------------------------------------------------------------------------------------


def offer_lines(offered: Iterable[Proven]) -> Iterator[str]:
    """Yield the offers, each with the lines that it would save and what to confirm."""
    for number, one in enumerate(offered):
        if not number:
            yield "offers, each a commit of its own, and proven to mean the same (reconciler import --then NAME):"
        yield f"  {one.name:22}{one.offer.summary}; {_saving(one.saves)}"
        yield from (f"    {text}" for text in one.offer.confirm)


def stays_lines(stays: Iterable[Stays]) -> Iterator[str]:
    """Yield what no section can say, with the reason."""
    for number, one in enumerate(stays):
        if not number:
            yield "not offered, because no section says the same:"
        yield f"  {one.name:22}{one.why}"


def _saving(lines: int) -> str:
    return f"saves {plural(lines, 'line')}" if lines >= 0 else f"adds {plural(-lines, 'line')}"


def offer_as_json(one: Proven) -> dict[str, Any]:
    """Return an offer for programs."""
    return {
        "name": one.name, "summary": one.offer.summary, "saves": one.saves, "confirm": list(one.offer.confirm),
        "changes": [change_line(change) for change in one.plan.changes] if one.plan else [],
    }  # fmt: skip


# ---- the commits -----------------------------------------------------------------------------------------------------


class Then:
    """The commits of some offers, made one after another; *told* collects what programs are told of each."""

    def __init__(self, edges: Edges, directory: Path) -> None:
        self._edges, self._directory = edges, directory
        self.told: list[dict[str, Any]] = []

    def make(self, names: Iterable[str], *, silent: bool) -> bool:
        """Make the commits, and return whether each offer is made, or has nothing left to do; *silent* prints nothing.

        A commit that a check refuses is not made, and none after it. If every offer is asked for, what no section can
        say counts as nothing left to do.
        """
        is_done, names = True, tuple(names)
        is_every = names == tuple(OFFERS)
        for name in names:
            try:
                made = commit_offer(name, self._directory, self._edges, who())
            except WithFindings as error:
                self.told.append({"name": name, "commit": None, "findings": [*map(finding_line, error.findings)]})
                if not silent:
                    say_all(finding_lines(error.findings))
                    say(f"{name}: refused, no commit was made", err=True)
                return False
            self.told.append(_made_as_json(name, made))
            is_done = is_done and (not made.why_not or (made.is_kept and is_every))
            if not silent:
                say_all(_made_lines(name, made))
        return is_done


def _made_as_json(name: str, made: Made) -> dict[str, Any]:
    known = offer_as_json(made.proven) if made.proven else {"name": name}
    commit = made.proposed.revision.oid if made.proposed else None
    findings = [finding_line(one) for one in made.proposed.findings] if made.proposed else []
    return {**known, "commit": commit, "why_not": made.why_not, "findings": findings}


def _made_lines(name: str, made: Made) -> Iterator[str]:
    if made.why_not:
        reason = "it can't be proven to mean the same: " if made.proven else ""
        yield f"{name}: not made, because {reason}{made.why_not}"
    elif made.proposed is None or made.proven is None:
        yield f"{name}: nothing is left to do"
    else:
        revision = made.proposed.revision
        yield f"{name}: {revision.short}  {revision.subject}"
        yield from (f"  {line}" for line in made.proven.proof)
        yield from (f"  {text}" for text in made.proven.offer.confirm)
        if made.proven.plan:
            yield from plan_lines(made.proven.plan)
        yield from finding_lines(made.proposed.findings)
        yield _saving(made.proven.saves)
        yield ""
