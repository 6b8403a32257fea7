"""diff() and the guard: what changes, in the words of mail, what it needs, and when it is too much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import Activation, Contribution, File, Kind, Parameter, Plan, Table, Where
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


def test_continuation_lines_belong_to_the_entry_they_continue() -> None:
    plan = diff({"t": table("a 1,\n  2\nb 3\n")}, {"t": table("a 1,\n  4\nb 3\n")})

    assert told(plan) == [("a", "1, 2", "1, 4")]


def test_bytes_that_differ_and_mean_the_same_are_still_a_change() -> None:
    assert len(diff({"t": table("a 1\n")}, {"t": table("# c\na 1\n")}).changes) == 1
    assert len(diff({"main.cf": File.of(b"a = 1\n")}, {"main.cf": File.of(b"# c\na = 1\n")}).changes) == 1


def test_what_is_secret_shows_as_changed_and_never_how() -> None:
    old = File.of(b"host user:old\n", 0o600, compiled="postmap lmdb")
    new = File.of(b"host user:new\n", 0o600, compiled="postmap lmdb")

    assert told(diff({"sasl_passwd": old}, {"sasl_passwd": new})) == [("sasl_passwd", "(secret)", "(secret)")]
    assert told(diff({}, {"sasl_passwd": new})) == [("sasl_passwd", None, "(secret)")]


def test_a_mode_that_differs_is_a_change() -> None:
    [change] = diff({"t": File.of(b"x", 0o644)}, {"t": File.of(b"x", 0o600)}).changes

    assert (change.before, change.after) == ("mode 0644, root:root", "mode 0600, root:root")


keys = st.from_regex(r"[a-z]{1,3}", fullmatch=True)
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
