"""The outcomes of a pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model.finding import Finding


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Live was equal to the target already.

    *left_out* has the sites whose change was left out, each with the commit that its files come from; empty for none.
    """

    findings: tuple[Finding, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Applied:
    """The target is live and passed verification; *left_out* as in Unchanged.

    *verified* says what was verified, in words; empty if Postfix did not have to read the target, or does not run.
    """

    findings: tuple[Finding, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict, hash=False)
    verified: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing changed; the findings give the reasons."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The target went live and failed, and the generation before is live again."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """Rolling back failed as well; a person must act."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Postponed:
    """A problem outside the commit prevented the pass; it is tried again. The *findings* tell a bug in reconciler."""

    reason: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Superseded:
    """A later commit replaced this one; *by* is its oid."""

    by: str


Outcome = Unchanged | Applied | Refused | RolledBack | Broken | Postponed | Superseded
