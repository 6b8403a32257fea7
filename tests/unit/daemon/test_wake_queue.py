"""The queue of reasons: once each, held to a pace, nothing lost."""

from __future__ import annotations

import math
import time

from reconciler.daemon.wake_queue import WakeQueue
from reconciler.model.phase import Wake


def test_each_reason_is_there_once_however_often_it_came() -> None:
    queue = WakeQueue(5.0, lambda: True)
    for _ in range(30):
        queue.wake(Wake.PUSH)
        queue.wake(Wake.DRIFT)

    assert queue.ready() == [Wake.DRIFT, Wake.PUSH]
    assert queue.ready() == []
    assert queue.next_at() == math.inf


def test_after_many_reloads_a_reason_waits_and_is_not_lost() -> None:
    queue = WakeQueue(1000.0, lambda: True)
    for _ in range(3):
        queue.reloaded()
    queue.wake(Wake.PUSH)

    assert queue.ready() == []
    assert 990 < queue.held_for(Wake.PUSH) <= 1000
    assert queue.held_for(Wake.DRIFT) == 0
    assert queue.next_at() > time.monotonic() + 990


def test_without_a_limit_nothing_waits() -> None:
    queue = WakeQueue(0.0, lambda: True)
    for _ in range(9):
        queue.reloaded()
    queue.wake(Wake.PUSH)

    assert queue.ready() == [Wake.PUSH]


def test_a_postfix_that_does_not_run_waits_for_nothing() -> None:
    queue = WakeQueue(1000.0, lambda: False)
    for _ in range(3):
        queue.reloaded()
    queue.wake(Wake.DRIFT)

    assert queue.ready() == [Wake.DRIFT]


def test_a_certificate_waits_for_its_key_and_holds_no_push_up() -> None:
    queue = WakeQueue(5.0, lambda: True)
    queue.wake(Wake.CERTIFICATE)
    queue.wake(Wake.PUSH)

    assert queue.ready() == [Wake.PUSH]
    assert time.monotonic() < queue.next_at() < math.inf
