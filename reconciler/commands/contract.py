"""The JSON that several commands print and that scripts may rely on: keys are added, and never renamed.

Other modules make two parts: passes/status.py makes the answer of ``status``, which crosses the daemon's socket;
state/records.py makes findings and conclusions, which have the same form in the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reconciler.model.hidden_values import shown
from reconciler.trees.changes import values

if TYPE_CHECKING:
    from reconciler.desired.overrides import Override
    from reconciler.model import Change
    from reconciler.postfix.root_equivalent import Power


def change_line(change: Change) -> dict[str, Any]:
    """Return one difference of a plan."""
    before, after = values(change)
    return {
        "kind": change.kind, "what": change.what, "before": before, "after": after,
        "within": change.within, "where": str(change.where) if change.where else None, "effect": change.effect,
    }  # fmt: skip


def override_line(override: Override) -> dict[str, str]:
    """Return a custom parameter, and the value that it overrides."""
    above, below = override
    return {
        "parameter": above.name, "where": str(above.where), "value": shown(above.name, above.value),
        "section": below.section, "instead_of": below.value, "instead_where": str(below.where),
    }  # fmt: skip


def power_line(power: Power) -> dict[str, Any]:
    """Return a setting that lets its author act as another user, and whether that user is root."""
    return {"effect": power.effect, "what": power.what, "where": str(power.where), "root": power.is_root}
