"""What was used least recently is dropped first, within one kind of finding and among all of them."""

from __future__ import annotations

import weakref
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.past import Past, PastInAPass, PastOf, PastOfEach, condensed, forget_oldest, forget_passes


def test_the_least_recently_used_value_is_dropped_for_another() -> None:
    past = Past[str](2)
    past.keep("a", "A")
    past.keep("b", "B")
    assert past.used("a") == "A"

    past.keep("c", "C")

    assert (past.used("a"), past.used("b"), past.used("c")) == ("A", None, "C")
    assert len(past) == 2


def test_a_value_is_taken_once() -> None:
    past = Past[str](2)
    past.keep("a", "A")

    assert (past.take("a", "none"), past.take("a", "none")) == ("A", "none")


def test_a_value_that_is_kept_again_is_the_youngest_and_counts_once() -> None:
    past = Past[int](2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        past.keep(key, value)

    assert (past.used("a"), past.used("b"), past.used("c")) == (3, None, 4)


def test_the_oldest_of_all_kinds_is_forgotten_until_nothing_is_left() -> None:
    while forget_oldest():  # of other tests
        pass
    few, others = Past[str](9), Past[str](9)
    few.keep("first", "1")
    others.keep("second", "2")
    few.keep("third", "3")
    others.used("second")

    left = []
    while forget_oldest():
        left.append((len(few), len(others)))

    assert left == [(1, 1), (0, 1), (0, 0)]


def test_what_is_of_use_in_a_pass_alone_is_dropped_with_it() -> None:
    lasting, passing = Past[str](9), Past[str](9, in_a_pass=True)
    lasting.keep("a", "A")
    passing.keep("b", "B")
    passing.keep("c", "C")

    forget_passes()

    assert (len(lasting), len(passing)) == (1, 0)


def test_what_an_answer_depends_on_is_the_same_for_equal_values_and_another_for_others() -> None:
    names = frozenset(f"name{number}" for number in range(1000))

    assert condensed((names, "x")) == condensed((frozenset(sorted(names)), "x"))
    assert condensed((names, "x")) != condensed((names - {"name7"}, "x"))
    assert condensed((names, "x")) != condensed(("x", names))


def test_a_function_stands_for_itself_so_that_no_other_takes_its_place() -> None:
    assert condensed((lambda: 1, "x")) != condensed((lambda: 2, "x"))
    assert condensed((test_a_value_is_taken_once,)) == (test_a_value_is_taken_once,)


def test_a_value_is_made_once_of_a_thing_and_what_is_given_and_anew_for_another() -> None:
    past, numbers = PastOf[int](2), count(1)

    def of(thing: object, *given: object) -> int:
        return past.of(thing, given, lambda: next(numbers))

    first, second = ["a"], ["a"]
    assert [of(first, 1), of(first, 1), of(second, 1), of(first, 2), of(first, 2), of(first, 1)] == [1, 1, 2, 3, 3, 4]


def test_a_thing_stays_as_long_as_what_was_made_of_it_so_that_no_other_has_its_place() -> None:
    class Thing:
        pass

    past, thing = PastOf[str](1), Thing()
    past.of(thing, (), lambda: "made")
    there = weakref.ref(thing)
    del thing
    assert there() is not None
    past.of(Thing(), (), lambda: "another")
    assert there() is None


@given(st.lists(st.lists(st.integers(0, 9)), min_size=2, max_size=4))
def test_each_item_of_a_sequence_has_its_value(sequences: list[list[int]]) -> None:
    items, past = [f"item {number}" for number in range(10)], PastOfEach[str, str]()

    for numbers in sequences:
        assert past.of([items[one] for one in numbers], (), str.upper) == tuple(f"ITEM {one}" for one in numbers)


@given(st.lists(st.lists(st.integers(0, 9), unique=True), min_size=2, max_size=4))
def test_of_a_sequence_only_what_was_not_in_the_one_before_is_made(sequences: list[list[int]]) -> None:
    items, past, before = [f"item {number}" for number in range(10)], PastOfEach[str, None](), list[int]()

    for numbers in sequences:
        made = list[str]()
        past.of([items[one] for one in numbers], (), made.append)
        assert made == [items[one] for one in numbers if one not in before]
        before = numbers or before  # an empty sequence leaves what is known of the one before it


@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), unique=True), min_size=2, max_size=4))
def test_an_item_of_several_parts_is_known_by_all_of_them(sequences: list[list[tuple[int, int]]]) -> None:
    first, second = ([f"{kind} {number}" for number in range(5)] for kind in ("first", "second"))
    past, before = PastOfEach[str, str](), list[tuple[int, int]]()

    for numbers in sequences:
        made = list[str]()

        def make(one: str, other: str, made: list[str] = made) -> str:
            made.append(f"{one}, {other}")
            return made[-1]

        columns = [first[one] for one, _ in numbers], [second[other] for _, other in numbers]
        assert past.of_rows(columns, (), make) == tuple(f"first {one}, second {other}" for one, other in numbers)
        assert made == [f"first {one}, second {other}" for one, other in numbers if (one, other) not in before]
        before = numbers or before


def test_of_equal_values_the_first_is_shared() -> None:
    past, first, other = Past[tuple[int, ...]](2), (1, 2), tuple(range(1, 3))
    assert first is not other
    assert past.shared(first) is first
    assert past.shared(other) is first
    assert past.shared((3,)) == (3,)
    assert past.shared((4,)) == (4,)
    assert past.shared(other) is other, "two others were used since"


def test_items_that_are_equal_but_not_the_same_are_made_anew() -> None:
    past, numbers = PastOfEach[list[int], int](), count()
    one, equal = [1], [1]

    assert past.of([one], (), lambda _: next(numbers)) == (0,)
    assert past.of([equal], (), lambda _: next(numbers)) == (1,)
    assert past.of([one, equal], (), lambda _: next(numbers)) == (2, 1)


def test_a_value_of_several_things_is_made_once_in_a_pass_and_for_the_very_same_things_alone() -> None:
    past, numbers, one, equal = PastInAPass[int](4), count(), [1], [1]

    assert [past.of(things, lambda: next(numbers)) for things in ((one, equal), (one, equal), (one, one))] == [0, 0, 1]
    forget_passes()
    assert past.of((one, equal), lambda: next(numbers)) == 2


def test_items_may_be_known_by_their_values() -> None:
    past, made = PastOfEach[str, None](by_value=True), list[str]()

    past.of(["one", "two"], (), made.append)
    past.of(["two", "three", "one"], (), made.append)

    assert made == ["one", "two", "three"]


def test_with_something_else_given_each_item_is_made_anew() -> None:
    past, items = PastOfEach[str, str](), ["a", "b"]

    assert past.of(items, (1,), lambda item: f"{item}1") == ("a1", "b1")
    assert past.of(items, (2,), lambda item: f"{item}2") == ("a2", "b2")


def test_what_was_made_of_a_sequence_is_forgotten_with_all_else() -> None:
    past, numbers, items = PastOfEach[str, int](), count(), ["a"]
    past.of(items, (), lambda _: next(numbers))
    while forget_oldest():
        pass

    assert past.of(items, (), lambda _: next(numbers)) == (1,)
