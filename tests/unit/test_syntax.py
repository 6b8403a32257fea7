"""main.cf, master.cf and tables: what the readers understand, what they refuse, and what the writers write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Parameter, Service, Table, Where, closest
from reconciler.postfix.syntax import (
    duplicates,
    folded,
    read_main,
    read_master,
    show_service,
    unwritable,
    write_override,
)
from reconciler.postfix.tables import Entries, count_entries, read_table, repeated, sample


def table(source: str, kind: str = "lmdb", compiler: str = "postmap") -> Table:
    return Table(name="t", type=kind, source=source.encode(), file="tables/t", compiler=compiler)


def test_main_cf_joins_continuation_lines_and_drops_comments() -> None:
    parameters, findings = read_main("# x\na = 1,\n  # inside\n  2\n\nb=\n", "main.cf")

    assert findings == []
    assert {name: (one.value, one.where.line) for name, one in parameters.items()} == {"a": ("1, 2", 2), "b": ("", 6)}


def test_a_line_of_main_cf_without_an_equals_sign_is_found() -> None:
    _, findings = read_main("a = b\nnonsense here\n", "main.cf")

    assert [str(one) for one in findings] == ['main.cf:2:1: expected "name = value", got "nonsense here"']


@pytest.mark.parametrize("value", ["hello\nmynetworks = 0.0.0.0/0", "a\n# b", "bell\x07", "nul\0", "carriage\rreturn"])
def test_a_value_that_would_change_its_meaning_in_main_cf_is_unwritable(value: str) -> None:
    assert unwritable(value)
    with pytest.raises(ValueError, match="holds a"):
        folded(value)


values = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" ") | st.just("\n"))


@given(values)
def test_what_is_folded_is_read_back_as_the_same_words(value: str) -> None:
    if unwritable(value) or value.lstrip().startswith("#"):
        return
    read, findings = read_main(f"name = {folded(value)}\n", "main.cf")

    assert findings == []
    assert read["name"].value.split() == value.split()


def test_a_service_has_eight_fields_and_options_in_any_of_their_forms() -> None:
    text = "foo unix - n n - 10 smtp\n  -o a=1 -ob=2\n  -o { c = 3 4 } -v\n"

    [service], findings = read_master(text, "master.d/x.cf")

    assert findings == []
    assert {one.name: one.value for one in service.overrides} == {"a": "1", "b": "2", "c": "3 4"}
    assert (service.key, service.maxproc, service.arguments) == ("foo/unix", "10", ("-v",))
    assert service.overrides[2].where == Where("master.d/x.cf", 3, 6)


def test_the_words_of_a_pipe_command_are_kept_as_they_are() -> None:
    [service], _ = read_master("p unix - n n - - pipe flags=R user=nobody argv=/bin/x -o ${sender} {a b}\n", "m")

    assert service.arguments == ("flags=R", "user=nobody", "argv=/bin/x", "-o", "${sender}", "{a b}")


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("foo  inetx  n - n - - smtpd", "did you mean inet"),
        ("foo inet y - n - - smtpd", "private"),
        ("foo unix - - maybe - - smtp", "chroot"),
        ("foo unix - - n soon - smtp", "wakeup"),
        ("foo unix - - n - many smtp", "maxproc"),
        ("foo unix - - n", "8 fields"),
        ("  foo unix - - n - - smtp", "first column"),
        ("foo unix - - n - - smtp -o smtp_helo_name = x", "smtp_helo_name"),
        ("foo unix - - n - - smtp -o smtp_helo_name= x=y", "x=y"),
        ("foo unix - - n - - smtp -o smtp_helo_name", "smtp_helo_name"),
    ],
)
def test_a_malformed_service_is_found_with_its_reason(line: str, cause: str) -> None:
    services, findings = read_master(f"{line}\n", "master.d/x.cf")

    assert services == []
    assert any(cause in finding.text for finding in findings)


def test_the_second_service_of_a_name_and_type_is_a_duplicate() -> None:
    services, _ = read_master("a unix - - n - - smtp\na inet n - n - - smtpd\na unix - - n - - lmtp\n", "m.cf")

    assert [(one.where.line, one.subject) for one in duplicates(services)] == [(3, "a/unix")]


def test_an_override_with_blanks_is_written_in_braces() -> None:
    assert write_override(Parameter("a", "b", Where("m"))) == "-o a=b"
    assert (
        write_override(Parameter("a", "permit_mynetworks,\n reject", Where("m")))
        == "-o { a = permit_mynetworks, reject }"
    )


words = st.text("abcxyz0189._-/:$", min_size=1, max_size=8)


@given(st.lists(st.tuples(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.lists(words, max_size=3).map(" ".join))))
def test_a_service_that_is_written_is_read_back(options: list[tuple[str, str]]) -> None:
    overrides = tuple(Parameter(name, value, Where("m")) for name, value in options)
    service = Service(name="n", type="unix", command="smtp", overrides=overrides, where=Where("m"))

    [read], findings = read_master(show_service(service) + "\n", "m")

    assert findings == []
    assert [(one.name, one.value) for one in read.overrides] == options


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


def test_repeated_keys_are_found_whatever_their_case() -> None:
    entries, _ = read_table(table("a b\nc d\nA e\n"))

    assert [entry.line for entry in repeated(entries)] == [3]


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


@given(st.text(max_size=200))
def test_no_text_makes_a_reader_raise(text: str) -> None:
    read_main(text, "main.cf")
    read_master(text, "master.cf")
    for kind, compiler in (("lmdb", "postmap"), ("hash", "postalias"), ("pcre", ""), ("cidr", "")):
        read_table(
            Table(name="t", type=kind, source=text.encode("utf-8", "surrogatepass"), file="t", compiler=compiler)
        )


def test_only_a_close_name_is_suggested() -> None:
    assert closest("smtpd_recipient_restictions", ["smtpd_recipient_restrictions", "relayhost"]) is not None
    assert closest("zzz", ["smtpd_recipient_restrictions"]) is None


@pytest.mark.parametrize(
    "words",
    ["pipe user=vmail argv=/usr/sbin/sendmail -G -i -oi -f ${sender}", "spawn user=nobody argv=/x -o y", "/x a -o b"],
)
def test_options_end_where_the_commands_own_words_begin(words: str) -> None:
    (service,), findings = read_master(f"x unix - n n - - {words}\n", "m.cf")
    assert findings == []
    assert service.overrides == ()
    assert list(service.arguments) == words.split()[1:]
