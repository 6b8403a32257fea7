"""Understand a commit: load it, compose its features, and gather the facts of this host that it refers to.

Promises: understand() and as_found() change nothing; composed() asks no server. Raise InvalidSource for what can't be
read, and CommandFailed or OSError when the host's facts can't be gathered.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from reconciler.desired.budget import Budget
from reconciler.desired.flows import Flows
from reconciler.desired.lint import mentioned
from reconciler.desired.load import load
from reconciler.features import baseline
from reconciler.features.composition import compose
from reconciler.features.sites import reverse_names
from reconciler.host.facts import FromOthers, gather, gather_again
from reconciler.model import Contribution, Desired, Facts, Mentioned
from reconciler.model.errors import Incomplete
from reconciler.passes.apart import files_of
from reconciler.passes.inherited import inherited
from reconciler.postfix.target_facts import without_files
from reconciler.repository.secrets import open_secrets, unsound_recipients

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from reconciler.apply.edges import Edges
    from reconciler.model import Revision, Tree


class Understood(NamedTuple):
    """The desired state of a commit, the facts that it refers to, and the settings that the features make of both."""

    desired: Desired
    facts: Facts
    origin: Contribution

    @property
    def flows(self) -> int:
        """How many mail-flow tests the commit brings for this host."""
        flows = self.desired.section(Flows)
        return len(flows.all) if flows else 0


def understand(
    revision: Revision, edges: Edges, kept: Mapping[str, str] | None = None, gathered: list[Facts] | None = None
) -> Understood:
    """Load a commit, compose its features, and gather the facts that it refers to; *kept* as in files_of().

    The facts are added to those that were *gathered* in this pass, of whose answers none is asked for again.
    """
    return asked(composed(revision, edges, kept), edges, gathered)


def composed(revision: Revision, edges: Edges, kept: Mapping[str, str] | None = None) -> Understood:
    """Load a commit and compose its features by the facts of this host alone, which takes no question to others."""
    files = files_of(revision, edges, kept)
    secrets, unopened = open_secrets(files, edges.settings.identity)
    desired = load(files, edges.settings.host, secrets, Budget(time.thread_time))
    lacking = (replace(one, excusable=one.subject not in desired.needed) for one in unopened)
    desired = replace(desired, findings=(*desired.findings, *lacking, *unsound_recipients(files)))
    return merged(desired, edges)


def facts_here(edges: Edges) -> Facts:
    """Return the facts of this host alone, which take no question to others."""
    return gather(edges.host, edges.settings, Mentioned(frozenset({baseline.ALIASES})))


def merged(desired: Desired, edges: Edges) -> Understood:
    """Compose the features of what was loaded, by the facts of this host alone."""
    facts = facts_here(edges)
    return Understood(desired, facts, compose(desired, facts))


def asked(understood: Understood, edges: Edges, gathered: list[Facts] | None) -> Understood:
    """Return what was understood of a commit with the facts that it refers to, as they are without what is live."""
    known = _asked(understood, edges, gathered)
    return known._replace(facts=without_files(known.facts, _owned(known.facts, edges)))


def asked_again(before: Facts, edges: Edges, *, ask: bool, known: Sequence[Facts | FromOthers] = ()) -> Facts:
    """Return the facts of asked() or as_found() as they are now; *ask* and *known* as in gather_again().

    What is live counts as it did: as_found() has its files, and asked() does not.
    """
    facts = gather_again(edges.host, edges.settings, before, ask=ask, known=known)
    gone = {path for path, there in before.files.items() if not there}
    return without_files(facts, [path for path in _owned(facts, edges) if path in gone])


def _owned(facts: Facts, edges: Edges) -> Collection[str]:
    """Return the paths of the files, and of the links to them, that only what is live brings."""
    if (live := edges.generations.live()) is None:
        return ()
    files = [f"{facts.directory}/{path}" for path in live.files]
    return *files, *edges.generations.outer_links.brought(live)


def _asked(understood: Understood, edges: Edges, gathered: list[Facts] | None) -> Understood:
    named, right = mentioned(understood.origin, understood.facts), right_names(understood.desired, edges)
    known = [*(gathered or ()), *([right] if right.names else ())]
    facts = gather(edges.host, edges.settings, named, known)
    edges.names.learn(facts.names)
    if gathered is not None:
        gathered.append(facts)
    return understood._replace(facts=facts)


def right_names(desired: Desired, edges: Edges) -> FromOthers:
    """Return the reverse names that were those which a commit needs a while ago, and need not be asked for."""
    return FromOthers(names=edges.names.right(reverse_names(desired)))


def complete(understood: Understood) -> Understood:
    """Return what was understood; raise Incomplete if a secret that it needs could not be opened."""
    if lacking := [one for one in understood.desired.findings if one.is_error and not one.excusable]:
        raise Incomplete(lacking)
    return understood


def as_found(edges: Edges, tree: Tree | None = None, gathered: list[Facts] | None = None) -> Understood:
    """Read what is live, or the files of *tree*, without a commit, and gather facts as understand() does."""
    known = gather(edges.host, edges.settings)
    desired, origin = inherited(edges, known, tree)
    return _asked(Understood(desired, known, origin), edges, gathered)
