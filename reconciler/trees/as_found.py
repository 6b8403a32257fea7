"""Leave main.cf as it was found where the desired state says the same: comments, order and blanks stay.

Only for a desired state with ``base: none``, which describes what a host has. Pure; raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import File
from reconciler.postfix.syntax import one_line, read_main

if TYPE_CHECKING:
    from reconciler.model import Tree

MAIN = "main.cf"


def as_found(target: Tree, found: File | None) -> Tree:
    """Return *target* with the bytes of *found*, the main.cf that is there, if both set the same."""
    wanted = target.get(MAIN)
    if found is None or wanted is None or _settings(found) != _settings(wanted):
        return target
    kept = File(found.digest, wanted.mode, wanted.owner, found.read, wanted.compiled)
    return {**target, MAIN: kept}


def _settings(file: File) -> dict[str, str] | None:
    """Return the value of each parameter; None if a line can't be read."""
    read, unreadable = read_main(file.read().decode("utf-8", "surrogateescape"), MAIN)
    return None if unreadable else {name: one_line(parameter.value) for name, parameter in read.items()}
