"""The end of a command whose commit the daemon takes."""

from __future__ import annotations

import sys
from typing import NoReturn

from reconciler.commands.console import Context, say
from reconciler.commands.exit_status import TEMPORARY, status_named
from reconciler.daemon.control import ask

PATIENCE = 120.0  # seconds, for a pass


def follow(context: Context, revision: str) -> NoReturn:
    """Show the daemon's pass for a commit, as after a push, and exit as it ended; raise what ask() raises."""
    for message in ask(context.settings.socket, {"do": "follow", "revision": revision}, PATIENCE):
        if "line" in message:
            say(message["line"])
        elif "done" in message:
            sys.exit(status_named(message["done"]["status"]))
    sys.exit(TEMPORARY)
