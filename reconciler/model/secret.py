"""A decrypted secret. Raises nothing."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """A decrypted secret. No representation shows its value; its digest may be shown."""

    name: str
    value: str = field(repr=False)
