"""What can go wrong, sorted by who must act.

Each error's text reads ``where: what``, in lower case, with the offending text quoted. Secrets never enter a text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.finding import Finding


class ReconcilerError(Exception):
    """The root of all that reconciler raises on purpose."""


class WithFindings(ReconcilerError):  # noqa: N818 - names say who must act, not that they are errors
    """An error that carries the findings which explain it, never an empty list."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


class InvalidSource(WithFindings):
    """The author must fix the commit: it cannot be read as a desired state."""


class UnsafePlan(WithFindings):
    """The reviewer must confirm: the plan takes away more than a slip of the hand should."""


class CheckFailed(WithFindings):
    """The author must fix the commit: Postfix's own programs refuse the staged generation."""


class CommandFailed(ReconcilerError):  # noqa: N818
    """An outside command ended badly or not in time.

    *status* is its exit status, or None when it had to be ended after its time-out.
    """

    def __init__(self, argv: Sequence[str], status: int | None, stderr: str) -> None:
        how = "timed out" if status is None else f"exited with {status}"
        last = "; ".join(line.strip() for line in stderr.strip().splitlines()[-5:])
        super().__init__(f"{' '.join(argv)}: {how}" + (f": {last}" if last else ""))
        self.argv, self.status, self.stderr = tuple(argv), status, stderr


class Unavailable(ReconcilerError):  # noqa: N818
    """Our own trouble (disk, lock, time-out, a package being installed): postponed and tried again."""


class BadSettings(ReconcilerError):  # noqa: N818
    """The operator must fix reconciler's own settings file."""
