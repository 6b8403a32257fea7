"""main.cf and master.cf: what the readers understand and refuse, and what the writers write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Parameter, Service, Table, Where
from reconciler.model.past import forget_passes
from reconciler.postfix import syntax
from reconciler.postfix.syntax import (
    duplicates,
    folded,
    is_comment,
    read_main,
    read_master,
    show_service,
    unwritable,
    write_override,
)
from reconciler.postfix.tables import read_table


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
    with pytest.raises(ValueError, match="contains a"):
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
        ("foo unix - - n - - smtp -o {a = b}{c d}", "the braces in the value of a do not match"),
        ("foo unix - - n - - smtp -o a={b", "the braces in the value of a do not match"),
    ],
)
def test_a_malformed_service_is_found_with_its_reason(line: str, cause: str) -> None:
    services, findings = read_master(f"{line}\n", "master.d/x.cf")

    assert services == []
    assert any(cause in finding.text for finding in findings)


def test_smtp_and_lmtp_take_flags_and_no_other_words() -> None:
    [service], findings = read_master("dovecot unix - - n - - lmtp\n  -o lmtp_helo_name=a flags=DORX\n", "m")
    assert (service.arguments, findings) == (("flags=DORX",), [])
    for line in ("x unix - - n - - smtp flags=Z", "x inet n - n - - smtpd flags=D", "x unix - - n - - lmtp flag=D"):
        assert read_master(f"{line}\n", "m")[1]


def test_the_second_service_of_a_name_and_type_is_a_duplicate() -> None:
    services, _ = read_master("a unix - - n - - smtp\na inet n - n - - smtpd\na unix - - n - - lmtp\n", "m.cf")

    assert [(one.where.line, one.subject) for one in duplicates(services)] == [(3, "a/unix")]


def test_an_override_with_blanks_is_written_in_braces() -> None:
    assert write_override(Parameter("a", "b", Where("m"))) == "-o a=b"
    assert (
        write_override(Parameter("a", "permit_mynetworks,\n reject", Where("m")))
        == "-o { a = permit_mynetworks, reject }"
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [("-o a=b}{c", "b}{c"), ("-o {a = {b} {c d}}", "{b} {c d}"), ("-o a={b}", "{b}"), ("-o {a=b}", "b")],
)
def test_a_value_whose_braces_need_no_partner_or_have_one_is_read_and_written(option: str, value: str) -> None:
    [service], findings = read_master(f"foo unix - - n - - smtp {option}\n", "m")
    assert (service.overrides[0].value, findings) == (value, [])
    [again], _ = read_master(show_service(service) + "\n", "m")
    assert again.overrides[0].value == value


words = st.text("abcxyz0189._-/:$", min_size=1, max_size=8)


@given(st.lists(st.tuples(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.lists(words, max_size=3).map(" ".join))))
def test_a_service_that_is_written_is_read_back(options: list[tuple[str, str]]) -> None:
    overrides = tuple(Parameter(name, value, Where("m")) for name, value in options)
    service = Service(name="n", type="unix", command="smtp", overrides=overrides, where=Where("m"))

    [read], findings = read_master(show_service(service) + "\n", "m")

    assert findings == []
    assert [(one.name, one.value) for one in read.overrides] == options


@given(st.text(max_size=200))
def test_no_text_makes_a_reader_raise(text: str) -> None:
    read_main(text, "main.cf")
    read_master(text, "master.cf")
    for kind, compiler in (("lmdb", "postmap"), ("hash", "postalias"), ("pcre", ""), ("cidr", "")):
        read_table(
            Table(name="t", type=kind, source=text.encode("utf-8", "surrogatepass"), file="t", compiler=compiler)
        )


@pytest.mark.parametrize(
    "words",
    ["pipe user=vmail argv=/usr/sbin/sendmail -G -i -oi -f ${sender}", "spawn user=nobody argv=/x -o y", "/x a -o b"],
)
def test_options_end_where_the_commands_own_words_begin(words: str) -> None:
    (service,), findings = read_master(f"x unix - n n - - {words}\n", "m.cf")
    assert findings == []
    assert service.overrides == ()
    assert list(service.arguments) == words.split()[1:]


def test_a_duplicate_service_names_both_places_for_the_finding_may_be_shown_at_either() -> None:
    services = [*read_master("a unix - - n - - x\n", "one.cf")[0], *read_master("a unix - - n - - y\n", "two.cf")[0]]

    [finding] = duplicates(services)

    assert (str(finding.where), str(finding.also)) == ("two.cf:1:1", "one.cf:1:1")
    assert "one.cf:1:1 and two.cf:1:1 define it" in finding.text


def test_a_large_file_that_is_read_again_says_the_same_at_the_place_of_its_name() -> None:
    lines = "".join(f"s{number} unix - - n - - smtp\n  -o smtp_helo_name=h{number}.test\n" for number in range(400))
    text = f"{lines}broken\n"
    services, findings = read_master(text, "master.cf")
    services.clear()
    again, same = read_master(text, "master.cf")
    assert len(again) == 400
    assert same == findings
    assert len(findings) == 1
    elsewhere = read_master(text, "/etc/postfix/master.cf")[0]
    assert [one.where.file for one in (again[7], elsewhere[7])] == ["master.cf", "/etc/postfix/master.cf"]
    assert read_master(f"{lines}last unix - - n - - smtp\n", "master.cf")[0][-1].name == "last"


@pytest.mark.parametrize("line", [0, 1, 2, 3, 700, 701, 702, 801, 802, 803])
@pytest.mark.parametrize(
    "added", ["x unix - - n - - smtp", "  -o a=b", "# a comment", "", "broken", " x", "s7 unix - -"]
)
def test_of_a_large_file_only_what_follows_the_first_difference_is_read(
    monkeypatch: pytest.MonkeyPatch, line: int, added: str
) -> None:
    lines = [f"s{number} unix - - n - - smtp\n  -o smtp_helo_name=h{number}.test" for number in range(400)]
    first = "\n".join(["# services", *lines, "broken\n"])
    changed = first.split("\n")
    changed.insert(line, added)
    texts = ["\n".join(changed), "\n".join(first.split("\n")[:line]) + "\n" * 9000, f"{first}{added}"]
    forget_passes()
    continued = [(read_master(first, "master.cf"), read_master(text, "master.cf")) for text in texts]
    monkeypatch.setattr(syntax, "_LARGE", 1 << 20)
    assert continued == [(read_master(first, "master.cf"), read_master(text, "master.cf")) for text in texts]


def test_a_pass_reads_two_versions_of_a_large_file_once_and_the_last_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    entries, read = syntax._entries, list[int]()  # noqa: SLF001 - what is counted

    def counted(text: str, file: str, first: int = 1) -> object:
        read.append(len(text))
        return entries(text, file, first)

    monkeypatch.setattr(syntax, "_entries", counted)
    lines = [f"s{number} unix - - n - - smtp\n  -o smtp_helo_name=g{number}.test\n" for number in range(400)]
    one, other = "".join(lines), "".join(["a unix - - n - - smtp\n", *lines])
    for text in (one, other, one, other, one):
        read_master(text, "master.cf")
    assert len(read) == 2
    forget_passes()
    read_master(one, "master.cf")
    assert len(read) == 2
    assert [service.name for service in read_master(other, "master.cf")[0]][:2] == ["a", "s0"]
    assert len(read) == 3


ODD_SERVICES = (
    "smtp inet n - y - - smtpd",
    "smtp inet y - y - - smtpd",
    "smtp\tinet  n\t- n 300? 1 smtpd ",
    "s unix-dgram - - n - - smtp\n  -o a=b\n\t-o c=\n  -o d==x=,y ",
    "s unix - - n - - smtp\n  -o a=b -o c=d",
    "s unix - - n - - smtp -o a=b",
    "s unix - - n - - smtp\n  -o { a = b c }",
    "s unix - - n - - smtp\n  -o a={b}",
    "s unix - - n - - smtp\n  -o a",
    "s unix - - n - - smtp\n  -o .a=b",
    "s unix - - n - - smtp\n  a=b",
    "s unix - - n - - smtp\n# a comment\n\n  -o a=b",
    "s unix - - n - - smtp flags=DR\n  -o a=b",
    "s udp - - n - - smtp",
    "s unix - - no - - smtp",
    "s unix - - n x - smtp",
    "s unix - - n - 1? smtp",
    "s unix - - n - -",
    "s\u00a0x unix - - n - - smtp\n  -o a=\u00a0b",
    "{s} unix - - n - - smtp",
)


def test_the_form_of_most_services_is_read_in_a_short_way_as_in_the_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(ODD_SERVICES)
    short = read_master(text, "master.cf")
    assert sum(one.command == "smtp" for one in short[0]) >= 8
    monkeypatch.setattr(syntax, "_plain", lambda *_: None)
    assert read_master(text, "master.cf") == short


def test_a_comment_may_be_indented() -> None:
    assert is_comment("  # here")
    assert not is_comment("-o name=# not here")
