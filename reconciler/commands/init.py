"""``reconciler init``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.commands.console import Context, say
from reconciler.commands.options import pass_context
from reconciler.host.settings import settings_file
from reconciler.repository import secrets
from reconciler.repository.create import create

# ---- setting up ------------------------------------------------------------------------------------------------------


@click.command("init")
@click.argument("path", metavar="REPO", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Copy this folder into the first commit.",
)
@pass_context
def init_command(context: Context, path: Path, source: Path | None) -> None:
    """Make a bare repository for the desired state.

    It has a first commit and the hooks, so you can clone it and push to it.
    """
    settings = context.settings
    identity = settings.identity
    recipient = secrets.recipient(identity) if identity.exists() else secrets.new_identity(identity)
    file = settings_file(context.file).absolute()
    revision = create(path.absolute(), settings, settings_file=file, recipient=recipient, source=source)
    say(f"{path}: branch {settings.branch} at {revision.short}; git clone {path}")
