"""How a pass ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.finding import Finding


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Live was the target already."""

    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """The target is live and answers."""

    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing changed: the findings say why."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RolledBack:
    """It went live, did not answer, and the old generation is back."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """The undo failed as well: a person must look."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Postponed:
    """Our own trouble: tried again later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """A later commit came first; *by* is its oid."""

    by: str


Outcome = Unchanged | Applied | Refused | RolledBack | Broken | Postponed | Superseded
