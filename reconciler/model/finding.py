"""Findings, the places that they name, and the allowances that turn errors into warnings. Raises nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.model import limits
from reconciler.model.hidden_values import in_a_finding, without_passwords

if TYPE_CHECKING:
    from collections.abc import Sequence


Told = tuple[str, str, str]
"""The rule, the subject and the text of a finding."""
MASTER = "master"
"""What stands in Finding.starts for an error that ends master at a reload or keeps it from starting, and all mail."""


def in_tls(key: str) -> str:
    """Return what stands in Finding.starts for a service that would only lose the certificate that it shows."""
    return f"{key} in TLS"


def taking_mail(key: str, table: str = "") -> str:
    """Return what stands in Finding.starts for a service that would answer, and take no mail without that table."""
    return f"{key} taking mail{table and ' with '}{table}"


def reading(program: str, file: str) -> str:
    """Return what stands in Finding.starts for a program that reads a file or a table only when it starts."""
    return f"{program} with {file}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """A comment ``# allow RULE: reason``: the rule, the reason, its place, and the *last* line that it covers.

    ``# allow RULE in FILE: reason`` covers the whole file *within* instead.
    """

    rule: str
    reason: str
    where: Where
    last: int
    certain: bool = True
    """False without the colon; such a comment may be ordinary text."""
    within: str = ""

    @property
    def places(self) -> tuple[tuple[str, str, int], ...]:
        """Return rule, file and line of the findings that it covers: its own line and the next; 0 is a whole file."""
        if self.within:
            return ((self.rule, self.within, 0),)
        return tuple((self.rule, self.where.file, line) for line in (self.where.line, self.last))


def printable(text: str) -> str:
    """Return the text on one line, with control characters escaped so that they cannot affect a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape", "replace").decode() for char in text)


class Severity(StrEnum):
    """The severity of a finding: an error refuses the commit, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place in the desired state; lines and columns count from 1, and line 1 stands for a whole file."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def is_of_host(self) -> bool:
        """Whether it is a file or a folder of this host, and not of the desired state."""
        return self.file.startswith("/")


UNWRITTEN = Where("mail.yaml")
"""The place of what is written nowhere, such as a default; Desired.home replaces it before anybody sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One error, or one warning.

    *lasting* is true if it follows from the commit and the installed Postfix alone, not from addresses, ports, files,
    users or running services. *subject* identifies the cause; it stays the same when a commit moves it to another line.
    *also* is the second place, if two places contradict each other; the text names both. An error is not *excusable* if
    the target would lack something that is wanted: live still has it, so the same error there is no excuse. *starts*
    are the services of master.cf, or MASTER, whose next process would fail for it; what runs may work in spite of it.
    """

    rule: str
    where: Where
    text: str
    subject: str
    severity: Severity = Severity.ERROR
    lasting: bool = True
    also: Where | None = None
    excusable: bool = field(default=True, compare=False)
    starts: frozenset[str] = field(default=frozenset(), compare=False)

    def __post_init__(self) -> None:
        """Hide passwords, and cut a text that quotes too much; a long subject becomes its digest, which is the same."""
        object.__setattr__(self, "text", in_a_finding(self.text))
        object.__setattr__(self, "subject", without_passwords(in_a_finding(self.subject)))
        if len(self.text) > limits.TEXT:
            object.__setattr__(self, "text", f"{self.text[: limits.TEXT]}...")
        if len(self.subject) > limits.TEXT:
            digest = hashlib.sha256(self.subject.encode("utf-8", "surrogatepass")).hexdigest()
            object.__setattr__(self, "subject", digest)

    def __str__(self) -> str:
        mark = "" if self.severity is Severity.ERROR else "warning: "
        return printable(f"{self.where}: {mark}{self.text}")

    @property
    def is_error(self) -> bool:
        """Return whether it refuses the commit."""
        return self.severity is Severity.ERROR

    @property
    def told(self) -> Told:
        """Return what is the same in two findings that say the same, wherever it is written."""
        return self.rule, self.subject, self.text

    def as_warning(self, reason: str) -> Finding:
        """Return the same finding as a warning, with the reason added to its text."""
        return replace(self, severity=Severity.WARNING, text=f"{self.text} ({reason})")


def error_at(rule: str, where: Where, text: str, subject: str = "", also: Where | None = None) -> Finding:
    """Return an error that follows from the commit alone; its *subject* defaults to the text."""
    return Finding(rule=rule, where=where, text=text, subject=subject or text, also=also)


def warning_at(rule: str, where: Where, text: str, subject: str = "") -> Finding:
    """Return a warning that follows from the commit alone; its *subject* defaults to the text."""
    return Finding(rule=rule, where=where, text=text, subject=subject or text, severity=Severity.WARNING)


def listed(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings to show and to record: at most limits.LISTED, errors first, and the number of the others."""
    if len(findings) <= limits.LISTED:
        return tuple(findings)
    order = sorted(range(len(findings)), key=lambda place: not findings[place].is_error)
    shown, hidden = (
        [findings[place] for place in sorted(part)] for part in (order[: limits.LISTED], order[limits.LISTED :])
    )
    errors = errors_in(hidden)
    text = f"{len(hidden)} more findings are not listed; {len(errors)} of them are errors"
    more = Finding(
        rule="more-findings", where=hidden[0].where, text=text, subject=text,
        severity=Severity.ERROR if errors else Severity.WARNING, lasting=any(error.lasting for error in errors),
    )  # fmt: skip
    return (*shown, more)


def errors_in(findings: tuple[Finding, ...] | list[Finding]) -> list[Finding]:
    """Return the findings that refuse a commit."""
    return [finding for finding in findings if finding.is_error]
