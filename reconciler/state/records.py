"""Convert the journal's values, intents and conclusions, to and from their form on disk.

``log --json`` prints a conclusion in the same form. Promises: lines of an earlier version can be read, and a conclusion
that was read is written with the same keys. Reading raises KeyError, TypeError, ValueError or AttributeError for any
other line, also for a value of another type.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from reconciler.host.attribution import Attribution
from reconciler.model import (
    Applied,
    Broken,
    Finding,
    Outcome,
    Postponed,
    Refused,
    RolledBack,
    Severity,
    Superseded,
    Unchanged,
    Where,
)
from reconciler.state.source import Source, SourceKind, source_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_AT = "%Y-%m-%dT%H:%M:%SZ"
_WITH_FINDINGS = {kind.__name__: kind for kind in (Unchanged, Applied, Refused, RolledBack, Broken)}
_WITHOUT_SITES = {kind.__name__: kind for kind in (Unchanged, Applied)}
_ADOPT = "adopt"  # an intent's name for the source that its generation calls "adopted"
_COMPANION = "companion "
CHECK_REFUSED = "CheckRefused"


class Step(StrEnum):
    """A step of the apply protocol that recovery needs to know."""

    SWAP = "swap"
    RESTART = "restart"
    UNDO = "undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """The planned change and the data to undo it: *before* is the live generation, *ran* whether Postfix runs.

    *newest* is the newest generation there is, None for an adoption. After reading, *steps* are those that began,
    and *companions* those that were touched.
    """

    revision: str
    source: Source
    before: Path | None = None
    newest: int | None = None
    ran: bool
    steps: frozenset[Step] = frozenset()
    companions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class About:
    """The commit of a conclusion, as far as the repository holds it, and the *generation* live after it."""

    author: str | None
    subject: str | None
    generation: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A hand edit in *generation*, its author, and its result.

    *kept* is the commit on the branch *kept_on* that holds the edit; *not_kept* is the reason if there is none.
    """

    files: tuple[str, ...] = ()
    left_alone: tuple[str, ...] = ()
    by: Attribution | None = None
    generation: int | None = None
    kept: str = ""
    kept_on: str = ""
    not_kept: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """The end of a pass for *revision*, and its time; *wake* is the reason for the pass, *why* a further explanation.

    *edited* is the hand edit that it found; *revived* tells that it started Postfix, *started* names companions.
    """

    outcome: Outcome
    revision: str
    seconds: float = 0.0
    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    about: About | None = None
    wake: str = ""
    why: str = ""
    edited: Edited | None = None
    revived: bool = False
    started: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedCheck:
    """A check that refused a commit, with the user who asked for it, and the first findings."""

    revision: str
    uid: int
    user: str
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))


class FindingLine(TypedDict):
    """A finding as the journal and the contract have it."""

    rule: str
    file: str
    line: int
    column: int
    severity: str
    lasting: bool
    text: str
    subject: str


class ConclusionLine(TypedDict, total=False):
    """A conclusion as the journal and the contract have it; the first five keys are always there."""

    outcome: str
    revision: str
    at: str
    seconds: float
    findings: list[FindingLine]
    reason: str
    by: str
    author: str | None
    subject: str | None
    signer: None
    generation: int | None
    left_out: dict[str, str]
    verified: str
    wake: str
    why: str
    drift: list[str]
    left_alone: list[str] | None
    drift_by: str
    package: str
    edited: int
    kept: str | None
    kept_on: str | None
    not_kept: str | None
    revived: bool
    started: list[str] | None
    uid: int
    user: str


# ---- types -----------------------------------------------------------------------------------------------------------


_NONE = type(None)
_INTENT: dict[str, tuple[type, ...]] = {
    "revision": (str,), "source": (str,), "before": (str,), "newest": (int, _NONE), "ran": (bool,),
}  # fmt: skip
_CONCLUSION: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("outcome", "revision", "at", "reason", "by", "wake", "why", "drift_by", "package"), (str,)),
    "verified": (str,),
    **dict.fromkeys(("author", "subject", "signer", "kept", "kept_on", "not_kept"), (str, _NONE)),
    "seconds": (int, float), "generation": (int, _NONE), "edited": (int,), "revived": (bool,),
    "findings": (list,), "drift": (list,), "left_alone": (list, _NONE), "started": (list, _NONE),
}  # fmt: skip
_FINDING: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("rule", "file", "severity", "text", "subject"), (str,)),
    "line": (int,), "column": (int,), "lasting": (bool,),
}  # fmt: skip


def _typed(line: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]) -> None:
    """Raise TypeError unless each known key has a value of its type, and lists but the findings hold texts."""
    for key, value in line.items():
        if key in types and not isinstance(value, types[key]):
            raise TypeError(f"{key} is {type(value).__name__}")
        if isinstance(value, list) and key != "findings" and not all(isinstance(one, str) for one in value):
            raise TypeError(f"{key} holds other things than texts")


# ---- intents ---------------------------------------------------------------------------------------------------------


def intent_line(intent: Intent) -> dict[str, Any]:
    """Return an intent in its form on disk; its steps are separate lines."""
    source = _ADOPT if intent.source.kind is SourceKind.ADOPTED else str(intent.source)
    line: dict[str, Any] = {"revision": intent.revision, "source": source, "before": str(intent.before or "")}
    if intent.newest is not None:
        line["newest"] = intent.newest
    return line | {"ran": intent.ran}


def intent_from(line: Mapping[str, Any], steps: Iterable[str]) -> Intent:
    """Read an intent, and the steps that followed it; an unknown step of another version is ignored."""
    _typed(line, _INTENT)
    source, newest, begun = str(line["source"]), line.get("newest"), set(steps)
    return Intent(
        revision=str(line["revision"]),
        source=Source(SourceKind.ADOPTED) if source == _ADOPT else source_from(source),
        before=Path(line["before"]) if line["before"] else None,
        newest=None if newest is None else int(newest),
        ran=bool(line["ran"]),
        steps=frozenset(step for step in Step if step.value in begun),
        companions=frozenset(step.removeprefix(_COMPANION) for step in begun if step.startswith(_COMPANION)),
    )


def companion_step(name: str) -> str:
    """Return the step, in its form on disk, that changes a companion."""
    return f"{_COMPANION}{name}"


# ---- conclusions -----------------------------------------------------------------------------------------------------


def conclusion_line(conclusion: Conclusion) -> ConclusionLine:
    """Return a conclusion in its form on disk, which ``log --json`` prints as well."""
    outcome = conclusion.outcome
    line = ConclusionLine(
        outcome=type(outcome).__name__,
        revision=conclusion.revision,
        at=conclusion.at.strftime(_AT),
        seconds=round(conclusion.seconds, 3),
        findings=[finding_line(finding) for finding in getattr(outcome, "findings", ())],
    )
    if isinstance(outcome, Postponed):
        line["reason"] = outcome.reason
    if isinstance(outcome, Superseded):
        line["by"] = outcome.by
    if left_out := getattr(outcome, "left_out", {}):
        line["left_out"] = dict(left_out)
    if isinstance(outcome, Applied) and outcome.verified:
        line["verified"] = outcome.verified
    if about := conclusion.about:
        line |= {"author": about.author, "subject": about.subject, "signer": None, "generation": about.generation}
    if conclusion.wake:
        line["wake"] = str(conclusion.wake)
    if conclusion.edited is not None:
        line |= edited_line(conclusion.edited)
        line |= {"revived": conclusion.revived, "started": list(conclusion.started) or None}
    if conclusion.why:
        line["why"] = conclusion.why
    return line


def edited_line(edited: Edited) -> ConclusionLine:
    """Return the keys of a conclusion's line about a hand edit."""
    line = ConclusionLine(drift=list(edited.files), left_alone=list(edited.left_alone) or None)
    if edited.by and edited.generation is not None:
        line |= {"drift_by": edited.by.told, "package": edited.by.package, "edited": edited.generation}
    line |= {"kept": edited.kept or None, "kept_on": edited.kept_on or None, "not_kept": edited.not_kept or None}
    return line


def conclusion_from(line: Mapping[str, Any]) -> Conclusion:
    """Read a conclusion."""
    _typed(line, _CONCLUSION)
    at = datetime.strptime(line["at"], _AT).replace(tzinfo=UTC)
    about = About(line["author"], line["subject"], line["generation"]) if "author" in line else None
    return Conclusion(
        outcome=_outcome_from(line),
        revision=str(line["revision"]),
        seconds=float(line["seconds"]),
        at=at,
        about=about,
        wake=line.get("wake", ""),
        why=line.get("why", ""),
        edited=_edited_from(line, at) if "drift" in line else None,
        revived=bool(line.get("revived")),
        started=tuple(line.get("started") or ()),
    )


def _outcome_from(line: Mapping[str, Any]) -> Outcome:
    name = line["outcome"]
    if name == Postponed.__name__:
        return Postponed(line["reason"], tuple(finding_from(finding) for finding in line["findings"]))
    if name == Superseded.__name__:
        return Superseded(line["by"])
    findings = tuple(finding_from(finding) for finding in line["findings"])
    if left_out := line.get("left_out"):
        outcome: Outcome = _WITHOUT_SITES[name](findings, {str(site): str(oid) for site, oid in left_out.items()})
    else:
        outcome = _WITH_FINDINGS[name](findings)
    return replace(outcome, verified=line.get("verified", "")) if isinstance(outcome, Applied) else outcome


def _edited_from(line: Mapping[str, Any], at: datetime) -> Edited:
    by = _attribution_from(line["drift_by"], line.get("package", ""), at) if line.get("drift_by") else None
    return Edited(
        files=tuple(line["drift"]),
        left_alone=tuple(line.get("left_alone") or ()),
        by=by,
        generation=line.get("edited"),
        kept=line.get("kept") or "",
        kept_on=line.get("kept_on") or "",
        not_kept=line.get("not_kept") or "",
    )


def _attribution_from(told: str, package: str, at: datetime) -> Attribution:
    """Read the author of an edit from the text of Attribution.told."""
    who = "dpkg" if package else told.removeprefix("while ").removeprefix("by ")
    return Attribution(who=who, at=at.timestamp(), package=package)


# ---- refused checks --------------------------------------------------------------------------------------------------


def refused_line(check: RefusedCheck) -> ConclusionLine:
    """Return a refused check in its form on disk, which ``log --json`` prints as well: a conclusion's first keys."""
    return ConclusionLine(
        outcome=CHECK_REFUSED,
        revision=check.revision,
        at=check.at.strftime(_AT),
        seconds=round(check.seconds, 3),
        findings=[finding_line(finding) for finding in check.findings],
        uid=check.uid,
        user=check.user,
    )


def refused_from(line: Mapping[str, Any]) -> RefusedCheck:
    """Read a refused check."""
    return RefusedCheck(
        revision=str(line["revision"]),
        uid=int(line["uid"]),
        user=str(line["user"]),
        findings=tuple(finding_from(finding) for finding in line["findings"]),
        seconds=float(line["seconds"]),
        at=datetime.strptime(line["at"], _AT).replace(tzinfo=UTC),
    )


# ---- findings --------------------------------------------------------------------------------------------------------


def finding_line(finding: Finding) -> FindingLine:
    """Return a finding as the journal and the contract have it."""
    return {
        "rule": finding.rule, "file": finding.where.file, "line": finding.where.line, "column": finding.where.column,
        "severity": finding.severity.value, "lasting": finding.lasting, "text": finding.text,
        "subject": finding.subject,
    }  # fmt: skip


def finding_from(line: FindingLine) -> Finding:
    """Read a finding."""
    _typed(line, _FINDING)
    return Finding(
        rule=line["rule"],
        where=Where(line["file"], line["line"], line["column"]),
        text=line["text"],
        subject=line["subject"],
        severity=Severity(line["severity"]),
        lasting=line["lasting"],
    )
