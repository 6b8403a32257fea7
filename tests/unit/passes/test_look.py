"""Which recipients a commit removes on purpose: an entry named them before, and none does now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.passes.look import removed

if TYPE_CHECKING:
    from pathlib import Path


def test_a_recipient_whose_entry_is_gone_was_removed_and_one_that_no_entry_named_was_not(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    for folder, virtual, aliases in (
        (before, "Ada@v.example ada\nbob@v.example bob\n", "carl: root\ndora: root\n"),
        (now, "bob@v.example bob, carl\n# ada@v.example\n", "dora: root\n"),
    ):
        folder.mkdir()
        (folder / "virtual").write_text(virtual)
        (folder / "aliases").write_text(aliases)
        (folder / "virtual.lmdb").write_bytes(b"\0ada@v.example\0")
    recipients = {"ada@v.example", "bob@v.example", "carl@mx1.example.com", "dora@mx1.example.com", "eve@v.example"}
    assert removed(recipients, before, now) == {"ada@v.example", "carl@mx1.example.com"}
