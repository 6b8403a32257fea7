"""``reconciler check``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.commands import formats
from reconciler.commands.console import Context, say, say_all, say_bug
from reconciler.commands.contract import override_line
from reconciler.commands.edges import templates
from reconciler.commands.exit_status import status_without
from reconciler.commands.options import pass_context, wanted_revision
from reconciler.desired.explanations import explanations
from reconciler.desired.overrides import overridden
from reconciler.host.facts_file import read_facts
from reconciler.model import File, Revision, errors_in
from reconciler.model.errors import WithFindings
from reconciler.passes.by_facts import judge_files
from reconciler.passes.check import Memory, check, forget
from reconciler.passes.internal_error import internal_errors
from reconciler.passes.propose import ProposedRepository
from reconciler.repository.secrets import SEALED
from reconciler.state.records import finding_line
from reconciler.trees.report import finding_lines, flow_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.apply.edges import Edges
    from reconciler.desired.overrides import Override
    from reconciler.model import Finding, Tree

_FORMATS = ("text", "json", "github", "gitlab", "sarif")
_NOT_ROOT = "Postfix's own programs did not run, and no secret was decrypted; run this as root"
_MOST_UNKNOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What to check, and by whose facts."""

    rev: str | None
    tree: Path | None
    facts: Path | None
    host: str | None

    def require_sense(self) -> None:
        """Raise UsageError for options that exclude each other."""
        if self.rev and self.tree:
            raise click.UsageError("give a commit or --tree, not both")
        if self.facts and not self.tree:
            raise click.UsageError("--facts needs --tree")
        if self.host and not self.facts:
            raise click.UsageError("--host needs --facts, which `reconciler facts` writes on that host")

    @property
    def folder(self) -> str:
        """Where the files are below the current folder, which a code review takes for the repository."""
        tree, here = (self.tree or Path()).resolve(), Path.cwd()
        return tree.relative_to(here).as_posix() if tree != here and tree.is_relative_to(here) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of a check; *tests* is the number of mail-flow tests, None if the commit can't be read."""

    name: str
    oid: str = ""
    findings: Sequence[Finding] = ()
    overrides: Sequence[Override] = ()
    tests: int | None = None
    played: bool = False
    status: int = 0
    limits: tuple[str, ...] = ()

    @property
    def as_json(self) -> str:
        """The verdict as one line of JSON."""
        flows = None if self.tests is None else {"tests": self.tests, "played": self.played}
        shown = {
            "revision": self.oid, "flows": flows, "findings": [finding_line(one) for one in self.findings],
            "overrides": [override_line(override) for override in self.overrides], "limits": list(self.limits),
        }  # fmt: skip
        return json.dumps(shown)


@click.command("check")
@click.argument("rev", required=False)
@click.option(
    "--tree", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Check a folder instead of a commit."
)
@click.option(
    "--facts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Judge a folder by the facts in this file, without Postfix.",
)
@click.option("--host", help="Judge as the host of this name; with --facts.")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="text", help="Print the findings in this format."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output, stable; as --format json.")
@pass_context
def check_command(context: Context, /, *, form: str, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401 - the fields of CheckRequest
    r"""Check a commit or a folder, and list all findings.

    Changes nothing. Without REV, checks the tip of the branch. With --facts, it needs neither Postfix nor settings:
    the rules judge the folder, and nothing is rehearsed. Exit status: 0 no errors (there can be warnings), 1 errors,
    70 a bug in reconciler, 78 facts that can't be read.

    \b
    Examples:
      reconciler check               the tip of the branch
      reconciler check --tree .      a clone, before you commit
      reconciler check --tree . --host mx1.example.com --facts mx1.json --format github
    """
    asked = CheckRequest(**wanted)
    asked.require_sense()
    verdict = _by_facts(asked.facts, asked) if asked.facts else _here(context, asked)
    for limit in verdict.limits:
        say(f"limit: {limit}", err=True)
    _show(verdict, "json" if as_json else form, asked.folder)
    sys.exit(verdict.status)


def _show(verdict: CheckResult, form: str, folder: str) -> None:
    match form:
        case "json":
            click.echo(verdict.as_json)
        case "github":
            click.echo(formats.github(verdict.findings, folder), nl=False)
        case "gitlab":
            click.echo(formats.gitlab(verdict.findings, folder), nl=False)
        case "sarif":
            click.echo(formats.sarif(verdict.findings, folder, explanations()), nl=False)
        case _:
            say_all(finding_lines(verdict.findings))
            say_all(map(str, verdict.overrides))
            if not verdict.status:
                tests = verdict.tests
                more = f"; {flow_line(tests, verdict.findings, played=verdict.played)}" if tests else ""
                say(f"{verdict.name}: no errors{more}", err=True)


# ---- on this host ----------------------------------------------------------------------------------------------------


def _here(context: Context, wanted: CheckRequest) -> CheckResult:
    """Check a commit or a folder by this host, as a pass would."""
    with tempfile.TemporaryDirectory(prefix="reconciler-check-") as scratch:
        edges = context.edges(None if context.is_host() else Path(scratch))
        tree = wanted.tree
        edges, revision = folder_as_commit(edges, tree) if tree else (edges, wanted_revision(edges, wanted.rev))
        root, memory = os.geteuid() == 0, Memory()
        verdict = CheckResult(
            name=str(tree or revision.short), oid=revision.oid, limits=() if root else (_NOT_ROOT,),
        )  # fmt: skip
        try:
            with internal_errors():
                checked = check(revision, edges, memory, stage=root)
                desired, facts, _ = checked.judged.understood
                verdict = replace(
                    verdict, findings=checked.findings, overrides=overridden(desired, facts),
                    tests=checked.judged.understood.flows, played=checked.rehearsed,
                )  # fmt: skip
        except WithFindings as error:
            say_bug(error)
            findings = [one if root or one.rule != SEALED else one.as_warning("root can") for one in error.findings]
            verdict = replace(verdict, findings=findings, status=status_without(error) if errors_in(findings) else 0)
        forget(edges, memory)
    return verdict


def folder_as_commit(edges: Edges, folder: Path) -> tuple[Edges, Revision]:
    """Return edges whose repository contains the folder's files."""
    revision = Revision(oid="", tree="", author="", subject=str(folder), committed_at=datetime.now(UTC))
    return replace(edges, repo=ProposedRepository(edges.repo, files_in(folder))), revision


def files_in(folder: Path) -> Tree:
    """Return the files of a folder, without those of git."""
    return {
        str(path.relative_to(folder)): File.of(path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


# ---- anywhere --------------------------------------------------------------------------------------------------------


def _by_facts(file: Path, wanted: CheckRequest) -> CheckResult:
    """Check a folder by the facts of a host, on any machine."""
    facts = read_facts(file)
    facts = replace(facts, host=wanted.host or facts.host)
    verdict = CheckResult(name=str(wanted.tree), limits=(_limit(facts.host),))
    try:
        with internal_errors():
            judged = judge_files(files_in(wanted.tree or Path()), facts, templates())
    except WithFindings as error:
        say_bug(error)
        return replace(verdict, findings=error.findings, status=status_without(error))
    more = (_unknown(judged.unknown, facts.host),) if judged.unknown else ()
    return replace(
        verdict, findings=judged.findings, overrides=overridden(judged.understood.desired, facts),
        tests=judged.understood.flows, status=1 if errors_in(judged.findings) else 0, limits=(*verdict.limits, *more),
    )  # fmt: skip


def _limit(host: str) -> str:
    return (
        f"judged as {host} by its facts: Postfix's own programs did not run, nothing was rehearsed, no secret was"
        " decrypted, and nothing was compared with what is live"
    )


def _unknown(names: Sequence[str], host: str) -> str:
    shown, more = ", ".join(names[:_MOST_UNKNOWN]), len(names) - _MOST_UNKNOWN
    return f"the facts of {host} do not cover {shown}{f' and {more} more' if more > 0 else ''}; the host judges that"
