"""The base of every mapping in mail.yaml that has fixed keys: an unknown key is an error, and a value never changes."""

from __future__ import annotations

from pydantic import BaseModel


class Section(BaseModel, extra="forbid", frozen=True, defer_build=True):
    """A mapping with fixed keys; its validator is built at the first use, since a host uses few of them."""
