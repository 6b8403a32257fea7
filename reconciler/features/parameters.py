"""``parameters``: main.cf by name, which prevails over every feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, RootModel, StringConstraints
from pydantic_core import PydanticCustomError

from reconciler.model import Contribution, Parameter, SecretName
from reconciler.syntax import unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Finding

SECTION = "parameters"


def _plain(value: object) -> object:
    if isinstance(value, SecretName):
        text = "main.cf is readable by every user of the host: a secret can't be the value of a parameter"
        raise PydanticCustomError("secret-in-parameter", text)  # type: ignore[arg-type] # a plain string will do
    return value


def _writable(value: str) -> str:
    if reason := unwritable(value):
        raise PydanticCustomError("unwritable-value", "{reason}", {"reason": reason})
    return value.strip()


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")]
Value = Annotated[str, BeforeValidator(_plain), AfterValidator(_writable)]


class Schema(RootModel[dict[Name, Value]]):
    """Values by parameter name, each the text that Postfix reads."""


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute each parameter as it was written."""
    section = desired.section(Schema)
    return Contribution(
        parameters={
            name: Parameter(name, value, desired.where(SECTION, name), SECTION)
            for name, value in (section.root if section else {}).items()
        }
    )
