"""Find out when Postfix stopped, who stopped it, and the command that starts it again.

systemd knows it where it runs Postfix's unit; else the mail log has the line of postfix-script(1), or that of master(8)
itself. Raises CommandFailed when systemd or the journal can't be asked, OSError when the log can't be read.

Known limit: the journal's lines have no time here, so that without systemd's unit the time is known from a file only.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from reconciler.host.log_times import logged_at
from reconciler.host.maillog import open_log
from reconciler.host.programs import postfix, systemd
from reconciler.postfix.log import parse, was_stopped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.host.effects import Host

# What postfix-script(1) logs of a command that ends Postfix. Before master(8) has ended, it can also log that it waits.
_SCRIPT, _STARTS = "postfix-script", "starting the Postfix mail system"
_ENDS = {"stopping the Postfix mail system": "`postfix stop`", "aborting the Postfix mail system": "`postfix abort`"}
_DUMMY = "postfix.service"  # Debian's: it runs /bin/true and only pulls in the instances


class Stopped(NamedTuple):
    """When Postfix stopped, None if that is unknown; *by* what, empty if it died; and the command to *start* it."""

    at: datetime | None
    by: str
    start: str


def stopped(host: Host, instance: postfix.Instance) -> Stopped:
    """Return what is known about the end of a Postfix that does not run."""
    unit = postfix.unit_of(host, instance)
    if unit is None:
        return Stopped(*_logged_end(host, instance), _start(instance))
    ended = systemd.ended(host, unit)
    start = f"systemctl start {_unit_to_start(host, unit)}"
    if ended.asked:
        return Stopped(ended.at, "systemctl", start)
    return Stopped(ended.at, _logged_end(host, instance)[1], start)


def _logged_end(host: Host, instance: postfix.Instance) -> tuple[datetime | None, str]:
    log = open_log(host, instance.values)
    return last_end(log.before(log.mark()), instance.values["syslog_name"], time.time())


def last_end(lines: Iterable[str], name: str, now: float) -> tuple[datetime | None, str]:
    """Return when the last master was stopped, by the lines of a mail log, and what stopped it; None if it died.

    Only the lines of the instance with that syslog_name count; *now* tells the year of a line.
    """
    at, by, command = None, "", ""
    for text in lines:
        line = parse(text)
        if line is None or not line.tag.startswith(f"{name}/"):
            continue
        if line.program == _SCRIPT:
            command = "" if line.text.startswith(_STARTS) else _ENDS.get(line.text, command)
        if line.program == "master":
            logged = logged_at(text, now) if was_stopped(text) else None
            at = datetime.fromtimestamp(logged, UTC) if logged else None
            by = (command or "a signal") if was_stopped(text) else ""
    return at, by


def _start(instance: postfix.Instance) -> str:
    return "postfix start" if postfix.is_stock(instance.directory) else f"postfix -c {instance.directory} start"


def _unit_to_start(host: Host, unit: str) -> str:
    """Return the name that administrators use, if starting it starts Postfix; else that of the instance."""
    if unit != "postfix@-.service":
        return unit.removesuffix(".service")
    (dummy,) = systemd.show(host, [_DUMMY])
    return "postfix" if dummy.loaded and dummy.active != "active" else unit.removesuffix(".service")
