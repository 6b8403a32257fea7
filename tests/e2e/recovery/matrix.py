"""Make each trouble of a host, try every event beside it, and look what comes of it: docs/troubles.md and screens.md.

    python -m tests.e2e.recovery.matrix              write both pages and the pictures anew
    python -m tests.e2e.recovery.matrix dpkg DNS     write only the troubles whose name has one of these texts

Promises: every trouble has a host of its own, so that nothing of another is left on it. A cell is the same for every
run.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from tests.e2e.hosts import CHECKOUT
from tests.e2e.recovery import screens
from tests.e2e.recovery.bench import EVENTS, Bench
from tests.e2e.recovery.troubles import TROUBLES

if TYPE_CHECKING:
    from tests.e2e.recovery.troubles import Trouble

PAGE = CHECKOUT / "docs/troubles.md"
AT_ONCE = 5
"""Troubles that are tried at the same time, as most of their time is spent waiting."""
HEAD = "| Event | Outcome | Live afterwards | Mail | First and last line of `reconciler status` |"


class Entry(NamedTuple):
    """What the two pages say about a trouble: the table of its events, and the screen one pass after it began."""

    table: str = ""
    screen: str = ""


UNKNOWN = Entry()


def tried(trouble: Trouble, expected: Entry = UNKNOWN) -> Entry:
    """Return what comes of a trouble on a host of its own; *expected* is what the pages say, which is waited for."""
    lines = [line for line in expected.table.splitlines() if line.startswith("| ")]
    known, rows, screen = {line.split(" | ")[0].removeprefix("| "): line for line in lines}, [], ""
    with Bench(trouble) as bench:
        for event, make in EVENTS.items():
            if trouble.repairs or make is not Bench.repairing:
                rows.append(bench.row(event, known.get(event, "")))
            if make is Bench.wait:
                screen = screens.screen_on(bench, expected.screen)
    return Entry("\n".join([HEAD, "|---|---|---|---|---|", *rows]), screen)


def parts(page: str) -> dict[str, str]:
    """Return the part of the page about each trouble."""
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in page.split("\n## ")[1:]}


def pages() -> dict[str, Entry]:
    """Return what the pages say about each trouble."""
    tables, shown = parts(PAGE.read_text()), screens.screens_of(screens.PAGE.read_text())
    return {name: Entry(tables.get(name, ""), shown.get(name, "")) for name in {**tables, **shown}}


def main(*wanted: str) -> None:
    """Write the pages anew, or the troubles whose name has one of some texts."""
    known = pages()
    chosen = [one for one in TROUBLES if not wanted or any(text in one.name for text in wanted)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for trouble, entry in zip(chosen, pool.map(tried, chosen), strict=True):
            known[trouble.name] = entry
            print(f"{trouble.name}\n{entry.table}\n{entry.screen}\n", flush=True)
            _write(known)


def _write(known: dict[str, Entry]) -> None:
    order = {one.name: known.get(one.name, UNKNOWN) for one in TROUBLES}
    sections = "".join(f"\n## {name}\n\n{one.table}\n" for name, one in order.items())
    PAGE.write_text(PAGE.read_text().partition("\n## ")[0].rstrip("\n") + "\n" + sections)
    screens.write({name: one.screen for name, one in order.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
