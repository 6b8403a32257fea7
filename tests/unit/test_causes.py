"""What in the log of real traffic is a cause of ours, in Postfix's own words, and what others may say without harm."""

from __future__ import annotations

import pytest

from reconciler.host.maillog import causes, parse, steady
from tests.unit.recorded import transcript

NAMES = {"postfix", "postfix/submission"}
OURS = transcript("causes.txt").splitlines()
OTHERS = transcript("no-causes.txt").splitlines()


def logged(line: str) -> str:
    return f"2026-11-22T10:00:00.000000+00:00 mx1 {line}"


def about(word: str) -> str:
    """The text of the first cause that holds a word."""
    one = parse(logged(next(line for line in OURS if word in line)))
    assert one
    return one.text


@pytest.mark.parametrize("line", OURS)
def test_a_cause_of_ours_is_one(line: str) -> None:
    (one,) = causes([logged(line)], NAMES)
    assert logged(line).endswith(one.text)


@pytest.mark.parametrize("line", OTHERS)
def test_nothing_that_others_choose_to_say_is_a_cause_of_ours(line: str) -> None:
    assert causes([logged(line)], NAMES) == []


@pytest.mark.parametrize(
    ("word", "changes"),
    [
        ("Temporary lookup", {"192.0.2.1": "2001:db8::1", "c@d.test": "x@y.test", "a@b.test": "v@w.test"}),
        ("Recipient address", {"mail.b.test": "other.test", "e.test": "f.test"}),
        ("lookup problem for", {"3B2A1C0F2": "3Zx9yBkdWz1", "c@d.test": "x@y.test"}),
        ("lookup error for", {"c@d.test": "x@y.test"}),
    ],
)
def test_the_same_cause_for_another_message_is_the_same(word: str, changes: dict[str, str]) -> None:
    one = other = about(word)
    for before, after in changes.items():
        other = other.replace(before, after)
    assert one != other
    assert steady(one) == steady(other)


def test_another_table_is_another_cause() -> None:
    for word in ("lookup error for", "unapproved table"):
        assert steady(about(word)) != steady(about(word).replace("nosuch", "other"))
