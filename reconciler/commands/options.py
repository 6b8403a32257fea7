"""Options and arguments that several commands share."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconciler.model.duration import read_duration

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Revision


class Duration(click.ParamType[timedelta]):
    """A time such as 90s, 30m, 2h or 1d; not zero."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration that *value* means."""
        try:
            duration = read_duration(str(value))
        except ValueError as error:
            self.fail(f'{error}, got "{value}"', param, ctx)
        if not duration:
            self.fail("expected a time longer than zero", param, ctx)
        return duration


pass_context = click.pass_obj
as_json = click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")
show_all = click.option("--all", "whole", is_flag=True, help="Show long values whole, and all warnings.")


def wanted_revision(edges: Edges, name: str | None) -> Revision:
    """Return the commit called *name*, or the branch's tip; raises UnknownRevision or NoBranch."""
    return edges.repo.revision(name) if name else edges.repo.required_tip()
