"""What is remembered has a bound: above it, it is dropped, and the daemon says so if that is not enough."""

from __future__ import annotations

import gc

import pytest

from reconciler.daemon import memory as module
from reconciler.daemon.malloc import return_free_memory
from reconciler.daemon.memory import MemoryBound, resident
from reconciler.model.past import Past, forget_oldest

MIB = 1 << 20


@pytest.fixture
def past() -> Past[bytearray]:
    """Fifty findings of 1 MiB each, and nothing else that is remembered."""
    while forget_oldest():
        pass
    gc.collect()
    return_free_memory()  # that of other tests, which counts for none of the findings
    past = Past[bytearray](99)
    for number in range(50):
        past.keep(number, bytearray(MIB))
    return past


def test_the_past_is_dropped_until_the_bound_holds_the_oldest_first(past: Past[bytearray]) -> None:
    bound = MemoryBound(resident() - 20 * MIB)

    bound.rest()

    assert 10 <= len(past) <= 30, "twenty are too much, and several are dropped at once"
    assert past.used(49) is not None
    assert past.used(0) is None
    assert bound.limits == []


def test_nothing_is_dropped_below_the_bound(past: Past[bytearray]) -> None:
    bound = MemoryBound(resident() + 20 * MIB)

    bound.rest()

    assert len(past) == 50
    assert bound.limits == []


def test_what_was_of_use_in_a_pass_alone_is_dropped_below_the_bound_too(past: Past[bytearray]) -> None:
    past.in_a_pass = True
    bound = MemoryBound(resident() + 20 * MIB)

    bound.rest()

    assert len(past) == 0


def test_a_bound_that_cannot_hold_is_told_and_fails_nothing(past: Past[bytearray]) -> None:
    bound = MemoryBound(MIB)

    bound.rest()

    assert len(past) == 0
    (told,) = bound.limits
    assert told.endswith(" MiB between two passes, and daemon.memory allows 1 MiB")


def test_a_pass_that_took_nothing_leaves_all_as_it_is(past: Past[bytearray], monkeypatch: pytest.MonkeyPatch) -> None:
    bound = MemoryBound(resident() + 20 * MIB)
    bound.rest()
    monkeypatch.setattr(module, "return_free_memory", None)

    bound.rest()

    assert len(past) == 50


def test_a_pass_that_took_little_returns_what_is_free_and_many_such_passes_collect_too(
    past: Past[bytearray], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, done = 30 * MIB, list[str]()
    monkeypatch.setattr(module, "resident", lambda: held)
    monkeypatch.setattr(module, "return_free_memory", lambda: done.append("returned"))
    monkeypatch.setattr(gc, "collect", lambda: done.append("collected"))
    bound = MemoryBound(999 * MIB)
    bound.rest()
    done.clear()
    for _ in range(9):
        held += MIB // 4
        bound.rest()
    assert done == ["returned"] * 9 + ["collected", "returned"]
    assert len(past) == 50
    held -= 9 * MIB
    bound.rest()
    done.clear()
    for _ in range(9):
        held += MIB // 4
        bound.rest()
    assert done[-2:] == ["collected", "returned"]


def test_a_peak_that_is_over_is_neither_told_nor_what_later_passes_are_compared_with(
    past: Past[bytearray], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [900]
    monkeypatch.setattr(module, "resident", lambda: held[0] * MIB)
    while forget_oldest():
        pass
    bound = MemoryBound(100 * MIB)
    bound.rest()
    assert bound.limits, "a peak that nothing could lower"

    held[0] = 60
    bound.rest()
    assert bound.limits == []

    past.keep(0, bytearray(MIB))
    held[0] = 200
    bound.rest()
    assert len(past) == 0, "200 MiB are too much, whatever was held once"
