"""Whether servers answer now: a connection to each, all at once, and closed as soon as it is there.

Promises: ask() takes no longer than TIMEOUT, whatever names and networks do, and sends nothing. Raises nothing.

Known limits: who accepts a connection need not speak its protocol. A name that resolves to several addresses answers
if one of them does. A name server that is silent leaves a thread waiting for it.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.circumstances import Server

TIMEOUT = 0.3
SLOW = f"no answer within {TIMEOUT} s"


def ask(servers: Collection[Server]) -> dict[Server, str | None]:
    """Why each of them does not answer, empty for those that do; None where nobody can tell."""
    answers: dict[Server, str | None] = dict.fromkeys(servers)
    found: dict[Server, str | None] = {}
    until = time.monotonic() + TIMEOUT

    def one(server: Server) -> None:
        found[server] = _connect(server)

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
