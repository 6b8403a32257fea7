"""The screen of `reconciler status` in each trouble, in 80 columns: as text for docs/screens.md, and as a picture.

Promises: names of commits, numbers and times are replaced by fixed ones, so that a screen is the same for every run.
"""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from reconciler.commands.status_rows import WIDTH, status_lines
from reconciler.trees.fold import fold
from tests.e2e.hosts import CHECKOUT
from tests.e2e.recovery.bench import PATIENCE

if TYPE_CHECKING:
    from reconciler.passes.status_value import Status
    from tests.e2e.recovery.bench import Bench

PAGE, PICTURES = CHECKOUT / "docs/screens.md", CHECKOUT / "docs/screens"
HEAD = """\
# What `reconciler status` says in each trouble

Each screen is `reconciler status` in a terminal of 80 columns, one pass after the trouble began. The first line says
whether you must act, and the last line what to do. Commits, numbers and times are replaced by fixed ones.
[Another page](troubles.md) has what comes of pushes and rollbacks meanwhile.

A test makes the troubles on throw-away hosts and compares the screens. To write them anew, as root:
`.venv/bin/python -m tests.e2e.recovery.matrix`.
"""
OID, COMMIT = re.compile(r"\b[0-9a-f]{40}\b"), f"289378e{'0' * 33}"
FIXED = (
    (re.compile(rf"\b{COMMIT}\b|\b[0-9a-f]{{7}}\b"), "289378e"),
    (re.compile(r"(\d{4}-\d\d-\d\d )?\b\d\d:\d\d(:\d\d)?\b"), "20:49"),
    (re.compile(r"[gG]eneration \d+"), "generation 12"),
    (re.compile(r"Push \d+"), "Push 12"),
    (re.compile(r"tried \d+ times"), "tried 12 times"),
    (re.compile(r"#\d+\("), "#12("),
    (re.compile(r"\b\d+(\.\d+)? (s|min|h|minutes?|hours?|seconds?)\b"), r"12 \2"),
)


def screen(status: dict[str, Any]) -> str:
    """Return the screen of a status, with what differs from run to run replaced."""
    shown: Status = json.loads(OID.sub(COMMIT, json.dumps(status)))  # before a first line is cut in the midst of one
    lines = [_fixed(line) for line in status_lines(shown, datetime.now(UTC).astimezone())]
    return "\n".join(line.rstrip(" ") for line in fold(lines, WIDTH))


def screen_on(bench: Bench, expected: str = "") -> str:
    """Return the screen of a host: as expected as soon as it is so, else what it is after PATIENCE."""
    until = time.monotonic() + PATIENCE
    while True:
        status = bench.adopted.told()
        shown = screen(status) if status else ""
        if shown == expected or (shown and not expected) or time.monotonic() > until:
            return shown
        time.sleep(0.25)


def _fixed(line: str) -> str:
    for pattern, text in FIXED:
        line = pattern.sub(text, line)
    return line


def picture(text: str) -> str:
    """Return a screen as a terminal drawn in SVG."""
    lines = ["$ reconciler status", *text.split("\n")]
    height = 20 * len(lines) + 24
    rows = "\n".join(
        f'<text x="12" y="{28 + 20 * number}" xml:space="preserve">{escape(line)}</text>'
        for number, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{height}" font-family="monospace"'
        f' font-size="14" fill="#e6e6e6">\n<rect width="100%" height="100%" rx="6" fill="#1e1e1e"/>\n{rows}\n</svg>\n'
    )


def file_of(name: str) -> str:
    """Return the name of a trouble's picture."""
    return f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.svg"


def screens_of(page: str) -> dict[str, str]:
    """Return the screen of each trouble on the page."""
    parts = [part.partition("\n") for part in page.split("\n## ")[1:]]
    return {name: rest.split("```text\n")[1].split("\n```")[0] for name, _, rest in parts}


def write(known: dict[str, str]) -> None:
    """Write the page and the pictures of these screens."""
    parts = (
        f"\n## {name}\n\n[As a picture](screens/{file_of(name)})\n\n```text\n{shown}\n```\n"
        for name, shown in known.items()
    )
    PAGE.write_text(HEAD + "".join(parts))
    for name, shown in known.items():
        (PICTURES / file_of(name)).write_text(picture(shown))
