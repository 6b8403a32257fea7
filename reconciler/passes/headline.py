"""The result of a pass in one sentence, with its priority, for the journal and for notifications. Pure; raises nothing.

The priorities are syslog's: a refusal is a warning, a rollback or a program that had died is an error, a halt is
critical, and everything that needs nobody is information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.host.log import Priority
from reconciler.model.ascii_text import split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.state.records import ConclusionLine, FindingLine


class Headline(NamedTuple):
    """A sentence, and its priority."""

    priority: Priority
    text: str


_STARTED = {"nftables": "the lockdown's rules were missing or changed, and were loaded again"}
_OUTCOMES = {
    "Applied": (Priority.INFO, "applied {}"),
    "Unchanged": (Priority.INFO, "nothing to change for {}"),
    "Superseded": (Priority.INFO, "superseded {}"),
    "Refused": (Priority.WARNING, "refused {}"),
    "Postponed": (Priority.WARNING, "postponed {}"),
    "RolledBack": (Priority.ERROR, "rolled back {}"),
    "Broken": (Priority.CRITICAL, "HALTED: {} failed, and so did its rollback"),
}


def headline(line: ConclusionLine) -> Headline:
    """Return the sentence for a conclusion of the journal."""
    priority, form = _OUTCOMES[line["outcome"]]
    about = f" ({line['author']}: {line['subject']})" if line.get("author") else ""
    parts = [form.format((line["revision"][:7] or "the live configuration") + about)]
    if line.get("generation") is not None and line["outcome"] == "Applied":
        parts[0] += f" as generation {line['generation']}"
    if errors := _errors(line):
        more = f" (and {len(errors) - 1} more)" if errors[1:] else ""
        parts.append(f"{finding_text(errors[0])}{more}")
        bug = errors[0]["rule"] == "internal-error"
        priority = min(priority, Priority.ERROR if bug or line["outcome"] == "Unchanged" else Priority.WARNING)
    for weight, text in details(line):
        priority = min(priority, weight)
        parts.append(text)
    return Headline(priority, " ".join(split_lines("; ".join(parts))))


def _errors(line: ConclusionLine) -> list[FindingLine]:
    return [one for one in line["findings"] if one["severity"] == "error"]


def finding_text(one: FindingLine) -> str:
    """Return a finding of the journal as one line, in the form that editors and compilers use."""
    warning = "warning: " if one["severity"] == "warning" else ""
    return f"{one['file']}:{one['line']}:{one['column']}: {warning}{one['text']}"


def details(line: ConclusionLine) -> Iterator[Headline]:
    """Yield what else happened in the pass but its findings, each with its own priority."""
    if "uid" in line:
        yield Headline(Priority.INFO, f"asked for by {line['user']} (uid {line['uid']})")
    if line.get("reason") and not line["findings"]:
        yield Headline(Priority.INFO, line["reason"])
    if line.get("why"):
        yield Headline(Priority.INFO, line["why"])
    if line.get("by"):
        yield Headline(Priority.INFO, f"superseded by {line['by'][:7]}")
    yield from _edit(line)
    for site, oid in (line.get("left_out") or {}).items():
        stays = f"stays as in {oid[:7]}" if oid else "nothing of it is live"
        yield Headline(Priority.WARNING, f"{site} is left out and {stays}")
    if line.get("revived"):
        yield Headline(Priority.ERROR, "Postfix had died and was started")
    for name in line.get("started") or ():
        yield Headline(Priority.ERROR, _STARTED.get(name, f"{name} had died and was started"))


def _edit(line: ConclusionLine) -> Iterator[Headline]:
    """Yield the hand edits of a pass, who made them, and what was done with them."""
    by = f", {line['drift_by']}" if line.get("drift_by") else ""
    if drift := line.get("drift"):
        done = "reverted a hand edit of" if line["outcome"] == "Applied" else "edited by hand:"
        yield Headline(Priority.WARNING, f"{done} {', '.join(drift)}{by}")
    if left_alone := line.get("left_alone"):
        yield Headline(Priority.INFO, f"an ignore rule keeps a hand edit of {', '.join(left_alone)}{by}")
    if kept := line.get("kept"):
        text = f"kept as commit {kept[:7]} on branch {line['kept_on']}: merge it to keep the edit"
        yield Headline(Priority.WARNING, text)
    if line.get("not_kept"):
        yield Headline(Priority.WARNING, f"not kept as a commit yet: {line['not_kept']}")
