"""The figures of pushes on hosts of many sizes, what is printed of them, and what they are to reach. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.benchmarks.states import Size

MORE, LESS, ENTRY, PARAMETER = "one site more", "one site less", "one entry", "one parameter"
SMALL, MEDIUM, LARGE = 1_000, 100_000, 1_000_000


@dataclass(slots=True)
class Taken:
    """The seconds of one change, and the processor time of all that it made work, round by round."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @property
    def middle(self) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds)


@dataclass(slots=True)
class Figures:
    """What was measured of each change, ours and the floor's; *steps* of ours in seconds, and memory in MiB.

    *together* is the most that the daemon and its children had at one moment of a push, *child* the largest of them.
    """

    size: Size
    converged: float = 0.0
    ours: dict[str, Taken] = field(default_factory=dict)
    floor: dict[str, Taken] = field(default_factory=dict)
    steps: dict[str, dict[str, float]] = field(default_factory=dict)
    nothing: float = 0.0
    rest: float = 0.0
    peak: float = 0.0
    together: float = 0.0
    child: float = 0.0

    def ratio(self, change: str) -> float:
        """Return the median of the ratios of each round in which both were measured."""
        return _ratio(self.ours[change].seconds, self.floor[change].seconds)

    def processor_ratio(self, change: str) -> float:
        """Return the same of the processor time, in which a busy machine shows less."""
        return _ratio(self.ours[change].processor, self.floor[change].processor)


def _ratio(ours: Sequence[float], floor: Sequence[float]) -> float:
    return statistics.median(one / max(beside, 0.001) for one, beside in zip(ours, floor, strict=False))


# ---- what is printed -------------------------------------------------------------------------------------------------


def lines(measured: Sequence[Figures]) -> list[str]:
    """Return all figures in 80 columns: medians in seconds, and the ratios to the floor in the same round."""
    told: list[str] = []
    for one in measured:
        told += [str(one.size), f"  {'':18}{'ours':>8}{'floor':>8}{'ratio':>7}{'cpu':>6}  longest steps"]
        for change, taken in one.ours.items():
            longest = sorted(one.steps[change].items(), key=lambda item: -item[1])[:3]
            steps = ", ".join(f"{name} {seconds:.2f}" for name, seconds in longest)
            ratios = f"{one.ratio(change):7.2f}{one.processor_ratio(change):6.1f}"
            told.append(f"  {change:18}{taken.middle:8.2f}{one.floor[change].middle:8.2f}{ratios}  {steps}"[:80])
        told.append(f"  first converge {one.converged:.1f} s, nothing to do {one.nothing * 1000:.0f} ms")
        own, children = f"{one.rest:.0f} MiB at rest, {one.peak:.0f} at the peak", f"{one.child:.0f} the largest"
        told.append(f"  memory {own}, {one.together:.0f} with its children, {children}")
    return [*told, *(f"{what}: {said}" for what, said in targets(measured))]


def markdown(measured: Sequence[Figures]) -> list[str]:
    """Return the tables of docs/performance.md."""
    changes = list(dict.fromkeys(change for one in measured for change in one.ours))
    told = [f"| state | {' | '.join(changes)} |", f"|---|{'---|' * len(changes)}"]
    for one in measured:
        cells = (f"{one.ratio(change):.1f}" if change in one.ours else "" for change in changes)
        told.append(f"| {one.size} | {' | '.join(cells)} |")
    told += ["", f"| share of a push's steps | {' | '.join(str(one.size) for one in measured)} |"]
    told.append(f"|---|{'---|' * len(measured)}")
    for step in dict.fromkeys(step for one in measured for step in one.steps[ENTRY]):
        shares = (one.steps[ENTRY].get(step, 0.0) / sum(one.steps[ENTRY].values()) for one in measured)
        told.append(f"| {step} | {' | '.join(f'{share:.0%}' for share in shares)} |")
    told += ["", "| state | daemon at rest | daemon, peak | with its children, peak |", "|---|---|---|---|"]
    told += [f"| {one.size} | {one.rest:.0f} | {one.peak:.0f} | {one.together:.0f} |" for one in measured]
    told += ["", "| target | measured |", "|---|---|"]
    return [*told, *(f"| {what} | {said} |" for what, said in targets(measured))]


# ---- what is to be reached -------------------------------------------------------------------------------------------


def targets(measured: Sequence[Figures]) -> Iterator[tuple[str, str]]:
    """Yield each target that these figures tell about, and what was measured."""
    of_entries = {one.size.entries: one for one in measured if one.size.entries}
    for entries, most in ((SMALL, 1.5), (MEDIUM, 2.0), (LARGE, 1.0)):
        if one := of_entries.get(entries):
            for change in (PARAMETER, ENTRY):
                yield f"{change}, {one.size}", _said(one.ratio(change), most, "the floor")
    sites = sorted((one for one in measured if one.size.sites), key=lambda one: one.size.sites)
    if len(sites) > 1:
        yield from _of_sites(sites[0], sites[-1])
    flows = sorted((one for one in measured if one.size.flows), key=lambda one: one.size.flows)
    if len(flows) > 1:
        few, many = (one.ours[ENTRY].middle for one in (flows[0], flows[-1]))
        yield f"{flows[-1].size}", _said(many / few, 8.0, str(flows[0].size))
    yield from _of_memory({"sites": sites[-1] if sites else None, "entries": of_entries.get(LARGE)})


def _of_sites(few: Figures, many: Figures) -> Iterator[tuple[str, str]]:
    for change in (MORE, LESS):
        taken = many.ours[change].middle
        yield f"{change}, {many.size}", _said(taken / few.ours[change].middle, 1.5, f"{few.size}")
        yield f"{change}, {many.size}", _said(taken / few.floor[change].middle, 3.0, f"the floor at {few.size}")
    yield f"first converge, {many.size}", _said(many.converged / many.ours[MORE].middle, 30.0, "one push")
    yield f"nothing to do, {many.size}", _said(many.nothing / few.nothing, 1.5, f"{few.size}")


def _of_memory(largest: Mapping[str, Figures | None]) -> Iterator[tuple[str, str]]:
    if one := largest["sites"]:
        yield f"the daemon at rest, {one.size}", f"{one.rest:.1f} MiB, of 80"
    if one := largest["entries"]:
        yield f"the daemon's peak, {one.size}", f"{one.peak:.0f} MiB, of 160"
    for one in filter(None, largest.values()):
        yield f"with its children, {one.size}", f"{one.together:.0f} MiB, of 400"


def _said(ratio: float, most: float, than: str) -> str:
    return f"{ratio:.2f} times {than}, of {most:g}"
