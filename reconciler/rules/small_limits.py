"""A limit that nearly every message exceeds refuses nearly all mail. Raises nothing.

Known limit: the bounds are those of ordinary mail, which has some headers, a few lines and a few hops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Severity, nothing_mentioned
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.numbers import as_number
from reconciler.postfix.scopes import scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding


class _Least(NamedTuple):
    """Below *never* all mail is refused, and below *seldom* much of it; *unit* explains the number."""

    never: int
    seldom: int
    unit: str
    then: str
    has_zero: bool = True


_BOUNDS = {
    "message_size_limit": _Least(2000, 100_000, "bytes", "larger messages are refused with 552"),
    "hopcount_limit": _Least(4, 12, "Received headers", "messages with more bounce (too many hops)", has_zero=False),
    "header_size_limit": _Least(200, 1000, "bytes", "the rest of longer headers is lost", has_zero=False),
    "smtpd_recipient_limit": _Least(2, 100, "recipients of a message", "RFC 5321 expects 100", has_zero=False),
}


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that ordinary mail is within each limit."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            bounds, text = _BOUNDS.get(parameter.name), scope.expanded(parameter.value) or ""
            if not bounds or not is_digits(text) or as_number(text) >= bounds.seldom:
                continue
            number = as_number(text)
            if number == 0 and bounds.has_zero:
                continue
            sure = number < bounds.never
            hint = (
                f"; did you mean {number} MB, which is {number * 1024 * 1024}?"
                if bounds.unit == "bytes" and sure
                else ""
            )
            much = "nearly all" if sure else "much"
            what = f"{parameter.name} is {text} {bounds.unit}: {much} mail exceeds it, and {bounds.then}{hint}"
            yield scope.finding("small-limit", parameter, what, severity=Severity.ERROR if sure else Severity.WARNING)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "small-limit": (
        "A limit is smaller than ordinary mail: a size in megabytes was written where Postfix counts bytes, or a "
        "number of hops that every message has. Nearly all mail would be refused or damaged. Write a larger number."
    ),
}
