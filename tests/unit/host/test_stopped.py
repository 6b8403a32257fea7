"""The last end of Postfix in a mail log: when it was, and what ended it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.host.programs.systemd import UnitEnd, parse_ended
from reconciler.host.stopped import last_end

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC).timestamp()
AT = datetime(2026, 11, 22, 20, 50, 7, tzinfo=UTC)


def logged(tag: str, text: str) -> str:
    return f"2026-11-22T20:50:07+00:00 mx1 postfix/{tag}[42]: {text}"


START = logged("master", "daemon started -- version 3.7.11, configuration /etc/postfix")
ASKED = logged("postfix-script", "stopping the Postfix mail system")
WAITING = logged("postfix-script", "waiting for the Postfix mail system to terminate")
ABORTED = logged("postfix-script", "aborting the Postfix mail system")
END = logged("master", "terminating on signal 15")
DEATH = logged("master", "fatal: bind 0.0.0.0 port 25: Address already in use")


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        ([START, ASKED, END], (AT, "`postfix stop`")),
        ([START, ASKED, WAITING, END], (AT, "`postfix stop`")),
        ([START, ASKED, END, WAITING, WAITING], (AT, "`postfix stop`")),
        ([START, ABORTED, END], (AT, "`postfix abort`")),
        ([START, END], (AT, "a signal")),
        ([START, ASKED, END, START], (None, "")),
        ([ASKED, END, logged("postfix-script", "starting the Postfix mail system"), START, END], (AT, "a signal")),
        ([START, DEATH], (None, "")),
        ([START, logged("smtpd", "terminating on signal 15")], (None, "")),
        ([], (None, "")),
    ],
)
def test_the_last_end_in_a_log(lines: list[str], end: tuple[datetime | None, str]) -> None:
    assert last_end(lines, "postfix", NOW) == end


def test_another_instance_that_was_stopped_says_nothing_of_this_one() -> None:
    theirs = [line.replace(" postfix/", " postfix-out/") for line in (ASKED, END)]
    assert last_end([START, DEATH, *theirs], "postfix", NOW) == (None, "")
    assert last_end([START, DEATH, *theirs], "postfix-out", NOW) == (AT, "`postfix stop`")


STOP = "{ path=/usr/sbin/postmulti ; argv[]=/usr/sbin/postmulti -i - -p stop ; start_time=[%s] ; pid=1 }"


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        (
            f"InactiveEnterTimestamp=@{AT.timestamp():.0f}\nExecStop={STOP % 'Sun 2026-11-22 20:50:07 UTC'}\n",
            UnitEnd(AT, True),
        ),
        (f"ExecStop={STOP % 'n/a'}\nInactiveEnterTimestamp=@{AT.timestamp():.0f}\n", UnitEnd(AT, False)),
        ("InactiveEnterTimestamp=\nExecStop=\n", UnitEnd(None, False)),
        ("", UnitEnd(None, False)),
    ],
)
def test_the_end_of_a_unit(text: str, ended: UnitEnd) -> None:
    assert parse_ended(text) == ended
