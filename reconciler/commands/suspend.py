"""``reconciler suspend``, ``confirm`` and ``resume``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from reconciler.commands.console import Context, say, who
from reconciler.commands.options import Duration, pass_context
from reconciler.model.ascii_text import SPACE
from reconciler.model.phase import Halted, Refusing, Suspended
from reconciler.passes import probation
from reconciler.passes.operator import resume, suspend

if TYPE_CHECKING:
    from reconciler.model.phase import Phase

LONGEST = timedelta(days=366)


@click.command("suspend")
@click.option("--for", "duration", type=Duration(), help="Resume after this time, for example 2h.")
@click.option("--why", required=True, help="The reason; status and log show it.")
@pass_context
def suspend_command(context: Context, duration: timedelta | None, why: str) -> None:
    """Suspend reconciler.

    It then applies no push and reverts no hand edit, until the time is over or an operator runs `reconciler resume`.
    It still starts Postfix and its companions if they die.
    """
    if not why.strip(SPACE):
        raise click.UsageError("--why needs a reason")
    if duration and duration > LONGEST:
        raise click.UsageError(f"--for: at most {LONGEST.days} days; without it, it lasts until `reconciler resume`")
    edges = context.permitted()
    until = datetime.now(UTC).replace(microsecond=0) + duration if duration else None
    suspend(edges, why, who(), until)
    say(f"suspended by {who()}: {why}; until {until.isoformat() if until else '`reconciler resume`'}")
    context.poke()


@click.command("confirm")
@pass_context
def confirm_command(context: Context) -> None:
    """Confirm the commit on probation.

    It stays live; a fault in the mail log no longer rolls it back.
    """
    kept = probation.confirm(context.permitted(), who())
    if kept is None:
        say("nothing to confirm: no commit is on probation")
        return
    say(f"confirmed: generation {kept.generation} ({kept.revision[:7]}) stays")
    context.poke()


@click.command("resume")
@pass_context
def resume_command(context: Context) -> None:
    """End a suspension or a halt.

    Run it after suspend, rollback or rescue, or after you fixed what made reconciler halt.
    """
    ended, phase = resume(context.permitted())
    say(_resumed(ended, phase))
    context.poke()


def _resumed(ended: Phase, phase: Phase) -> str:
    """Return what was ended, and what follows."""
    match ended:
        case Suspended(why=why, who=name):
            told = f"resumed: the suspension by {name} has ended ({why})"
        case Halted(reason=reason):
            told = f"resumed: the halt has ended ({reason})"
        case _:
            return "nothing to resume: reconciler is neither suspended nor halted"
    if isinstance(phase, Refusing):
        commit = phase.revision[:7]
        return f"{told}; commit {commit} is not applied again: push another one, or run `reconciler once {commit}`"
    return f"{told}; the branch is applied again"
