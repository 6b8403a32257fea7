"""Keep what is derived from a merged contribution and the facts of its host while a commit is being judged.

Most rules walk over the scopes of all services, and several over all tables that settings name: what such a walk makes
is the same for all of them. Promises: within keeping(), each thing is derived once from the same contribution and
facts, and nothing of it is kept afterwards; without, it is derived each time. Raises what deriving raises.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model import Contribution, Facts

T = TypeVar("T")
_kept: ContextVar[dict[object, Any] | None] = ContextVar("kept", default=None)


@contextmanager
def keeping() -> Iterator[None]:
    """Keep what is derived in this context."""
    before = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(before)


def derived(derive: Callable[[Contribution, Facts], T]) -> Callable[[Contribution, Facts], T]:
    """Return a function that derives a value once within keeping(); what it returns must not be changed."""

    @functools.wraps(derive)
    def once(merged: Contribution, facts: Facts) -> T:
        known = _kept.get()
        if known is None:
            return derive(merged, facts)
        key = derive, id(merged), id(facts)
        if key not in known:
            known[key] = derive(merged, facts), merged, facts  # which stay, so that nothing else gets their ids
        value: T = known[key][0]
        return value

    return once
