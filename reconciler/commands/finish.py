"""The end of a command that makes a pass of its own."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from reconciler.commands.console import Context, say_all, say_traceback
from reconciler.commands.exit_status import status_of
from reconciler.passes.status import provisional
from reconciler.state.records import Conclusion, conclusion_line
from reconciler.trees.report import outcome_lines

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.passes.record import Passed


def finish(context: Context, edges: Edges, passed: Passed, *, json_output: bool = False) -> NoReturn:
    """Print the outcome of a command's own pass, wake the daemon, and exit with the outcome's status."""
    live = edges.generations.live()
    if json_output:
        unrecorded = Conclusion(outcome=passed.outcome, revision=passed.revision, seconds=passed.seconds)
        click.echo(json.dumps(conclusion_line(passed.conclusion or unrecorded)))
    else:
        number, short = (live.number, live.name) if live else (None, "")
        say_all(outcome_lines(passed.outcome, passed.seconds, number, short))
        say_all(provisional(edges))
    say_traceback(passed.traceback)
    context.poke()
    sys.exit(status_of(passed.outcome))
