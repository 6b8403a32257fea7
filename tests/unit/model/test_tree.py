"""Files as values, and plans that change nothing."""

from __future__ import annotations

import pytest

from reconciler.model import Activation, Change, File, Kind, Plan


def test_files_are_equal_by_content_mode_owner_and_compiler() -> None:
    file = File.of(b"x")

    assert file == File.of(b"x")
    others = (
        File.of(b"y"), File.of(b"x", 0o600), File.of(b"x", owner="root:postfix"), File.of(b"x", compiled="postmap lmdb")
    )  # fmt: skip
    assert file not in others


@pytest.mark.parametrize("content", [b"", b"a\nb\n", b"caf\xc3\xa9\n\xff\n"])
def test_lines_keep_every_byte(content: bytes) -> None:
    text = "".join(f"{line}\n" for line in File.of(content).lines())

    assert text.encode("utf-8", "surrogateescape") == content


def test_a_plan_is_empty_without_changes_alone() -> None:
    change = Change(kind=Kind.PARAMETER, what="a", before=None, after="b")

    assert Plan(live={}, target={}, changes=(), steps=()).empty
    assert not Plan(live={}, target={}, changes=(change,), steps=(Activation.RELOAD,)).empty
