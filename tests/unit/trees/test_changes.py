"""How changes read: both values, the place of what made them, and nothing cut but by the terminal."""

from __future__ import annotations

import pytest

from reconciler.model import UNWRITTEN, Change, Effect, Kind, Where
from reconciler.trees.changes import MOST, WIDTH, change_lines, totals, totals_line, values

LONG = "permit_mynetworks, reject_unauth_destination, reject_unknown_sender_domain, reject_unknown_recipient_domain"


X = "x unix - - n - - smtp"


def parameter(before: str | None, after: str | None, where: Where | None = None) -> Change:
    return Change(kind=Kind.PARAMETER, what="smtpd_banner", before=before, after=after, where=where)


def service(before: str | None, after: str | None) -> Change:
    return Change(kind=Kind.SERVICE, what="x/unix", before=before, after=after)


def entry(before: str | None, after: str | None, where: Where | None) -> Change:
    return Change(kind=Kind.ENTRY, what="a.test", before=before, after=after, within="transport", where=where)


def file(before: str | None, after: str | None, what: str = "t", effect: Effect = Effect.DIFFERENT) -> Change:
    return Change(kind=Kind.FILE, what=what, before=before, after=after, effect=effect)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (parameter(None, "x"), "  + smtpd_banner  x"),
        (parameter("x", None), "  - smtpd_banner  x"),
        (parameter("", "y"), "  ~ smtpd_banner  (empty) -> y"),
        (parameter("y", ""), "  ~ smtpd_banner  y -> (empty)"),
        (parameter("x", "\x1b[2J"), r"  ~ smtpd_banner  x -> \x1b[2J"),
        (service(None, "x unix - - n - - smtp"), "  + x/unix  - - n - - smtp"),
        (service("x unix - - n - - smtp", "x unix - - n - 1 smtp"), "  ~ x/unix  maxproc - -> 1"),
        (service(X, f"{X} -o a=1"), "  ~ x/unix  a unset -> 1"),
        (service(f"{X} -o a=1 -o b=", X + " -o { b = 2 3 }"), "  ~ x/unix  a 1 -> unset; b (empty) -> 2 3"),
        (
            service(X, "x unix - - y - - lmtp -v"),
            "  ~ x/unix  chroot n -> y; command smtp -> lmtp; arguments (none) -> -v",
        ),
        (
            service(f"{X} -o a=1 -o b=2", f"{X} -o b=2 -o a=1"),
            "  ~ x/unix  - - n - - smtp -o a=1 -o b=2 -> - - n - - smtp -o b=2 -o a=1",
        ),
        (service(X, X + " -o a={ b"), "  ~ x/unix  - - n - - smtp -> - - n - - smtp -o a={ b"),
        (file(None, "new", "../rspamd/a"), "  + rspamd/a  file new"),
        (Change(kind=Kind.TABLE, what="t", before=None, after="3 entries"), "  + t  table of 3 entries"),
        (Change(kind=Kind.TABLE, what="t", before="(secret)", after=None), "  - t  table (secret)"),
        (file("(secret)", "(secret)"), "  ~ t  (secret)"),
        (file("mode 0644, root:root", "mode 0600, root:root"), "  ~ t  mode 0644, root:root -> mode 0600, root:root"),
        (
            file("0a1b2c3d4e5f", "1a1b2c3d4e5f", effect=Effect.SAME),
            "  ~ t  only comments, order or blanks",
        ),
        (file("rows in another order", "rows in another order"), "  ~ t  rows in another order"),
        (entry("smtp:", None, Where("tables/transport")), "  - transport: a.test  smtp:"),
        (entry("smtp:", None, None), "  - transport: a.test  smtp:"),
    ],
)
def test_a_change_is_one_line_with_its_mark(change: Change, line: str) -> None:
    assert list(change_lines([change])) == [line]


@pytest.mark.parametrize(
    ("where", "name", "place"),
    [
        (Where("tables/transport", 3), "a.test", "tables/transport:3"),
        (Where("tables/transport.pcre", 3), "a.test", "tables/transport.pcre:3"),
        (Where("sites/site1/tables/transport", 3), "a.test", "sites/site1/tables/transport:3"),
        (Where("mail.yaml", 7, 3), "transport: a.test", "mail.yaml:7"),
        (UNWRITTEN, "transport: a.test", "(built in)"),
        (Where("mail.yaml"), "transport: a.test", "mail.yaml:1"),
    ],
)
def test_the_place_stands_at_the_right_and_the_table_is_told_once(where: Where, name: str, place: str) -> None:
    [line] = change_lines([entry(None, "x:", where)])

    assert line.split() == f"+ {name} x: {place}".split()
    assert len(line) == WIDTH


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        (Change(kind=Kind.PARAMETER, what="people_bind_pw", before="geheim", after="geheim2"), ["(secret)"]),
        (Change(kind=Kind.PARAMETER, what="api_token", before=None, after="geheim"), ["(secret)"]),
        (Change(kind=Kind.PARAMETER, what="db", before="a", after="mysql://u:geheim@h/d"), ["a -> mysql://u:(secret)@h/d"]),
        (Change(kind=Kind.ENTRY, what="h", within="sasl_passwd", before="u:geheim", after=None), ["(secret)"]),
        (Change(kind=Kind.FILE, what="x.conf", before="a: b", after="sql_passwd: geheim"), ["sql_passwd: (secret)"]),
        (service("x unix - n n - - pipe -o relay_pass=geheim argv=/p --token geheim", None),
         ["-o relay_pass=(secret)", "--token (secret)"]),
        (service("x unix - n n - - pipe -o relay_pass=geheim argv=/p --token=geheim",
                 "x unix - n n - - pipe -o relay_pass=geheim2 argv=/p --token=geheim2"),
         ["relay_pass (secret) -> (secret)", "arguments argv=/p --token=(secret)"]),
    ],
)  # fmt: skip
def test_what_may_be_a_password_is_not_shown(change: Change, texts: list[str]) -> None:
    line = " ".join(change_lines([change], width=0))

    assert "geheim" not in line
    assert [text for text in texts if text not in line] == []
    assert "geheim" not in f"{values(change)}"


def test_off_a_terminal_nothing_is_cut() -> None:
    change = parameter(f"{LONG}, a", f"{LONG}, b", Where("mail.yaml", 7))

    assert list(change_lines([change], width=0)) == [f"  ~ smtpd_banner  {LONG}, a -> {LONG}, b  mail.yaml:7"]


def test_long_values_have_lines_of_their_own_and_show_where_they_differ() -> None:
    change = parameter(f"{LONG}, reject", f"{LONG}, permit", Where("mail.yaml", 7))

    head, before, after = change_lines([change], width=80)
    assert head.split() == ["~", "smtpd_banner", "mail.yaml:7"]
    assert (len(head), head.index("mail.yaml")) == (80, 69)
    assert before.startswith("      ... ")
    assert before.endswith(", reject")
    assert after.startswith("   -> ... ")
    assert after.endswith(", permit")
    assert max(map(len, (before, after))) <= 80

    assert list(change_lines([change], width=80, whole=True))[1:] == [f"      {LONG}, reject", f"   -> {LONG}, permit"]


def test_values_that_fit_a_line_each_are_whole() -> None:
    assert list(change_lines([parameter("x" * 60, "y" * 60)], width=80)) == [
        "  ~ smtpd_banner", f"      {'x' * 60}", f"   -> {'y' * 60}",
    ]  # fmt: skip


def test_what_differs_at_once_is_cut_at_its_end() -> None:
    _, before, after = change_lines([parameter("a" + LONG, "b" + LONG)], width=60)

    assert before.startswith("      apermit_mynetworks")
    assert after.startswith("   -> bpermit_mynetworks")
    assert before.endswith("...")
    assert after.endswith("...")
    [_, only] = change_lines([parameter(None, LONG)], width=60)
    assert only == f"      {LONG[:51].rstrip()}..."


def test_a_place_that_is_wider_than_the_terminal_is_still_told() -> None:
    [line] = change_lines([parameter(None, "x", Where("d" * 90, 1))], width=0)

    assert line == f"  + smtpd_banner  x  {'d' * 90}:1"


def test_after_many_changes_their_number_is_enough() -> None:
    lines = list(change_lines([parameter("x", "y")] * 5, most=3))

    assert (len(lines), lines[-1]) == (4, "  ... and 2 more")
    assert len(list(change_lines([parameter("x", "y")] * 50))) == MOST + 1


def test_changes_are_counted_by_what_they_do() -> None:
    changes = [parameter("x", "y")] * 3 + [parameter(None, "")] + [parameter("x", None)] * 2 + [file("a", "a")]

    assert totals(changes) == {"changed": 4, "added": 1, "removed": 2}
    assert totals_line(changes) == "4 changed, 1 added, 2 removed"
    assert totals_line(changes[:3]) == "3 changed"
