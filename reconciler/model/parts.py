"""What a module of rules states, and what those state that have nothing to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from reconciler.model.facts import Mentioned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.model.desired import Contribution, Desired
    from reconciler.model.facts import Facts
    from reconciler.model.finding import Finding


class Rules(Protocol):
    """What a module of rules states."""

    @property
    def EXPLAINED(self) -> Mapping[str, str]:  # noqa: N802 - modules name it as the constant it is
        """What its rules mean, by their names."""

    @property
    def PASSING(self) -> Collection[str]:  # noqa: N802 - as above
        """Those of its rules whose findings come and go with the host, so that an allowance may be idle for now."""

    def mentioned(self, merged: Contribution, facts: Facts, /) -> Mentioned:
        """What its rules ask of the host; of *facts*, its files, pems, answers and names need not be filled."""

    def rules(self, desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
        """What is wrong or doubtful about *merged*, all features together."""


def nothing_mentioned(*_: object) -> Mentioned:
    """The ``mentioned`` of rules that ask nothing more of the host."""
    return Mentioned()


def no_services(*_: object) -> frozenset[str]:
    """The ``services`` of a feature that brings none."""
    return frozenset()
