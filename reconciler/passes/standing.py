"""The standing warnings: those that the pass found that made what is live, or looked at it last.

They are no news for the author of the next commit. Promises: a warning counts as the same if its rule, its subject and
its text are; its line may differ. Not among them is what says that this host does not follow a commit, or that mail
fails now. Raises nothing: without a readable journal, no warning is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired.lint import SAME
from reconciler.model import Applied, Unchanged
from reconciler.model.errors import ReconcilerError
from reconciler.passes.apart import RULE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.apply.edges import Edges
    from reconciler.model import Finding
    from reconciler.model.finding import Told
    from reconciler.state.records import Conclusion

_EACH_TIME = frozenset({RULE, "left-alone"})


def standing(edges: Edges) -> frozenset[Told]:
    """Return the warnings that were true of what is live when a pass last judged it, as Finding.told has them."""
    try:
        live = edges.generations.live()
        return standing_in(edges.journal.conclusions(), live.number) if live else frozenset()
    except (ReconcilerError, OSError):
        return frozenset()


def standing_in(conclusions: Iterable[Conclusion], generation: int) -> frozenset[Told]:
    """Return them from the conclusions, newest first, while that *generation* is live.

    One that says *why* is not of a pass that judged a whole commit: a certificate, a confirmation, a rollback.
    """
    for one in conclusions:
        judged = isinstance(one.outcome, Applied | Unchanged) and one.revision and not one.why
        if judged and one.about and one.about.generation == generation:
            return frozenset(finding.told for finding in getattr(one.outcome, "findings", ()) if _stands(finding))
    return frozenset()


def _stands(finding: Finding) -> bool:
    return not (finding.is_error or finding.rule in _EACH_TIME or finding.text.endswith(f"({SAME})"))
