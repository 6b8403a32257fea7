"""``reconciler log`` shows how passes ended, and which checks refused a commit."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice, takewhile
from typing import TYPE_CHECKING, NamedTuple

import click

from reconciler.commands.console import Context, say_all
from reconciler.commands.options import Duration, as_json, pass_context
from reconciler.passes.headline import details, finding_text
from reconciler.state.records import conclusion_line, refused_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.state.journal import Journal
    from reconciler.state.records import ConclusionLine

MOST = 20
_FAILED = frozenset({"Refused", "RolledBack", "Broken", "Postponed", "CheckRefused"})
_NAMES = {
    "Applied": "applied", "Unchanged": "unchanged", "Refused": "refused", "RolledBack": "rolled back",
    "Broken": "HALTED", "Postponed": "postponed", "Superseded": "superseded", "CheckRefused": "check refused",
}  # fmt: skip
_OF_EDITS = {"Applied": "reverted", "Unchanged": "edited"}


class LogFilter(NamedTuple):
    """The entries to show: since *begin*, an ISO 8601 time in UTC; of all kinds, unless one or both are named."""

    begin: str = ""
    drift: bool = False
    failed: bool = False

    def has(self, line: ConclusionLine) -> bool:
        """Return whether an entry is of a kind that is wanted."""
        is_drift, has_failed = bool(line.get("drift")), line["outcome"] in _FAILED
        return (is_drift and self.drift) or (has_failed and self.failed) or not (self.drift or self.failed)


EVERYTHING = LogFilter()


@click.command("log", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, metavar="[-N] [REV]")
@click.option("--drift", is_flag=True, help="Show only hand edits.")
@click.option("--failed", is_flag=True, help="Show only what was refused, rolled back or postponed, and halts.")
@click.option("--since", type=Duration(), help="Show only what happened in this time, for example 2h or 7d.")
@click.option("-v", "--verbose", is_flag=True, help="Show all findings of each entry.")
@click.option("-p", "--patch", is_flag=True, help="Show what each commit that went live changed in the repository.")
@as_json
@pass_context
def log_command(  # noqa: PLR0913 - one for each option
    context: Context, arguments: tuple[str, ...], *, drift: bool, failed: bool, since: timedelta | None, verbose: bool,
    patch: bool, json_output: bool,
) -> None:  # fmt: skip
    r"""Show how passes ended, newest first, and the checks that refused a commit, with the user who asked for them.

    Each entry has two lines; with REV or -v, it is shown whole. Times are local; those of --json are UTC.

    \b
    Examples:
      reconciler log -5              the last five passes
      reconciler log 3f2a9c1         the passes of one commit, with all findings
      reconciler log --drift         who edited what by hand
    """
    most, rev = MOST, ""
    for argument in arguments:
        if re.fullmatch(r"-\d+", argument, re.ASCII):
            most = int(argument[1:])
        elif argument.startswith("-") or rev:
            raise click.UsageError(f'no such option or commit: "{argument}"')
        else:
            rev = argument
    journal = context.journal()
    repo = context.edges().repo if rev or patch else None
    oid = repo.revision(rev).oid if rev and repo else ""
    begin = f"{datetime.now(UTC) - since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
    for line in recorded(journal, oid, most, LogFilter(begin, drift, failed)):
        if json_output:
            click.echo(json.dumps(line))
            continue
        say_all(log_lines(line, whole=verbose or bool(rev)))
        if patch and repo and line["outcome"] == "Applied" and line["revision"]:
            say_all(f"    {one}" for one in repo.patch(line["revision"]))


def recorded(journal: Journal, revision: str, most: int, wanted: LogFilter = EVERYTHING) -> Iterator[ConclusionLine]:
    """Yield the newest passes, and as many refused checks at most since then; newest first, of equal times the pass."""
    ended = takewhile(lambda line: line["at"] >= wanted.begin, map(conclusion_line, journal.conclusions(revision)))
    passes = [*islice(filter(wanted.has, ended), most)]
    since = passes[-1]["at"] if len(passes) == most else wanted.begin
    checks = islice(filter(wanted.has, map(refused_line, journal.refused(revision))), most)
    return merge(passes, takewhile(lambda line: line["at"] >= since, checks), key=lambda line: line["at"], reverse=True)


def log_lines(line: ConclusionLine, *, whole: bool = False) -> Iterator[str]:
    """Yield the lines of one conclusion of the journal, or of a refused check; two lines, unless it is *whole*."""
    at = f"{datetime.fromisoformat(line['at']).astimezone():%Y-%m-%d %H:%M:%S}"
    name = (_OF_EDITS if line.get("drift") else {}).get(line["outcome"]) or _NAMES[line["outcome"]]
    generation = f"  generation {line['generation']}" if line.get("generation") is not None else ""
    subject = f"  {line['subject']}" if line.get("subject") else ""
    yield f"{at}  {name:<13}  {line['revision'][:7] or '-':<7}{generation}{subject}".rstrip(" ")
    author = [f"by {line['author']}"] if line.get("author") else []
    told = [*author, *_findings(line, whole=whole), *(text for _, text in details(line))]
    if whole:
        yield from (f"    {one}" for one in told)
    elif told:
        yield f"    {'; '.join(told)}"


def _findings(line: ConclusionLine, *, whole: bool) -> list[str]:
    """Return all findings, or the first error and the numbers of the others."""
    errors = [one for one in line["findings"] if one["severity"] == "error"]
    warnings = len(line["findings"]) - len(errors)
    if whole:
        return [finding_text(one) for one in line["findings"]]
    others = f" (and {len(errors) - 1} more errors)" if errors[1:] else ""
    first = [finding_text(errors[0]) + others] if errors else []
    return [*first, *([f"{warnings} warning{'s' * (warnings != 1)}"] if warnings else [])]
