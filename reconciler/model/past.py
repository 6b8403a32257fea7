"""What was found in the past, kept in bounded memory: what was used least recently is dropped first.

Each kind of finding is a Past of its own, with its own number of values; forget_oldest() looks at all of them. Whoever
finds nothing here finds it again, so that dropping costs time and nothing else. Raises nothing.

Known limit: two values that an answer depends on are the same if their hashes of 64 bits are.
"""

from __future__ import annotations

from itertools import compress, count, repeat
from operator import is_not, ne
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

S = TypeVar("S")
T = TypeVar("T")
_UNKNOWN: Any = object()
_moments = count()
_all: list[Past[Any]] = []


class Past(Generic[T]):
    """Values by their keys, *most* of them at a time; a value must not be changed.

    What is of use *in_a_pass* alone is not kept for the next one: forget_passes() drops it.
    """

    def __init__(self, most: int, *, in_a_pass: bool = False) -> None:
        self._most, self.in_a_pass = most, in_a_pass
        self._values: dict[Hashable, tuple[int, T]] = {}  # the least recently used is the first
        _all.append(self)

    def __len__(self) -> int:
        return len(self._values)

    def take(self, key: Hashable, default: T) -> T:
        """Return a value and drop it, or return the default."""
        return self._values.pop(key, (0, default))[1]

    def keep(self, key: Hashable, value: T) -> None:
        """Keep a value as the one that was used last."""
        self._values.pop(key, None)
        self._values[key] = next(_moments), value
        if len(self._values) > self._most:
            self.forget()

    def used(self, key: Hashable) -> T | None:
        """Return a value as the one that was used last; None if there is none."""
        found = self._values.pop(key, None)
        if found is None:
            return None
        self._values[key] = next(_moments), found[1]
        return found[1]

    def used_each(self, keys: Sequence[Hashable]) -> list[T | None]:
        """Return the values of several keys, as used() does."""
        moment, found = next(_moments), list(map(self._values.get, keys))
        for key, kept in zip(keys, found, strict=True):
            if kept is not None:
                self._values.pop(key, None)
                self._values[key] = moment, kept[1]
        return [kept and kept[1] for kept in found]

    def shared(self, value: T) -> T:
        """Return the equal value that is known, so that many have the memory of one; without one, keep this as such."""
        if (known := self.used(value)) is None:
            self.keep(value, known := value)
        return known

    def forget(self) -> None:
        """Drop the value that was used least recently."""
        for key in list(self._values)[:1]:  # a list, because another thread may keep a value meanwhile
            self._values.pop(key, None)

    @property
    def oldest(self) -> float:
        """When its oldest value was used, as a number; infinite if there is none."""
        return next((moment for moment, _ in list(self._values.values())[:1]), float("inf"))


class PastOf(Generic[T]):
    """Values by the things that they were made of, of which the first is known by its place in memory alone.

    It stays in there as long as the value. The others are *given*, and compared.
    """

    def __init__(self, most: int) -> None:
        self._past: Past[tuple[object, tuple[object, ...], T]] = Past(most)

    def of(self, thing: object, given: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return the value that was made of a thing with what is given, or make it."""
        known = self._past.used(id(thing))
        if known is None or known[1] != given:
            known = thing, given, make()
            self._past.keep(id(thing), known)
        return known[2]


class PastInAPass(Generic[T]):
    """Values by the things that they were made of, all of which are known by their places in memory, for one pass.

    They stay in there as long as the value.
    """

    def __init__(self, most: int) -> None:
        self._past: Past[tuple[tuple[object, ...], T]] = Past(most, in_a_pass=True)

    def of(self, things: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return the value that was made of these things, or make it."""
        places = tuple(map(id, things))
        known = self._past.used(places)
        if known is None:
            known = things, make()
            self._past.keep(places, known)
        return known[1]


class PastOfEach(Generic[S, T]):
    """What was made of each item of a sequence; of the next sequence, only what was not in it is made anew.

    An item is known by its place in memory alone, where it stays as long as it is in here, or *by_value*. What else the
    values depend on is *given*, and compared. Of thousands of items of which one differs, no other takes a step of
    Python. Of *most* sequences, each with a name, the last is known.
    """

    def __init__(self, most: int = 1, *, by_value: bool = False) -> None:
        self._past: Past[tuple[tuple[Sequence[Any], ...], tuple[object, ...], tuple[T, ...]]] = Past(most)
        self._differ: Callable[[Any, Any], bool] = ne if by_value else is_not
        self._key: Callable[[Any], Hashable] = _itself if by_value else id

    def of(
        self, items: Sequence[S], given: tuple[object, ...], make: Callable[[S], T], name: Hashable = ""
    ) -> tuple[T, ...]:
        """Return the value of each item, in their order; *items* must not be changed afterwards."""
        return self.of_rows((items,), given, make, name)

    def of_rows(
        self, columns: tuple[Sequence[Any], ...], given: tuple[object, ...], make: Callable[..., T], name: Hashable = ""
    ) -> tuple[T, ...]:
        """Return the same where each item has several parts: the first is in the first of the *columns*."""
        if not columns[0]:
            return ()  # and what is known of a sequence before stays
        before, was_given, values = self._past.used(name) or ((), (), ())
        if was_given != given or len(before) != len(columns):
            before, values = ((),) * len(columns), ()
        shorter = min(len(columns[0]), len(values))
        start = min(self._same(*pair, shorter) for pair in zip(columns, before, strict=True))
        ends = ((reversed(new), reversed(old)) for new, old in zip(columns, before, strict=True))
        end = min(self._same(*pair, shorter - start) for pair in ends)
        old, new = len(values) - end, len(columns[0]) - end
        known = dict(zip(self._keys(before, start, old), values[start:old], strict=True))
        found: Iterable[T] = map(known.get, self._keys(columns, start, new), repeat(_UNKNOWN))
        rows = zip(*(column[start:new] for column in columns), strict=True)
        made = [make(*row) if value is _UNKNOWN else value for value, row in zip(found, rows, strict=True)]
        kept = *values[:start], *made, *values[old:]
        self._past.keep(name, (columns, given, kept))
        return kept

    def _keys(self, columns: Iterable[Sequence[Any]], start: int, end: int) -> Iterable[tuple[Hashable, ...]]:
        """Return by what some items are known."""
        return zip(*(map(self._key, column[start:end]) for column in columns), strict=True)

    def _same(self, one: Iterable[Any], other: Iterable[Any], most: int) -> int:
        """Return how many items both begin with, *most* at the most."""
        return min(next(compress(count(), map(self._differ, one, other)), most), most)


def _itself(item: Any) -> Any:  # noqa: ANN401 - any value that can be compared
    return item


def condensed(values: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    """Return what an answer depends on as a small key: each value's hash, for it may be a set of thousands of names.

    A function stands for itself, because its hash is its place in memory, where another may be later.
    """
    return tuple(value if callable(value) else hash(value) for value in values)


def forget_passes() -> None:
    """Drop what was of use in a pass alone."""
    for past in _all:
        while past.in_a_pass and len(past):
            past.forget()


def forget_oldest() -> bool:
    """Drop what was used least recently of all; return False if nothing is left."""
    oldest = min(_all, key=lambda past: past.oldest, default=None)
    if not oldest:
        return False
    oldest.forget()
    return True
