"""The bases of the sections of mail.yaml; a validator is built at its first use, since a host uses few of them.

A mapping with fixed keys is a Section: an unknown key is an error, and a value never changes. Any other value is a
SectionValue.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, RootModel

Value = TypeVar("Value")


class Section(BaseModel, extra="forbid", frozen=True, defer_build=True):
    """A mapping with fixed keys."""


class SectionValue(RootModel[Value], defer_build=True):
    """One value, or a mapping with keys of the author's choice."""
