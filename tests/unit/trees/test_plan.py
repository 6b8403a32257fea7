"""diff() and the guard: what changes, in the words of mail, what it needs, and when it is too much."""

from __future__ import annotations

from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import (
    UNWRITTEN,
    Activation,
    Companion,
    Contribution,
    Effect,
    File,
    Kind,
    Parameter,
    Plan,
    Service,
    Table,
    Where,
)
from reconciler.model.errors import UnsafePlan
from reconciler.trees.plan import diff, raise_if_unsafe


def table(text: str) -> File:
    return File.of(text.encode(), compiled="postmap lmdb")


def told(plan: Plan) -> list[tuple[str, str | None, str | None]]:
    return [(change.what, change.before, change.after) for change in plan.changes]


def test_a_changed_parameter_knows_where_it_was_written() -> None:
    origin = Contribution(parameters={"b": Parameter("b", "3", Where("mail.yaml", 9, 4))})

    plan = diff({"main.cf": File.of(b"a = 1\nb = 2\n")}, {"main.cf": File.of(b"b = 3\nc = 4\n")}, origin)

    assert told(plan) == [("a", "1", None), ("b", "2", "3"), ("c", None, "4")]
    assert plan.changes[1].where == Where("mail.yaml", 9, 4)
    assert plan.steps == (Activation.RELOAD,)


@pytest.mark.parametrize("name", ["inet_interfaces", "inet_protocols", "queue_directory"])
def test_what_a_running_master_holds_needs_a_restart(name: str) -> None:
    plan = diff({"main.cf": File.of(b"")}, {"main.cf": File.of(f"{name} = x\n".encode())})

    assert plan.steps == (Activation.RESTART,)


def test_a_changed_service_is_told_as_one_line() -> None:
    before = File.of(b"smtp inet n - n - - smtpd\n")
    after = File.of(b"smtp inet n - n - 1 postscreen\n  -o a=b\n")

    [change] = diff({"master.cf": before}, {"master.cf": after}).changes

    assert (change.kind, change.what) == (Kind.SERVICE, "smtp/inet")
    assert change.after == "smtp inet n - n - 1 postscreen -o a=b"


def test_only_the_entries_that_differ_are_told_with_their_lines() -> None:
    origin = Contribution(tables={"t": Table(name="t", type="lmdb", source=b"", file="tables/t")})

    plan = diff({"t": table("a 1\nb 2\nc 3\n")}, {"t": table("# new\na 1\nb 9\nd 4\nc 3\n")}, origin)

    assert told(plan) == [("b", "2", "9"), ("d", None, "4")]
    assert [str(change.where) for change in plan.changes] == ["tables/t:3:1", "tables/t:4:1"]


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("a 1\nb 2\n", "b 2\n", [("a", "1", None)]),
        ("b 2\n", "a 1\nb 2\n", [("a", None, "1")]),
        ("a 1\nb 2\n", "a 1\n", [("b", "2", None)]),
        ("a 1\nb 2\n", "", [("a", "1", None), ("b", "2", None)]),
        ("", "a 1\n", [("a", None, "1")]),
        ("a 1,\n  2\nb 2\n", "b 2\n", [("a", "1, 2", None)]),
        ("a 1\nb 2\n", "a 1\nb 2", []),
    ],
)
def test_rows_that_stay_at_an_end_are_no_changes(
    before: str, after: str, changes: list[tuple[str, str | None, str | None]]
) -> None:
    plan = diff({"t": table(before)}, {"t": table(after)})

    assert [one for one, change in zip(told(plan), plan.changes, strict=True) if change.kind is Kind.ENTRY] == changes


def test_continuation_lines_belong_to_the_entry_they_continue() -> None:
    plan = diff({"t": table("a 1,\n  2\nb 3\n")}, {"t": table("a 1,\n  4\nb 3\n")})

    assert told(plan) == [("a", "1, 2", "1, 4")]


def test_a_line_that_continues_the_row_before_the_first_difference_belongs_to_it() -> None:
    before, after = (File.of(text, compiled="postmap cidr") for text in (b"::1 OK\n::2 OK\n", b"::1 OK\n  x\n::2 OK\n"))
    assert told(diff({"t": before}, {"t": after})) == [("::1", "OK", "OK x")]


def test_bytes_that_differ_and_mean_the_same_are_still_a_change() -> None:
    assert len(diff({"t": table("a 1\n")}, {"t": table("# c\na 1\n")}).changes) == 1
    assert len(diff({"main.cf": File.of(b"a = 1\n")}, {"main.cf": File.of(b"# c\na = 1\n")}).changes) == 1


def test_what_is_secret_shows_as_changed_and_never_how() -> None:
    old = File.of(b"host user:old\n", 0o600, compiled="postmap lmdb")
    new = File.of(b"host user:new\n", 0o600, compiled="postmap lmdb")

    assert told(diff({"sasl_passwd": old}, {"sasl_passwd": new})) == [("sasl_passwd", "(secret)", "(secret)")]
    assert told(diff({}, {"sasl_passwd": new})) == [("sasl_passwd", None, "(secret)")]


def test_a_secret_has_the_place_of_what_makes_it() -> None:
    place = Where("mail.yaml", 7, 3)
    made = Table(name="t", type="lmdb", source=b"", file="mail.yaml", mode=0o600, origins=(place,))
    postsrsd = Companion(name="postsrsd", files={}, where=place)
    origin = Contribution(tables={"t": made}, companions={"postsrsd": postsrsd})

    plan = diff({}, {"t": File.of(b"a b:c\n", 0o600), "../postsrsd/secret": File.of(b"s\n", 0o600)}, origin)
    assert [change.where for change in plan.changes] == [place, place]


def test_each_row_of_a_generated_table_has_the_place_of_its_own() -> None:
    first, second = Where("mail.yaml", 7, 3), Where("sites/site2/site.yaml", 2, 5)
    made = Table(name="t", type="lmdb", source=b"", file="mail.yaml", origins=(first, second))
    origin = Contribution(tables={"t": made})

    assert [one.where for one in diff({"t": table("a 1\n")}, {"t": table("a 1\nb 2\n")}, origin).changes] == [second]
    assert [one.where for one in diff({"t": table("a 1\nb 2\n")}, {"t": table("a 9\nb 2\n")}, origin).changes] == [
        first
    ]


SERVICE, OPTION, OTHER = Where("mail.yaml", 2, 1), Where("mail.yaml", 4, 7), Where("mail.yaml", 5, 7)


@pytest.mark.parametrize(
    ("before", "options", "where", "place"),
    [
        ("smtp unix - - n - - smtp\n  -o a=1\n", {"a": ("2", OPTION)}, SERVICE, OPTION),
        ("smtp unix - - n - - smtp\n  -o a=1\n", {"a": ("1", OTHER), "b": ("2", OPTION)}, SERVICE, OPTION),
        ("smtp unix - - n - - smtp\n", {"a": ("1", OTHER), "b": ("2", OPTION)}, SERVICE, SERVICE),
        ("smtp unix - - n - 9 smtp\n", {}, SERVICE, SERVICE),
        ("", {"a": ("1", OPTION)}, SERVICE, SERVICE),
        ("smtp unix n - n 60 1 smtp\n", {"a": ("1", OPTION)}, UNWRITTEN, OPTION),
    ],
)
def test_the_only_option_that_changes_is_the_place_of_a_service(
    before: str, options: dict[str, tuple[str, Where]], where: Where, place: Where
) -> None:
    overrides = tuple(Parameter(name, value, at, "smtp") for name, (value, at) in options.items())
    made = Service(name="smtp", type="unix", command="smtp", overrides=overrides, where=where)
    text = "smtp unix - - n - - smtp" + "".join(f" -o {name}={value}" for name, (value, _) in options.items())

    old = {"master.cf": File.of(before.encode())}
    [change] = diff(old, {"master.cf": File.of(text.encode())}, Contribution(services={made.key: made})).changes
    assert change.where is place


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a 1\nb 2\n", "b 2\na 1\n"),
        ("a 1\n", "# c\n\na\t\t1  \n"),
        ("a 1, 2\n", "a 1,\n  2\n"),
        ("a 1,   2\n", "a 1, 2\n"),
        ("A@x.test 1\n", "a@x.test 1\n"),
    ],
)
def test_a_table_of_the_same_rows_is_the_same_written_differently(before: str, after: str) -> None:
    assert [change.effect for change in diff({"t": table(before)}, {"t": table(after)}).changes] == [Effect.SAME]


@pytest.mark.parametrize(
    ("before", "after"), [("a 1\na 2\n", "a 2\na 1\n"), ("a 1\n", "a 2\n"), ("a 1\n", "a 1\nb 1\n")]
)
def test_other_rows_are_different(before: str, after: str) -> None:
    assert [one.effect for one in diff({"t": table(before)}, {"t": table(after)}).changes] == [Effect.DIFFERENT]


@pytest.mark.parametrize(
    ("kind", "before", "after", "effect"),
    [
        ("pcre", "/a/ 1\n/b/ 2\n", "/b/ 2\n/a/ 1\n", Effect.DIFFERENT),
        ("pcre", "/a/ 1\n/b/ 2\n", "# c\n/a/   1\n\n/b/ 2\n", Effect.SAME),
        ("pcre", "if /x/\n/a/ 1\nendif\n/b/ 2\n", "if /x/\n/a/ 1\n/b/ 2\nendif\n", Effect.DIFFERENT),
        ("cidr", "10.0.0.0/8 OK\n0.0.0.0/0 REJECT\n", "0.0.0.0/0 REJECT\n10.0.0.0/8 OK\n", Effect.DIFFERENT),
        ("cidr", "10.0.0.0/8 OK\n", "10.0.0.0/8   OK\n", Effect.SAME),
        ("texthash", "a 1\nb 2\n", "b 2\na 1\n", Effect.SAME),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_the_order_of_rows_counts_where_the_first_match_decides(
    kind: str, before: str, after: str, effect: Effect, *, is_known: bool
) -> None:
    made = Table(name="t", type=kind, source=b"", file=f"tables/t.{kind}")
    origin = Contribution(tables={"t": made} if is_known else {})

    plan = diff({"t": File.of(before.encode())}, {"t": File.of(after.encode())}, origin)
    assert [change.effect for change in plan.changes] == [effect]


def test_equal_bytes_that_are_compiled_differently_are_the_same() -> None:
    plan = diff({"t": File.of(b"a 1\n")}, {"t": table("a 1\n")})

    assert [(one.before, one.after, one.effect) for one in plan.changes] == [
        ("not compiled by reconciler", "postmap lmdb", Effect.SAME)
    ]


@pytest.mark.parametrize(("kind", "suffix"), [("lmdb", ".lmdb"), ("hash", ".db"), ("btree", ".db"), ("cdb", ".cdb")])
def test_a_map_that_is_compiled_anew_is_no_table_that_goes(kind: str, suffix: str) -> None:
    rows, content = File.of(b"a 1\n"), File.of(b"\0x y\n" * 40)
    live = {"t": rows, f"t{suffix}": content, f"u{suffix}": content}

    plan = diff(live, {"t": File.of(b"a 1\n", compiled=f"postmap {kind}"), f"u{suffix}": content})

    assert [one.what for one in plan.changes] == ["t"]
    raise_if_unsafe(plan, confirmed=False)
    assert [one.what for one in diff(live, {"t": rows}).changes] == [f"t{suffix}", f"u{suffix}"]


def test_a_map_of_another_type_that_goes_is_a_file_of_which_nothing_is_shown() -> None:
    live = {"t": File.of(b"a 1\n"), "t.db": File.of(b"\0secret\n", 0o600), "u.db": File.of(b"\0x y\n")}

    plan = diff(live, {"t": File.of(b"a 1\n", compiled="postmap lmdb"), "u.db": live["u.db"]})

    assert [(one.kind, one.what, one.after, one.effect) for one in plan.changes[1:]] == [
        (Kind.FILE, "t.db", None, Effect.SAME)
    ]
    assert "secret" not in repr(plan.changes)
    raise_if_unsafe(plan, confirmed=False)


def test_lines_that_can_not_be_read_are_not_the_same() -> None:
    before, after = File.of(b"a = 1\n"), File.of(b"a = 1\nwhat is this\n")

    assert [one.effect for one in diff({"main.cf": before}, {"main.cf": after}).changes] == [Effect.DIFFERENT]


def test_a_mode_that_differs_is_a_change() -> None:
    [change] = diff({"t": File.of(b"x", 0o644)}, {"t": File.of(b"x", 0o600)}).changes

    assert (change.before, change.after) == ("mode 0644, root:root", "mode 0600, root:root")


keys = st.text(ascii_lowercase, min_size=1, max_size=3)
tables = st.dictionaries(keys, keys, max_size=12)


def written(entries: dict[str, str]) -> str:
    return "".join(f"{key} {value}\n" for key, value in entries.items())


@given(tables)
def test_a_tree_does_not_differ_from_itself(entries: dict[str, str]) -> None:
    tree = {"t": table(written(entries)), "main.cf": File.of(b"a = b\n")}

    assert diff(tree, tree).empty
    assert diff(tree, tree).steps == ()


@given(tables, tables)
def test_applying_the_changes_of_a_table_gives_the_other(old: dict[str, str], new: dict[str, str]) -> None:
    result = dict(old)
    for change in diff({"t": table(written(old))}, {"t": table(written(new))}).changes:
        if change.kind is Kind.ENTRY and change.after is None:
            del result[change.what]
        elif change.kind is Kind.ENTRY and change.after is not None:
            result[change.what] = change.after

    assert result == new


@given(tables, tables)
def test_applying_the_changes_of_main_cf_gives_the_other(old: dict[str, str], new: dict[str, str]) -> None:
    before, after = (
        File.of("".join(f"{name} = {value}\n" for name, value in side.items()).encode()) for side in (old, new)
    )
    result = dict(old)
    for change in diff({"main.cf": before}, {"main.cf": after}).changes:
        if change.kind is Kind.PARAMETER and change.after is None:
            del result[change.what]
        elif change.kind is Kind.PARAMETER and change.after is not None:
            result[change.what] = change.after

    assert result == new


def shrunk(total: int, left: int) -> Plan:
    before, after = (written({f"k{number}": "v" for number in range(count)}) for count in (total, left))
    return diff({"virtual": table(before)}, {"virtual": table(after)})


@pytest.mark.parametrize(("total", "left"), [(9, 0), (10, 7), (100, 70)])
def test_a_small_loss_needs_no_confirmation(total: int, left: int) -> None:
    raise_if_unsafe(shrunk(total, left), confirmed=False)


@pytest.mark.parametrize(("total", "left"), [(10, 6), (100, 69), (10, 0)])
def test_over_thirty_percent_of_ten_entries_needs_one(total: int, left: int) -> None:
    with pytest.raises(UnsafePlan, match=rf"{total - left} of its {total} entries .*Confirm: deletions"):
        raise_if_unsafe(shrunk(total, left), confirmed=False)

    raise_if_unsafe(shrunk(total, left), confirmed=True)


def test_a_whole_table_that_goes_needs_one_as_well() -> None:
    plan = diff({"virtual": table(written({f"k{number}": "v" for number in range(10)}))}, {})

    with pytest.raises(UnsafePlan, match="virtual"):
        raise_if_unsafe(plan, confirmed=False)


def test_a_changed_value_is_no_loss() -> None:
    before, after = (written({f"k{number}": value for number in range(20)}) for value in ("v", "w"))

    raise_if_unsafe(diff({"virtual": table(before)}, {"virtual": table(after)}), confirmed=False)


def test_a_line_of_a_companion_has_the_place_of_the_word_that_is_new() -> None:
    section, word = Where("mail.yaml", 7), Where("sites/site2/site.yaml", 2, 3)
    postsrsd = Companion(name="postsrsd", files={}, where=section, places={"b.test": word})
    origin = Contribution(companions={"postsrsd": postsrsd})

    def place(before: bytes, after: bytes) -> Where | None:
        [change] = diff({"../postsrsd/c": File.of(before)}, {"../postsrsd/c": File.of(after)}, origin).changes
        return change.where

    assert place(b"own=a.test\n", b"own=a.test,b.test\n") == word
    assert place(b"own=a.test,b.test\n", b"own=b.test\n") == section
    assert place(b"own=a.test\n", b"own=a.test,bb.test\n") == section
