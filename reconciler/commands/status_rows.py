"""The lines of ``reconciler status``, from the value that --json prints: verdict, rows, and the next command. Pure.

Promises: the first line says whether an operator must act, within WIDTH characters; a row that has nothing to say is
left out; the last line begins with ``next: ``. Raises nothing for a status of this version.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from reconciler.passes.advice import bare, lasts
from reconciler.trees.times import duration, local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from reconciler.passes.status_value import Status

WIDTH = 80
_LABEL = 11
_OUTCOMES = {
    "Applied": "applied", "Unchanged": "changes nothing here, seen", "Refused": "refused", "RolledBack": "rolled back",
    "Broken": "failed, and so did its rollback,", "Postponed": "postponed", "Superseded": "superseded",
}  # fmt: skip


def status_lines(status: Status, now: datetime) -> Iterator[str]:
    """Yield the lines of a status; *now* decides which times need a date.

    A reason that has a place, or does not fit in the first line, follows in full.
    """
    verdict = status["verdict"]
    word = "OK" if verdict["level"] == "well" else "ATTENTION"
    label = "@".join(filter(None, (status["host"], status["instance"])))
    first = ": ".join(filter(None, (f"{label}   {word}", bare(verdict["text"]))))
    yield first if len(first) <= WIDTH else f"{first[: WIDTH - 3]}..."
    is_whole = first.endswith(verdict["text"]) and len(first) <= WIDTH
    yield from rows(*(("also", verdict["also"]) if is_whole else ("why", [verdict["text"], *verdict["also"]])))
    parts = (_live(status), _branch(status, now), _working(status), _postfix(status, now), _parts(status))
    yield from chain.from_iterable(parts)
    reasons = {verdict["text"], *verdict["also"]}
    yield from rows("limit", [limit for limit in status["limits"] if limit not in reasons])
    yield ""
    yield f"next: {verdict['next']}"


def rows(label: str, texts: list[str]) -> Iterator[str]:
    """Yield rows with one label, which only the first one shows."""
    for number, text in enumerate(texts):
        yield f"  {label if number == 0 else '':<{_LABEL}}{text}"


def _live(status: Status) -> Iterator[str]:
    live = status["live"]
    if live is None:
        missing = "nothing: the files are not there" if status["lost"] else "nothing of reconciler's: not adopted"
        yield from rows("live", [missing])
        return
    source = live["revision"][:7] or live["source"]
    subject = f"  {live['subject']}" if live["subject"] else ""
    yield from rows("live", [f"generation {live['generation']}, {source}{subject}"])


def _branch(status: Status, now: datetime) -> Iterator[str]:
    branch, live = status["branch"], status["live"]
    yield from _remote(status, now)
    if not branch["tip"]:
        is_told = branch["problem"] == status["verdict"]["text"]
        yield from rows("branch", ["unreadable" if is_told else branch["problem"]])
        return
    told = [f"{branch['name']} is at {branch['tip'][:7]}: {_ended(status, now)}"]
    if branch["ahead"] and live:
        told += [f"{branch['ahead']} commit{'s' * (branch['ahead'] != 1)} ahead of what is live: {branch['subject']}"]
    yield from rows("branch", told)
    yield from rows("error", _errors(status))
    phase = status["phase"]
    if phase["name"] == "Suspended":
        until = local(phase["until"], now) if phase["until"] else ""
        until = until or ("the branch moves, or reconciler resume" if phase["tip"] else "reconciler resume")
        yield from rows("suspended", [f"by {phase['who']}: {phase['why']}; until {until}"])


def _remote(status: Status, now: datetime) -> Iterator[str]:
    if remote := status["remote"]:
        at = f"fetched {local(remote['at'], now)}" if remote["at"] else "not fetched yet"
        told = [f"{remote['url']}, {at}"]
        if remote["problem"] and not lasts(remote["since"], now):
            told += [f"{remote['problem']}; it is tried again"]
        yield from rows("remote", told)


def _errors(status: Status) -> list[str]:
    """Return the first error of the commit that is refused, and the number of others."""
    last = status["last"]
    if last is None or status["phase"]["name"] not in {"Refusing", "Halted"}:
        return []
    errors = [
        f"{one['file']}:{one['line']}:{one['column']}: {one['text']}"
        for one in last["findings"]
        if one["severity"] == "error"
    ]
    return [*errors[:1], *([f"and {len(errors) - 1} more"] if errors[1:] else [])]


def _ended(status: Status, now: datetime) -> str:
    branch, phase = status["branch"], status["phase"]
    ended = f"{_OUTCOMES[branch['outcome']]} {local(branch['at'], now)}" if branch["outcome"] else "not looked at yet"
    probation = phase if phase["name"] == "Probation" else phase.get("probation")
    if not probation:
        return ended
    before = status["before"]
    back = f"; generation {before} stays for a rollback" if before is not None else ""
    until = local(probation["until"], now)
    if probation["confirm"]:
        return f"{ended}, rolled back at {until} unless `reconciler confirm` is run{back}"
    return f"{ended}, watched until {until}{back}"


def _messages(number: int) -> str:
    return f"{number} message{'s wait' if number != 1 else ' waits'}"


def _working(status: Status) -> Iterator[str]:
    if working := status["working"]:
        yield from rows("pass", [f"running for {duration(working['seconds'])}: {working['step']}"])


def _postfix(status: Status, now: datetime) -> Iterator[str]:
    postfix, stopped = status["postfix"], status["postfix"]["stopped"]
    if postfix["unknown"]:
        yield from rows("postfix", [postfix["unknown"]])
        return
    at = local(stopped["at"], now) if stopped and stopped["at"] else ""
    if postfix["running"]:
        state = "running"
    elif stopped and stopped["by"]:
        state = f"STOPPED{at and f' at {at}'} with {stopped['by']}"
    else:
        state = f"NOT RUNNING{at and f' since {at}'}"
    yield from rows("postfix", [f"{postfix['version']}, {state}"])


def _parts(status: Status) -> Iterator[str]:
    yield from rows("queue", [f"{_messages(one['messages'])}: {one['why']}" for one in status["queue"]])
    for name, one in status["companions"].items():
        yield from rows(name, ["running" if one["running"] else f"NOT RUNNING: {one['why']}"])
    yield from rows("drift", [f"kept by an ignore rule: {name}" for name in status["ignored"]])
    yield from rows("dkim", [key["text"].removeprefix("DKIM ") for key in status["dkim"]])
    refused = ", ".join(f"{one['user']} {one['times']}" for one in status["refused"])
    yield from rows("lockdown", [f"connections that it refused, by user: {refused}"] if refused else [])
