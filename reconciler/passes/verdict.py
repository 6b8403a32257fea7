"""Judge a status: must an operator act, for what reason, and with which command. Pure; raises nothing.

Promises: the verdict is "well" only if nothing is known that needs a person, and "stopped" only if Postfix does not
run or can't read its configuration, or reconciler has halted. The most urgent reason comes first, with its command.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from reconciler.passes.advice import LATEST, advice, advice_for_repository, lasts, repeats
from reconciler.passes.status_value import Verdict
from reconciler.trees.report import OF_VERIFYING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.passes.status_value import Status

LONG = timedelta(days=1)
"""The time after which a suspension without an end has probably been forgotten."""
LATE = "did not answer in time"
"""The end of the reason why nothing is known of Postfix on a host that is too busy to tell."""
NOTHING = "nothing to do"
_START = "systemctl start reconciler"
_SERVICES = frozenset({"postsrsd", "rspamd"})
"""The companions that run as a service of that name."""
_VERBS = {"Refused": "was refused", "RolledBack": "was rolled back"}
_SETTLED = frozenset({"Applied", "Unchanged"})


class Level(StrEnum):
    """How urgent it is."""

    WELL = "well"
    ATTENTION = "attention"
    STOPPED = "stopped"


class Need(NamedTuple):
    """A reason to act, and the command or the advice for it."""

    text: str
    next: str
    level: Level = Level.ATTENTION


def verdict(status: Status, now: datetime) -> Verdict:
    """Return the verdict on a status; *now* has a time zone."""
    found = sorted(needs(status, now), key=lambda need: need.level is not Level.STOPPED)
    if not found:
        return Verdict(level=Level.WELL.value, text=_calm(status), also=[], next=NOTHING)
    first, *others = found
    return Verdict(
        level=first.level.value,
        text=first.text,
        also=list(dict.fromkeys(one.text for one in others if not repeats(one.text, first.text))),
        next=_for_instance(first.next, status["instance"]),
    )


def _for_instance(command: str, name: str) -> str:
    """Return a command with the instance that it is for."""
    if not name:
        return command
    command = re.sub(r"(?<![\w./-])reconciler (?=[a-z])", f"reconciler --instance {name} ", command, flags=re.ASCII)
    return f"{command}@{name}" if command == _START else command


def _calm(status: Status) -> str:
    live, phase = status["live"], status["phase"]["name"]
    rest = {"Suspended": ", and passes are suspended", "Probation": ", and is watched"}.get(phase, "")
    return f"generation {live['generation']} is live{rest}" if live else ""


def needs(status: Status, now: datetime) -> Iterator[Need]:
    """Yield the reasons to act, the most urgent ones of a kind first."""
    yield from _postfix(status)
    yield from _daemon(status)
    if (remote := status["remote"]) and remote["problem"] and lasts(remote["since"], now):
        yield Need(remote["problem"], remote["next"])
    if status["branch"]["problem"]:
        problem, path = status["branch"]["problem"], status["branch"]["repository"]
        yield Need(problem, advice_for_repository(problem, path))
    yield from _companions(status)
    yield from _troubles(status)
    yield from _phase(status, now)
    if status["drift"]:
        yield Need(f"edited by hand: {', '.join(status['drift'])}", "reconciler plan")
    yield from (Need(one["text"], one["next"]) for one in status["due"])
    for site, oid in status["left_out"].items():
        yield Need(f"{site} is left out" + (f" and stays as in {oid[:7]}" if oid else ""), LATEST)


def _postfix(status: Status) -> Iterator[Need]:
    postfix, stopped = status["postfix"], status["postfix"]["stopped"]
    if postfix["unknown"].endswith(LATE):
        yield Need(f"the state of Postfix is unknown: {postfix['unknown']}", "reconciler status")
    elif postfix["unknown"]:
        yield Need(f"Postfix can't read its configuration: {postfix['unknown']}", "reconciler once", Level.STOPPED)
    elif not postfix["running"]:
        yield Need("Postfix is stopped", stopped["start"] if stopped else "postfix start", Level.STOPPED)
    if status["lost"]:
        yield Need(status["lost"], advice(status["lost"]))


def _phase(status: Status, now: datetime) -> Iterator[Need]:
    phase, last = status["phase"], status["last"]
    commit = phase.get("revision", "")[:7]
    if bug := next((one["text"] for one in (last or {}).get("findings", []) if one["rule"] == "internal-error"), ""):
        yield Need(bug, f"{LATEST}, and report the bug")
    match phase["name"]:
        case "Halted":
            yield Need(f"halted: {phase['reason']}", "reconciler resume, when this is fixed", Level.STOPPED)
        case "Refusing":
            yield _refusing(status, commit)
        case "Retrying" if not bug and not _of_companion(status):
            yield Need(_waiting(status, commit), advice(phase["reason"]))
        case "Probation" if phase["confirm"]:
            yield Need(f"commit {commit} is rolled back unless it is confirmed", "reconciler confirm")
        case "Suspended" if trouble := _left_by_a_return(status):
            yield Need(f"mail is in trouble: {trouble}", advice(trouble, "reconciler log -1 -v"))
        case "Suspended" if not phase["until"] and not phase["tip"] and status["since"]:
            if now - datetime.fromisoformat(status["since"]) > LONG:
                yield Need(f"suspended for more than a day by {phase['who']}: {phase['why']}", "reconciler resume")
    if status["live"] is None and not status["lost"]:
        yield Need("not adopted: reconciler changes nothing yet", "reconciler plan, then reconciler once --adopt")


def _waiting(status: Status, commit: str) -> str:
    """Return why a commit is tried again; one that is live, or not known, waits for nothing, but can't be made."""
    phase, live = status["phase"], status["live"]
    is_live = live is not None and live["revision"] == phase["revision"]
    return str(phase["reason"]) if is_live or not commit else f"commit {commit} waits: {phase['reason']}"


def _left_by_a_return(status: Status) -> str:
    """Return what a rollback or a rescue left in trouble when Postfix was last asked; empty if nothing."""
    last = status["last"]
    if not last or last["revision"] or last["outcome"] not in _SETTLED:
        return ""
    return next((finding["text"] for finding in last["findings"] if finding["rule"] in OF_VERIFYING), "")


def _refusing(status: Status, commit: str) -> Need:
    last, branch = status["last"], status["branch"]
    ended = last["outcome"] if last and last["revision"] == status["phase"]["revision"] else branch["outcome"]
    if verb := _VERBS.get(ended):
        return Need(f"commit {commit} {verb}", f"reconciler log {commit}")
    return Need(f"commit {commit} was rolled back by hand", f"push a fix, or reconciler once {commit}")


def _daemon(status: Status) -> Iterator[Need]:
    if status["daemon"] or status["live"] is None:
        return
    branch = status["branch"]
    behind = bool(branch["tip"]) and branch["tip"] != status["live"]["revision"] and branch["outcome"] not in _SETTLED
    commits = f"{branch['ahead']} commit{'s' * (branch['ahead'] != 1)}"
    waits = f"; {branch['name']} is {commits} ahead" if behind and branch["ahead"] else ""
    yield Need(f"the daemon is not running{waits}", _START)


def _companions(status: Status) -> Iterator[Need]:
    for name, companion in status["companions"].items():
        if not companion["running"]:
            command = f"systemctl status {name}" if name in _SERVICES else LATEST
            yield Need(f"{name} does not work: {companion['why']}", command)


def _of_companion(status: Status) -> bool:
    """Whether passes wait for a companion, which is a need of its own."""
    reason = status["phase"]["reason"].lower()
    return any(not one["running"] and name in reason for name, one in status["companions"].items())


def _troubles(status: Status) -> Iterator[Need]:
    told = [one["text"] for one in status["due"]]
    yield from (Need(one, advice(one)) for one in status["troubles"] if not any(text in one for text in told))
