"""main.cf with its comments: none is lost, and a value is what Postfix reads, blanks included."""

from __future__ import annotations

import pytest

from reconciler.postfix.commented import may_hold_password, read, without_passwords, without_shipped


def test_comments_belong_to_the_setting_below_them_and_those_inside_to_their_own() -> None:
    result = read(b"# one\n# two\n\n# three\na = 1,\n  # inside\n\t2  \n\n#last\n")

    [setting] = result.settings
    assert (setting.name, setting.value, setting.line) == ("a", "1,\n\t2", 5)
    assert setting.comments == [("# one", "# two"), ("# three",), ("# inside",)]
    assert result.end == [("#last",)]


def test_a_value_keeps_its_blanks_and_equal_names_stay_apart() -> None:
    result = read(b"a =\n   b,  \n   c\na=d # e\n")

    assert [(one.value, one.line) for one in result.settings] == [("b,  \n   c", 1), ("d # e", 4)]


def test_what_is_no_utf_8_is_read_as_latin_1_and_counted() -> None:
    result = read("# Köln\na = b\n".encode("latin-1") + "# Köln \x85\n".encode())

    assert result.settings[0].comments == [("# Köln",)]
    assert (result.end, result.transcoded) == ([("# Köln ?",)], 1)


def test_lines_that_are_no_setting_are_told() -> None:
    assert read(b"  lost\nnonsense\na = b\n").unread == [1, 2]


def test_the_packages_own_comments_are_left_out_by_whole_blocks() -> None:
    blocks = [("# a", "#"), ("# a", "# mine"), ("#",)]

    assert without_shipped(blocks, {"# a"}) == ([("# a", "# mine")], 3)


def test_comments_that_may_hold_a_password_are_left_out() -> None:
    assert without_passwords([("# x", "# password: hunter2"), ("#bind_pw = y",)]) == ([("# x",)], 2)


@pytest.mark.parametrize(
    "line",
    [
        "password=x",
        "#smtp_sasl_password_maps = static:me:x",
        "ldap_bind_pw = x",
        "Passwort: geheim",
        "argv=x --passwd=y",
    ],
)
def test_a_password_is_noticed(line: str) -> None:
    assert may_hold_password(line)


@pytest.mark.parametrize(
    "line",
    [
        "#smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd", "password_maps=proxy:mysql:/etc/x.cf",
        "# passwords are in LDAP", "-o smtp_sasl_password_maps= -o a=b",
        "{ smtp_sasl_password_maps = }", "password=$secret_file", "-o smtp_sasl_password_maps=",
        "new-password@x.example bob",
    ],
)  # fmt: skip
def test_the_place_of_a_password_is_none(line: str) -> None:
    assert not may_hold_password(line)
