"""Keys that take ``!secret NAME``: the name passes, and what stands in its place is refused with advice."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import InstanceOf, TypeAdapter, ValidationError

from reconciler.features.secret_names import one_secret, secrets
from reconciler.model import SecretName

ADVICE = "write key: !secret NAME"
ONE: TypeAdapter[SecretName | None] = TypeAdapter(Annotated[InstanceOf[SecretName] | None, one_secret(ADVICE)])
LIST: TypeAdapter[list[SecretName]] = TypeAdapter(Annotated[list[InstanceOf[SecretName]], secrets(ADVICE)])
NAME, OTHER = SecretName("srs"), SecretName("newer")


def problem(adapter: TypeAdapter[SecretName | None] | TypeAdapter[list[SecretName]], value: object) -> tuple[str, str]:
    """Return the rule and the text of the one error."""
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value)
    [error] = caught.value.errors()
    return error["type"], error["msg"]


def test_the_name_of_a_secret_passes() -> None:
    assert ONE.validate_python(NAME) == NAME
    assert ONE.validate_python(None) is None


@pytest.mark.parametrize("value", ["hunter2", "", 1, {}, [], [NAME]])
def test_anything_else_is_refused_with_advice(value: object) -> None:
    assert problem(ONE, value) == ("plain-text-secret", ADVICE)


def test_of_several_secrets_one_need_not_be_a_list() -> None:
    assert LIST.validate_python(NAME) == [NAME]
    assert LIST.validate_python([NAME, OTHER]) == [NAME, OTHER]


@pytest.mark.parametrize("value", ["hunter2", [], None, [NAME, "hunter2"], [None]])
def test_a_list_holds_secrets_and_at_least_one(value: object) -> None:
    assert problem(LIST, value) == ("plain-text-secret", ADVICE)
