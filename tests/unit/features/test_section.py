"""The base of sections: its keys are fixed, and so are its values."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.features.section import Section


class Delay(Section):
    """A section of one key."""

    minutes: int = 5


def test_a_key_that_the_section_does_not_have_is_an_error() -> None:
    with pytest.raises(ValidationError, match="minuts"):
        Delay.model_validate({"minuts": 3})


def test_a_value_never_changes() -> None:
    delay = Delay.model_validate({"minutes": 3})
    with pytest.raises(ValidationError, match="frozen"):
        delay.minutes = 4  # type: ignore[misc]
    assert delay.minutes == 3
