"""``reconciler set``."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import click

from reconciler.commands.commit import commit, proposed_by_caller
from reconciler.desired import edits, yaml_editor
from reconciler.model.ascii_text import SPACE
from reconciler.passes.propose import propose
from reconciler.postfix.syntax import one_line

if TYPE_CHECKING:
    from reconciler.commands.console import Context
    from reconciler.model import Contribution, Facts

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@click.command("set")
@click.argument("name")
@click.argument("value", required=False)
@click.option("--default", "unset", is_flag=True, help="Remove the parameter from `parameters:`.")
@click.pass_obj
def set_command(context: Context, name: str, value: str | None, *, unset: bool) -> None:
    r"""Set a parameter by a commit.

    The commit changes `parameters:` in the file that sets the parameter now, hosts/HOST.yaml or mail.yaml, and keeps
    comments and layout. It then goes live like a push. A change that would be refused as a push is refused here too,
    without a commit. A change without effect makes no commit.

    \b
    Examples:
      reconciler set smtpd_banner '$myhostname ESMTP'
      reconciler set transport_maps table:routes
      reconciler set message_size_limit 52428800
      reconciler set message_size_limit --default
      reconciler set some_parameter -- -1          a value that begins with a dash
    """
    if not _NAME.fullmatch(name):
        hint = f"; write it as two words: {name.replace('=', ' ', 1)}" if "=" in name else ""
        raise click.UsageError(f'a parameter\'s name has only letters, digits, "_", "-" and ".", got "{name}"{hint}')
    if unset == (value is not None):
        raise click.UsageError("give either VALUE or --default")
    if value is None:
        proposal = proposed_by_caller(f"Unset {name}", partial(edits.unset_parameter, name=name))
    else:
        value = value.strip(SPACE)
        if not yaml_editor.scalars(value):
            raise click.UsageError("a value is one line of printable text; push a longer value in mail.yaml")
        told = f"Set {name} to {one_line(value)}" if value else f"Set {name} to nothing"
        revised = partial(edits.set_parameter, name=name, value=value)
        proposal = proposed_by_caller(told, revised, partial(_holds, name, value))
    commit(context, partial(propose, proposal))


def _holds(name: str, value: str, merged: Contribution, facts: Facts) -> bool:
    """Return whether the parameter has that value already, in any file."""
    written = merged.parameters.get(name)
    now = written.value if written else facts.parameters.get(name)
    return now is not None and one_line(now) == one_line(value)
