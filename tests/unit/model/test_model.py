"""The names of the package, each of which comes from its module when it is first used."""

from __future__ import annotations

import pytest

from reconciler import model


def test_each_name_comes_from_its_module() -> None:
    assert {name for name in model.__all__ if not hasattr(model, name)} == set()
    assert model.Finding.__module__ == "reconciler.model.finding"


def test_a_name_that_no_module_has_is_an_error() -> None:
    with pytest.raises(AttributeError, match="Nosuch"):
        _ = model.Nosuch  # type: ignore[attr-defined] # that is the test
