"""``base``: whether anything holds that the desired state does not say.

With ``base: none`` it is what a host has, to the letter: nothing is contributed that is not written. Without the key,
master.cf begins with upstream's services and two built-in transports, and main.cf with a few parameters
(baseline.py, tls.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from reconciler.features.section import SectionValue
from reconciler.model import Contribution, no_services, nothing_mentioned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Finding

SECTION = "base"
NONE = "none"


class Schema(SectionValue[Literal["stock", "none"]]):
    """``stock``, which is the default, or ``none``."""


def is_left_out(desired: Desired) -> bool:
    """Return whether the desired state says everything itself, so that no feature adds a default."""
    section = desired.section(Schema)
    return section is not None and section.root == NONE


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute nothing: other features ask is_left_out()."""
    return Contribution()


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - a Feature
    """Yield nothing: the schema already checks the word."""
    return iter(())


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED: dict[str, str] = {}
