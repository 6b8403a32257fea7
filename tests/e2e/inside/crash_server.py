"""Runs reconciler's own command line, and kills it right before or right after its nth effect, or makes that one fail.

    crash-server SOCKET             inside a host; every request on that socket is one run, in a process of its own

Promises: nothing but reconciler.host.Host's before() and after() is replaced, and the process that dies is the one that
did the work. A request is a line of JSON, {"argv": [...], "at": n, "when": "before"}; at 0 nothing is killed. "amid
0.01" kills it so many seconds after the beginning of the effect, and with it the program that the effect runs. With an
"errno" the effect raises that OSError instead: "once", or "lasting", in every effect on files from then on. With an
"until", which is for the daemon, the run is told to stop as soon as the phase has that name. The answer
is {"status": exit status or minus the signal, "effects": [name, ...], "output": text}.

Known limit: programs that an effect has started end by themselves, as they do when a real SIGKILL hits only us.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.commands import edges
from reconciler.commands import main as cli
from reconciler.host.effects import Host
from reconciler.host.facts import gather
from reconciler.host.programs import postconf, postfix
from reconciler.host.settings import read_settings

REST = 15  # looks without an effect
LIVE, GENERATIONS = Path("/etc/postfix"), Path("/var/lib/reconciler/generations")
PHASE = Path("/var/lib/reconciler/private/phase.json")
# As after a quick-stop: Postfix's next start goes without a check of its installation, which starts 60 programs.
QUICK_START = Path("/var/spool/postfix/quick-start")
ROOM = {"append", "copy", "link", "make_directory", "rename", "replace", "symlink", "write"}
LASTING = {errno.ENOSPC: ROOM, errno.EROFS: ROOM | {"exchange", "remove", "set_time"}}


@dataclass(slots=True)
class Death:
    """Where this process is to die or to fail, and how many effects it has begun."""

    at: int
    when: str
    errno: int
    record: Path
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def before(self, what: str) -> None:
        """Count the effect, and perhaps never come to it."""
        with self.lock:
            self.count += 1
            with self.record.open("a") as stream:
                stream.write(f"{what}\n")
            self._end_here("before")
            if self.when.startswith("amid ") and self.count == self.at:
                threading.Timer(float(self.when.removeprefix("amid ")), os.kill, (os.getpid(), signal.SIGKILL)).start()
            lasts = self.when == "lasting" and self.count > self.at > 0 and what in LASTING[self.errno]
            if lasts or (self.when in ("once", "lasting") and self.count == self.at):
                raise OSError(self.errno, os.strerror(self.errno), what)

    def after(self, what: str) -> None:  # noqa: ARG002 - as Host calls it
        """Perhaps go no further."""
        with self.lock:
            self._end_here("after")

    def _end_here(self, when: str) -> None:
        if (self.count, self.when) == (self.at, when):
            os.kill(os.getpid(), signal.SIGKILL)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """One run of the command line, in a child."""
    with tempfile.TemporaryDirectory() as folder:
        record, output = Path(folder, "effects"), Path(folder, "output")
        for file in (record, output, QUICK_START):
            file.touch()
        pid = os.fork()
        if pid == 0:
            _child(request, record, output)
        status = _ended(pid, request.get("until", ""), record)
        told = {"effects": record.read_text().split(), "output": output.read_text()}
        return {"status": os.waitstatus_to_exitcode(status), **told}


def _ended(pid: int, until: str, record: Path) -> int:
    """How that process ended, by itself, or told so when it had come to that phase and rested."""
    rested = 0
    while until and rested < REST:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        before = record.stat().st_size
        time.sleep(0.02)
        busy = not before or record.stat().st_size != before or json.loads(PHASE.read_text())["name"] != until
        rested = 0 if busy else rested + 1
    if until:
        os.kill(pid, signal.SIGTERM)
    return os.waitpid(pid, 0)[1]


def _child(request: dict[str, Any], record: Path, output: Path) -> None:
    status = 70
    with output.open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    death = Death(request["at"], request["when"], request["errno"], record)
    Host.before = lambda _, what: death.before(what)  # type: ignore[method-assign, assignment]
    Host.after = lambda _, what: death.after(what)  # type: ignore[method-assign, assignment]
    try:
        cli.main(request["argv"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - a forked child must never return into the server
        traceback.print_exc()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def know(host: Host, known: set[bytes]) -> None:
    """Ask once, as a daemon does, what Postfix's programs say of each configuration that is on disk."""
    for folder in (LIVE, *GENERATIONS.glob("*/postfix")):
        with suppress(OSError):
            texts = b"".join((folder / name).read_bytes() for name in (postconf.MAIN, postconf.MASTER))
            if texts not in known:
                known.add(texts)
                postfix.check(host, folder)


def main() -> None:
    """Serve until the host ends; what Postfix's programs say of themselves is asked once, too."""
    host, known = Host(), set[bytes]()
    vars(edges)["Host"] = lambda: host
    gather(host, read_settings())
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{sys.argv[1]}.new")
        listener.listen()
        Path(f"{sys.argv[1]}.new").rename(sys.argv[1])  # so a client finds it only once it listens
        while True:
            connection, _ = listener.accept()
            know(host, known)
            with connection, connection.makefile("rw") as stream:
                stream.write(json.dumps(run(json.loads(stream.readline()))) + "\n")
