"""What postqueue prints."""

from __future__ import annotations

from typing import Any

from reconciler.host.programs import postqueue


def test_deferred_messages_are_counted_by_what_the_last_attempt_told() -> None:
    def message(queue: str, *reasons: str) -> dict[str, Any]:
        recipients = [{"address": "a@b.test", **({"delay_reason": reason} if reason else {})} for reason in reasons]
        return {"queue_name": queue, "recipients": recipients}

    messages = [
        message("deferred", "refused", "refused"), message("deferred", "", "timed out"), message("active", "refused"),
        message("deferred", ""), message("deferred", "refused"),
    ]  # fmt: skip
    assert postqueue.reasons(messages) == {"refused": 2, "timed out": 1}
