"""Errors of the disk at every single effect on the host, with a real Postfix running: old or new whole, and mail up.

The three errors take turns: EIO strikes one effect, ENOSPC and EROFS every effect on files from there to the end of
the run. An adoption and its first apply try all effects that make a stage; an undo and a rollback begin where they
differ. What cannot be imitated is real: a full file system (test_killed_anywhere.py), one that turns read-only
(test_hanging_programs.py).
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import UNREHEARSED
from tests.e2e.crash_driver import (
    CANNOT_START,
    IN_THE_WAY,
    NEW,
    RELOAD,
    RESTART,
    CrashDriver,
    crash_driver,
    has_no_service,
    is_routed,
    points,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STATUSES = {0, 1, 3, 4, 75}
ERRORS = ((errno.EIO, "once"), (errno.ENOSPC, "lasting"), (errno.EROFS, "lasting"))


@pytest.fixture
def rehearsing() -> Iterator[CrashDriver]:
    """A host that was adopted."""
    with _adopted() as made:
        yield made


@pytest.fixture
def crasher() -> Iterator[CrashDriver]:
    """A host that was adopted, and that holds no rehearsals."""
    with _adopted(UNREHEARSED) as made:
        yield made


@contextmanager
def _adopted(settings: str = "") -> Iterator[CrashDriver]:
    with crash_driver(settings) as made:
        made.run("once")
        yield made


def suffer(
    crasher: CrashDriver, argv: tuple[str, ...], good: Callable[[], bool], activate: str = RELOAD, since: str = ""
) -> dict[int, int]:
    """Have each effect of a run from *since* on fail in turn; the next must bring the desired state.

    Returns how often each status was.
    """
    whole = crasher.run(*argv)
    ends: dict[int, int] = {}
    numbers = [number for number, when in points(whole.effects, since) if when == "before"]
    for number, (error, how) in zip(numbers, cycle(ERRORS), strict=False):
        where = f"{errno.errorcode[error]} ({how}) at effect {number}, {whole.effects[number - 1]}"
        crasher.restore(activate)
        ran = crasher.run(*argv, at=number, when=how, error=error)
        assert ran.status in STATUSES, f"{where}: {ran}"
        ends[ran.status] = ends.get(ran.status, 0) + 1
        crasher.live()
        crasher.answers(where)
        if ran.status == 4:  # the way back failed too: somebody has to look
            assert crasher.run("resume").status == 0
        again = crasher.run(*argv)
        assert again.status == whole.status, f"{where}: {ran}\n{again}"
        crasher.whole()
        crasher.answers(where)
        assert good(), f"{where}: {ran}\n{again}"
    return ends


def told(capsys: pytest.CaptureFixture[str], what: str, ends: dict[int, int]) -> None:
    with capsys.disabled():
        print(f"\n    {what}: {sum(ends.values())} effects failed; statuses {ends}")


def test_an_adoption_and_its_first_apply(rehearsing: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    rehearsing.adopted.write_past_hook({"tables/transport": NEW}, "The new state")
    rehearsing.adopted.sh(
        "cp -a /etc/postfix/ /root/plain && rm /etc/postfix && mv /root/plain /etc/postfix &&"
        " rm -r /var/lib/reconciler && mkdir -m 711 /var/lib/reconciler && postfix reload"
    )
    rehearsing.save("fresh")
    told(capsys, "adoption and apply", suffer(rehearsing, ("once", "--adopt"), is_routed(rehearsing.host)))


def test_an_undo(crasher: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    crasher.save("adopted")
    crasher.host.run("mkdir", "-p", f"/var/spool/postfix/pid/inet.{IN_THE_WAY}")
    oid = crasher.adopted.write_past_hook({"mail.yaml": CANNOT_START}, "This smtpd can't lock its file")
    told(capsys, "apply and undo", suffer(crasher, ("once", oid), has_no_service(crasher.host), RESTART, "symlink"))


def test_a_rollback(crasher: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    crasher.adopted.write_past_hook({"tables/transport": NEW}, "The new state")
    assert crasher.run("once").status == 0
    crasher.save("two")
    routed = is_routed(crasher.host)
    told(capsys, "rollback", suffer(crasher, ("rollback", "1"), lambda: not routed(), since="rename"))
