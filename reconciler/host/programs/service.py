"""A service of Debian's: through its systemd unit where systemd runs, else by its init script.

Promises: restart() and stop() return when no process of the old one is left, for an init script finds one that is about
to end "already running". Only processes of this network namespace count, so that a container's are left alone. Raises
CommandFailed when a service does not start or stop.
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.processes import LONGEST, name_of, running
from reconciler.host.programs import systemd

if TYPE_CHECKING:
    from reconciler.host.effects import Host

PATIENCE = 5.0
_RUN_LEVELS = Path("/etc/rc2.d")


@dataclass(frozen=True, slots=True)
class Was:
    """How a service was before it was managed: whether it ran, and whether it starts at boot."""

    running: bool
    enabled: bool


def look(host: Host, name: str) -> Was:
    """How it is now."""
    if systemd.is_running():
        enabled = host.run(("systemctl", "is-enabled", "--quiet", "--", name)).status == 0
    else:
        enabled = any(_RUN_LEVELS.glob(f"S[0-9][0-9]{name}"))
    return Was(bool(processes(name)), enabled)


def processes(name: str) -> list[int]:
    """The processes of that name."""
    own, found = _namespace("self"), []
    for pid in running():
        with suppress(OSError):
            if name_of(pid)[:LONGEST] == name[:LONGEST] and _namespace(str(pid)) == own:
                found.append(pid)
    return found


def _namespace(pid: str) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def restart(host: Host, name: str) -> None:
    """Have it run anew, and start at boot."""
    stop(host, name)
    if not look(host, name).enabled:
        _enable(host, name, on=True)
    if systemd.is_running():
        host.act(systemd.reset_failed(name))  # which fails for a unit that systemd has not loaded yet
        host.act(systemd.restart(name)).checked()
    else:
        host.act(_started(name)).checked()


def stop(host: Host, name: str) -> None:
    """Stop it, however it was started, and wait for its end."""
    if systemd.is_running():
        host.act(systemd.stop(name)).checked()
    elif processes(name):
        host.act(("service", name, "stop"))
    deadline, number = time.monotonic() + PATIENCE, signal.SIGTERM
    while left := processes(name):
        for pid in left:
            with suppress(ProcessLookupError):
                host.signal(pid, number)
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        time.sleep(0.02)


def leave(host: Host, name: str, was: Was) -> None:
    """Make of a service that is stopped what it was before it was managed."""
    if look(host, name).enabled != was.enabled:
        _enable(host, name, on=was.enabled)
    if was.running:
        host.act(systemd.restart(name) if systemd.is_running() else _started(name))


def _started(name: str) -> tuple[str, ...]:
    """By its init script, with no pipe of ours: some daemons never close what they were started with."""
    return ("sh", "-c", 'exec service "$0" start >/dev/null 2>&1', name)


def _enable(host: Host, name: str, *, on: bool) -> None:
    if systemd.is_running():
        host.act(("systemctl", "enable" if on else "disable", "--quiet", "--", name)).checked()
    else:
        host.act(("update-rc.d", name, "enable" if on else "disable"))


def last_words(host: Host, name: str) -> str:
    """What the service said last, where systemd keeps that; empty elsewhere."""
    if not systemd.is_running():
        return ""
    argv = ("journalctl", "--quiet", f"--unit={name}", "--lines=3", "--output=cat")
    return "; ".join(host.run(argv).stdout.split("\n")).strip("; ")
