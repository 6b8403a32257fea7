"""No setting may name a file that only reconciler may read: the identity that opens secrets, the state.

Postfix opens most files as root, and quotes the lines that it does not understand in the mail log. Pure text: the path
is compared as it is written, without links. Raises nothing.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.scopes import scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding

_PATH = re.compile(r"/[^\s,:{}|;\"]+", re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that no setting names one of these files."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for path in _PATH.findall(scope.expanded(parameter.value) or ""):
                if _is_reserved(path, facts):
                    what = f'{parameter.name}: "{path}" belongs to reconciler and must not be read by Postfix'
                    yield scope.finding("reserved-file", parameter, what, path)


def _is_reserved(path: str, facts: Facts) -> bool:
    real = "/" + posixpath.normpath(path).lstrip("/")
    return any(real == own or real.startswith(f"{own}/") for own in facts.reserved)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "reserved-file": (
        "A setting names a file in which reconciler keeps its identity or its records. Postfix would open it as root, "
        "and would write lines of it to the mail log. Name another file."
    ),
}
