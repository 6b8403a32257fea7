"""Inside a throw-away host: reconciler as it is, with a line for each step that it takes.

    timed.py FILE ARGUMENTS...    a line of JSON in FILE for each step: {"step": "lint", "seconds": 0.02}

Nothing of reconciler knows of it: the names by which the modules of a pass call their steps are wrapped.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.apply import protocol, stage
from reconciler.commands.main import main
from reconciler.host.programs import postfix
from reconciler.passes import judge, understand
from reconciler.state.generations import Generations

if TYPE_CHECKING:
    from collections.abc import Callable

OUTPUT = Path(sys.argv.pop(1))
STEPS: tuple[tuple[object, str, str], ...] = (
    (understand, "files_of", "read"), (understand, "load", "load"), (understand, "gather", "facts"),
    (understand, "compose", "compose"), (judge, "lint", "lint"), (judge, "render", "render"), (judge, "diff", "diff"),
    (judge, "write", "script"),
    (Generations, "stage", "stage"), (postfix, "check", "check"), (stage, "_compile", "compile"),
    (stage, "_rehearse", "rehearse"), (protocol, "_known", "ask before"), (protocol, "go_live", "swap and verify"),
)  # fmt: skip


def timed(function: Callable[..., Any], step: str) -> Callable[..., Any]:
    """Return a function that does the same and writes down how long it took."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it is
        began = time.monotonic()
        try:
            return function(*arguments, **named)
        finally:
            line = json.dumps({"step": step, "seconds": time.monotonic() - began})
            with OUTPUT.open("a", encoding="ascii") as stream:
                stream.write(f"{line}\n")

    return call


if __name__ == "__main__":
    for place, name, title in STEPS:
        setattr(place, name, timed(getattr(place, name), title))
    main()
