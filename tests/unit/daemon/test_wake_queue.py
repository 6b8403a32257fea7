"""The queue of reasons: once each, held to a pace, nothing lost."""

from __future__ import annotations

import math
import time

from reconciler.daemon.wake_queue import Wakes
from reconciler.model.phase import Wake


def test_each_reason_is_there_once_however_often_it_came() -> None:
    wakes = Wakes(5.0, lambda: True)
    for _ in range(30):
        wakes.wake(Wake.PUSH)
        wakes.wake(Wake.DRIFT)

    assert wakes.ready() == [Wake.DRIFT, Wake.PUSH]
    assert wakes.ready() == []
    assert wakes.turn() == math.inf


def test_after_many_reloads_a_reason_waits_and_is_not_lost() -> None:
    wakes = Wakes(1000.0, lambda: True)
    for _ in range(3):
        wakes.reloaded()
    wakes.wake(Wake.PUSH)

    assert wakes.ready() == []
    assert 990 < wakes.holds(Wake.PUSH) <= 1000
    assert wakes.holds(Wake.DRIFT) == 0
    assert wakes.turn() > time.monotonic() + 990


def test_without_a_limit_nothing_waits() -> None:
    wakes = Wakes(0.0, lambda: True)
    for _ in range(9):
        wakes.reloaded()
    wakes.wake(Wake.PUSH)

    assert wakes.ready() == [Wake.PUSH]


def test_a_postfix_that_does_not_run_waits_for_nothing() -> None:
    wakes = Wakes(1000.0, lambda: False)
    for _ in range(3):
        wakes.reloaded()
    wakes.wake(Wake.DRIFT)

    assert wakes.ready() == [Wake.DRIFT]


def test_a_certificate_waits_for_its_key_and_holds_no_push_up() -> None:
    wakes = Wakes(5.0, lambda: True)
    wakes.wake(Wake.CERTIFICATE)
    wakes.wake(Wake.PUSH)

    assert wakes.ready() == [Wake.PUSH]
    assert time.monotonic() < wakes.turn() < math.inf
