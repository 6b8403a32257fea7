"""The companions that a configuration needs must be installed. Raises nothing.

Known limit: the rule does not find a program that was installed without dpkg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Finding, nothing_mentioned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each companion is installed."""
    for companion in merged.companions.values():
        if companion.name not in facts.packages:
            what = f"this needs the package {companion.name}, which is not installed: apt install {companion.name}"
            where, name = companion.where, companion.name
            yield Finding(rule="missing-package", where=where, text=what, subject=name, lasting=False, excusable=False)


mentioned = nothing_mentioned
EXPLAINED = {
    "missing-package": (
        "A section needs a program beside Postfix that is not installed on this host. reconciler changes nothing, "
        "even if the program was installed when the same section went live. Install the package that the finding "
        "names. reconciler then tries the commit again automatically."
    ),
}
PASSING = frozenset(EXPLAINED)
