"""Build the JSON value of ``reconciler status`` from the records on disk and from the state of Postfix.

Raises OSError when the caller may not read the state. Any other missing information is a limit, not an error.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from reconciler.features.lockdown_names import NAME as LOCKDOWN
from reconciler.features.site_files import site_of
from reconciler.host import disk, queue
from reconciler.host.maillog import open_log
from reconciler.host.mounts import mounts_in
from reconciler.host.programs import nftables, postconf, postfix, postqueue
from reconciler.host.stopped import stopped
from reconciler.model import Applied, Unchanged, printable
from reconciler.model.errors import CommandFailed, ReconcilerError
from reconciler.model.phase import Probation, Steady, left, on_probation, probation_of
from reconciler.passes import probation_now
from reconciler.passes.apart import files_of
from reconciler.passes.branch import branch_of, known_revision
from reconciler.passes.drift import drift, ignored, limits_of
from reconciler.passes.due import due
from reconciler.passes.fetch import remote_state
from reconciler.passes.internal_error import internal_errors
from reconciler.passes.named_files import named
from reconciler.passes.pending_removals import waiting
from reconciler.passes.status_value import Live, PostfixState, Running, Status, StoppedPostfix, Verdict, Waiting
from reconciler.passes.verdict import LATE, verdict
from reconciler.postfix.log import steady
from reconciler.rehearsal import possible
from reconciler.state.phases import phase_line
from reconciler.state.records import conclusion_line
from reconciler.trees.report import probation_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.features.dkim.rolling import Standing
    from reconciler.model import Tree
    from reconciler.model.phase import Phase
    from reconciler.passes.status_value import RunningPass
    from reconciler.state.manifest import Generation
    from reconciler.state.records import Conclusion, ConclusionLine

MOST_QUEUED, MOST_REASONS, MOST_SHOWN = 1000, 3, 5
PATIENCE = 6.0
"""Seconds for all programs that are asked about the current state: clients of the daemon wait ten."""
UNKNOWN = "can't query Postfix"
_OF_PROBATION = ("generation", "until", "revision", "confirm")
_HELD = "on hold, until `postsuper -H` releases it"
UNJUDGED = Verdict(level="", text="", also=[], next="")
_TOLERANCE = timedelta(seconds=3)  # the clocks are not read at the same instant
SHOWN = (
    "outcome",
    "revision",
    "at",
    "seconds",
    "findings",
    "reason",
    "by",
    "left_out",
    "author",
    "subject",
    "drift",
    "drift_by",
    "left_alone",
    "kept",
    "kept_on",
    "not_kept",
    "revived",
    "started",
    "why",
    "wake",
)


class Known(NamedTuple):
    """What the daemon knows: the limits on this host, the troubles, which need an operator, and the running pass.

    *certificates* are the files that the live configuration names; None if they have to be looked up. *unanswered* says
    that a daemon runs, but did not answer.
    """

    limits: tuple[str, ...] = ()
    troubles: tuple[str, ...] = ()
    certificates: frozenset[str] | None = None
    working: RunningPass | None = None
    unanswered: str = ""


def status(edges: Edges, known: Known, *, daemon: bool) -> Status:
    """Return phase, live generation, last outcome, drift, Postfix's state, and the limits on this host."""
    without = _rehearsal(edges)  # first, because its answer is kept, and must not depend on the time that is left
    with edges.host.within(PATIENCE):
        if not daemon:
            silent = (known.unanswered,) if known.unanswered else ()
            known = known._replace(troubles=(*known.troubles, *_faults(edges), *silent))
        seen = _status(edges, known, without, daemon=daemon or bool(known.unanswered))
    return {**seen, "verdict": verdict(seen, datetime.now(UTC))}


def _faults(edges: Edges) -> list[str]:
    """Return what is wrong now with what is live, in a phase in which no pass finds it."""
    if isinstance(edges.journal.phase(), Steady | Probation):
        return []
    from reconciler.passes.faults_now import FaultsNow, told  # noqa: PLC0415 - it judges, which takes all rules

    return [told(fault) for fault in FaultsNow(edges).faults()]


def _status(edges: Edges, known: Known, without: list[str], *, daemon: bool) -> Status:
    generations, now = edges.generations, datetime.now(UTC)
    last = edges.journal.last()  # before live and phase: a pass that ends meanwhile is never shown without its results
    live = generations.live()
    running, more = _postfix(edges)
    phase, before = _phase(edges)
    refused, unknown = _refused(live, edges)
    in_force = _in_force(live.revision if live else "", last)
    files = _files(edges, in_force)
    keys = _dkim(files, edges)
    return {
        "host": edges.settings.host,
        "instance": edges.settings.instance,
        "verdict": UNJUDGED,
        "phase": phase_data(phase),
        "since": _utc(edges.journal.phase_since()),
        "working": known.working,
        "branch": branch_of(edges, in_force, last),
        "remote": remote_state(edges),
        "before": before,
        "live": _live(live, edges),
        "lost": generations.place_of_link.taken or generations.lost or None,
        "troubles": [*filter(None, map(disk.trouble, _written(edges))), *known.troubles],
        "last": shown(last) if last else None,
        "drift": list(drift(live, edges)),
        "ignored": ignored(live, edges.settings.drift_ignore),
        "postfix": running,
        "queue": _queue(edges),
        "companions": _companions(edges),
        "left_out": dict(_left_out(live, last)),
        "due": due(_certificates(edges, known), keys, now, edges.host) if live else [],
        "dkim": [{**one.data, "text": str(one)} for one in keys],
        "refused": refused,
        "daemon": daemon,
        "limits": [
            *known.limits,
            *more,
            *unknown,
            *edges.repo.limits,
            *limits_of(live, edges),
            *without,
            *waiting(edges),
            *_records(edges),
            *_sites(files),
        ],
    }


def _utc(time: datetime | None) -> str | None:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}" if time else None


def _live(live: Generation | None, edges: Edges) -> Live | None:
    if live is None:
        return None
    commit = known_revision(live.revision, edges) if live.revision else None
    subject = printable(commit.subject) if commit else ""
    return Live(revision=live.revision, generation=live.number, source=str(live.source), subject=subject)


def _written(edges: Edges) -> Iterator[Path]:
    """Yield the folders that reconciler and Postfix must be able to write to."""
    yield edges.generations.private
    with suppress(ReconcilerError, OSError):
        yield Path(edges.postfix().values["queue_directory"])


def _certificates(edges: Edges, known: Known) -> Iterable[str]:
    if known.certificates is not None:
        return known.certificates
    try:
        return named(edges).files
    except (ReconcilerError, OSError):  # Postfix can't be asked, and the verdict says so
        return ()


def shown(last: Conclusion) -> ConclusionLine:
    """Return the last conclusion without its empty keys."""
    line: Mapping[str, object] = conclusion_line(last)
    return cast("ConclusionLine", {key: line[key] for key in SHOWN if line.get(key) is not None})


def phase_data(phase: Phase) -> dict[str, Any]:
    """Return the phase as JSON: its name and its fields; of a probation only the public fields."""
    data = phase_line(phase)
    if isinstance(phase, Probation):
        return {key: data[key] for key in ("name", *_OF_PROBATION)}
    running = data.pop("probation", None)
    return data | ({"probation": {key: running[key] for key in _OF_PROBATION}} if running else {})


def _in_force(live: str, last: Conclusion | None) -> str:
    """Return the commit in force: one that changed nothing on this host has no generation named after it."""
    return last.revision if last and isinstance(last.outcome, Unchanged) and last.revision else live


def _files(edges: Edges, revision: str) -> Tree:
    """Return the files of the commit in force; none when it can't be read any more."""
    try:
        return files_of(edges.repo.revision(revision), edges) if revision else {}
    except ReconcilerError:
        return {}


def _left_out(live: Generation | None, last: Conclusion | None) -> Mapping[str, str]:
    """Return the sites that are left out, each with the commit that it keeps its files from."""
    if last and isinstance(last.outcome, Applied | Unchanged) and last.revision:
        return last.outcome.left_out
    return live.kept if live else {}


def _sites(files: Tree) -> Iterator[str]:
    if any(map(site_of, files)):
        yield "sites/ is no security boundary: who may change a site's files may change the mail of the whole host"


def _dkim(files: Tree, edges: Edges) -> list[Standing]:
    """Return the state of each DKIM key that the commit in force names; one without DKIM is not loaded."""
    try:
        paths = ("mail.yaml", f"hosts/{edges.settings.host}.yaml")
        written = b"".join(files[path].read() for path in paths if path in files)
        if b"dkim" not in written and b"\\" not in written:  # a backslash may be an escape in the section's name
            return []
        from reconciler.passes.dkim_keys import standing  # noqa: PLC0415 - to load a commit takes all features

        with internal_errors():
            return standing(files, edges.settings.host, datetime.now(UTC))
    except ReconcilerError:
        return []


def _queue(edges: Edges) -> list[Waiting]:
    """Return why mail waits in the queue, the most frequent reason first; only the head of a long queue is read."""
    try:
        if not queue.is_held_up(edges.postfix().queue_directory):
            return []
        messages = postqueue.queued(edges.host, edges.settings.config_directory, MOST_QUEUED)
    except (ReconcilerError, OSError, ValueError):
        return []
    kinds: dict[str, list[tuple[str, int]]] = {}
    for why, count in postqueue.reasons(messages).items():
        kinds.setdefault(steady(why), []).append((why, count))
    told = [(sum(count for _, count in one), printable(one[0][0])) for one in kinds.values()]
    waiting = [Waiting(why=why, messages=count) for count, why in sorted(told, reverse=True)[:MOST_REASONS]]
    held = postqueue.held(messages)
    return [*waiting, *([Waiting(why=_HELD, messages=held)] if held else [])]


def _refused(live: Generation | None, edges: Edges) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the users whose connections the lockdown refused, and why that is unknown."""
    if live is None or LOCKDOWN not in live.companions:
        return [], []
    try:
        return [one._asdict() for one in nftables.refused(edges.host)], []
    except (ReconcilerError, OSError) as error:
        return [], [f"can't query the lockdown: {error}"]


def _rehearsal(edges: Edges) -> list[str]:
    if edges.settings.rehearsal == "off":
        return ["rehearsal off: rehearsal.mode is off in the settings"]
    why = possible.limit(edges.host)
    return [why] if why else _unseen(edges)


def _unseen(edges: Edges) -> list[str]:
    """Return the limit that the live configuration names tables which a rehearsal does not show as they are."""
    texts = []
    for name in (postconf.MAIN, postconf.MASTER):
        with suppress(OSError):
            texts.append((edges.settings.config_directory / name).read_text("utf-8", "surrogateescape"))
    closed = possible.closed_tables("\n".join(texts))
    named = ", ".join(closed[:MOST_SHOWN]) + (", ..." if closed[MOST_SHOWN:] else "")
    return [f"a rehearsal has empty tables for those that only root may read: {named}"] if closed else []


def _records(edges: Edges) -> list[str]:
    """Return what is damaged in the records, and what is missing for a rescue."""
    intent = edges.journal.open_intent()
    elsewhere = intent and intent.before and not edges.generations.holds(intent.before)
    odd = f"the last intent in {edges.journal.path} names no generation of this host and is ignored"
    live = edges.generations.live()
    mounted = [f"{point} is a mount point; its files are copied into each generation" for point in _mounts(live)]
    return [*edges.journal.limits(), *([odd] if elsewhere else []), *edges.generations.limits(), *mounted]


def _mounts(live: Generation | None) -> list[Path]:
    return mounts_in(live.path) if live else []


def _companions(edges: Edges) -> dict[str, Running]:
    """Return whether each companion works, and the reason if it does not."""
    live, companions = edges.generations.live(), edges.generations.companions
    silent = companions.silent(live)
    names = sorted(live.companions) if live else []
    return {name: {"running": name not in silent, "why": silent.get(name)} for name in names}


def provisional(edges: Edges) -> list[str]:
    """Return the line for the author of a change: that it is provisional, and until when."""
    phase, _ = _phase(edges)
    return [probation_line(phase_data(phase))] if isinstance(phase, Probation) else []


def _phase(edges: Edges) -> tuple[Phase, int | None]:
    """Return the phase with a probation's end on the current clock, and the generation a rollback would return to."""
    try:
        phase = probation_now.current(edges)  # a rollback is on record before the phase that follows from it
    except (ReconcilerError, OSError):  # Postfix's own log can't be found
        phase = edges.journal.phase()
    running = probation_of(phase)
    if running is None:
        return phase, None
    remaining = timedelta(seconds=left(running, probation_now.clock()))
    until = datetime.now(UTC).replace(microsecond=0) + remaining
    old = probation_now.way_back(running, edges)
    drifted = abs(until - running.until) > _TOLERANCE
    shown = replace(running, until=until.replace(microsecond=0)) if drifted else running
    return on_probation(phase, shown), old.number if old else None


def _postfix(edges: Edges) -> tuple[PostfixState, list[str]]:
    """Return the state of Postfix, and the limits of its log."""
    try:
        instance = edges.postfix()
        log = open_log(edges.host, instance.values)
        running = postfix.running(instance) is not None
        state = PostfixState(
            running=running,
            version=instance.values["mail_version"],
            unknown="",
            stopped=None if running else _stopped(edges, instance),
        )
    except (ReconcilerError, OSError) as error:
        why = why_unknown(error)
        return PostfixState(running=False, version="", unknown=why, stopped=None), [f"{UNKNOWN}: {why}"]
    return state, [log.limit] if log.limit else []


def why_unknown(error: Exception) -> str:
    """Return why Postfix's state is unknown; a program that had too little time says nothing about a configuration."""
    is_late = isinstance(error, CommandFailed) and error.status is None and "timed out" in str(error)
    return f"{str(error).partition(' ')[0]} {LATE}" if is_late else str(error)


def _stopped(edges: Edges, instance: postfix.Instance) -> StoppedPostfix | None:
    try:
        end = stopped(edges.host, instance)
    except (ReconcilerError, OSError):
        return None
    return StoppedPostfix(at=_utc(end.at), by=end.by, start=end.start)
