"""Tables: what the reader understands and refuses."""

from __future__ import annotations

import pytest

from reconciler.model import Finding, Table, limits
from reconciler.postfix.tables import Entries, count_entries, read_table, repeated, sample, walk


def table(source: str, kind: str = "lmdb", compiler: str = "postmap") -> Table:
    return Table(name="t", type=kind, source=source.encode(), file="tables/t", compiler=compiler)


def test_a_table_has_keys_values_comments_quotes_and_continuation_lines() -> None:
    entries, findings = read_table(table('# no\na  b c\n"x y"  z\nlong one,\n  two\n'))

    assert findings == []
    assert [tuple(entry) for entry in entries] == [("a", "b c", 2), ('"x y"', "z", 3), ("long", "one, two", 4)]


@pytest.mark.parametrize("source", ["alone\n", "a b\nalone\n", '"x y"\n', "info:  root\n", "  indented first\n"])
def test_a_malformed_entry_is_found_at_its_line(source: str) -> None:
    _, findings = read_table(table(source))

    assert [(one.rule, one.where.line) for one in findings] == [("malformed-entry", source.count("\n"))]


def test_aliases_have_a_colon_and_may_be_quoted() -> None:
    entries, findings = read_table(table('root: a, b\n"x y": |"/bin/cat"\npostmaster:root\n', compiler="postalias"))

    assert findings == []
    assert [(one.key, one.value) for one in entries] == [
        ("root", "a, b"),
        ("x y", '|"/bin/cat"'),
        ("postmaster", "root"),
    ]


def test_patterns_may_hold_blanks_and_be_negated() -> None:
    entries, findings = read_table(
        table("/^Subject: a b/ WARN x\nif /x/\n!/y/i REJECT\nendif\n", kind="pcre", compiler="")
    )

    assert findings == []
    assert [(one.key, one.value) for one in entries] == [("/^Subject: a b/", "WARN x"), ("!/y/i", "REJECT")]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (r"/a\/b/ X", r"/a\/b/"),
        (r"/a\\/ X", r"/a\\/"),
        ("!|x\\||i X", "!|x\\||i"),
        ("/a b/  X", "/a b/"),
        (r"/\a\b\c/ X", r"/\a\b\c/"),
    ],
)
def test_a_delimiter_ends_a_pattern_unless_a_backslash_is_before_it(text: str, key: str) -> None:
    assert read_table(table(f"{text}\n", "pcre", ""))[0] == [(key, "X", 1)]


@pytest.mark.parametrize("text", [r"/a\/ X", "/" + r"\a" * 2000, "/a", "if", "x y"])
def test_a_pattern_without_its_end_is_malformed_at_once(text: str) -> None:
    assert [one.rule for one in read_table(table(f"{text}\n", "pcre", ""))[1]] == ["malformed-entry"]


@pytest.mark.parametrize(
    ("text", "entry"),
    [("a b : c", ("a b", "c")), ("a:b:c", ("a", "b:c")), ('"a:b" :c', ("a:b", "c")), ("a   :   b c", ("a", "b c"))],
)
def test_an_alias_ends_at_its_colon_and_blanks_around_it_do_not_count(text: str, entry: tuple[str, str]) -> None:
    (found,), findings = read_table(table(f"{text}\n", compiler="postalias"))
    assert (found.key, found.value, findings) == (*entry, [])


@pytest.mark.parametrize(
    ("key", "kind", "compiler"), [("a", "lmdb", "postmap"), ('"a b"', "lmdb", "postmap"), ("a:", "lmdb", "postalias")]
)
def test_an_entry_that_is_too_long_is_malformed_and_the_others_are_read(key: str, kind: str, compiler: str) -> None:
    rows = f"{key} {'x ' * (limits.LINE // 2)}\n{key} short\n"
    entries, findings = read_table(table(rows, kind, compiler))
    assert [entry.value for entry in entries] == ["short"]
    assert [str(one) for one in findings] == [
        f"tables/t:1:1: table t: an entry may have at most {limits.LINE} characters; split it"
    ]
    assert len(read_table(table(rows.replace("x ", "", 10), kind, compiler))[0]) == 2


@pytest.mark.parametrize("rows", ["alone\n", '"alone\n', "x: b\n"])
def test_bad_lines_are_found_up_to_a_number_and_not_at_all_while_entries_are_read(rows: str) -> None:
    findings: list[Finding] = []
    assert [entry.key for entry in walk(table(rows * 9 + "a b\n"), findings, most=3)][-1] == "a"
    assert len(findings) == 3
    assert [entry.value for entry in Entries(table(rows * 9 + "a b\n"))][-1] == "b"


def test_repeated_keys_are_found_whatever_their_case() -> None:
    entries, _ = read_table(table("a b\nc d\nA e\n"))

    assert [entry.line for entry in repeated(entries, 9)] == [3]


LARGE = "".join(f"# {n}\n\nkey{n}@example.com value {n}\n" for n in range(20_000))


def test_a_table_of_many_blocks_is_read_as_one() -> None:
    big = table(LARGE + "alone\n" + LARGE.replace("key", "kéy") + "info: root\n")

    entries, findings = read_table(big)

    assert [(one.key, one.value, one.line) for one in (entries[0], entries[19_999])] == [
        ("key0@example.com", "value 0", 3),
        ("key19999@example.com", "value 19999", 60_000),
    ]
    assert entries[-1] == ("info:", "root", 120_002)
    assert [entry.line for entry in entries[20_000:40_000]] == list(range(60_004, 120_002, 3))
    assert [(one.rule, one.where.line) for one in findings] == [
        ("malformed-entry", 60_001),
        ("malformed-entry", 120_002),
    ]
    assert list(Entries(big)) == list(Entries(big)) == entries


def test_the_first_a_middle_and_the_last_entry_stand_for_all() -> None:
    big = table(LARGE + "# the end\n" * 10_000)

    first, middle, last = sample(big)

    assert (first.key, last.key) == ("key0@example.com", "key19999@example.com")
    assert middle.key not in (first.key, last.key)
    assert count_entries(big.source) == 20_000
    assert [entry.key for entry in sample(table("a b\n"))] == ["a"]
    assert [entry.key for entry in sample(table('a b\n"c d" e\nf\n  g\n'))] == ["a", '"c d"', "f"]
    assert sample(table("# none\n")) == []
