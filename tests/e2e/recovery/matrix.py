"""Make each trouble of a host, try every event beside it, and look what comes of it; as a table for docs/troubles.md.

    python -m tests.e2e.recovery.matrix              write docs/troubles.md anew
    python -m tests.e2e.recovery.matrix dpkg DNS     write only the troubles whose name has one of these texts

Promises: every trouble has a host of its own, so that nothing of another is left on it. A cell is the same for every
run.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.e2e.hosts import CHECKOUT
from tests.e2e.recovery.bench import EVENTS, Bench
from tests.e2e.recovery.troubles import TROUBLES

if TYPE_CHECKING:
    from tests.e2e.recovery.troubles import Trouble

PAGE = CHECKOUT / "docs/troubles.md"
HEAD = "| Event | Outcome | Live afterwards | Mail | First and last line of `reconciler status` |"


def table(trouble: Trouble, expected: str = "") -> str:
    """Return the table of a trouble, made on a host of its own; *expected* is its part of the page."""
    known = {line.split(" | ")[0].removeprefix("| "): line for line in expected.splitlines() if line.startswith("| ")}
    with Bench(trouble) as bench:
        events = [event for event, make in EVENTS.items() if trouble.repairs or make is not Bench.repairing]
        return "\n".join([HEAD, "|---|---|---|---|---|", *(bench.row(event, known.get(event, "")) for event in events)])


def parts(page: str) -> dict[str, str]:
    """Return the part of the page about each trouble."""
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in page.split("\n## ")[1:]}


def main(*wanted: str) -> None:
    """Write docs/troubles.md anew, or the troubles whose name has one of some texts."""
    known = parts(PAGE.read_text())
    for trouble in TROUBLES:
        if not wanted or any(text in trouble.name for text in wanted):
            known[trouble.name] = table(trouble)
            print(f"{trouble.name}\n{known[trouble.name]}\n", flush=True)
            _write(known)


def _write(known: dict[str, str]) -> None:
    sections = "".join(f"\n## {one.name}\n\n{known.get(one.name, '')}\n" for one in TROUBLES)
    PAGE.write_text(PAGE.read_text().partition("\n## ")[0].rstrip("\n") + "\n" + sections)


if __name__ == "__main__":
    main(*sys.argv[1:])
