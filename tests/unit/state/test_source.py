"""What made a generation, as a value: every sentence that was ever written is read, and written again as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.state.source import Source, SourceKind, source_from


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("commit 3f2a9c1", Source(SourceKind.COMMIT, name="3f2a9c1")),
        ("adopted", Source(SourceKind.ADOPTED)),
        ("rollback of 7", Source(SourceKind.ROLLBACK, number=7)),
        ("rollback of 0", Source(SourceKind.ROLLBACK, number=0)),
        ("rescue", Source(SourceKind.RESCUE)),
        ("back to 12", Source(SourceKind.BACK, number=12)),
        ("unreadable manifest", Source(SourceKind.UNREADABLE)),
        ("rollback of 07", Source(SourceKind.OTHER, name="rollback of 07")),
        ("rollback of", Source(SourceKind.ROLLBACK)),
        ("moved from another host", Source(SourceKind.OTHER, name="moved from another host")),
        ("", Source(SourceKind.OTHER)),
    ],
)
def test_a_sentence_is_read_as_a_kind_and_a_number(text: str, source: Source) -> None:
    assert source_from(text) == source
    assert str(source) == text


@given(st.one_of(st.text(), st.from_regex(r"(commit|rollback of|back to|rescue|adopted)( \w+)?", fullmatch=True)))
def test_whatever_the_sentence_it_is_written_again_as_it_was(text: str) -> None:
    assert str(source_from(text)) == text
