"""``reconciler help``."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, CompletionItem

from reconciler.commands.console import columns, say, say_all
from reconciler.commands.main import COMMANDS
from reconciler.commands.man_page import as_roff
from reconciler.commands.plain_text import as_plain_text, title_of
from reconciler.host.settings import shipped
from reconciler.model import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH, _MOST = 80, 100
_VARIABLE = "_RECONCILER_COMPLETE"
"""The variable of the environment by which click knows that the shell asks for completions."""


def _completed(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted({*COMMANDS, *_pages()}) if name.startswith(typed)]


@click.command("help")
@click.argument("topic", nargs=-1, shell_complete=_completed)
@click.option("--man", is_flag=True, help="Write the manual page, reconciler(8).")
@click.option("--completion", is_flag=True, help="Write what bash needs to complete commands and options.")
@click.pass_context
def help_command(context: click.Context, topic: tuple[str, ...], *, man: bool, completion: bool) -> None:
    r"""Show a page of the documentation, or the help of a command.

    Without TOPIC, lists all pages. On a terminal, a page is shown with the pager of this host.

    \b
    Examples:
      reconciler help troubles
      reconciler help site remove
    """
    if (man or completion) and (topic or man == completion):
        raise click.UsageError("give TOPIC, --man or --completion")
    pages, root = _pages(), context.find_root()
    if man:
        named = click.Context(root.command, info_name="reconciler")
        click.echo(as_roff(named, {name: title_of(page) for name, page in pages.items()}), nl=False)
    elif completion:
        click.echo(BashComplete(root.command, {}, "reconciler", _VARIABLE).source())
    elif topic:
        _show(root, topic, pages)
    else:
        say("Pages, for `reconciler help TOPIC`:\n")
        longest = max(map(len, pages))
        say_all(f"  {name:<{longest}}  {title_of(page)}" for name, page in pages.items())
        say("\n`reconciler --help` lists the commands.")


def _pages() -> dict[str, str]:
    """Return the pages of the documentation by their names."""
    return {PurePath(path).stem: path.read_text("utf-8") for path in sorted(shipped("docs").glob("*.md"))}


def _show(root: click.Context, topic: Sequence[str], pages: Mapping[str, str]) -> None:
    """Print the help of a command, or a page; both if both have that name."""
    by_name = {_key(name): page for name, page in pages.items()}
    page = by_name.get(_key(" ".join(topic)))
    command = _help_of(root, topic)
    if page is None and command is None:
        wanted = " ".join(topic)
        near = did_you_mean(wanted, sorted({*COMMANDS, *pages}))
        raise click.UsageError(f'there is no page and no command "{wanted}"{near}; `reconciler help` lists the pages')
    if page is None:
        say(command or "")
        return
    text = as_plain_text(page, min(columns() or _WIDTH, _MOST))
    click.echo_via_pager(f"{command}\n\n{text}" if command else text)


def _key(name: str) -> str:
    return name.lower().replace("-", "_")


def _help_of(root: click.Context, words: Sequence[str]) -> str | None:
    """Return the help of a command or of a command of its group; None if there is none of that name."""
    context = root
    for word in words:
        group = context.command
        names = group.list_commands(context) if isinstance(group, click.Group) else []
        name = next((name for name in names if _key(name) == _key(word)), "")
        command = group.get_command(context, name) if isinstance(group, click.Group) else None
        if command is None:
            return None
        context = click.Context(command, info_name=name, parent=context)
    return context.get_help()
