"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Revision

pass_context = click.pass_obj
as_json = click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")


def wanted_revision(edges: Edges, name: str | None) -> Revision:
    """Return the commit called *name*, or the branch's tip; raises UnknownRevision or NoBranch."""
    return edges.repo.revision(name) if name else edges.repo.required_tip()
