"""The exceptions of reconciler, sorted by the person who must act.

Each error's text reads ``where: what``, in lower case, and quotes the wrong text. No text contains a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.model.finding import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.finding import Finding


class ReconcilerError(Exception):
    """The base class of all errors that reconciler raises on purpose."""


class WithFindings(ReconcilerError):  # noqa: N818 - names tell who must act
    """An error with the findings that explain it; there is at least one. Very many are counted, not kept."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = listed(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class InvalidSource(WithFindings):
    """The author must fix the commit, because it cannot be read as a desired state."""


class UnsafePlan(WithFindings):
    """The reviewer must confirm the plan, because it removes more than a mistake should be able to remove."""


class CheckFailed(WithFindings):
    """The author must fix the commit, because Postfix's own programs refuse the staged generation."""


class Incomplete(CheckFailed):
    """The operator must restore something on this host first: without it, part of the configuration can't be made."""

    what = "the configuration can't be made completely on this host"

    @property
    def reason(self) -> str:
        """Return the first error and the number of the others, on one line."""
        first, *more = (finding for finding in self.findings if finding.is_error)
        others = f" (and {len(more)} more of the kind)" if more else ""
        return f"{self.what}: {first.text}{others}"


class WouldStop(Incomplete):
    """The operator must restore something on this host first: Postfix works now, and its next processes would not."""

    what = "Postfix works and stays untouched, because processes that start now would fail"


class CommandFailed(ReconcilerError):  # noqa: N818
    """An external command failed or timed out.

    *status* is its exit status, or None when it was killed: after its time-out, or for the reason *killed*.
    """

    def __init__(self, argv: Sequence[str], status: int | None, stderr: str, killed: str = "timed out") -> None:
        how = killed if status is None else f"exited with {status}"
        last = "; ".join(line.strip(SPACE) for line in split_lines(stderr.strip(SPACE))[-5:])
        super().__init__(f"{' '.join(argv)}: {how}" + (f": {last}" if last else ""))
        self.argv, self.status, self.stderr = tuple(argv), status, stderr


class Unavailable(ReconcilerError):  # noqa: N818
    """A problem outside the commit (disk, lock, time-out, package installation) postpones the pass."""


class NoDaemon(Unavailable):
    """No daemon runs."""


class SilentDaemon(Unavailable):
    """A daemon that runs did not answer in time."""


class Stopping(Unavailable):
    """The daemon is stopping: it starts no more programs, except to finish an activation that has begun."""


class BadSettings(ReconcilerError):  # noqa: N818
    """The operator must fix the settings file of reconciler."""


class BadFacts(ReconcilerError):  # noqa: N818
    """The operator must gather the facts of a host again: the file can't be read as facts."""
