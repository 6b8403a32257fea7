"""Defaults that depend on compatibility_level, as ``postconf -d`` prints them. Raises nothing.

Known limit: a default with another condition besides the level keeps that of the level alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.postfix.macros import MalformedMacro, expand
from reconciler.postfix.scopes import Scope

if TYPE_CHECKING:
    from reconciler.model import Contribution, Facts

LEVEL = "compatibility_level"


def level_of(merged: Contribution, facts: Facts) -> str:
    """Return the level that holds, with the names in it expanded; empty if that is impossible."""
    return Scope(merged, facts).value(LEVEL)


def depends(default: str) -> bool:
    """Return whether a default depends on the level."""
    return f"${LEVEL}" in default or f"${{{LEVEL}" in default


def at_level(default: str, level: str) -> str:
    """Return a default as it reads at a level, with all other names left as they are."""
    if not depends(default):
        return default
    try:
        return expand(default, lambda name: level if name == LEVEL else f"$${name}")
    except MalformedMacro:
        return default
