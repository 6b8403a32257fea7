"""The last line of ``reconciler status``: what the operator must do now, in one sentence. Pure; raises nothing.

Promises: it says "nothing to do" only where no trouble is known, and never that mail flows, which a status can't know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.trees.report import OF_VERIFYING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.passes.status import Status
    from reconciler.state.records import ConclusionLine, FindingLine


def advice(status: Status) -> str:
    """Return what the operator must do, from the value that --json prints."""
    if status.get("lost"):
        return f"fix this now: {status['lost']}"
    troubles = [*(status.get("troubles") or ()), *_found_before_a_pause(status)]
    if not troubles:
        return _next(status, "nothing to do")
    others = f" (and {len(troubles) - 1} more)" if troubles[1:] else ""
    return f"look at this: {troubles[0]}{others}; {_next(status, '')}"


def _found_before_a_pause(status: Status) -> Iterator[str]:
    """Yield that a rollback or a rescue left mail in trouble: during the pause that follows, no pass finds that."""
    last = status["last"]
    if status["phase"]["name"] != "Suspended" or not last or last["revision"] or last["outcome"] != "Applied":
        return
    if any(finding["rule"] in OF_VERIFYING for finding in last["findings"]):
        yield "verification gave warnings when this generation went live; they are listed above"


def bugs(last: ConclusionLine | None) -> list[FindingLine]:
    """Return the bugs in reconciler that ended the last pass."""
    return [finding for finding in (last or {}).get("findings", []) if finding["rule"] == "internal-error"]


def _next(status: Status, nothing: str) -> str:
    """Return what follows from the phase; *nothing* says that nothing is to be done, or is empty if that is unknown."""
    phase, live = status["phase"], status["live"]
    stays = f"generation {live['generation']} is live" if live else "Postfix has its own files"
    calm = f"{nothing}: {stays}" if nothing else stays
    match phase["name"]:
        case "Steady" if live:
            return nothing or stays
        case "Steady":
            return "to adopt: `reconciler plan`, then `reconciler once --adopt`"
        case "Probation" if phase["confirm"]:
            return f"if mail works as it should, run `reconciler confirm`; {stays}"
        case "Probation":
            return calm
        case "Retrying" if bugs(status["last"]):
            return f"tried {phase['attempts']} times, and will be tried again; {stays}; report the bug"
        case "Retrying":
            return f"tried {phase['attempts']} times, and will be tried again: {phase['reason']}"
        case "Refusing":
            return f"{calm}; push a fix; for the findings, run `reconciler log {phase['revision'][:7]}`"
        case "Halted":
            return f"fix this now: {phase['reason']}; then run `reconciler resume`"
        case _:
            return stays
