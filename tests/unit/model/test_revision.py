"""A commit of the watched branch."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.model import Revision


def test_a_short_name_is_as_git_prints_it() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    revision = Revision(oid="0123456789abcdef" * 2, tree="t", author="ada", subject="s", committed_at=at)

    assert revision.short == "0123456"
    assert revision.trailers == ()
