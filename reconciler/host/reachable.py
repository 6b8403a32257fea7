"""Test whether servers answer now: connect to all at the same time, and close each connection at once.

Promises: ask() takes no longer than TIMEOUT, whatever names and networks do. It sends nothing except one query to the
RESOLVER, which tests whether it validates the root's signatures, as Postfix's own dnssec_probe does. Raises nothing.

Known limits: a server that accepts a connection may not speak the protocol. A name with several addresses answers if
one of them does. A silent name server leaves a thread waiting for it. Of several name servers, only the first is
queried about DNSSEC.
"""

from __future__ import annotations

import os
import re
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.together import together
from reconciler.model import RESOLVER

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.model import Server

TIMEOUT = 0.3
SLOW = f"no answer within {TIMEOUT} s"
NO_NAME = "the name does not exist"
_RESOLV_CONF = Path("/etc/resolv.conf")
# RFC 1035, 4.1: a query for the NS records of the root that wants recursion and, by RFC 6840, 5.7, the AD bit.
_ROOT = bytes.fromhex("0120 0001 0000 0000 0000 00 0002 0001")
_AUTHENTIC, _RCODE = 0x20, 0x0F


def ask(servers: Collection[Server]) -> dict[Server, str | None]:
    """Return why each server does not answer, empty for those that do; None if it is unknown."""
    calls = {server: _validation if server == RESOLVER else partial(_connect, server) for server in servers}
    return dict.fromkeys(servers) | together(calls, TIMEOUT)


def _connect(server: Server) -> str | None:
    try:
        if server.path:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(TIMEOUT)
                connection.connect(server.path)
        else:
            socket.create_connection((server.host, server.port), TIMEOUT).close()
    except socket.gaierror as error:  # a name server that does not answer says nothing about the name
        return NO_NAME if error.errno == socket.EAI_NONAME else None
    except (UnicodeError, PermissionError):  # no name at all, or no permission to connect
        return None
    except (TimeoutError, BlockingIOError):  # a unix socket reports a full backlog at once
        return SLOW
    except FileNotFoundError:
        return "there is no such socket"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _validation() -> str | None:
    """Return why libc's first name server can't be used for DNSSEC; None if it gives no answer about the root."""
    try:
        named = re.search(r"^nameserver\s+(\S+)", _RESOLV_CONF.read_text("utf-8", "replace"), re.MULTILINE | re.ASCII)
        address = named[1] if named else "127.0.0.1"
        place = socket.getaddrinfo(address, RESOLVER.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
        answer = _queried(place[0], place[4])
    except OSError:
        return None
    if not answer or answer[3] & _RCODE:
        return None
    return "" if answer[3] & _AUTHENTIC else f"{address} does not check DNSSEC"


def _queried(family: int, place: tuple[object, ...]) -> bytes:
    """Return the answer about the root; empty if it is not one."""
    number = os.urandom(2)
    with socket.socket(family, socket.SOCK_DGRAM) as query:
        query.settimeout(TIMEOUT)
        query.connect(place)
        query.send(number + _ROOT)
        answer = query.recv(4096)
    return answer if answer.startswith(number) and len(answer) >= len(number + _ROOT) else b""
