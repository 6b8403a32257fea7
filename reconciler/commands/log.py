"""``reconciler log`` shows how passes ended, and which checks refused a commit."""

from __future__ import annotations

import json
import re
from heapq import merge
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import click

from reconciler.commands.console import Context, say_all
from reconciler.commands.options import as_json, pass_context
from reconciler.state.records import conclusion_line, refused_line
from reconciler.trees.report import left_out_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.state.journal import Journal
    from reconciler.state.records import ConclusionLine


@click.command("log", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, metavar="[-N] [REV]")
@as_json
@pass_context
def log_command(context: Context, arguments: tuple[str, ...], *, json_output: bool) -> None:
    r"""Show how passes ended, newest first, and the checks that refused a commit, with the user who asked for them.

    \b
    Examples:
      reconciler log -5              the last five passes
      reconciler log 3f2a9c1         the passes of one commit
    """
    most, rev = 20, ""
    for argument in arguments:
        if re.fullmatch(r"-\d+", argument, re.ASCII):
            most = int(argument[1:])
        elif argument.startswith("-") or rev:
            raise click.UsageError(f'no such option or commit: "{argument}"')
        else:
            rev = argument
    journal = context.journal()
    oid = context.edges().repo.revision(rev).oid if rev else ""
    for line in recorded(journal, oid, most):
        if json_output:
            click.echo(json.dumps(line))
        else:
            say_all(log_lines(line))


def recorded(journal: Journal, revision: str, most: int) -> Iterator[ConclusionLine]:
    """Yield the newest passes, and as many refused checks at most since then; newest first, of equal times the pass."""
    passes = [conclusion_line(one) for one in islice(journal.conclusions(revision), most)]
    since = passes[-1]["at"] if len(passes) == most else ""
    checks = islice(map(refused_line, journal.refused(revision)), most)
    return merge(passes, takewhile(lambda line: line["at"] >= since, checks), key=lambda line: line["at"], reverse=True)


_REVIVED = {"nftables": "the lockdown's rules were missing or changed, and were loaded again"}


def log_lines(line: ConclusionLine) -> Iterator[str]:
    """Yield the lines of one conclusion of the journal, or of a refused check."""
    generation = f"  generation {line['generation']}" if line.get("generation") is not None else ""
    who = f"  {line['author']}: {line['subject']}" if line.get("author") else ""
    yield f"{line['at']}  {line['outcome']:<10}  {line['revision'][:7] or '-':<7}{generation}{who}"
    details = [f"asked for by {line['user']} (uid {line['uid']})"] if "uid" in line else []
    details += _edit(line)
    details += ["Postfix had died and was started"] if line.get("revived") else []
    details += [_REVIVED.get(name, f"{name} had died and was started") for name in line.get("started") or ()]
    details += [line[key] for key in ("reason", "why") if line.get(key) and not (key == "reason" and line["findings"])]
    details += left_out_lines(line.get("left_out") or {})
    details += [f"superseded by {line['by'][:7]}"] if line.get("by") else []
    details += [
        f"{finding['file']}:{finding['line']}:{finding['column']}: "
        f"{'warning: ' if finding['severity'] == 'warning' else ''}{finding['text']}"
        for finding in line["findings"]
    ]
    yield from (f"    {detail}" for detail in details)


def _edit(line: ConclusionLine) -> Iterator[str]:
    """Yield the hand edits of a pass, who made them, and what was done with them."""
    by = f", {line['drift_by']}" if line.get("drift_by") else ""
    if drift := line.get("drift"):
        yield f"{'drift reverted' if line['outcome'] == 'Applied' else 'drift'}: {', '.join(drift)}{by}"
    if left_alone := line.get("left_alone"):
        yield f"drift kept by an ignore rule: {', '.join(left_alone)}{by}"
    if kept := line.get("kept"):
        yield f"kept as commit {kept[:7]} on branch {line['kept_on']}: merge it to keep the edit"
    if line.get("not_kept"):
        yield f"not kept as a commit yet: {line['not_kept']}"
