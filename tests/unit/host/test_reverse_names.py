"""Reverse names are kept for some minutes since they were asked for."""

from __future__ import annotations

from reconciler.host.reverse_names import LASTING, ReverseNames

WANTED = (
    ("192.0.2.1", "a.example"), ("192.0.2.2", "b.example"), ("192.0.2.3", "c.example"), ("192.0.2.9", "i.example"),
)  # fmt: skip


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_reverse_names_count_for_some_minutes_since_they_were_asked_for() -> None:
    clock = Clock()
    names = ReverseNames(clock)
    names.learn({"192.0.2.1": ("a.example",)})
    clock.now += LASTING - 1
    assert names.right(WANTED) == {"192.0.2.1": ("a.example",)}
    names.learn({"192.0.2.1": ("a.example",), "192.0.2.2": ("b.example",)})  # the first was known, not asked for
    clock.now += 2
    assert names.right(WANTED) == {"192.0.2.2": ("b.example",)}


def test_what_is_missing_or_of_no_site_any_more_is_not_known() -> None:
    names = ReverseNames(Clock())
    names.learn({"192.0.2.1": ("a.example",), "192.0.2.9": ("z.example",)})
    names.learn({"192.0.2.1": (), "192.0.2.2": (), "192.0.2.3": None})
    assert names.right(WANTED) == {}


def test_another_answer_counts_from_now_on() -> None:
    clock = Clock()
    names = ReverseNames(clock)
    names.learn({"192.0.2.1": ("a.example",)})
    clock.now += LASTING - 1
    names.learn({"192.0.2.1": ("a.example", "b.example")})
    clock.now += LASTING - 1
    assert names.right(WANTED) == {"192.0.2.1": ("a.example", "b.example")}


def test_names_are_right_for_an_address_if_all_that_are_wanted_are_among_them() -> None:
    names = ReverseNames(Clock())
    names.learn({"192.0.2.1": ("a.example", "b.example"), "192.0.2.2": ("b.example",)})
    assert names.right([("192.0.2.1", "b.example"), ("192.0.2.1", "a.example")]) == {
        "192.0.2.1": ("a.example", "b.example")
    }
    assert names.right([("192.0.2.2", "b.example"), ("192.0.2.2", "a.example")]) == {}
    assert names.right([("192.0.2.2", "a.example"), ("192.0.2.2", "b.example")]) == {}
