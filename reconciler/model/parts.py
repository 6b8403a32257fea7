"""The interface of a module of rules, and defaults for its members. Raises nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from reconciler.model.facts import Mentioned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.model.desired import Contribution, Desired
    from reconciler.model.facts import Facts
    from reconciler.model.finding import Finding


class Rules(Protocol):
    """The interface of a module of rules."""

    @property
    def EXPLAINED(self) -> Mapping[str, str]:  # noqa: N802 - modules name it as the constant it is
        """Return the explanations of its rules, by rule name."""

    @property
    def PASSING(self) -> Collection[str]:  # noqa: N802 - as above
        """Return the rules whose findings depend on the host, so that an unused allowance for them is no error."""

    def mentioned(self, merged: Contribution, facts: Facts, /) -> Mentioned:
        """Return what its rules need to know of the host; *facts* may lack that."""

    def rules(self, desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
        """Yield the findings about *merged*, the contributions of all features together."""


def nothing_mentioned(*_: object) -> Mentioned:
    """Return nothing, as the ``mentioned`` of rules that need no more facts."""
    return Mentioned()


def no_services(*_: object) -> frozenset[str]:
    """Return nothing, as the ``services`` of a feature that adds none."""
    return frozenset()
