"""A sleep answers what ended it, closes what it was given, and does nothing in between; its clock stands still here."""

from __future__ import annotations

import math
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from reconciler.daemon.sleep import Sleep, Waker, readable

if TYPE_CHECKING:
    from collections.abc import Collection

BELL = 1000  # no descriptor of this process


class Kernel:
    """A clock and a poll(2): each poll lasts as long as it may, or ends at once by the descriptors that are *ready*."""

    def __init__(self, *ready: set[int]) -> None:
        self.now, self.polls = 100.0, list[float]()
        self._ready = list(ready)

    def clock(self) -> float:
        """What time it is."""
        return self.now

    def poll(self, numbers: Collection[int], seconds: float) -> Collection[int]:
        """Take the next answer, or let the time pass."""
        self.polls.append(seconds)
        ready = self._ready.pop(0) if self._ready else set[int]()
        if not ready:
            assert seconds < math.inf, "this sleep never ends"
            self.now += seconds
        return ready & set(numbers)

    def sleep(self) -> Sleep:
        """A sleep under this kernel."""
        return Sleep(BELL, self.clock, self.poll)


def closed(number: int) -> bool:
    """Whether that descriptor is closed."""
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def test_the_bell_ends_a_sleep_without_any_deadline() -> None:
    kernel = Kernel({BELL})

    assert kernel.sleep().wait() == {Waker.BELL}
    assert kernel.polls == [math.inf]


def test_the_earliest_deadline_ends_it_and_no_other() -> None:
    kernel = Kernel()
    sleep = kernel.sleep()
    sleep.until(Waker.TIMER, 160.0)
    sleep.until(Waker.QUEUE, 105.0)
    sleep.until(Waker.PROBATION, math.inf)

    assert sleep.wait() == {Waker.QUEUE}
    assert kernel.polls == [5.0]


def test_what_is_due_already_ends_it_before_the_kernel_is_asked() -> None:
    kernel = Kernel({BELL})
    sleep = kernel.sleep()
    sleep.until(Waker.TIMER, 100.0)
    sleep.until(Waker.QUEUE, 99.0)

    assert sleep.wait() == {Waker.TIMER, Waker.QUEUE}
    assert kernel.polls == []


def test_a_deadline_that_is_put_off_leaves_the_others_as_they_were() -> None:
    kernel = Kernel()
    sleep = kernel.sleep()
    sleep.until(Waker.TIMER, 105.0)
    sleep.until(Waker.LOOK, 102.0)

    assert sleep.wait() == {Waker.LOOK}
    sleep.until(Waker.LOOK, 104.0)
    assert sleep.wait() == {Waker.LOOK}
    sleep.until(Waker.LOOK, 106.0)
    assert sleep.wait() == {Waker.TIMER}
    assert kernel.now == 105.0


def test_the_watchdog_is_fed_in_between_and_ends_nothing() -> None:
    kernel, beats = Kernel(), list[float]()
    sleep = kernel.sleep()
    sleep.beat(2.0, lambda: beats.append(kernel.now))
    sleep.until(Waker.TIMER, 105.0)

    assert sleep.wait() == {Waker.TIMER}
    assert beats == [102.0, 104.0, 105.0]


def test_descriptors_end_it_together_and_a_forgotten_one_is_closed() -> None:
    (log, log_writer), (other, other_writer) = os.pipe(), os.pipe()
    kernel = Kernel({log, other}, {log, other})
    with kernel.sleep() as sleep:
        sleep.until_readable(Waker.LOG, log)
        sleep.until_readable(Waker.COMPANION, other)
        assert sleep.wait() == {Waker.LOG, Waker.COMPANION}
        sleep.forget(Waker.LOG)
        assert closed(log)
        assert sleep.wait() == {Waker.COMPANION}
    assert closed(other)
    os.close(log_writer)
    os.close(other_writer)


def test_the_bell_is_not_closed() -> None:
    bell = os.eventfd(0, os.EFD_CLOEXEC)
    with Sleep(bell) as sleep:
        os.eventfd_write(bell, 1)
        assert sleep.wait() == {Waker.BELL}
    assert not closed(bell)
    os.close(bell)


def test_the_end_of_any_process_ends_it() -> None:
    bell = os.eventfd(0, os.EFD_CLOEXEC)
    with (
        subprocess.Popen(["sleep", "60"]) as first,
        subprocess.Popen(["sleep", "60"]) as second,
        Sleep(bell) as sleep,
    ):
        assert sleep.until_ended(Waker.COMPANION, [first.pid])
        assert sleep.until_ended(Waker.MASTER, [second.pid])
        second.kill()
        assert sleep.wait() == {Waker.MASTER}
        first.kill()
    os.close(bell)


@pytest.mark.parametrize("pids", [1, 0])
def test_a_process_that_has_ended_already_is_not_watched(pids: int) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert not Kernel().sleep().until_ended(Waker.MASTER, [ended.pid] * pids)


def test_readable_answers_those_that_can_be_read_now() -> None:
    (full, writer), (empty, other) = os.pipe(), os.pipe()
    os.write(writer, b"x")
    assert readable([full, empty], math.inf) == [full]
    assert readable([empty], 0.0) == []
    for number in (full, writer, empty, other):
        os.close(number)


def test_a_sleep_longer_than_poll_takes_is_several() -> None:
    there, here = os.pipe()
    os.write(here, b"x")

    assert readable([there], 1e7) == [there]
    os.close(there)
    os.close(here)


def test_a_signal_that_another_thread_took_ends_a_sleep_and_its_descriptor_stays_open() -> None:
    there, here = os.pipe()
    bell = os.eventfd(0)
    os.write(here, b"\x01")

    with Sleep(bell) as sleep:
        sleep.until_signal(there)
        assert sleep.wait() == {Waker.SIGNAL}

    assert not closed(there)
    assert not closed(bell)
    for number in (there, here, bell):
        os.close(number)
