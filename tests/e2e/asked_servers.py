"""The servers that Postfix asks (inside/servers.py), on a throw-away host: started, waited for, and ended.

Promises: serve() returns when the server answers. Raises HostError if it does not.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tests.e2e.hosts import CHECKOUT

if TYPE_CHECKING:
    import subprocess

    from tests.e2e.adopted_host import AdoptedHost
    from tests.e2e.hosts import Host

_PROGRAM = CHECKOUT / "tests/e2e/inside/servers.py"


def serve(adopted: AdoptedHost, what: str, where: str) -> subprocess.Popen[str]:
    """Start a server of a kind on a port or on the path of a socket."""
    server = adopted.host.start("python3", _PROGRAM, what, where)
    adopted.patiently(lambda: _is_served(adopted.host, where), "the server")
    return server


def _is_served(host: Host, where: str) -> bool:
    """Whether the server answers: one that was killed leaves its socket."""
    try:
        if where.isdigit():
            host.connect(int(where)).close()
        else:
            with socket.socket(socket.AF_UNIX) as knocking:
                knocking.connect(str(host.root / where.lstrip("/")))
    except OSError:
        return False
    return True


def end_servers(adopted: AdoptedHost, path: str = "") -> None:
    """Kill the servers, wait for their end, and remove the socket at *path*, which a killed one leaves."""
    script = "pkill -f [i]nside/servers.py; while pgrep -f [i]nside/servers.py; do sleep 0.01; done"
    adopted.sh(script + (f"; rm -f {path}" if path else ""))


def route(number: int) -> dict[str, str | None]:
    """Return the file of a harmless commit."""
    return {"tables/transport": f"route{number}.test  smtp:[127.0.0.1]:2525\n"}
