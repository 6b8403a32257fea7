"""Mail knowledge: one file for each feature, with its section's schema, its rules and its contribution.

To add a feature, write its file and add one line to FEATURES in composition.py. Nothing here performs I/O, and nothing
here raises. All features are imported when the first of the names below is: who needs one module of them imports no
other, and no validator.

Invariant: it is pure, and knows nothing of the rules over the whole configuration and of rendering.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.features.composition import FEATURES, Feature, compose

__all__ = ["FEATURES", "Feature", "compose"]

if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        """Import all features for a name, and keep the value."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.composition"), name)
        return value
