"""Keys that take ``!secret NAME``, and refuse the secret itself, which every reader of the history could see.

Pure. Each key has its own *advice* for plain text: how to keep the secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BeforeValidator, InstanceOf
from pydantic_core import PydanticCustomError

from reconciler.model import SecretName

if TYPE_CHECKING:
    from typing import LiteralString

_TAG = re.compile(r"!secret +([A-Za-z0-9][A-Za-z0-9_.-]*)")


def one_secret(advice: LiteralString) -> BeforeValidator:
    """Return the validator of a key that takes one secret."""
    return BeforeValidator(lambda value: value if value is None else _named(value, [value], advice))


def secrets(advice: LiteralString) -> BeforeValidator:
    """Return the validator of a key that takes one secret or a list of secrets, and returns a list."""

    def listed(value: object) -> object:
        names = value if isinstance(value, list) else [value]
        return _named(names, names, advice)

    return BeforeValidator(listed, json_schema_input_type=list[InstanceOf[SecretName]] | InstanceOf[SecretName])


def _named(value: object, names: list[object], advice: LiteralString) -> object:
    if names and all(isinstance(name, SecretName) for name in names):
        return value
    tagged = [_TAG.fullmatch(name) for name in names if isinstance(name, str)]
    if len(tagged) == 1 and tagged[0]:
        text = "in quotes, this is a text and names no secret; remove the quotes: !secret {name}"
        raise PydanticCustomError("plain-text-secret", text, {"name": tagged[0][1]})
    raise PydanticCustomError("plain-text-secret", advice)
