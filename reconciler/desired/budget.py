"""The budget of one commit: the readers and the rules take from it, and end when it is spent.

Every method raises InvalidSource when a limit is passed, with a lasting finding that names the limit and the place.
The clock enters as an argument and measures processor time; without one, time is not looked at.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Self

from reconciler.model import Finding, Service, Where, error_at, limits
from reconciler.model.errors import InvalidSource
from reconciler.model.past import PastOfEach
from reconciler.postfix import macros
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from reconciler.model import Contribution, Facts

ROOT = Where("mail.yaml")
_VALUES = "values in YAML files"
_plain_costs = PastOfEach[Service, int | None]()
_OFTEN = 256
"""How much is taken between two looks at the clock, which take longer than to read a small file from memory."""


class Budget:
    """What is left of the limits while one commit is loaded, or judged."""

    def __init__(self, clock: Callable[[], float] = lambda: 0.0) -> None:
        self._clock, self._began = clock, clock()
        self._taken: Counter[str] = Counter()
        self._unseen = 0

    def take_values(self, amount: int, where: Where) -> None:
        """Take the values of a YAML file."""
        self._take(_VALUES, amount, limits.ALL_VALUES, where)

    def take_known(self, amounts: Sequence[int], paths: Sequence[str]) -> None:
        """Take the values of YAML files that are known."""
        self._take_each(_VALUES, amounts, limits.ALL_VALUES, paths)

    def take_merged(self, amount: int, where: Where) -> None:
        """Take the values of another host's file that is merged with mail.yaml."""
        self._take("values in files of other hosts, each merged with mail.yaml", amount, limits.MERGED_VALUES, where)

    def take_services(self, content: bytes, where: Where) -> None:
        """Take a file of master.d."""
        self._take("bytes in master.d", len(content), limits.SERVICES_BYTES, where)

    def take_lines(self, amounts: Sequence[int], paths: Sequence[str]) -> None:
        """Take the lines of the files of a table."""
        self._take_each("lines in tables", amounts, limits.LINES, paths)

    def take_expanded(self, amount: int, where: Where) -> None:
        """Take a value of main.cf or of a service."""
        self._take("characters in values when all names are expanded", amount, limits.ALL_EXPANDED, where)

    def _take_each(self, what: str, amounts: Sequence[int], most: int, paths: Sequence[str]) -> None:
        """Take from several files together; the first that is too much is the place."""
        left = most - self._taken[what]
        over = (path for path, taken in zip(paths, accumulate(amounts), strict=True) if taken > left)
        self._take(what, sum(amounts), most, Where(next(over, paths[-1])))

    def _take(self, what: str, amount: int, most: int, where: Where) -> None:
        self._taken[what] += amount
        if self._taken[what] > most:
            raise beyond(where, f"this commit has more than {most} {what}; reduce or split it")
        self._unseen += amount
        if self._unseen >= _OFTEN:
            self._unseen = 0
            self.look(where)

    def look(self, where: Where = ROOT) -> None:
        """Look at the clock."""
        if self._clock() - self._began > limits.SECONDS:
            raise beyond(where, f"this commit takes more than {limits.SECONDS:g} s to judge; reduce or split it")


class BoundedFindings(list[Finding]):
    """Findings up to limits.FINDINGS; with each, the clock is looked at."""

    def __init__(self, budget: Budget, findings: Iterable[Finding] = ()) -> None:
        super().__init__()
        self._budget = budget
        self.extend(findings)

    def append(self, finding: Finding) -> None:
        """Add a finding."""
        self._budget.look(finding.where)
        if len(self) >= limits.FINDINGS:
            what = f"this commit has more than {limits.FINDINGS} findings, and nothing is looked for beyond this one"
            # First, so that it is among those that are listed.
            raise InvalidSource([error_at("too-many-findings", finding.where, what, "too many findings"), *self])
        super().append(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        """Add findings one after another, so that a rule ends when there are too many."""
        for finding in findings:
            self.append(finding)

    def __iadd__(self, findings: Iterable[Finding]) -> Self:  # type: ignore[misc,override] # as a list's own
        """Add findings as extend() does."""
        self.extend(findings)
        return self


def beyond(where: Where, text: str) -> InvalidSource:
    """Return the refusal of a commit that is beyond a limit."""
    return InvalidSource([error_at("commit-too-large", where, text, "commit too large")])


def bound_values(merged: Contribution, facts: Facts) -> None:
    """Refuse settings that are too large together: each service may read each value, with all names in it expanded."""
    services, count = merged.entries, len(merged.entries)
    known = _plain_costs.of(services, (), _plain_cost)
    plain = [together for together in known if together is not None]
    if max(plain, default=0) * count <= limits.READ_BY_SERVICES:
        with suppress(InvalidSource):  # all are read one by one to find the first that is too large
            budget = Budget()
            budget.take_expanded(sum(plain), ROOT)
            _read(merged, facts, [one for one, cost in zip(services, known, strict=True) if cost is None], budget)
            return
    _read(merged, facts, services, Budget())


def _read(merged: Contribution, facts: Facts, services: Iterable[Service], budget: Budget) -> None:
    """Take the values of main.cf, and of some services, one by one."""
    main, count = Scope(merged, facts), len(merged.entries)
    for service in (None, *services):
        for parameter in service.overrides if service else main.written:
            scope = Scope(merged, facts, service) if "$" in parameter.value else main  # which costs the same
            cost = scope.cost(parameter.value)
            budget.take_expanded(cost, parameter.where)
            if cost * count > limits.READ_BY_SERVICES:
                what = f"a value of {cost} characters, which {count} services may read, is too large; use a table"
                raise beyond(parameter.where, what)


def _plain_cost(service: Service) -> int | None:
    """Return what it takes to expand all options of a service; None if that depends on what they name."""
    values = [option.value for option in service.overrides]
    is_plain = not any("$" in value for value in values)
    return sum(macros.cost(value, lambda _: None) for value in values) if is_plain else None


EXPLAINED = {
    "commit-too-large": (
        "The commit is beyond a limit for what it may cost the host that reads it: the size of its files, the number "
        "of its values or lines, or the processor time. The limits are far above what a mail system needs. Remove "
        "what nothing uses, keep a long list in a table, or split a table."
    ),
    "too-many-findings": (
        "The commit has so many findings that nothing is looked for beyond the last one. Fix those that are listed; "
        "often they have one cause."
    ),
    "more-findings": (
        "There are more findings than are listed. Errors are listed before warnings. Fix those that are listed, and "
        "check again."
    ),
}
