"""Ask Postfix whether it takes mail after a rollback or a rescue, and again for as long as it does not.

No check precedes a way back, and nothing excuses what it left: mail that waits or is refused is an error on record. It
blocks nothing, because it is asked for only when the way back is on record as well. Raises OSError when the journal
can't be written; a Postfix that can't be asked gives no answer.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.apply.activate import ask_for_mail
from reconciler.desired.lint import identity
from reconciler.model import Applied, Unchanged
from reconciler.model.errors import ReconcilerError
from reconciler.model.phase import Wake
from reconciler.passes.placed import at_source
from reconciler.passes.record import concluded
from reconciler.trees.report import OF_VERIFYING

if TYPE_CHECKING:
    from reconciler.apply.edges import Edges
    from reconciler.model import Finding
    from reconciler.passes.record import Passed
    from reconciler.state.records import Conclusion

_ASKED = "; mail was asked for"
_AFTER = "it is so after the way back"


def after_return(passed: Passed, edges: Edges) -> None:
    """Ask for mail after a way back that is on record; record the trouble, and add it to the result as a warning."""
    if not isinstance(passed.outcome, Applied) or passed.conclusion is None:
        return
    found, told = _asked(edges)
    with suppress(OSError):  # status tells of a disk that is full
        _record(found, passed.conclusion, Wake.OPERATOR, edges)
    warnings = (one.as_warning(_AFTER) if one.is_error else one for one in found)
    verified = told or passed.outcome.verified
    passed.outcome = replace(passed.outcome, findings=(*passed.outcome.findings, *warnings), verified=verified)
    passed.conclusion = replace(passed.conclusion, outcome=passed.outcome)


def look_again(edges: Edges) -> None:
    """Ask again in a pause, if mail was in trouble when it was asked for last; record what has changed."""
    last = edges.journal.last()
    if last is None or not left_in_trouble(last):
        return
    found, told = _asked(edges)
    before = getattr(last.outcome, "findings", ())
    if (found or told) and {*map(identity, found)} != {identity(one) for one in before if one.rule in OF_VERIFYING}:
        _record(found, last, Wake.TIMER, edges, is_over=not found)


def left_in_trouble(last: Conclusion) -> bool:
    """Return whether the last entry on record is a way back, or a look after one, that found mail in trouble."""
    found = last.outcome.findings if isinstance(last.outcome, Applied | Unchanged) else ()
    return not last.revision and any(one.rule in OF_VERIFYING for one in found)


def _asked(edges: Edges) -> tuple[tuple[Finding, ...], str]:
    """Return what Postfix says of trouble, at its place in the desired state, and what was verified."""
    edges.say("ask for mail")
    try:
        verified = ask_for_mail(edges)
        placed = at_source(Unchanged(verified.findings), edges.generations.live(), edges)
    except (ReconcilerError, OSError):  # status says that Postfix can't be asked
        return (), ""
    return getattr(placed, "findings", ()), verified.told


def _record(found: tuple[Finding, ...], of: Conclusion, wake: Wake, edges: Edges, *, is_over: bool = False) -> None:
    """Record a look at mail; its reason begins as that of the way back, which tells the phase after it."""
    if found or is_over:
        why = of.why.partition(_ASKED)[0] + _ASKED
        edges.journal.conclude(concluded(Unchanged(found), "", edges, wake, why=why))
