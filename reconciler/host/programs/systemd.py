"""systemd: which unit runs what, the commands for it, and what a service tells it (sd_notify(3)).

Promises: outside systemd nothing here does anything; notify() works with path and abstract sockets and never fails.
Raises CommandFailed when ``systemctl show`` fails, which it does only when systemd itself does not answer.
Known limits: only the system's manager is asked, never a user's.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model.ascii_text import SPACE, is_digits, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.host.effects import Host

BOOTED = Path("/run/systemd/system")
_SHOWN = "Id,LoadState,ActiveState,SubState,Result,ExecStart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A service unit as ``systemctl show`` tells it; *command* is its ExecStart."""

    name: str
    loaded: bool
    active: str
    sub: str
    result: str
    command: str

    def runs(self, word: str) -> bool:
        """Whether it is there and starts something of that name (Debian's postfix.service starts ``/bin/true``)."""
        return self.loaded and re.search(rf"(?<!\S)path=(?:\S*/)?{word}", self.command, re.ASCII) is not None


def is_running() -> bool:
    """Whether systemd is the init system here (sd_booted(3))."""
    return BOOTED.is_dir()


def show(host: Host, names: Sequence[str]) -> list[Unit]:
    """What systemd knows of these units, in their order; one it does not have is not loaded."""
    if not names:
        return []
    return parse_show(host.run(("systemctl", "show", f"--property={_SHOWN}", "--", *names)).checked().stdout)


def parse_show(text: str) -> list[Unit]:
    """Read ``systemctl show``: a block of ``Name=value`` lines for each unit, with empty lines between."""
    units = []
    for block in text.strip(SPACE).split("\n\n"):
        values = dict(line.partition("=")[::2] for line in split_lines(block))
        unit = Unit(
            name=values["Id"],
            loaded=values.get("LoadState") == "loaded",
            active=values.get("ActiveState", ""),
            sub=values.get("SubState", ""),
            result=values.get("Result", ""),
            command=values.get("ExecStart", ""),
        )
        units.append(unit)
    return units


class UnitEnd(NamedTuple):
    """The time since which a unit is inactive, None if systemd does not know it, and whether systemd stopped it."""

    at: datetime | None
    asked: bool


def ended(host: Host, unit: str) -> UnitEnd:
    """Return since when a unit is inactive: its ExecStop has run only if somebody asked systemd to stop it."""
    show = ("systemctl", "show", "--timestamp=unix", "--property=InactiveEnterTimestamp,ExecStop", "--", unit)
    return parse_ended(host.run(show).checked().stdout)


def parse_ended(text: str) -> UnitEnd:
    """Read the two properties; a time is ``@`` and the seconds since 1970."""
    values = dict(line.partition("=")[::2] for line in split_lines(text))
    at = values.get("InactiveEnterTimestamp", "").removeprefix("@")
    since = datetime.fromtimestamp(int(at), UTC) if is_digits(at) else None
    stop = values.get("ExecStop", "")
    return UnitEnd(since, bool(stop) and "start_time=[n/a]" not in stop)


def unit_of_process(pid: int) -> str | None:
    """The service unit that a process belongs to, or None: a login session, a container's root, no such process."""
    try:
        text = Path(f"/proc/{pid}/cgroup").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_cgroup(split_lines(text))


def parse_cgroup(lines: Iterable[str]) -> str | None:
    """Read /proc/PID/cgroup: systemd's own hierarchy is ``0::PATH``, or ``N:name=systemd:PATH`` with version 1."""
    paths = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in lines}
    for hierarchy in ("", "name=systemd"):
        names = [part for part in paths.get(hierarchy, "").split("/") if part.endswith(".service")]
        if names:
            return names[-1]
    return None


def restart(unit: str) -> tuple[str, ...]:
    """Start it, whatever state it is in: ``start`` does nothing for a unit that systemd believes active."""
    return ("systemctl", "restart", "--", unit)


def apart(start: Sequence[str], stop: Sequence[str], what: str) -> tuple[str, ...]:
    """Start a program that puts itself into the background, in a unit of its own, with no limit of ours.

    No pid file is named: systemd does not read one below a folder of another user, and would end the program again.
    """
    ends = " ".join(f'"{word}"' for word in stop)
    properties = ("Type=forking", "GuessMainPID=no", f"ExecStop={ends}")
    options = (f"--description={what}", "--collect", *(f"--property={each}" for each in properties))
    return ("systemd-run", "--quiet", *options, "--", *start)


def stop(unit: str) -> tuple[str, ...]:
    """Stop it and everything it started."""
    return ("systemctl", "stop", "--", unit)


def reset_failed(unit: str) -> tuple[str, ...]:
    """Forget its failures, and how often it was started lately."""
    return ("systemctl", "reset-failed", "--", unit)


# ---- what a service tells systemd ------------------------------------------------------------------------------------


def notify(state: str) -> None:
    """Tell systemd, if it wants to know: ``READY=1``, ``STATUS=...``, ``WATCHDOG=1``, ``STOPPING=1``, by lines."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(1)
        channel.sendto(state.encode(), address)


def watchdog_interval() -> float | None:
    """How often, in seconds, systemd wants ``WATCHDOG=1``: half of its time-out; None when it does not."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    if not is_digits(wanted) or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(wanted) / 2_000_000 or None
