"""The parts that both git hooks share: the place of the daemon, and one conversation with it.

Promises: this module imports only the standard library, and no module that is slow to import, because hooks run as the
user who pushes, with any Python from 3.9 on. It raises only Silence and Trouble, so a pusher never sees a traceback.

Known limit: the place of the daemon and the branch come from the repository's own configuration (`git config
reconciler.socket`, `reconciler.branch`, and `reconciler.NAME.socket` for an instance, written by `reconciler init`);
the settings file is not read here.
"""

from __future__ import annotations

import os
import sys
import time

try:  # the module `socket` takes as long to import as all of this to run
    from _socket import AF_UNIX, SOCK_STREAM, socket, timeout
except ImportError:  # another Python than CPython
    from socket import AF_UNIX, SOCK_STREAM, socket, timeout  # type: ignore[assignment]

TYPE_CHECKING = False  # the module `typing` takes longer to import than all of this to run
if TYPE_CHECKING:
    from collections.abc import Iterator

NO_COMMIT = "0" * 40
COLUMNS = 72  # git puts "remote: " in front of each line


class Silence(Exception):  # noqa: N818 - it is what the daemon answers
    """The daemon gave no answer; the text says why."""


class Trouble(Exception):  # noqa: N818 - as above
    """The daemon answered that it could not do what it was asked; the text says why."""


def say(text: str) -> None:
    """Show a line to the pusher, who may have left. Control characters never reach a terminal."""
    line = "".join(char if char.isprintable() else " " for char in text) + "\n"
    try:  # noqa: SIM105 - contextlib takes longer to import than all of this to run
        os.write(1, line.encode("utf-8", "replace"))
    except OSError:
        pass


def git(*arguments: str) -> tuple[int, str]:
    """Return the exit status and the output of git (subprocess takes longer to import than git takes to run)."""
    reading, writing = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)]
    pid = os.posix_spawnp("git", ["git", *arguments], os.environ, file_actions=actions)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as output:
        text = output.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


def configuration() -> dict[str, str]:
    """Return the settings that `reconciler init` recorded in the repository, by lower-case name."""
    _, text = git("config", "-z", "--get-regexp", r"^reconciler\.")
    pairs = (item.partition("\n") for item in text.split("\0") if item)
    return {name.partition(".")[2]: value for name, _, value in pairs}


def followed(recorded: dict[str, str]) -> list[tuple[str, str]]:
    """Return the branches that are followed, each with the socket of its daemon; instances can share a repository."""
    starts = [name[: -len("socket")] for name in sorted(recorded) if name == "socket" or name.endswith(".socket")]
    return [(recorded.get(f"{start}branch", "main"), recorded.get(f"{start}socket", "")) for start in starts or [""]]


def updates() -> dict[str, tuple[str, str]]:
    """Return the old and the new commit of each branch, which git writes to a hook's standard input."""
    lines = sys.stdin.buffer.read().decode("utf-8", "replace").split("\n")
    moved = (line.split(" ", 2) for line in lines if line)
    start = "refs/heads/"
    return {name[len(start) :]: (old, new) for old, new, name in moved if name.startswith(start)}


def ask(path: str, request: dict[str, str | int | None], patience: float) -> str:
    """Show the daemon's lines as they arrive, and return its last status; *patience* limits the whole conversation."""
    try:
        for line in answer(path, as_json({**request, "plain": 1}), patience):
            kind, text = understood(line)
            if kind == "done":
                return text
            if kind != "line":
                raise Trouble(f"reconciler: {text or 'no reason given'}")
            say(text)
    except ConnectionResetError:
        raise Silence("reconciler stopped before it answered") from None
    except PermissionError:
        raise Silence("you are not permitted to ask reconciler (see daemon.group in its settings)") from None
    except (TimeoutError, timeout):  # noqa: UP041 - two classes before Python 3.10
        raise Silence(f"reconciler did not answer within {patience:g} s") from None
    except (OSError, ValueError):
        raise Silence("reconciler is not running") from None
    raise Silence("reconciler stopped before it answered")


def answer(path: str, request: str, patience: float) -> Iterator[str]:
    """Send the request, and yield the lines of the answer as they arrive."""
    deadline = time.monotonic() + patience
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        connection.settimeout(patience)
        connection.connect(path)
        try:  # noqa: SIM105 - contextlib takes longer to import than all of this to run
            connection.sendall(request.encode() + b"\n")
        except BrokenPipeError:  # a daemon without a place for one more client answers, and reads nothing
            pass
        received = b""
        while piece := connection.recv(65536):
            *lines, received = (received + piece).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in lines)
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
    finally:
        connection.close()


def as_json(request: dict[str, str | int | None]) -> str:
    """Return a request as JSON."""
    return "{" + ", ".join(f'"{name}": {quoted(value)}' for name, value in request.items()) + "}"


def quoted(value: str | int | None) -> str:
    """Return a value as JSON; the module `json`, which takes as long to import as `socket`, is for unusual texts."""
    if not isinstance(value, str):
        return "null" if value is None else str(value)
    if value.isascii() and value.isprintable() and not {'"', "\\"} & {*value}:
        return f'"{value}"'
    import json  # noqa: PLC0415

    return json.dumps(value)


def understood(line: str) -> tuple[str, str]:
    """Return the kind of one of the daemon's messages (line, done or error), and its text or status."""
    if not line.startswith("{"):
        kind, _, text = line.partition(" ")
        return kind, text
    import json  # noqa: PLC0415 - for a daemon that refuses unread what it is asked, or was started before these hooks

    message = json.loads(line)
    kind = next((name for name in ("line", "done") if name in message), "error")
    return kind, str(message["done"].get("status", "") if kind == "done" else message.get(kind, ""))
