"""The first commit of servers of many kinds says what they say, to the letter, and loads."""

from __future__ import annotations

import re

import pytest

from reconciler.commands.edges import templates
from reconciler.desired.load import load
from reconciler.desired.move_in import ConfigurationFiles, write
from reconciler.features.composition import compose
from reconciler.model import File
from reconciler.postfix.commented import read
from reconciler.postfix.syntax import read_master, show_service
from reconciler.trees.render import render
from tests.shapes import SHAPES, files_of
from tests.unit.host_facts import HOST

TEMPLATES = templates()


def found(main: bytes, master: bytes = b"", shipped: frozenset[str] = frozenset()) -> ConfigurationFiles:
    return ConfigurationFiles(source="/etc/postfix", main=main, master=master, shipped=shipped)


def mail_of(main: str) -> str:
    """Return the mail.yaml of a main.cf, which must be written without a problem."""
    written = write(found(main.encode()))
    assert written.problems == ()
    return written.files["mail.yaml"].decode()


def settings_of(content: bytes) -> dict[str, str]:
    """Return what ``postconf -n`` prints of a main.cf: the last value of each name, without line ends."""
    return {one.name: one.value.replace("\n", "") for one in read(content).settings}


def services_of(content: bytes) -> list[str]:
    services = {one.key: one for one in read_master(content.decode("utf-8", "surrogateescape"), "master.cf")[0]}
    return sorted(map(show_service, services.values()))


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_written_loads_and_renders_to_the_same_settings_and_services(shape: str) -> None:
    files = files_of(shape)

    written = write(found(files["main.cf"], files["master.cf"]))
    desired = load({path: File.of(content) for path, content in written.files.items()}, HOST.host, {})
    tree = render(compose(desired, HOST), TEMPLATES)

    assert written.problems == ()
    assert settings_of(tree["main.cf"].read()) == settings_of(files["main.cf"])
    assert services_of(tree["master.cf"].read()) == services_of(files["master.cf"])
    assert set(tree) == {"main.cf", "master.cf"}


def test_there_are_twelve_shapes_and_more() -> None:
    assert len(SHAPES) >= 12


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in {"duplicates", "satellite"}])
def test_master_cf_is_kept_to_the_byte(shape: str) -> None:
    files = files_of(shape)

    assert write(found(files["main.cf"], files["master.cf"])).files["master.d/host.cf"] == files["master.cf"]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_comment_is_lost_without_being_counted(shape: str) -> None:
    main = files_of(shape)["main.cf"]
    comments = [
        line for block in (*(b for one in read(main).settings for b in one.comments), *read(main).end) for line in block
    ]

    written = write(found(main))
    text = written.files["mail.yaml"].decode()
    missing = [line for line in comments if line.lstrip("#") not in text]
    counted = sum(
        int(number) for note in written.notes for number in re.findall(r"^left out: (\d+) lines? of comments", note)
    )
    assert len(missing) == counted


def test_comments_stand_above_what_they_explain_in_their_order() -> None:
    text = mail_of("# first\n\n# second\nb = 1,\n  # inside\n  2\na = 3\n# end\n")

    assert text.split("base: none\n\n")[1] == (
        "parameters:\n\n  # first\n  #\n  # second\n  #\n  # inside\n  b: |-\n    1,\n      2\n  a: 3\n\n# end\n"
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("yes", "yes"), ("YES", "'YES'"), ("", '""'), ("[a.example]:587", "'[a.example]:587'"), ("010", "010"),
        ("a # b", "'a # b'"), ("null", "'null'"), ("it's", "it's"), ("'a' b", "'''a'' b'"), ("a: b", "'a: b'"),
    ],
)  # fmt: skip
def test_a_value_is_quoted_where_yaml_needs_it(value: str, written: str) -> None:
    assert f"  x: {written}\n" in mail_of(f"x = {value}\n")


def test_a_continued_line_that_looks_like_a_setting_is_written_on_one_line() -> None:
    assert "  x: a,    relayhost = b\n" in mail_of("x = a,\n    relayhost = b\n")


def test_an_empty_main_cf_can_be_written() -> None:
    assert load({"mail.yaml": File.of(mail_of("").encode())}, "mx1", {}).sections


def test_the_value_that_does_not_count_is_a_comment() -> None:
    written = write(found(b"# old\na = 1\nb = 2\n# new\na = 3\n"))

    assert written.notes == ("main.cf sets a more than once: the last one counts, the others are comments",)
    text = written.files["mail.yaml"].decode()
    assert text.index("  b: 2") < text.index("# old") < text.index("(line 2 had another value: 1)") < text.index("a: 3")


def test_a_service_that_does_not_count_is_a_comment() -> None:
    written = write(found(b"", b"x unix - - n - - smtp\n  -o a=b\n# and now\nx unix - - y - - smtp\n"))

    assert (
        written.files["master.d/host.cf"] == b"# x unix - - n - - smtp\n#   -o a=b\n# and now\nx unix - - y - - smtp\n"
    )
    assert "x/unix" in written.notes[0]


def test_a_comment_of_main_cf_allows_no_rule() -> None:
    desired = load({"mail.yaml": File.of(mail_of("# allow unused-table: a comment\na = b\n").encode())}, "mx1", {})

    assert desired.allowances == ()


def test_the_packages_own_comments_are_left_out_and_counted() -> None:
    written = write(found(b"# a\n# b\nx = y\n", shipped=frozenset({"# a", "# b"})))

    assert "# a" not in written.files["mail.yaml"].decode()
    assert written.notes == ("left out: 2 lines of comments that are in Postfix's own main.cf",)


@pytest.mark.parametrize(
    ("main", "master"),
    [
        ("people_bind_pw = geheim\n", ""), ("smtp_sasl_password_maps = static:me:geheim\n", ""),
        ("smtp_sasl_password_maps = hash:/etc/x, inline:{a=me:geheim}\n", ""), ("sql_password = geheim\n", ""),
        ("", "x unix - n n - - pipe user=a argv=/bin/x --password=geheim\n"),
        ("a = b\npeople_bind_pw = geheim\npeople_bind_pw = other\n", ""),
    ],
)  # fmt: skip
def test_a_password_in_main_cf_or_master_cf_is_a_finding_that_does_not_quote_it(main: str, master: str) -> None:
    written = write(found(main.encode(), master.encode()))

    assert {one.rule for one in written.problems} == {"password-in-main-cf"}
    assert "geheim" not in repr((written.problems, written.notes, written.files["mail.yaml"]))


@pytest.mark.parametrize(
    "setting",
    ["smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd", "people_bind_pw = ", "x_password = $y",
     "smtp_sasl_password_maps = proxy:mysql:/etc/postfix/sql.cf", "smtp_sasl_password_maps ="],
)  # fmt: skip
def test_the_place_of_a_password_is_written(setting: str) -> None:
    assert f"  {setting.partition(' ')[0]}: " in mail_of(f"{setting}\n")


def test_a_comment_with_a_password_is_left_out_of_master_cf_as_well() -> None:
    written = write(found(b"# password: geheim\n", b"# password=geheim\nx unix - - n - - smtp\n"))

    assert b"geheim" not in b"".join(written.files.values())
    assert written.notes == ("left out: 2 lines of comments that may hold a password",)


def test_what_mail_yaml_can_not_hold_is_a_finding() -> None:
    written = write(found(b"x = a\x07b\n"))

    assert [(one.rule, str(one.where)) for one in written.problems] == [("not-importable", "main.cf:1:1")]
