"""The commands of a page of docs/, run as they are written there.

A line of code such as ``mx1# reconciler status`` is a command, and the word before ``#`` or ``$`` says who runs it.
Promises: run_page() runs all commands of the page in their order, and fails for one that fails or that nobody runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.e2e.hosts import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Runner = Callable[[str], object]

_COMMAND = re.compile(r"    (\w+)[#$] (.+)")


def commands_of(page: str) -> list[tuple[str, str]]:
    """Return who runs each command of a page, and the command."""
    text = (CHECKOUT / "docs" / f"{page}.md").read_text()
    return [(match[1], match[2]) for line in text.splitlines() if (match := _COMMAND.fullmatch(line))]


def run_page(page: str, people: Mapping[str, Runner]) -> dict[str, object]:
    """Run the commands of a page; return what each printed, by the command."""
    commands = commands_of(page)
    assert commands, page
    return {command: people[who](command) for who, command in commands}
