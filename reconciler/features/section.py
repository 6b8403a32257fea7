"""The bases of the sections of mail.yaml; a validator is built at its first use, since a host uses few of them.

A mapping with fixed keys is a Section: an unknown key is an error, and a value never changes. Any other value is a
SectionValue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, RootModel

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")


class Section(BaseModel, extra="forbid", frozen=True, defer_build=True):
    """A mapping with fixed keys."""


class SmallSection:
    """The same for a dataclass with slots, of which there are thousands: it takes a fifth of the memory."""

    __slots__ = ()
    __pydantic_config__ = ConfigDict(extra="forbid")


class SectionValue(RootModel[Value], defer_build=True):
    """One value, or a mapping with keys of the author's choice."""


def or_else(other: dict[str, Any], **instead: str) -> Callable[[dict[str, Any]], None]:
    """Return the ``json_schema_extra`` of a Section whose validator also takes *other*.

    *instead* names, for a key that the section needs, another one that stands for it.
    """

    def extended(schema: dict[str, Any]) -> None:
        mapping = dict(schema)
        variants = [mapping]
        for key, stands in instead.items():
            variants.append({**mapping, "required": [stands if one == key else one for one in mapping["required"]]})
        schema.clear()
        schema["anyOf"] = [*variants, other]

    return extended
