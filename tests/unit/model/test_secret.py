"""A decrypted secret."""

from __future__ import annotations

from reconciler.model import Secret


def test_no_representation_shows_its_value() -> None:
    assert "geheim" not in f"{Secret('relay', 'geheim')!r}{Secret('relay', 'geheim')}"
