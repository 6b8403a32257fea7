"""A set of very many texts takes eight bytes for each, and knows each of them."""

from __future__ import annotations

import tracemalloc

from reconciler.postfix.hashed_texts import HashedTexts


def test_it_holds_what_it_was_given_and_nothing_else() -> None:
    texts = HashedTexts(f"user{number}@v.example" for number in range(5000))

    assert all(f"user{number}@v.example" in texts for number in range(5000))
    assert not any(f"user{number}@v.example" in texts for number in range(5000, 10_000))
    assert "" not in texts
    assert len(texts) == 5000


def test_none_is_in_an_empty_one() -> None:
    assert "x" not in HashedTexts([])
    assert not HashedTexts([])
    assert HashedTexts([""])


def test_it_takes_a_fraction_of_a_set_of_texts() -> None:
    tracemalloc.start()
    try:
        texts = HashedTexts(f"user{number}@v.example" for number in range(50_000))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "user7@v.example" in texts
    assert held < 12 * 50_000
    assert peak < 20 * 50_000
