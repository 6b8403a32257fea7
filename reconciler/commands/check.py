"""``reconciler check``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.commands.console import Context, say, say_all, say_bug
from reconciler.commands.contract import override_line
from reconciler.commands.exit_status import status_without
from reconciler.commands.options import as_json, pass_context, wanted_revision
from reconciler.desired.overrides import overridden
from reconciler.model import File, Revision, errors_in
from reconciler.model.errors import WithFindings
from reconciler.passes.check import Memory, check, forget
from reconciler.passes.internal_error import internal_errors
from reconciler.passes.propose import ProposedRepository
from reconciler.repository.secrets import SEALED
from reconciler.state.records import finding_line
from reconciler.trees.report import finding_lines, flow_line

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.desired.overrides import Override
    from reconciler.model import Tree

# ---- checking --------------------------------------------------------------------------------------------------------


@click.command("check")
@click.argument("rev", required=False)
@click.option(
    "--tree", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Check a folder instead of a commit."
)
@as_json
@pass_context
def check_command(context: Context, rev: str | None, tree: Path | None, *, json_output: bool) -> None:
    r"""Check a commit or a folder, and list all findings.

    Changes nothing. Without REV, checks the tip of the branch. Exit status: 0 no errors (there can be warnings),
    1 errors, 70 a bug in reconciler.

    \b
    Examples:
      reconciler check               the tip of the branch
      reconciler check --tree .      a clone, before you commit
    """
    if rev and tree:
        raise click.UsageError("give a commit or --tree, not both")
    with tempfile.TemporaryDirectory(prefix="reconciler-check-") as scratch:
        edges = context.edges(None if context.is_host() else Path(scratch))
        edges, revision = folder_as_commit(edges, tree) if tree else (edges, wanted_revision(edges, rev))
        memory, root, checked, status = Memory(), os.geteuid() == 0, None, 0
        overrides: list[Override] = []
        try:
            with internal_errors():
                checked = check(revision, edges, memory, stage=root)
                desired, facts, _ = checked.judged.understood
                findings, overrides = checked.findings, overridden(desired, facts)
        except WithFindings as error:
            say_bug(error)
            findings = tuple(
                one if root or one.rule != SEALED else one.as_warning("root can") for one in error.findings
            )
            status = status_without(error) if errors_in(findings) else 0
        forget(edges, memory)
    if not root:
        say("limit: Postfix's own programs did not run, and no secret was decrypted; run this as root", err=True)
    tests, played = 0, False
    if checked:
        tests, played = checked.judged.flows, checked.rehearsed
    if json_output:
        flows = {"tests": tests, "played": played} if checked else None
        shown = {"revision": revision.oid, "flows": flows, "findings": [finding_line(one) for one in findings]}
        click.echo(json.dumps(shown | {"overrides": [override_line(override) for override in overrides]}))
    else:
        say_all(finding_lines(findings))
        say_all(map(str, overrides))
        if not status:
            more = f"; {flow_line(tests, findings, played=played)}" if tests else ""
            say(f"{tree or revision.short}: no errors{more}", err=True)
    sys.exit(status)


def folder_as_commit(edges: Edges, folder: Path) -> tuple[Edges, Revision]:
    """Return edges whose repository contains the folder's files."""
    revision = Revision(oid="", tree="", author="", subject=str(folder), committed_at=datetime.now(UTC))
    files: Tree = {
        str(path.relative_to(folder)): File.of(path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }
    return replace(edges, repo=ProposedRepository(edges.repo, files)), revision
