"""A set of very many texts in eight bytes each: it holds their hashes. Raises nothing.

That a text is not in the set is certain; that it is, but for a hash of 64 bits that two texts share by chance.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Container
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHARES = 64


class HashedTexts(Container[str]):
    """A set of texts that only answers whether one is in it."""

    def __init__(self, texts: Iterable[str]) -> None:
        shares = [array("q") for _ in range(_SHARES)]
        for text in texts:
            number = hash(text)
            shares[number % _SHARES].append(number)
        # Sorting makes objects of all numbers, so few are sorted at a time.
        self._shares = [array("q", sorted(share)) for share in shares]

    def __contains__(self, text: object) -> bool:
        number = hash(text)
        share = self._shares[number % _SHARES]
        place = bisect_left(share, number)
        return place < len(share) and share[place] == number

    def __len__(self) -> int:
        """Return the number of texts; one that was given twice counts twice."""
        return sum(map(len, self._shares))
