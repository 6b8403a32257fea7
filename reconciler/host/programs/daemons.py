"""The daemons of one master(8): a process group that it leads, and that outlives it for a while when it is killed.

A main.cf that is edited, broken or missing can name the queue of another Postfix instance: is_of_another() tells whose
master it is that runs there, for postfix(1) starts each with MAIL_CONFIG (Postfix's own environment).

Promises: end_listening() ends only processes of that group that run a program of Postfix, and leaves deliveries alone.
Raises nothing for a process that has ended by itself meanwhile.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host import processes, sockets

if TYPE_CHECKING:
    from collections.abc import Collection

    from reconciler.host.effects import Host

PATIENCE = 2.0


def is_of_another(master: int, directory: Path) -> bool:
    """Whether a process was started for another configuration directory; false if that is unknown, or it has ended."""
    try:
        environment = Path(f"/proc/{master}/environ").read_bytes()
    except OSError:
        return False
    named = [one.partition(b"=")[2] for one in environment.split(b"\0") if one.startswith(b"MAIL_CONFIG=")]
    other = Path(os.fsdecode(named[0])) if named else directory
    return other != directory and other.resolve() != directory.resolve()


def of(master: int, names: Collection[str] = ()) -> list[int]:
    """The processes of that master's group, of these *names* if any are given; zombies don't count."""
    try:
        os.killpg(master, 0)
    except ProcessLookupError:
        return []
    except PermissionError:
        pass
    found = [pid for pid in processes.running() if processes.group_of(pid) == master]
    return [pid for pid in found if processes.name_of(pid) in names] if names else found


def names_of(master: int) -> dict[int, str]:
    """Return the processes that run for that master, with the names of their programs."""
    return {pid: name for pid in of(master) if (name := processes.name_of(pid))}


def end_listening(host: Host, master: int, programs: Path) -> None:
    """End what a master that is dead has left listening on TCP ports; *programs* is the daemon_directory.

    An smtpd that was in a session when its master was killed goes on with it for minutes, and holds the listening
    sockets. Postfix opens them with SO_REUSEPORT, so a new master starts beside it, and the kernel goes on handing half
    of all clients to sockets that no process answers.
    """
    deadline, number = time.monotonic() + PATIENCE, signal.SIGTERM
    while left := [pid for pid in _listening(master) if _runs(pid, programs)]:
        for pid in left:
            with suppress(ProcessLookupError):
                host.signal(pid, number)
        if number is signal.SIGKILL and time.monotonic() > deadline + PATIENCE:
            return  # it hangs in the kernel: verify() sees what comes of it
        number = signal.SIGKILL if time.monotonic() > deadline else signal.SIGTERM
        time.sleep(0.01)


def _listening(master: int) -> list[int]:
    found = of(master)
    inodes = {one.inode for one in sockets.open_in(sockets.LISTEN)} if found else set()
    return [pid for pid in found if sockets.held(pid) & inodes]


def _runs(pid: int, programs: Path) -> bool:
    try:
        program = processes.program_of(pid)
        return program is not None and program.parent.samefile(programs)
    except OSError:
        return False
