"""What was edited by hand, and what ignore rules say of it: all that a status has to know of hand edits.

Reads only. Raises OSError as the kernel gives it.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from reconciler.host.facts import postfix_facts
from reconciler.postfix.syntax import read_main
from reconciler.state.manifest import PENDING
from reconciler.trees.ignore import holding, limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.apply.edges import Edges
    from reconciler.host.settings import Settings
    from reconciler.state.manifest import Generation
    from reconciler.trees.ignore import Rule


def drift(live: Generation | None, edges: Edges) -> tuple[str, ...]:
    """Return the edited files, and the files with an edit whose ignore rule has ended."""
    names = held(edges.settings.drift_ignore)
    ended = [file_in(name) for name in live.carried if name not in names] if live else []
    return tuple(dict.fromkeys((*edges.generations.drift(), *ended)))


def file_in(name: str) -> str:
    """Return the file of a name in an ignore rule, which may be that of a parameter."""
    return name.partition(":")[0]


def held(rules: Iterable[Rule]) -> set[str]:
    """Return the names in the ignore rules that are in force now."""
    return {rule.what for rule in holding(rules, datetime.now(UTC))}


def ignored(live: Generation | None, rules: Iterable[Rule]) -> list[str]:
    """Return the names that differ from the commit and stay so because of an ignore rule."""
    return sorted({*live.carried} & held(rules)) if live else []


def rules_end(rules: Iterable[Rule]) -> float:
    """Return the seconds until the next ignore rule ends."""
    now = datetime.now(UTC)
    ends = ((rule.until - now).total_seconds() for rule in rules if rule.until > now)
    return min(ends, default=math.inf) + 0.1


def branch(settings: Settings) -> str:
    """Return the branch that keeps the hand edits of a host, or of an instance on it."""
    return f"drift/{settings.label}"


def limits_of(live: Generation | None, edges: Edges) -> Iterator[str]:
    """Yield the limits for `status`: ignore rules without an effect, and edits that are in no commit yet."""
    rules = edges.settings.drift_ignore
    if live and rules:
        known = {*postfix_facts(edges.host, edges.settings).parameters}
        known |= {name.partition(":")[2] for name in live.carried} | read_main(_main(live), "main.cf")[0].keys()
        owned = [path for path, record in live.files.items() if not record.made_from]
        yield from limits(rules, datetime.now(UTC), owned, known)
    where = branch(edges.settings)
    for generation in edges.generations.all():
        if generation.edit == PENDING and (live is None or generation.path != live.path):
            yield f"a hand edit is not on {where} yet and exists only in {generation.root}; the next pass tries again"


def _main(live: Generation) -> str:
    try:
        return (live.root / "main.cf").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
