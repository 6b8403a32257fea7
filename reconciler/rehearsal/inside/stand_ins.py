"""Who stands in for the servers that Postfix asks: Milters, policy and SASL servers, tables behind a socket.

Promises: each says what would let mail pass, in its own protocol: Milter 6 (accept), Postfix's policy delegation
(DUNNO), Dovecot's authentication (any password), LMTP, tcp_table(5) and socketmap_table(5) (not found). Raises
OSError when the world has no such port left.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.rehearsal.inside.laid import BIND, mount
from reconciler.rehearsal.inside.mailserver import mail_server
from reconciler.rehearsal.inside.world import World, accept

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from reconciler.rehearsal.inside.messages import StandIn

_GREETING = (
    "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\n"
    "COOKIE\t00112233445566778899aabbccddeeff\nDONE\n"
)


def open_all(servers: list[StandIn], world: World) -> None:
    """Open every server where the configuration looks for it: a path, an address of this host, or one of the world."""
    far: set[int] = set()
    for server in servers:
        serve = _SERVERS[server["kind"]](world)
        if "path" in server:
            with suppress(OSError):  # nothing can listen there: Postfix will find out when it asks
                accept(_at_path(Path(server["path"])), serve)
        elif server["near"]:
            with suppress(OSError):  # a service of the candidate listens there itself
                family = socket.AF_INET6 if ":" in server["address"] else socket.AF_INET
                accept(socket.create_server((server["address"], server["port"]), family=family), serve)
        elif server["port"] not in far:  # the world is one listener for all of its addresses
            far.add(server["port"])
            world.listen(server["port"], serve)


def _at_path(path: Path) -> socket.socket:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if path.exists() and path.parts[1:2] in {("usr",), ("etc",)}:  # read-only, so ours lies over it
        ours = Path("/rehearsal", f"socket-{listener.fileno()}")
        _bind(listener, ours)
        mount(ours, path, flags=BIND)
    else:
        _bind(listener, path)
    listener.listen(64)
    return listener


def _bind(listener: socket.socket, path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a path may be longer than unix(7) allows
    try:
        listener.bind(path.name)
        Path(path.name).chmod(0o666)
    finally:
        os.chdir(here)


def milter(connection: socket.socket) -> None:
    """Accept everything; ask for no event but the end of the message."""
    stream = connection.makefile("rb")
    while len(head := stream.read(4)) == 4:  # noqa: PLR2004 - a length
        packet = stream.read(struct.unpack(">I", head)[0])
        match packet[:1]:
            case b"O":
                version, _, events = struct.unpack(">III", packet[1:13])
                answer = b"O" + struct.pack(">III", min(version, 6), 0, events & 0x1FFFFF)
            case b"Q":
                return
            case b"D" | b"A" | b"K":
                continue
            case b"E":
                answer = b"a"
            case _:
                answer = b"c"
        connection.sendall(struct.pack(">I", len(answer)) + answer)


def policy(connection: socket.socket) -> None:
    """Have no opinion."""
    stream = connection.makefile("rb")
    while line := stream.readline(65536):
        if line == b"\n":
            connection.sendall(b"action=DUNNO\n\n")


def sasl(connection: socket.socket) -> None:
    """Let everybody in under the name that was given."""
    connection.sendall(_GREETING.encode())
    stream = connection.makefile("rb")
    names: dict[str, list[str]] = {}
    while line := stream.readline(65536).decode("utf-8", "replace").rstrip("\n"):
        verb, *words = line.split("\t")
        if verb not in {"AUTH", "CONT"}:
            continue
        number = words[0]
        response = next((word.removeprefix("resp=") for word in words if word.startswith("resp=")), None)
        response = words[1] if verb == "CONT" else response
        # The mechanism, then what the client has given: an empty authorization identity leaves no part.
        parts = names.setdefault(number, [words[1]] if verb == "AUTH" else [])
        if response is not None:
            parts += [part for part in base64.b64decode(response).decode("utf-8", "replace").split("\0") if part]
        needed = 3 if parts[0] == "LOGIN" else 2
        if len(parts) < needed:
            connection.sendall(f"CONT\t{number}\t\n".encode())
        else:
            connection.sendall(f"OK\t{number}\tuser={parts[1]}\n".encode())
            del names[number]


def tcp_table(connection: socket.socket) -> None:
    """Find nothing (tcp_table(5))."""
    stream = connection.makefile("rb")
    while stream.readline(65536):
        connection.sendall(b"500 not%20found\n")


def socketmap(connection: socket.socket) -> None:
    """Find nothing (socketmap_table(5)): netstrings."""
    stream = connection.makefile("rb")
    while head := _until(stream, b":"):
        stream.read(int(head) + 1)
        connection.sendall(b"9:NOTFOUND ,")


def _until(stream: BinaryIO, end: bytes) -> bytes:
    read = b""
    while (byte := stream.read(1)) not in {end, b""}:
        read += byte
    return read


def _always(serve: Callable[[socket.socket], None]) -> Callable[[World], Callable[[socket.socket], None]]:
    return lambda _: serve


_SERVERS: dict[str, Callable[[World], Callable[[socket.socket], None]]] = {
    "milter": _always(milter),
    "policy": _always(policy),
    "sasl": _always(sasl),
    "tcp": _always(tcp_table),
    "socketmap": _always(socketmap),
    "mail": lambda world: mail_server(world.received, world.tls),
}
