"""What both hooks share: where the daemon is, and one conversation with it.

Only the standard library, for hooks run as whoever pushes, with whatever Python 3.9 or later is there; nothing that is
slow to import. Nothing here raises but Silence, and nobody who pushes ever sees a traceback.

Known limit: the repository's own configuration says where the daemon is and which branch it follows (`git config
reconciler.socket`, `reconciler.branch`, written by `reconciler init`); the settings file is not read here.
"""

from __future__ import annotations

import os
import sys
import time

NO_COMMIT = "0" * 40


class Silence(Exception):  # noqa: N818 - it is what the daemon answers
    """There was no answer; the text says why."""


def say(text: str) -> None:
    """Show a line to whoever pushes; nobody may be there any more. Control characters never reach a terminal."""
    line = "".join(char if char.isprintable() else " " for char in text) + "\n"
    try:  # noqa: SIM105 - contextlib takes longer to import than all of this to run
        os.write(1, line.encode("utf-8", "replace"))
    except OSError:
        pass


def git(*arguments: str) -> tuple[int, str]:
    """Run git; its exit status and its output (subprocess takes longer to import than git to run)."""
    reading, writing = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)]
    pid = os.posix_spawnp("git", ["git", *arguments], os.environ, file_actions=actions)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as output:
        text = output.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


def configuration() -> dict[str, str]:
    """What `reconciler init` recorded in the repository, by lower-case name."""
    _, text = git("config", "-z", "--get-regexp", r"^reconciler\.")
    pairs = (item.partition("\n") for item in text.split("\0") if item)
    return {name.partition(".")[2]: value for name, _, value in pairs}


def update(branch: str) -> tuple[str, str] | None:
    """The old and the new commit of *branch*, out of what git tells a hook on its standard input."""
    for line in sys.stdin.buffer.read().decode("utf-8", "replace").splitlines():
        old, new, name = line.split(" ", 2)
        if name == f"refs/heads/{branch}":
            return old, new
    return None


def ask(path: str, request: dict[str, object], patience: float) -> dict[str, object]:
    """Show the daemon's lines as they come, and return how it ended; *patience* is for all of it."""
    import json  # noqa: PLC0415 - pushes to other branches need not wait for these two
    import socket  # noqa: PLC0415

    deadline = time.monotonic() + patience
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(patience)
            connection.connect(path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            received = b""
            while piece := connection.recv(65536):
                *lines, received = (received + piece).split(b"\n")
                for line in lines:
                    message = json.loads(line)
                    if "line" in message:
                        say(str(message["line"]))
                    elif "done" in message:
                        return dict(message["done"])
                    else:
                        raise Silence(f"reconciler did not answer: {message.get('error', 'no reason given')}")
                connection.settimeout(max(deadline - time.monotonic(), 0.001))
    except ConnectionResetError:
        raise Silence("reconciler was stopped before it had answered") from None
    except PermissionError:
        raise Silence("you may not ask reconciler (daemon.group in its settings says who may)") from None
    except (TimeoutError, socket.timeout):  # noqa: UP041 - two classes before Python 3.10
        raise Silence(f"reconciler has not answered within {patience:g} s") from None
    except (OSError, ValueError):
        raise Silence("reconciler is not running") from None
    raise Silence("reconciler was stopped before it had answered")
