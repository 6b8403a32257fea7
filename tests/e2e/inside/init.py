"""PID 1 of a throw-away host: what is logged to /dev/log as mail ends up in /var/log/mail.log.

Promises: prints "ready" once the socket is there; lines look like those of Debian 12's rsyslog; no zombie stays.
Raises OSError before "ready" and nothing after. Known limit: other facilities are dropped.
"""

import os
import re
import signal
import socket
from datetime import datetime
from pathlib import Path

LOG = Path("/dev/log")
MAIL = 2  # syslog's number of the facility
# Priority, then a timestamp of the sender's that rsyslog replaces, then tag and text.
DATAGRAM = re.compile(rb"<(\d+)>\w{3} [ \d]\d \d\d:\d\d:\d\d (.*)", re.DOTALL)


def serve(listener: socket.socket) -> None:
    """Write mail's log lines, one write each, until the host ends."""
    name = socket.gethostname().partition(".")[0]
    with Path("/var/log/mail.log").open("ab", buffering=0) as log:
        while True:
            matched = DATAGRAM.match(listener.recv(65536))
            if matched and int(matched[1]) >> 3 == MAIL:
                now = datetime.now().astimezone().isoformat(timespec="microseconds")
                log.write(f"{now} {name} ".encode() + matched[2].rstrip(b"\0\n") + b"\n")


def main() -> None:
    """Become a quiet init: children are reaped by the kernel, and the starter's pipe is let go."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(LOG))
        LOG.chmod(0o666)
        be_ready()
        serve(listener)


def be_ready() -> None:
    """Say that the host is ready, and let the starter's pipe go."""
    os.write(1, b"ready\n")
    with Path(os.devnull).open("r+b", buffering=0) as null:
        for descriptor in (0, 1, 2):
            os.dup2(null.fileno(), descriptor)
