"""The manual page is made of the commands, and is what roff reads."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from reconciler.commands.main import COMMANDS, PURPOSES, main

if TYPE_CHECKING:
    from collections.abc import Iterator

MACROS = {".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi", ".B"}


@pytest.fixture(scope="module")
def page() -> str:
    return CliRunner().invoke(main, ["help", "--man"]).output


def shown(page: str) -> str:
    """Return the page without the escapes of roff."""
    text = page.replace(r"\-", "-").replace(r"\(aq", "'").replace(r"\(dq", '"').replace(r"\(ga", "`")
    return text.replace(r"\(ti", "~").replace(r"\(ha", "^").replace(r"\e", "\\")


def commands(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield inner.command_path, command
        if isinstance(command, click.Group):
            yield from commands(inner)


def test_every_command_is_there_with_its_options_and_its_examples(page: str) -> None:
    text = shown(page)
    with click.Context(main, info_name="reconciler") as context:
        for path, command in commands(context):
            assert f'.SS "{path}' in text, path
            for parameter in command.params:
                assert all(option in text for option in parameter.opts if option.startswith("-")), (path, parameter)
            for line in (command.help or "").partition("\b\n")[2].splitlines():
                assert line.strip() in text, (path, line)


def test_every_purpose_is_a_section_and_every_page_is_named(page: str) -> None:
    sections = re.findall(r'^\.SH "?([^"\n]+)', page, re.MULTILINE)

    assert [one for one in sections if one in {name.upper() for name in PURPOSES}] == [one.upper() for one in PURPOSES]
    assert sections[:2] == ["NAME", "SYNOPSIS"]
    assert {"FILES", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"} <= set(sections)
    assert r"\fBtroubles\fR" in page
    assert len(COMMANDS) > 20


def test_no_text_is_taken_for_a_request(page: str) -> None:
    assert {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))} <= MACROS
    assert "\b" not in page
    assert page.isascii()


def test_groff_reads_it_without_a_complaint(page: str) -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-ww", "-P-c"], input=page, capture_output=True, text=True, check=True
    )

    assert done.stderr == ""
    text = re.sub(".\b", "", done.stdout)
    assert "reconciler - keep this host's Postfix equal to a git branch" in " ".join(text.split())
    assert "--facts FILE" in text
