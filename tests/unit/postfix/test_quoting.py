"""A message keeps the words of Postfix and of the commit, and loses all others."""

from __future__ import annotations

import pytest

from reconciler.postfix.quoting import cut, cut_quotes, without_quotes

SAYINGS = """
    cidr map line bad address pattern skipping this rule fatal open database db No such file or directory
    valid hostname invalid character decimal error unknown smtpd restriction warning
"""
VOCABULARY = frozenset(SAYINGS.split())
COMMIT = ("check_client_access cidr:/etc/reconciler/identity.age, permit", "10.0.0.1/8 REJECT go-away\n")


def said(text: str) -> str:
    return cut(text, COMMIT, VOCABULARY.__contains__)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            'cidr map /etc/reconciler/identity.age, line 1234: bad address pattern: "AGE-SECRET-KEY-1QQPQ": skipping',
            'cidr map /etc/reconciler/identity.age, line 1234: bad address pattern: "...": skipping',
        ),
        ("invalid character 58(decimal): root:$y$j9T$ab/c.:19000:0:::", "invalid character 58(decimal): ...:0:::"),
        ('unknown smtpd restriction: "hunter"', 'unknown smtpd restriction: "..."'),
        ("correct horse battery staple", "... ... ... ..."),
        ("error: pässwörd", "error: ..."),
        ("error: AGE-SECRET-KEY-1QQPQ and /etc/reconciler/identity.agex", "error: ... ... ..."),
    ],
)
def test_a_word_of_another_file_is_cut(text: str, shown: str) -> None:
    assert said(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        'bad address pattern: "10.0.0.1/8": skipping this rule',
        "fatal: open database /etc/reconciler/identity.age.db: No such file or directory",
        'unknown smtpd restriction: "go-away"',
        "error 451 4.3.5",
        "",
    ],
)
def test_a_word_of_the_commit_stays(text: str) -> None:
    assert said(text) == text


def test_a_part_of_a_word_is_no_word() -> None:
    assert cut("perm", ("permit",), lambda _: False) == "..."
    assert cut("permit", ("permits permit",), lambda _: False) == "permit"


def test_of_a_live_line_only_the_quoted_words_are_judged() -> None:
    line = 'warning: from mail.client.example[192.0.2.77]: unknown smtpd restriction: "hunter2"; table "permit"'
    shown = 'warning: from mail.client.example[192.0.2.77]: unknown smtpd restriction: "..."; table "permit"'
    assert cut_quotes(line, COMMIT, VOCABULARY.__contains__) == shown
    assert without_quotes(shown) == without_quotes(line)


@pytest.mark.parametrize(
    "known", ["go-away no\xefve@a.test x1", "go-away no\xefve@a.test x1".encode()], ids=["text", "bytes"]
)
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("unknown go-away", "unknown go-away"),
        ("unknown away", "unknown away"),
        ("unknown way", "unknown ..."),
        ("no\xefve@a.test", "no\xefve@a.test"),
        ("1", "1"),
        ("4711", "..."),
    ],
)
def test_the_bytes_of_a_table_are_searched_as_its_text_is(known: str | bytes, text: str, shown: str) -> None:
    assert cut(text, [known], lambda word: word == "unknown") == shown
