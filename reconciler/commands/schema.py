"""``reconciler schema``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.commands.console import Context, say
from reconciler.commands.options import pass_context
from reconciler.desired.json_schema import FILES, schemas, together
from reconciler.host.facts import gather
from reconciler.host.facts_file import read_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = ".schema"


@click.command("schema")
@click.argument("file", type=click.Choice([*FILES]), required=False)
@click.option(
    "--facts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the parameters from this file, which `reconciler facts` wrote.",
)
@click.option(
    "--write",
    "clone",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help=f"Write all schemas to {FOLDER}/ in this clone.",
)
@pass_context
def schema_command(context: Context, file: str | None, facts: Path | None, clone: Path | None) -> None:
    r"""Write the JSON Schema of the YAML files, for editors.

    The schema has the parameters of this host's Postfix, or of the host that the facts are of. FILE is mail for
    mail.yaml, host for hosts/NAME.yaml, site for site.yaml, or flows. Without FILE, the schema is that of mail.yaml,
    with the others as its definitions.

    \b
    Examples:
      reconciler schema > mail.schema.json
      reconciler schema --write .    a clone on this host
      reconciler schema --facts mx1.json --write .
    """
    if clone and file:
        raise click.UsageError("give FILE or --write, not both")
    known = read_facts(facts) if facts else gather(context.edges().host, context.settings)
    parts = schemas(known.parameters)
    if clone:
        folder = clone / FOLDER
        folder.mkdir(exist_ok=True)
        for name, text in texts(parts).items():
            (folder / name).write_text(text)
        say(f"{folder}: {', '.join(texts(parts))}; the parameters are those of Postfix {known.version}", err=True)
    else:
        click.echo(_text(parts[file] if file else together(parts)), nl=False)


def texts(parts: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Return the files of the folder by their names."""
    return {f"{name}.json": _text(part) for name, part in parts.items()}


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1) + "\n"
