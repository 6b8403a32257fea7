"""PostSRSd: where its files go, how it is started, and whether it rewrites and finds back an address.

Promises: answers() is a rewrite there and back through the two tables, by the configuration in *folder*. Raises
CommandFailed when the service does not start. Version 1 (Debian 12) is asked by tcp_table(5), version 2 by
socketmap_table(5).

Known limit: AppArmor's profile for version 1 lets it read /etc/postsrsd.secret under no other name, so that place holds
a copy.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from reconciler.host.programs import service
from reconciler.host.sockets import cut_after
from reconciler.model.ascii_text import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.model import Finding

NAME = PACKAGE = "postsrsd"
TITLE = "PostSRSd"
PLACES = {
    "/etc/default/postsrsd": "default",
    "/etc/postsrsd.conf": "postsrsd.conf",
    "/etc/postsrsd.secret": "secret",
}
COPIED = frozenset({"/etc/postsrsd.secret"})
IS_SERVICE = True
ADDRESS, TIMEOUT = "127.0.0.1", 2.0
_LONGEST, _DIGITS = 64 << 10, 9
_PROBE = "reconciler@probe.invalid"
_PORT = re.compile(r"^SRS_(FORWARD|REVERSE)_PORT=(\d+)$", re.MULTILINE | re.ASCII)
_SOCKET = re.compile(r'^socketmap = "unix:(.*)"$', re.MULTILINE)


def check(host: Host, folder: Path) -> list[Finding]:  # noqa: ARG001 - a Program
    """PostSRSd has no checker of its own: the rules have judged all there is, and answers() proves it."""
    return []


def look(host: Host) -> service.Was:
    """How it is now."""
    return service.look(host, NAME)


def activate(host: Host, folder: Path) -> None:  # noqa: ARG001 - a Program
    """Start it anew: it reads its files only then."""
    service.restart(host, NAME)


def answers(host: Host, folder: Path) -> str:
    """Why it does not rewrite an address and find it back; empty when it does."""
    try:
        ask = _asker(folder)
        there = ask("forward", _PROBE)
        back = ask("reverse", there) if there.startswith("SRS0") else ""
    except (OSError, ValueError) as error:
        said = service.last_words(host, NAME)
        return f"{_in_words(error)}{'; it says: ' if said else ''}{said}"
    return "" if back == _PROBE else f'it makes "{there}" of {_PROBE}, and "{back}" of that'


def _in_words(error: OSError | ValueError) -> str:
    """Return an error without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _asker(folder: Path) -> Callable[[str, str], str]:
    """How to look an address up in one of its two tables; the answer is empty for one that is not found."""
    if (two := folder / "postsrsd.conf").is_file():
        path = _SOCKET.search(two.read_text("utf-8"))
        if not path:
            raise ValueError(f"{two} names no socket")
        return lambda table, key: _socketmap(path[1], table, key)
    ports = {table.lower(): int(port) for table, port in _PORT.findall((folder / "default").read_text("utf-8"))}
    return lambda table, key: _tcp(ports[table], key)


def _tcp(port: int, key: str) -> str:
    with socket.create_connection((ADDRESS, port), TIMEOUT) as connection, cut_after(connection, 2 * TIMEOUT):
        connection.sendall(f"get {key}\n".encode())
        code, _, text = (
            connection.makefile("rb").readline(_LONGEST).decode("utf-8", "replace").strip(SPACE).partition(" ")
        )
    return text if code == "200" else ""


def _socketmap(path: str, table: str, key: str) -> str:
    request = f"{table} {key}".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, cut_after(connection, 2 * TIMEOUT):
        connection.settimeout(TIMEOUT)
        connection.connect(path)
        connection.sendall(b"%d:%s," % (len(request), request))
        stream = connection.makefile("rb")
        length = b""
        while (byte := stream.read(1)) not in {b":", b""} and len(length) < _DIGITS:
            length += byte
        text = stream.read(min(int(length), _LONGEST)).decode("utf-8", "replace")
    return text.removeprefix("OK ") if text.startswith("OK ") else ""


def processes() -> list[int]:
    """Its processes."""
    return service.processes(NAME)


def stop(host: Host) -> None:
    """Stop it."""
    service.stop(host, NAME)


def leave(host: Host, was: service.Was) -> None:
    """Make of it, stopped, what it was before it was managed."""
    service.leave(host, NAME, was)
