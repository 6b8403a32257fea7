"""Errors of the disk at every single effect on the host, with a real Postfix running: old or new whole, and mail up.

The three errors take turns: EIO strikes one effect, ENOSPC and EROFS every effect on files from there to the end of
the run. An adoption and its first apply try all effects that make a stage; an undo and a rollback begin where they
differ. A rehearsal is one effect, which changes nothing on the host: an adoption and its first apply try it in a test
of its own, and everything else runs without. What cannot be imitated is real: a full file system
(test_killed_anywhere.py), one that turns read-only (test_hanging_programs.py).
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
    rehearsals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ADOPT = ("once", "--adopt")
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


def before(effects: list[str], since: str = "") -> list[int]:
    """Return the effects to try, from the first of that name on."""
    return [number for number, when in points(effects, since) if when == "before"]


def suffer(
    crasher: CrashDriver,
    argv: tuple[str, ...],
    good: Callable[[], bool],
    choose: Callable[[list[str]], list[int]] = before,
    activate: str = RELOAD,
) -> dict[int, int]:
    """Have each effect of a run that is chosen fail in turn; the next must bring the desired state.

    A host on which the failure has left the very same as another is tried once. Returns how often each status was.
    """
    whole = crasher.run(*argv)
    ends: dict[int, int] = {}
    known: set[tuple[int, str]] = set()
    for number, (error, how) in zip(choose(whole.effects), cycle(ERRORS), strict=False):
        where = f"{errno.errorcode[error]} ({how}) at effect {number}, {whole.effects[number - 1]}"
        crasher.restore(activate)
        ran = crasher.run(*argv, at=number, when=how, error=error)
        assert ran.status in STATUSES, f"{where}: {ran}"
        ends[ran.status] = ends.get(ran.status, 0) + 1
        crasher.live()
        crasher.answers(where)
        if (left := (ran.status, crasher.left())) in known:
            continue
        known.add(left)
        if ran.status == 4:  # the way back failed too: somebody has to look
            crasher.succeed("resume")
        # A commit that was rolled back is refused until it is named.
        again = crasher.run(*argv, *([crasher.adopted.tip()] if argv == ADOPT and ran.status == 3 else []))
        assert again.status == whole.status, f"{where}: {ran}\n{again}"
        crasher.whole()
        crasher.answers(where)
        assert good(), f"{where}: {ran}\n{again}"
    return ends


def told(capsys: pytest.CaptureFixture[str], what: str, ends: dict[int, int]) -> None:
    with capsys.disabled():
        print(f"\n    {what}: {sum(ends.values())} effects failed; statuses {ends}")


def test_an_adoption_and_its_first_apply(crasher: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    _give_back(crasher)
    told(capsys, "adoption and apply", suffer(crasher, ADOPT, is_routed(crasher.host)))


def test_the_rehearsals_of_an_adoption_and_its_first_apply(
    rehearsing: CrashDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    _give_back(rehearsing)
    ends = suffer(rehearsing, ADOPT, is_routed(rehearsing.host), lambda effects: rehearsals(effects) * len(ERRORS))
    told(capsys, "rehearsals of adoption and apply", ends)


def _give_back(crasher: CrashDriver) -> None:
    """Make the host one that is not adopted, whose branch has a new state, and remember it."""
    crasher.adopted.write_past_hook({"tables/transport": NEW}, "The new state")
    crasher.adopted.sh(
        "cp -a /etc/postfix/ /root/plain && rm /etc/postfix && mv /root/plain /etc/postfix &&"
        " rm -r /var/lib/reconciler && mkdir -m 711 /var/lib/reconciler && postfix reload"
    )
    crasher.save("fresh")


def test_an_undo(crasher: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    crasher.save("adopted")
    crasher.host.run("mkdir", "-p", f"/var/spool/postfix/pid/inet.{IN_THE_WAY}")
    oid = crasher.adopted.write_past_hook({"mail.yaml": CANNOT_START}, "This smtpd can't lock its file")
    good = has_no_service(crasher.host)
    ends = suffer(crasher, ("once", oid), good, lambda effects: before(effects, "symlink"), RESTART)
    told(capsys, "apply and undo", ends)


def test_a_rollback(crasher: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    crasher.adopted.write_past_hook({"tables/transport": NEW}, "The new state")
    crasher.succeed("once")
    crasher.save("two")
    routed = is_routed(crasher.host)
    ends = suffer(crasher, ("rollback", "1"), lambda: not routed(), lambda effects: before(effects, "rename"))
    told(capsys, "rollback", ends)
