"""Whether servers answer now: a connection to each, all at once, and closed as soon as it is there.

Promises: ask() takes no longer than TIMEOUT, whatever names and networks do, and sends nothing, but for one query to
the RESOLVER: whether it checks the signatures of the root, as Postfix's own dnssec_probe asks. Raises nothing.

Known limits: who accepts a connection need not speak its protocol. A name that resolves to several addresses answers
if one of them does. A name server that is silent leaves a thread waiting for it. Of several, the first alone is
asked about DNSSEC.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.model import RESOLVER

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.model import Server

TIMEOUT = 0.3
SLOW = f"no answer within {TIMEOUT} s"
_RESOLV_CONF = Path("/etc/resolv.conf")
# RFC 1035, 4.1: a query for the NS records of the root that wants recursion and, by RFC 6840, 5.7, to hear of AD.
_ROOT = bytes.fromhex("0120 0001 0000 0000 0000 00 0002 0001")
_AUTHENTIC, _RCODE = 0x20, 0x0F


def ask(servers: Collection[Server]) -> dict[Server, str | None]:
    """Why each of them does not answer, empty for those that do; None where that is unknown."""
    answers: dict[Server, str | None] = dict.fromkeys(servers)
    found: dict[Server, str | None] = {}
    until = time.monotonic() + TIMEOUT

    def one(server: Server) -> None:
        found[server] = _validation() if server == RESOLVER else _connect(server)

    threads = [threading.Thread(target=one, args=(server,), daemon=True, name="ask") for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return answers | found.copy()


def _connect(server: Server) -> str | None:
    try:
        if server.path:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(TIMEOUT)
                connection.connect(server.path)
        else:
            socket.create_connection((server.host, server.port), TIMEOUT).close()
    except (socket.gaierror, UnicodeError, PermissionError):  # no such name, none at all, or not for us to ask
        return None
    except (TimeoutError, BlockingIOError):  # a unix socket says at once that too many are waiting there
        return SLOW
    except FileNotFoundError:
        return "there is no such socket"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _validation() -> str | None:
    """Why the name server that libc asks first can't be had for DNSSEC; None when it tells nothing about the root."""
    try:
        named = re.search(r"^nameserver\s+(\S+)", _RESOLV_CONF.read_text("utf-8", "replace"), re.MULTILINE)
        address = named[1] if named else "127.0.0.1"
        place = socket.getaddrinfo(address, RESOLVER.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
        answer = _queried(place[0], place[4])
    except OSError:
        return None
    if not answer or answer[3] & _RCODE:
        return None
    return "" if answer[3] & _AUTHENTIC else f"{address} does not check DNSSEC"


def _queried(family: int, place: tuple[object, ...]) -> bytes:
    """The answer about the root; empty when it is none."""
    number = os.urandom(2)
    with socket.socket(family, socket.SOCK_DGRAM) as query:
        query.settimeout(TIMEOUT)
        query.connect(place)
        query.send(number + _ROOT)
        answer = query.recv(4096)
    return answer if answer.startswith(number) and len(answer) >= len(number + _ROOT) else b""
