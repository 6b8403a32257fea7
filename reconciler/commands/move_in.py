"""``reconciler import``."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from reconciler.commands.check import files_in
from reconciler.commands.console import Context, say, say_all
from reconciler.commands.contract import change_line
from reconciler.commands.offers import Names, Then, offer_as_json, offer_lines, stays_lines
from reconciler.commands.options import as_json, pass_context
from reconciler.host.effects import Host
from reconciler.host.instances import installed
from reconciler.host.settings import defaults, settings_file, shipped
from reconciler.model import File
from reconciler.passes.move_in import MoveIn, move_in
from reconciler.passes.move_in_offers import Proven, Stays, offers
from reconciler.repository import secrets
from reconciler.repository.create import create
from reconciler.state.records import finding_line
from reconciler.trees.report import finding_lines, plan_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.apply.edges import Edges
    from reconciler.host.settings import Settings
    from reconciler.model import Tree

_SETTINGS = """\
# Settings of reconciler on this host; a key that is not here has its default.
[host]
name = {name}

[repository]
path = {path}
branch = {branch}
"""
_MESSAGE = "Import {directory}\n\nThis commit says what {directory} of {host} said, and changes nothing.\n"


@click.command("import")
@click.option(
    "--from", "source", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read this copy of another host's /etc/postfix.",
)  # fmt: skip
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write a folder instead of a repository."
)
@click.option("--keep", is_flag=True, help="Write the commit even if it is not equal to the host.")
@click.option("--then", "names", type=Names(), metavar="NAME[,NAME...]", help="Make a commit of each of these offers.")
@as_json
@pass_context
def import_command(
    context: Context, source: Path | None, folder: Path | None, names: tuple[str, ...] | None, *, keep: bool,
    json_output: bool,
) -> None:  # fmt: skip
    r"""Make the first commit from this host's Postfix, and prove that it changes nothing.

    Writes the settings and the identity where they are missing, and the repository; changes nothing that Postfix
    reads. A repository or a folder that is there is compared, and never overwritten. Exit status: 0 equal, 1 not
    equal (nothing is written without --keep), 75 not possible now.

    Then it names what the commit could say shorter. With --then, each of these offers becomes a commit of its own on
    the branch, after the same check as for a push; `all` makes every one. Exit status: 0 made, or nothing left to do;
    1 not the same, or refused.

    \b
    Examples:
      reconciler import                              this host
      reconciler import --then defaults,tables       make two of the offers
      reconciler import --from COPY --to FOLDER      another host's /etc/postfix, into a folder
    """
    if names is not None and (source or folder or keep):
        raise click.UsageError("--then makes commits in this host's repository; leave out --from, --to and --keep")
    if os.geteuid():
        raise PermissionError(1, "not permitted; run this as root", str(settings_file(context.file)))
    if is_new := not settings_file(context.file).exists():
        context.suppose(defaults(settings_file(context.file)))
    edges = context.edges()
    directory = (source or edges.settings.config_directory).absolute()
    given = _given(edges, folder)
    if names is not None and given is not None:
        _then(context, edges, directory, names, json_output=json_output)
    report, written = move_in(directory, edges, given), ""
    if given is None and (report.is_equal or keep):
        if is_new and not folder:
            _write_settings(settings_file(context.file).absolute(), edges.settings)
        written = _write(context, report, directory, edges, folder)
    if names is not None and report.is_equal:
        _then(context, edges, directory, names, json_output=json_output)
    offered, stays = _offered(report, edges, folder, directory)
    if json_output:
        click.echo(json.dumps(_as_json(report, written, directory, offered, stays)))
    else:
        say_all(_lines(report, directory))
        say_all(offer_lines(offered))
        say_all(stays_lines(stays))
        say_all(_end(report, written, folder or edges.settings.repository, given is not None))
    sys.exit(0 if report.is_equal else 1)


def _offered(report: MoveIn, edges: Edges, folder: Path | None, directory: Path) -> tuple[list[Proven], list[Stays]]:
    """Return what is offered for the commit, as far as it is proven, and what is not; nothing if it is not equal."""
    if not report.is_equal:
        return [], []
    files = report.files if folder else edges.repo.read(edges.repo.required_tip())
    found = [*offers(files, directory, edges)]
    proven = [one for one in found if isinstance(one, Proven)]
    return [one for one in proven if one.is_equal], [one for one in found if isinstance(one, Stays)]


def _then(context: Context, edges: Edges, directory: Path, names: tuple[str, ...], *, json_output: bool) -> NoReturn:
    """Make commits of these offers, and exit."""
    then = Then(edges, directory)
    is_done = then.make(names, silent=json_output)
    if json_output:
        click.echo(json.dumps({"then": then.told}))
    elif any(one["commit"] for one in then.told):
        live = "reconciler once, unless the daemon runs" if edges.generations.adopted else "reconciler once --adopt"
        say(f"next: reconciler plan; {live}")
    context.poke()
    sys.exit(0 if is_done else 1)


def _given(edges: Edges, folder: Path | None) -> Tree | None:
    """Return the files that are there already, in the folder or in the repository; None if nothing is."""
    place = folder or edges.settings.repository
    if not place.is_dir() or not any(place.iterdir()):
        return None
    if folder is None:
        tip = edges.repo.tip() if installed() else edges.repo.required_tip()
        return edges.repo.read(tip) if tip else None  # each of several instances gets a branch of its own
    return files_in(folder)


# ---- writing ---------------------------------------------------------------------------------------------------------


def _write(context: Context, report: MoveIn, directory: Path, edges: Edges, folder: Path | None) -> str:
    """Write the commit into the folder, or make the repository with it; return the commit's short name."""
    if folder:
        _fill(folder, report.files)
        return str(folder)
    settings = edges.settings
    identity = settings.identity
    recipient = secrets.recipient(identity) if identity.exists() else secrets.new_identity(identity)
    head = (shipped("desired-state") / secrets.RECIPIENTS).read_bytes()
    recipients = File.of(head + f"\n# {settings.host}\n{recipient}\n".encode())
    with tempfile.TemporaryDirectory(prefix="reconciler-import-") as scratch:
        _fill(Path(scratch), {**report.files, secrets.RECIPIENTS: recipients})
        message = _MESSAGE.format(directory=directory, host=settings.host)
        file = settings_file(context.file).absolute()
        repository = settings.repository.absolute()
        revision = create(
            repository, settings, settings_file=file, recipient=recipient, source=Path(scratch), message=message
        )
    return revision.short


def _fill(folder: Path, files: Tree) -> None:
    for path, file in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.read())


def _write_settings(file: Path, settings: Settings) -> None:
    values = {"name": settings.host, "path": str(settings.repository), "branch": settings.branch}
    text = _SETTINGS.format(**{name: json.dumps(value) for name, value in values.items()})
    file.parent.mkdir(0o711, parents=True, exist_ok=True)
    Host().replace(file, text.encode(), 0o644)


# ---- the report ------------------------------------------------------------------------------------------------------


def _lines(report: MoveIn, directory: Path) -> Iterator[str]:
    for remark in report.remarks:
        yield f"note: {remark}"
    yield f"{directory} and the commit:"
    for line in report.proof:
        yield f"  {line}"
        yield from (f"    {difference}" for difference in line.differences)
    if report.plan is not None:
        yield f"  {'plan':10}{'empty: nothing would change' if report.plan.empty else 'not empty:'}"
        yield from () if report.plan.empty else plan_lines(report.plan)
    yield from finding_lines(report.findings)
    if report.notes or report.left:
        yield "not in the commit, or not as it was:"
        yield from (f"  {note}" for note in report.notes)
        yield from (f"  {one.what} stays where it is: {one.why}" for one in report.left)


def _end(report: MoveIn, written: str, place: Path, was_there: bool) -> Iterator[str]:
    verdict = "equal" if report.is_equal else "not equal"
    if was_there:
        yield f"{verdict}: {place} was compared, and not written"
    elif not written:
        yield f"{verdict}: nothing was written; correct what is listed, or see the commit with --keep"
    elif written == str(place):
        yield f"{verdict}: written to {place}"
    else:
        yield f"{verdict}: {place} has commit {written}"
        if report.is_equal:
            yield f"next: git clone {place}; reconciler plan; reconciler once --adopt"


def _as_json(
    report: MoveIn, written: str, directory: Path, offered: list[Proven], stays: list[Stays]
) -> dict[str, Any]:
    proof = [asdict(line) for line in report.proof]
    return {
        "equal": report.is_equal, "directory": str(directory), "written": written, "remarks": list(report.remarks),
        "proof": proof, "notes": list(report.notes), "left": [one._asdict() for one in report.left],
        "changes": [change_line(change) for change in report.plan.changes] if report.plan else [],
        "findings": [finding_line(finding) for finding in report.findings],
        "offers": [offer_as_json(one) for one in offered], "not_offered": [asdict(one) for one in stays],
    }  # fmt: skip
