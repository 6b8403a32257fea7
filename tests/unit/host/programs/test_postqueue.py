"""What postqueue prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reconciler.host.programs import postqueue

if TYPE_CHECKING:
    from pathlib import Path


def test_deferred_messages_are_counted_by_what_the_last_attempt_told() -> None:
    def message(queue: str, *reasons: str) -> dict[str, Any]:
        recipients = [{"address": "a@b.test", **({"delay_reason": reason} if reason else {})} for reason in reasons]
        return {"queue_name": queue, "recipients": recipients}

    messages = [
        message("deferred", "refused", "refused"), message("deferred", "", "timed out"), message("active", "refused"),
        message("deferred", ""), message("deferred", "refused"),
    ]  # fmt: skip
    assert postqueue.reasons(messages) == {"refused": 2, "timed out": 1}


@pytest.mark.parametrize(
    ("path", "waits"),
    [
        ("deferred/A/A1B2C3", True), ("deferred/A1B2C3", True), ("hold/A1B2C3", True), ("active/A1B2C3", False),
        ("deferred/A/B/", False), ("", False),
    ],
)  # fmt: skip
def test_mail_is_held_up_where_a_file_is_deferred_or_on_hold(tmp_path: Path, path: str, *, waits: bool) -> None:
    file = tmp_path / path
    (file if path.endswith("/") else file.parent).mkdir(parents=True, exist_ok=True)
    if path and not path.endswith("/"):
        file.touch()
    assert postqueue.is_held_up(tmp_path) is waits


def test_a_queue_that_cannot_be_looked_at_may_hold_mail(tmp_path: Path) -> None:
    (tmp_path / "hold").mkdir()
    (tmp_path / "deferred").symlink_to("deferred")
    assert postqueue.is_held_up(tmp_path / "hold") is False
    assert postqueue.is_held_up(tmp_path / ("x" * 300)) is True
