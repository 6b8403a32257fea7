"""Text as Postfix reads it: Unicode's line ends, spaces and digits are characters like others."""

from __future__ import annotations

import re

import pytest

from reconciler.model.ascii_text import NON_ASCII, SPACE, is_digits, split_lines, split_words

OTHERS = ("\u2028", "\u2029", "\x85", "\x1c", "\x1d", "\x1e", "\x1f", "\xa0", "\u3000")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\n\nb", ["a", "", "b"]),
        ("a\n\n", ["a", ""]),
        ("a\rb\r\nc", ["a\rb\r", "c"]),
    ],
)
def test_a_newline_alone_ends_a_line(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines
    assert "".join(split_lines(text, keepends=True)) == text
    assert [line.removesuffix("\n") for line in split_lines(text, keepends=True)] == lines


@pytest.mark.parametrize("other", OTHERS)
def test_what_only_unicode_takes_for_a_line_end_or_a_space_is_neither(other: str) -> None:
    text = f"{other}a{other}b{other}"
    assert split_lines(text) == split_words(text) == [text]
    assert text.strip(SPACE) == text


@pytest.mark.parametrize("space", [*SPACE, " \t ", "\r\n"])
def test_words_stand_between_the_spaces_of_ascii(space: str) -> None:
    assert split_words(f"{space}a{space}b{space}") == ["a", "b"]
    assert split_words(space) == split_words("") == []


def test_the_rest_of_a_text_keeps_its_spaces() -> None:
    for text, most, words in (("a b  c ", 1, ["a", "b  c "]), ("a\tb\tc ", 2, ["a", "b", "c "]), (" a ", 1, ["a"])):
        assert split_words(text, most) == words == text.split(None, most)


@pytest.mark.parametrize("text", ["²", "³99", "٣", "", "-1", "+1", "1_0", " 1", "1\n", "½"])
def test_what_int_would_refuse_or_read_as_something_else_is_no_number(text: str) -> None:
    assert not is_digits(text)
    assert is_digits("0123456789")


def test_names_of_domains_have_characters_beyond_ascii() -> None:
    assert all(re.fullmatch(f"[{NON_ASCII}]", letter) for letter in "üßжあ\x80\U0010ffff")
    assert not any(re.fullmatch(f"[{NON_ASCII}]", letter) for letter in "aZ0 \x7f-")
