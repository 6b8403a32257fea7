"""Files as values, which of them are secrets, and plans that change nothing."""

from __future__ import annotations

import pytest

from reconciler.model import UNWRITTEN, Activation, Change, File, Kind, Plan, Table, Where


def test_files_are_equal_by_content_mode_owner_and_compiler() -> None:
    file = File.of(b"x")

    assert file == File.of(b"x")
    others = (
        File.of(b"y"), File.of(b"x", 0o600), File.of(b"x", owner="root:postfix"), File.of(b"x", compiled="postmap lmdb")
    )  # fmt: skip
    assert file not in others


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o644, False), (0o604, False), (0o640, True), (0o600, True), (0o100644, False)]
)
def test_what_others_may_not_read_is_a_secret(mode: int, *, expected: bool) -> None:
    assert File.of(b"", mode).is_secret is expected
    assert Table(name="t", type="lmdb", source=b"", file="tables/t", mode=mode).is_secret is expected


@pytest.mark.parametrize("content", [b"", b"a\nb\n", b"caf\xc3\xa9\n\xff\n"])
def test_lines_keep_every_byte(content: bytes) -> None:
    text = "".join(f"{line}\n" for line in File.of(content).lines())

    assert text.encode("utf-8", "surrogateescape") == content


def test_a_plan_is_empty_without_changes_alone() -> None:
    change = Change(kind=Kind.PARAMETER, what="a", before=None, after="b")

    assert Plan(live={}, target={}, changes=(), steps=()).empty
    assert not Plan(live={}, target={}, changes=(change,), steps=(Activation.RELOAD,)).empty


def test_a_plan_has_a_place_if_it_changes_one_line_alone() -> None:
    def place(*wheres: Where | None) -> Where | None:
        changes = (Change(kind=Kind.PARAMETER, what="x", before="1", after="2", where=where) for where in wheres)
        return Plan(live={}, target={}, changes=tuple(changes), steps=()).place

    first, second = Where("mail.yaml", 4), Where("tables/x", 9)
    assert place(first) == place(first, first) == first
    assert {place(), place(first, second), place(first, None), place(None), place(UNWRITTEN)} == {None}
