"""The JSON value of ``reconciler status``, which is stable: later versions add keys. Raises nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from reconciler.state.records import ConclusionLine


class Live(TypedDict):
    """The live generation; *subject* is its commit's, empty if the repository does not hold it."""

    revision: str
    generation: int
    source: str
    subject: str


class StoppedPostfix(TypedDict):
    """When Postfix stopped, in UTC, and by what, as far as it is known, and the command that starts it."""

    at: str | None
    by: str
    start: str


class PostfixState(TypedDict):
    """Whether Postfix runs, its version, and why nothing is known if it can't be asked."""

    running: bool
    version: str
    unknown: str
    stopped: StoppedPostfix | None


class RunningPass(TypedDict):
    """The pass that is running: its step, and the seconds since it began."""

    step: str
    seconds: float


class Running(TypedDict):
    """Whether a companion works, and why not."""

    running: bool
    why: str | None


class Waiting(TypedDict):
    """A reason why mail waits in the queue, and the number of messages."""

    why: str
    messages: int


class Branch(TypedDict):
    """The branch: *tip* is its commit, *ahead* the number of commits after the one in force.

    *outcome* and *at*, in UTC, are those of the last pass for the tip; both are empty if no pass has looked at it.
    *problem* says why the branch can't be read, and is empty if it can be.
    """

    name: str
    tip: str
    subject: str
    ahead: int
    outcome: str
    at: str
    repository: str
    problem: str


class RemoteState(TypedDict):
    """The remote that the branch is fetched from, and when that last worked, in UTC; None if it never did.

    *problem* says why it is not followed now, empty if it is, and *next* what to do about it. *since* is when that
    began, in UTC, if it may end by itself, and None if a person must act.
    """

    url: str
    at: str | None
    problem: str
    since: str | None
    next: str


class Due(TypedDict):
    """A task that is due, and the command or the advice for it."""

    text: str
    next: str


class Verdict(TypedDict):
    """The answer to "must I act?": *text* is the most urgent reason, *also* has the others, *next* is the command."""

    level: str
    text: str
    also: list[str]
    next: str


class Status(TypedDict):
    """The JSON value that ``status --json`` prints; the keys of phase, dkim and refused come from their modules."""

    host: str
    instance: str
    verdict: Verdict
    phase: dict[str, Any]
    since: str | None
    working: RunningPass | None
    branch: Branch
    remote: RemoteState | None
    before: int | None
    live: Live | None
    lost: str | None
    troubles: list[str]
    last: ConclusionLine | None
    drift: list[str]
    ignored: list[str]
    postfix: PostfixState
    queue: list[Waiting]
    companions: dict[str, Running]
    left_out: dict[str, str]
    due: list[Due]
    dkim: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    daemon: bool
    limits: list[str]
