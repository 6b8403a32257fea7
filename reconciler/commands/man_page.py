"""The manual page, reconciler(8), made of the commands themselves, the settings and the titles of docs/.

Promises: every command, option and example is on the page as ``--help`` shows it; no text is read as a request of
roff(7). Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

import click

from reconciler import __version__
from reconciler.commands.main import PURPOSES
from reconciler.host.instances import DEFAULT_FILE, VARIABLE, file_of
from reconciler.host.log import DEBUG
from reconciler.host.settings import Settings
from reconciler.model.ascii_text import SPACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STATUSES = {
    "0": "success; the help of a command says what else",
    "1": "refused, or any other error",
    "64": "wrong usage",
    "70": "a bug in reconciler",
    "75": "a failure of this host that may pass",
    "77": "not permitted",
    "78": "settings or facts that can't be read",
}
_ENVIRONMENT = {
    "RECONCILER_SETTINGS": f"the settings file, instead of {DEFAULT_FILE}",
    VARIABLE: f"the instance, by its settings {file_of('NAME')}",
    DEBUG: "print the traceback of a bug",
    "PAGER": "the program that shows a page of `reconciler help` on a terminal",
}
_FILES = {
    "state": "generations, the journal and what is live",
    "repository": "the repository of the desired state",
    "config_directory": "Postfix's files: a link, once the host is adopted",
    "identity": "the private key that opens secrets",
    "socket": "the daemon's socket",
}
_ESCAPES = {
    "\\": r"\e", "-": r"\-", '"': r"\(dq", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti",
}  # fmt: skip
_SEE = "postfix(1), postconf(1), postconf(5), master(5), git(1)"
_PARAGRAPHS = re.compile(r"\n[ ]*\n")


def as_roff(root: click.Context, topics: Mapping[str, str]) -> str:
    """Return the page in the macros of man(7); *topics* are the titles of the pages of documentation."""
    lines = [
        f'.TH RECONCILER 8 "" "reconciler {_escaped(__version__)}" "System Administration"',
        ".SH NAME", r"reconciler \- " + _escaped(_sentence(root.command)), ".SH SYNOPSIS",
        r".B reconciler \fR[\fB\-\-settings \fIFILE\fR | \fB\-\-instance \fINAME\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]",
        ".SH DESCRIPTION", *_described(root.command), ".SH OPTIONS", *_options(root),
    ]  # fmt: skip
    for purpose, names in PURPOSES.items():
        lines.append(f'.SH "{purpose.upper()}"')
        for name in names:
            lines += _command(root, name)
    files = {
        str(DEFAULT_FILE): "the settings of this host",
        str(file_of("NAME")): "those of an instance, with places of its own",
    }
    files |= {str(field.default): _FILES[field.name] for field in fields(Settings) if field.name in _FILES}
    lines += [".SH PAGES", _escaped("`reconciler help TOPIC` shows these pages:"), *_listed(topics)]
    lines += [".SH EXIT STATUS", *_listed(_STATUSES), ".SH ENVIRONMENT", *_listed(_ENVIRONMENT)]
    lines += [".SH FILES", *_listed(files), ".SH SEE ALSO", _escaped(_SEE)]
    return "\n".join(lines) + "\n"


def _command(above: click.Context, name: str) -> Iterator[str]:
    """Yield the section of a command, and those of the commands of its group."""
    command = above.command.get_command(above, name) if isinstance(above.command, click.Group) else None
    if command is None:
        return
    context = click.Context(command, info_name=name, parent=above)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f'.SS "{_escaped(usage)}"'
    yield from _described(command)
    yield from _options(context)
    for inner in command.list_commands(context) if isinstance(command, click.Group) else ():
        yield from _command(context, inner)


def _described(command: click.Command) -> Iterator[str]:
    """Yield the text of a command's help; what follows a backspace keeps its lines."""
    for paragraph in _PARAGRAPHS.split((command.help or "").strip(SPACE)):
        lines = [line.rstrip(SPACE) for line in paragraph.split("\n")]
        yield ".PP"
        if lines[0].strip(SPACE) == "\b":
            yield from (".nf", *map(_escaped, lines[1:]), ".fi")
        else:
            yield _escaped(" ".join(line.strip(SPACE) for line in lines))


def _options(context: click.Context) -> Iterator[str]:
    records = (parameter.get_help_record(context) for parameter in context.command.get_params(context))
    yield from _listed(dict(record for record in records if record))


def _listed(meanings: Mapping[str, str]) -> Iterator[str]:
    for name, meaning in meanings.items():
        yield from (".TP", rf"\fB{_escaped(name)}\fR", _escaped(meaning))


def _sentence(command: click.Command) -> str:
    """Return the first sentence of a command's help as the title of a page."""
    first = (command.help or "").strip(SPACE).partition(".")[0]
    return first[:1].lower() + first[1:]


def _escaped(text: str) -> str:
    """Return the text as roff shows it, also at the beginning of a line and inside quotes."""
    shown = "".join(_ESCAPES.get(char, char) for char in text)
    return rf"\&{shown}" if shown.startswith(".") else shown
