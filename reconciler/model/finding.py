"""What is wrong or doubtful, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Allowance:
    """One such comment: the rule, the reason, its place, and the *last* line that it is for."""

    rule: str
    reason: str
    where: Where
    last: int
    certain: bool = True
    """Whether it has the colon; without one, prose may look like it."""

    @property
    def places(self) -> tuple[tuple[str, str, int], ...]:
        """Rule, file and line of the findings that it is about: on its own line, and on the one it stands above."""
        return tuple((self.rule, self.where.file, line) for line in (self.where.line, self.last))


def printable(text: str) -> str:
    """The text on one line, so that no name or value can play tricks with a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in text)


class Severity(StrEnum):
    """Whether a finding refuses the commit."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place in the desired state; lines and columns count from 1, and a whole file is line 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong (error) or doubtful (warning).

    *lasting*: it follows from the commit and the installed Postfix alone, not from addresses, ports, files, users or
    running services. *subject*: what it is about, the same on whichever line of another commit it stands.
    """

    rule: str
    where: Where
    text: str
    subject: str
    severity: Severity = Severity.ERROR
    lasting: bool = True

    def __str__(self) -> str:
        mark = "" if self.severity is Severity.ERROR else "warning: "
        return printable(f"{self.where}: {mark}{self.text}")

    @property
    def is_error(self) -> bool:
        """Whether it refuses the commit."""
        return self.severity is Severity.ERROR

    def as_warning(self, reason: str) -> Finding:
        """The same finding, reported instead of refused, and why."""
        return replace(self, severity=Severity.WARNING, text=f"{self.text} ({reason})")


def error_at(rule: str, where: Where, text: str, subject: str = "") -> Finding:
    """An error that follows from the commit alone; its *subject* is the text where nothing else names it."""
    return Finding(rule=rule, where=where, text=text, subject=subject or text)


def warning_at(rule: str, where: Where, text: str, subject: str = "") -> Finding:
    """A warning that follows from the commit alone; its *subject* is the text where nothing else names it."""
    return Finding(rule=rule, where=where, text=text, subject=subject or text, severity=Severity.WARNING)


def errors_in(findings: tuple[Finding, ...] | list[Finding]) -> list[Finding]:
    """The findings that refuse a commit."""
    return [finding for finding in findings if finding.is_error]
