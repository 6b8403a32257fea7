"""Reports of the kernel (nfnetlink) about the lockdown: the connections it refused, and changes of its table.

Promises: one thread sleeps until the kernel sends a message. It calls *refused* with the fields of a Refusal for each
report of the log group, and *changed* when any program makes or removes a rule, set or chain of our table. While the
lockdown is off, it reads nothing and binds no group. Raises nothing: if the kernel does not permit listening, *limits*
contains the reason.

Known limits: the kernel reports the user, not the process. The commands are those that the user still runs; the one
that tried to connect can have ended. At most ten refusals a second are reported; the table counts all of them.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.features.lockdown_names import FILE, GROUP, NAME, TABLE
from reconciler.host.effects import user_of
from reconciler.model import printable
from reconciler.model.ascii_text import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NETFILTER, _NFTABLES_GROUP = 12, 1 << (7 - 1)  # linux/netlink.h; NFNLGRP_NFTABLES
_ULOG, _NFTABLES = 4, 10  # NFNL_SUBSYS_*
_PACKET, _CONFIG, _REQUEST = _ULOG << 8, _ULOG << 8 | 1, 1
_COMMAND, _BIND, _THRESHOLD = 1, 1, 5  # NFULA_CFG_*
_PAYLOAD, _UID = 9, 11  # NFULA_*
_TABLE = 1  # the attribute that names the table, in messages of every kind
_HEADER, _GENERIC, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBH"), struct.Struct("=HH")
_KIND = 0x3FFF
_MOST_BYTES, _COMMANDS, _LONGEST = 1 << 16, 3, 80


class Refusal(NamedTuple):
    """A refused connection: its user, its destination, and the commands that the user was running."""

    uid: int | None
    user: str
    to: str
    commands: tuple[str, ...]


class EgressLog:
    """Listens while the lockdown is on, which means that the folder *live* has its rules."""

    def __init__(self, live: Path, refused: Callable[..., None], changed: Callable[[], None]) -> None:
        self._rules, self._refused, self._changed = live / NAME / FILE, refused, changed
        self._bell = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread: threading.Thread | None = None
        self.limits: list[str] = []

    def follow(self) -> None:
        """Start to listen if the lockdown is on; stop if it is off."""
        if not self._rules.exists():
            self.stop()
        elif not (self._thread and self._thread.is_alive()):
            self._start()

    def stop(self) -> None:
        """Stop listening; no callback runs after this."""
        self.limits = []
        if self._thread:
            os.eventfd_write(self._bell, 1)
            self._thread.join()
            os.eventfd_read(self._bell)
            self._thread = None

    def _start(self) -> None:
        try:
            channel = _open()
        except OSError as error:
            self.limits = [f"refusals by the lockdown, and changes of it, are not reported: {error.strerror}"]
            return
        self.limits = []
        self._thread = threading.Thread(target=self._read, args=(channel,), name="refusals", daemon=True)
        self._thread.start()

    def _read(self, channel: socket.socket) -> None:
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        poll.register(channel, select.POLLIN)
        with channel:
            while self._bell not in dict(poll.poll()):
                try:
                    data = channel.recv(_MOST_BYTES)
                except OSError:  # the kernel dropped messages, because the buffer was full
                    self._changed()
                    continue
                self._tell(data)

    def _tell(self, data: bytes) -> None:
        for kind, body in messages(data):
            if kind == _PACKET:
                self._refused(**refusal(body)._asdict())
            elif kind >> 8 == _NFTABLES and attributes(body).get(_TABLE, b"").rstrip(b"\0") == TABLE.encode():
                self._changed()


def _open() -> socket.socket:
    """Return a socket for changes of tables, and for reports of the log group of this network namespace."""
    channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    try:
        channel.bind((0, _NFTABLES_GROUP))
        for attribute in (
            struct.pack("=HHBxxx", 5, _COMMAND, _BIND),
            struct.pack("=HH", 8, _THRESHOLD) + struct.pack(">I", 1),  # at once, not a second later
        ):
            body = _GENERIC.pack(socket.AF_UNSPEC, 0, socket.htons(GROUP)) + attribute
            channel.send(_HEADER.pack(_HEADER.size + len(body), _CONFIG, _REQUEST, 0, 0) + body)
    except OSError:
        channel.close()
        raise
    return channel


# ---- the kernel's messages -------------------------------------------------------------------------------------------


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each message's type, and the data after its two headers."""
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if length < _HEADER.size:
            return
        yield kind, data[_HEADER.size + _GENERIC.size : length]
        data = data[(length + 3) & ~3 :]


def attributes(body: bytes) -> dict[int, bytes]:
    """Return a message's attributes by number."""
    found = {}
    while len(body) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(body)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _KIND] = body[_ATTRIBUTE.size : length]
        body = body[(length + 3) & ~3 :]
    return found


def refusal(body: bytes) -> Refusal:
    """Return the refusal that a packet of the log group reports."""
    found = attributes(body)
    uid = found.get(_UID)
    number = int.from_bytes(uid, "big") if uid else None
    return Refusal(
        number, "?" if number is None else user_of(number), _destination(found.get(_PAYLOAD, b"")), commands(number)
    )


def _destination(packet: bytes) -> str:
    """Return the destination of an IP packet of TCP."""
    version = packet[0] >> 4 if packet else 0
    if version not in {4, 6}:
        return "?"
    start, stop, header = (16, 20, (packet[0] & 15) * 4) if version == 4 else (24, 40, 40)  # noqa: PLR2004 - IP's
    if len(packet) < header + 4:
        return "?"
    port = int.from_bytes(packet[header + 2 : header + 4], "big")
    return f"[{ip_address(packet[start:stop])}]:{port}"


# ---- the user's commands ---------------------------------------------------------------------------------------------


def commands(uid: int | None) -> tuple[str, ...]:
    """Return the user's commands, those with a socket first, then the newest: a program and its first argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if path.stat().st_uid == uid and (line := (path / "cmdline").read_bytes().decode("utf-8", "replace")):
                said = printable(" ".join(line.split("\0")[:2]).strip(SPACE))[:_LONGEST]
                found.append((_has_socket(path), int(path.name), said))
    return tuple(said for *_, said in sorted(found, reverse=True)[:_COMMANDS])


def _has_socket(process: Path) -> bool:
    return any(str(one.readlink()).startswith("socket:") for one in (process / "fd").iterdir())
