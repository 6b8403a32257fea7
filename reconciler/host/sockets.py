"""List the TCP sockets of this host and the processes that hold them, and limit the time of a conversation.

Promises: the list comes from the kernel, through sock_diag(7) if possible (0.1 ms), else from /proc/net/tcp (9 ms).
Raises PermissionError if neither may be read. Known limit: only sockets of the own network namespace are listed.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import split_lines, split_words

if TYPE_CHECKING:
    from collections.abc import Iterator

SocketAddress = tuple[str, int]
ESTABLISHED, LISTEN = 1, 10  # include/net/tcp_states.h
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_SOCK_DIAG, _BY_FAMILY, _DUMP, _ERROR, _DONE = 4, 20, 0x301, 2, 3  # linux/netlink.h, linux/sock_diag.h
_HEADER = struct.Struct("=IH").unpack_from  # the length and the type of a message


class Socket(NamedTuple):
    """A TCP socket: its two ends, and the inode number that identifies it in processes."""

    local: SocketAddress
    remote: SocketAddress
    inode: int


@contextmanager
def cut_after(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Hang up after *seconds*: a time-out of a socket is for each read, and never ends a server that drips bytes."""
    timer = threading.Timer(seconds, _hang_up, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def open_in(state: int) -> list[Socket]:
    """Return the TCP sockets in that state. Netlink needs a kernel module."""
    try:
        return [one for family in (socket.AF_INET, socket.AF_INET6) for one in _asked(family, state)]
    except OSError:
        return [one for path in _TABLES if path.exists() for one in _listed(path.read_text("ascii"), state)]


def _asked(family: int, state: int) -> Iterator[Socket]:
    """Ask sock_diag(7): struct inet_diag_req_v2, answered by many inet_diag_msg."""
    # The states are a mask, and 48 bytes of an empty inet_diag_sockid mean any two ends.
    request = struct.pack("=BBBxI48x", family, socket.IPPROTO_TCP, 0, 1 << state)
    return map(_socket, dumped(_SOCK_DIAG, _BY_FAMILY, request))


def dumped(protocol: int, kind: int, request: bytes) -> Iterator[bytes]:
    """Ask netlink(7) for a dump, and yield each message without its header."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(request), kind, _DUMP, 0, 0) + request)
        while True:
            answer, start = netlink.recv(1 << 16), 0
            while start < len(answer):
                length, what = _HEADER(answer, start)
                if what == _DONE:
                    return
                if what == _ERROR:
                    raise OSError(-struct.unpack_from("=i", answer, start + 16)[0], "netlink")
                yield answer[start + 16 : start + length]
                start += (length + 3) & ~3  # each message begins at a multiple of four bytes


def _socket(message: bytes) -> Socket:
    """Read an inet_diag_msg: the family, both ports, both addresses with room for IPv6, and the inode at its end."""
    family, near, far, here, there, inode = struct.unpack_from("=B3x2s2s16s16s28xI", message)
    ends = ((here, near), (there, far))
    size = 4 if family == socket.AF_INET else 16
    local, remote = ((_address(address[:size]), int.from_bytes(port, "big")) for address, port in ends)
    return Socket(local, remote, inode)


def _listed(table: str, state: int) -> Iterator[Socket]:
    """Read /proc/net/tcp."""
    for line in split_lines(table)[1:]:
        _, local, remote, found, *rest = split_words(line)
        if int(found, 16) == state:
            yield Socket(_endpoint(local), _endpoint(remote), int(rest[5]))


def _endpoint(text: str) -> SocketAddress:
    """``0100007F:0019`` is 127.0.0.1:25: four bytes at a time, each in this machine's order."""
    digits, _, port = text.partition(":")
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    return _address(struct.pack(f"={len(words)}I", *words)), int(port, 16)


@functools.lru_cache(maxsize=4096)
def _address(packed: bytes) -> str:
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def count(pid: int) -> int:
    """Return how many files a process holds open; 0 if that is unknown, as before Linux 6.2 (proc(5))."""
    try:
        return os.stat(f"/proc/{pid}/fd").st_size  # noqa: PTH116 - as in held()
    except OSError:
        return 0


def held(pid: int) -> set[int]:
    """Return the inodes of the sockets that a process holds open; none if it has ended or can't be inspected."""
    folder = f"/proc/{pid}/fd"
    inodes: set[int] = set()
    with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for name in os.listdir(folder):  # noqa: PTH208 - there are many, and plain strings are twice as quick
            with suppress(FileNotFoundError):  # closed meanwhile
                target = os.readlink(f"{folder}/{name}")  # noqa: PTH115
                if target.startswith("socket:["):
                    inodes.add(int(target[8:-1]))
    return inodes
