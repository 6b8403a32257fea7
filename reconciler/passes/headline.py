"""The result of a pass in one sentence, with its priority, for the journal and for notifications. Pure; raises nothing.

The priorities are syslog's: a refusal is a warning, a rollback or a program that had died is an error, a halt is
critical, and everything that needs nobody is information.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.host.log import Priority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.state.records import ConclusionLine


class Headline(NamedTuple):
    """A sentence, and its priority."""

    priority: Priority
    text: str


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
    for weight, text in _details(line):
        priority = min(priority, weight)
        parts.append(text)
    return Headline(priority, "; ".join(parts))


def _details(line: ConclusionLine) -> Iterator[Headline]:
    """Yield what else happened in the pass, each with its own priority."""
    errors = [one for one in line["findings"] if one["severity"] == "error"]
    if errors:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if errors[1:] else ""
        text = f"{first['file']}:{first['line']}:{first['column']}: {first['text']}{more}"
        bug = first["rule"] == "internal-error"
        yield Headline(Priority.ERROR if bug or line["outcome"] == "Unchanged" else Priority.WARNING, text)
    elif line.get("reason"):
        yield Headline(Priority.INFO, str(line["reason"]))
    if line.get("why"):
        yield Headline(Priority.INFO, line["why"])
    if line.get("by"):
        yield Headline(Priority.INFO, f"by {line['by'][:7]}")
    if drift := line.get("drift"):
        done = "reverted a hand edit of" if line["outcome"] == "Applied" else "edited by hand:"
        by = f", {line['drift_by']}" if line.get("drift_by") else ""
        yield Headline(Priority.WARNING, f"{done} {', '.join(drift)}{by}")
    if kept := line.get("kept"):
        yield Headline(Priority.WARNING, f"kept a hand edit as {kept[:7]} on {line['kept_on']}")
    if line.get("not_kept"):
        yield Headline(Priority.WARNING, f"could not keep a hand edit as a commit: {line['not_kept']}")
    if line.get("left_out"):
        yield Headline(Priority.WARNING, f"left out {', '.join(line['left_out'])}")
    if line.get("revived"):
        yield Headline(Priority.ERROR, "Postfix had died and was started")
    yield from (Headline(Priority.ERROR, f"{name} had died and was started") for name in line.get("started") or ())
