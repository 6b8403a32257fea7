"""The command line: what a person or a script asks, in click's words, and an exit status that means something.

Exit status: 64 wrong usage, 77 not permitted, 78 settings that can't be read; the rest as the commands' help says.
Every command but run works without the daemon.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import __version__, passes, repo, secrets, trial
from reconciler import status as state
from reconciler.clone import secret_group
from reconciler.console import Context, Reconciler, finish, say, say_all, who
from reconciler.control import ask
from reconciler.dkim import dkim_group
from reconciler.dns import dns_group
from reconciler.edit import set_command, site_group, smart_host_group
from reconciler.errors import ReconcilerError, WithFindings
from reconciler.explain import explain_command
from reconciler.journal import finding_data
from reconciler.model import File, Revision, errors_in
from reconciler.origin import overridden
from reconciler.phase import Wake
from reconciler.probe import probe_command
from reconciler.propose import Candidate
from reconciler.reconcile import Memory, check, forget, judge, refuse
from reconciler.report import finding_lines, flow_line, log_lines, plan_lines, status_lines
from reconciler.secrets import SEALED
from reconciler.settings import settings_file
from reconciler.why import get_command, why_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply import Edges
    from reconciler.model import Tree
    from reconciler.origin import Override


@click.group(cls=Reconciler, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--settings",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Settings instead of /etc/reconciler.toml.",
)
@click.version_option(__version__, prog_name="reconciler")
@click.pass_context
def main(context: click.Context, file: Path | None) -> None:
    r"""Keep this host's Postfix equal to a git branch, and put it back when that would break it.

    \b
    Examples:
      reconciler status              what is live, and whether anything needs you
      reconciler plan                what the branch would change here
      reconciler once --adopt        take this host's Postfix over
      git push                       everything after that
    """
    context.obj = Context(file)


pass_context = click.pass_obj
as_json = click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")


# ---- looking ---------------------------------------------------------------------------------------------------------


@main.command("check")
@click.argument("rev", required=False)
@click.option(
    "--tree", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder instead of a commit."
)
@as_json
@pass_context
def check_command(context: Context, rev: str | None, tree: Path | None, *, json_output: bool) -> None:
    r"""Read a commit or a folder and say everything that is wrong with it. Touches nothing.

    Exit status: 0 no error (warnings are allowed), 1 errors.

    \b
    Examples:
      reconciler check               the tip of the branch
      reconciler check --tree .      a clone before its commit
    """
    if rev and tree:
        raise click.UsageError("a commit or --tree, not both")
    with tempfile.TemporaryDirectory(prefix="reconciler-check-") as scratch:
        edges = context.edges(None if context.is_host() else Path(scratch))
        edges, revision = _folder(edges, tree) if tree else (edges, _revision(edges, rev))
        memory, root, judged = Memory(), os.geteuid() == 0, None
        overrides: list[Override] = []
        try:
            judged = check(revision, edges, memory, stage=root)
            findings, overrides = judged.findings, overridden(judged.desired, judged.facts)
        except WithFindings as error:
            findings = tuple(
                one if root or one.rule != SEALED else one.as_warning("root can") for one in error.findings
            )
        forget(edges, memory)
    if not root:
        say("limit: Postfix's own programs were not asked, and no secret was opened: that takes root", err=True)
    status = 1 if errors_in(findings) else 0
    if json_output:
        flows = {"tests": judged.flows, "played": judged.rehearsed} if judged else None
        shown = {"revision": revision.oid, "flows": flows, "findings": [finding_data(one) for one in findings]}
        click.echo(json.dumps(shown | {"overrides": [override.data for override in overrides]}))
    else:
        say_all(finding_lines(findings))
        say_all(map(str, overrides))
        if not status:
            played = judged and judged.flows and flow_line(judged.flows, findings, played=judged.rehearsed)
            say(f"{tree or revision.short}: no errors{f'; {played}' if played else ''}", err=True)
    sys.exit(status)


def _folder(edges: Edges, folder: Path) -> tuple[Edges, Revision]:
    """Edges whose repository is a folder's files."""
    revision = Revision(oid="", tree="", author="", subject=str(folder), committed_at=datetime.now(UTC))
    files: Tree = {
        str(path.relative_to(folder)): File.of(path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
    return replace(edges, repo=Candidate(edges.repo, files)), revision


def _revision(edges: Edges, name: str | None) -> Revision:
    if name:
        return edges.repo.revision(name)
    tip = edges.repo.tip()
    if tip is None:
        raise passes.NotPossible(f"repository {edges.repo.path}: there is no branch {edges.repo.branch}")
    return tip


@main.command("plan")
@click.argument("rev", required=False)
@as_json
@pass_context
def plan_command(context: Context, rev: str | None, *, json_output: bool) -> None:
    """Show the difference between a commit and what is live.

    Exit status: 0 none, 2 changes, 1 refused.
    """
    edges = context.edges()
    revision = _revision(edges, rev)
    try:
        judged = judge(revision, edges)
        findings = judged.findings
        refuse(judged, edges)
    except WithFindings as error:
        _findings_or_json(error.findings, json_output=json_output)
        sys.exit(1)
    plan, overrides = judged.plan, overridden(judged.desired, judged.facts)
    if json_output:
        changes = [
            {"kind": change.kind, "what": change.what, "before": change.before, "after": change.after,
             "within": change.within, "where": str(change.where) if change.where else None}
            for change in plan.changes
        ]  # fmt: skip
        shown = {"revision": revision.oid, "changes": changes, "steps": list(plan.steps),
                 "overrides": [override.data for override in overrides]}  # fmt: skip
        click.echo(json.dumps(shown | {"findings": [finding_data(finding) for finding in findings]}))
    else:
        say(f"{context.settings.host}   {revision.short}  {revision.subject}\n")
        say_all(plan_lines(plan))
        say_all(finding_lines(findings))
        say_all(map(str, overrides))
    sys.exit(2 if plan.changes else 0)


def _findings_or_json(findings: Sequence[Any], *, json_output: bool) -> None:
    if json_output:
        click.echo(json.dumps({"findings": [finding_data(finding) for finding in findings]}))
    else:
        say_all(finding_lines(findings))


@main.command("status")
@as_json
@pass_context
def status_command(context: Context, *, json_output: bool) -> None:
    """Say what is live, how the last pass ended, and whether anything needs you."""
    shown = _ask_daemon(context)
    if shown is None:
        shown = state.status(context.permitted(), [], daemon=False)
    if json_output:
        click.echo(json.dumps(shown))
    else:
        say_all(status_lines(shown))


def _ask_daemon(context: Context) -> dict[str, Any] | None:
    try:
        for message in ask(context.settings.socket, {"do": "status"}, 10.0):
            if "done" in message:
                done: dict[str, Any] = message["done"]
                return done
    except ReconcilerError:
        return None
    return None


@main.command("log", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, metavar="[-N] [REV]")
@as_json
@pass_context
def log_command(context: Context, arguments: tuple[str, ...], *, json_output: bool) -> None:
    r"""Show how passes ended, newest first.

    \b
    Examples:
      reconciler log -5              the last five
      reconciler log 3f2a9c1         what became of a commit
    """
    most, rev = 20, ""
    for argument in arguments:
        if re.fullmatch(r"-\d+", argument):
            most = int(argument[1:])
        elif argument.startswith("-") or rev:
            raise click.UsageError(f'no such option or commit: "{argument}"')
        else:
            rev = argument
    edges = context.permitted()
    oid = edges.repo.revision(rev).oid if rev else ""
    shown = [line for line in edges.journal.conclusions() if not oid or line["revision"] == oid]
    for line in shown[:most]:
        if json_output:
            click.echo(json.dumps(line))
        else:
            say_all(log_lines(line))


# ---- changing --------------------------------------------------------------------------------------------------------


@main.command("once")
@click.argument("rev", required=False)
@click.option("--adopt", is_flag=True, help="Take /etc/postfix over first, if it is not ours yet.")
@as_json
@pass_context
def once_command(context: Context, rev: str | None, *, adopt: bool, json_output: bool) -> None:
    """Make one pass; with REV also for a commit that is quarantined, or that rewinds the branch.

    Exit status: 0 applied or nothing to do, 1 refused, 3 rolled back, 4 broken, 75 postponed, suspended, not adopted,
    or another pass is running.
    """
    edges, memory = context.permitted(), Memory()
    accepted = edges.repo.revision(rev) if rev else None
    refused = passes.adopt(edges, memory) if adopt else None
    passed = passes.Passed(refused) if refused else passes.one_pass(edges, memory, Wake.OPERATOR, accepted)
    finish(context, edges, passed, json_output=json_output)


@main.command("run")
@pass_context
def run_command(context: Context) -> None:
    """Run the daemon: follow the branch, watch for hand edits, answer the hooks."""
    from reconciler.daemon import Daemon  # noqa: PLC0415 - watchdog and structlog are for the daemon alone
    from reconciler.log import configure  # noqa: PLC0415

    configure(context.settings.log_format, sys.stderr)
    Daemon(context.permitted()).run()


@main.command("rollback")
@click.argument("generation", type=int, required=False)
@as_json
@pass_context
def rollback_command(context: Context, generation: int | None, *, json_output: bool) -> None:
    """Go back to an earlier generation, and stay there until the branch moves or `resume`."""
    edges = context.permitted()
    finish(context, edges, passes.roll_back(edges, generation, who()), json_output=json_output)


@main.command("rescue")
@as_json
@pass_context
def rescue_command(context: Context, *, json_output: bool) -> None:
    """Go back to what this host had before it was adopted, and stay there until `resume`."""
    edges = context.permitted()
    finish(context, edges, passes.rescue(edges, who()), json_output=json_output)


LONGEST, MAX_DIGITS = timedelta(days=366), 9


class Duration(click.ParamType[timedelta]):
    """A time such as 90s, 30m, 2h or 1d."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        match = re.fullmatch(r"(\d+)([smhd])", str(value))
        if not match or match[1].strip("0") == "":
            self.fail(f'expected a time such as 30m, 2h or 1d, got "{value}"', param, ctx)
        unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
        if len(match[1]) > MAX_DIGITS or timedelta(**{unit: int(match[1])}) > LONGEST:
            self.fail(f"at most {LONGEST.days} days; without --for it lasts until `reconciler resume`", param, ctx)
        return timedelta(**{unit: int(match[1])})


@main.command("suspend")
@click.option("--for", "duration", type=Duration(), help="End by itself after that time, for example 2h.")
@click.option("--why", required=True, help="The reason, for everybody who looks.")
@pass_context
def suspend_command(context: Context, duration: timedelta | None, why: str) -> None:
    """Change nothing, whatever is pushed or edited, until the time is over or somebody says `resume`.

    Postfix and what it asks are still started when they die.
    """
    if not why.strip():
        raise click.UsageError("--why needs a reason")
    edges = context.permitted()
    until = datetime.now(UTC).replace(microsecond=0) + duration if duration else None
    passes.suspend(edges, why, who(), until)
    say(f"suspended by {who()}: {why}; until {until.isoformat() if until else '`reconciler resume`'}")
    context.poke()


@main.command("confirm")
@pass_context
def confirm_command(context: Context) -> None:
    """Keep the commit that is on probation: it does not go back by itself any more."""
    kept = trial.confirm(context.permitted(), who())
    if kept is None:
        say("nothing to confirm: no commit is on probation")
        return
    say(f"confirmed: generation {kept.generation} ({kept.revision[:7]}) stays")
    context.poke()


@main.command("resume")
@pass_context
def resume_command(context: Context) -> None:
    """Go on after suspend, rollback, rescue, or a failure that a person has looked at."""
    phase = passes.resume(context.permitted())
    say(f"{type(phase).__name__}")
    context.poke()


# ---- setting up ------------------------------------------------------------------------------------------------------


@main.command("init")
@click.argument("path", metavar="REPO", type=click.Path(path_type=Path))
@click.option(
    "--from", "source", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Start from this folder."
)
@pass_context
def init_command(context: Context, path: Path, source: Path | None) -> None:
    """Make a bare repository with a first commit and the hooks, ready to be cloned and pushed to."""
    settings = context.settings
    identity = settings.identity
    recipient = secrets.recipient(identity) if identity.exists() else secrets.new_identity(identity)
    file = settings_file(context.file).absolute()
    revision = repo.create(path.absolute(), settings, settings_file=file, recipient=recipient, source=source)
    say(f"{path}: branch {settings.branch} at {revision.short}; git clone {path}")


main.add_command(secret_group)
main.add_command(explain_command)
for command in (
    probe_command, why_command, get_command, set_command, smart_host_group, site_group, dkim_group, dns_group,
):  # fmt: skip
    main.add_command(command)
