"""What several commands ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.passes.operator import NotPossible

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Revision

pass_context = click.pass_obj
as_json = click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")


def wanted_revision(edges: Edges, name: str | None) -> Revision:
    """Return the commit called *name*, or the branch's tip; raises NotPossible where there is no branch."""
    if name:
        return edges.repo.revision(name)
    tip = edges.repo.tip()
    if tip is None:
        raise NotPossible(f"repository {edges.repo.path}: there is no branch {edges.repo.branch}")
    return tip
