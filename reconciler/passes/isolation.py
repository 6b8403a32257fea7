"""One site's error leaves out that site's change, instead of refusing the commit for all.

A site is at fault for an error if its files differ from what is live, and putting the live ones back removes the error.
So of two sites that claim one domain, the one that has it live is never at fault; if neither has it, both are. All
errors must be a site's fault; otherwise the commit is refused as a whole. An error that postmap or a rehearsal finds is
a site's fault only if it names a file of that site.

Raises what the attempt raises, CheckFailed for the errors of a site that may not be left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from reconciler.features.site_files import number_of, site_of
from reconciler.model import errors_in
from reconciler.model.errors import CheckFailed, Incomplete, InvalidSource, WithFindings
from reconciler.passes.apart import RULE, Apart, files_by_site
from reconciler.passes.judge import judge, permit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.model import Finding, Revision
    from reconciler.passes.judge import LiveCommit

T = TypeVar("T")
_MOST = 10  # sites that are put back one by one to find the cause of an error that names none of them
_TRIES = 20  # judgments of one commit that may look for who is at fault
_Key = tuple[str, str, frozenset[str]]


def nobody(_: str) -> bool:
    """Return False: a pass may leave out any site."""
    return False


@dataclass(frozen=True, slots=True)
class Isolation:
    """The attempts at a commit; *refuses* returns whether an error of that site refuses the commit nonetheless."""

    revision: Revision
    edges: Edges
    live: LiveCommit
    refuses: Callable[[str], bool] = nobody
    _found: dict[tuple[str, ...], set[_Key]] = field(default_factory=dict)

    def run(self, attempt: Callable[[Apart], T]) -> T:
        """Return the result of *attempt* with the fewest sites left out that lets it succeed."""
        apart = Apart()
        while True:
            try:
                return attempt(apart)
            except Incomplete:
                raise  # no site is at fault for what this host has lost
            except WithFindings as error:
                faults = self._faults(errors_in(error.findings), apart)
                if not faults and not apart.kept:
                    raise
                if not faults:
                    found = [*(one for _, one in apart.errors), *(one for one in error.findings if one.rule != RULE)]
                    raise CheckFailed(list(dict.fromkeys(found))) from error
                own = [finding for site, finding in faults if self.refuses(site)]
                if own:
                    raise CheckFailed([*own, *(one for one in error.findings if not one.is_error)]) from error
                apart = Apart(self._without(apart, {site for site, _ in faults}), (*apart.errors, *faults))

    def _without(self, apart: Apart, sites: Collection[str]) -> dict[str, str]:
        """Return Apart.kept with more sites left out."""
        (oid, known), theirs = self.live.commit, files_by_site(self.live.files)
        kept = {name: known.get(name, oid) if name in theirs else "" for name in sites}
        return dict(sorted({**apart.kept, **kept}.items(), key=lambda item: number_of(item[0])))

    # ---- who is at fault ---------------------------------------------------------------------------------------------

    def _faults(self, errors: Iterable[Finding], apart: Apart) -> list[tuple[str, Finding]]:
        """Return each error with each site that is at fault for it; nothing if one error is no site's fault."""
        if not self.live.files:
            return []
        changed = self._changed(apart)
        faults: list[tuple[str, Finding]] = []
        for error in errors:
            sites = self._at_fault(error, changed, apart)
            if not sites:
                return []
            faults += [(site, _at_site(error, site)) for site in sites]
        return faults

    def _at_fault(self, error: Finding, changed: set[str], apart: Apart) -> list[str]:
        named = {site_of(where.file) for where in (error.where, error.also) if where}
        suspects = sorted(named & changed, key=number_of)
        if len(suspects) == 1:
            return suspects
        if not suspects and len(changed) <= _MOST:
            suspects = sorted(changed, key=number_of)
        key = _key(error)
        if not suspects or len(self._found) > _TRIES or key not in self._errors(apart.kept):
            return []  # postmap or a rehearsal found it, and asking them about each site would take too long
        return [site for site in suspects if key not in self._errors(self._without(apart, {site}))]

    def _errors(self, kept: Mapping[str, str]) -> set[_Key]:
        """Return the errors that the rules find in the commit without these sites."""
        name = tuple(kept)
        if name not in self._found:
            self._found[name] = self._judged(kept)
        return self._found[name]

    def _judged(self, kept: Mapping[str, str]) -> set[_Key]:
        try:
            permit(judge(self.revision, self.edges, self.live, apart=Apart(kept)), self.live, self.edges.repo)
        except WithFindings as error:
            return {_key(one) for one in errors_in(error.findings)}
        return set()

    def _changed(self, apart: Apart) -> set[str]:
        """Return the sites that are in the commit and whose files differ from those that are live."""
        return _differing(_sites_in(self.revision, self.edges), files_by_site(self.live.files)) - apart.kept.keys()


def brought_by(revision: Revision, base: Revision | None, edges: Edges) -> Callable[[str], bool]:
    """Return whether a push from *base* to a commit changes a site; without *base*, every site counts as changed."""
    if base is None:
        return lambda _: True
    changed: list[set[str]] = []

    def brings(site: str) -> bool:
        if not changed:
            changed.append(_differing(_sites_in(revision, edges), _sites_in(base, edges)))
        return site in changed[0]

    return brings


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> set[str]:
    return {site for site in {*one, *other} if one.get(site) != other.get(site)}


def _sites_in(revision: Revision, edges: Edges) -> dict[str, object]:
    """Return the files of each site in a commit, or the findings of a site whose files can't be read."""
    unreadable: dict[str, object] = {}

    def is_unreadable(path: str) -> bool:
        return site_of(path) in unreadable

    while True:
        try:
            return {**files_by_site(edges.repo.read(revision, is_unreadable)), **unreadable}
        except InvalidSource as error:
            sites = {site_of(one.where.file) for one in error.findings} - {""}
            if sites <= unreadable.keys():
                return unreadable
            unreadable |= {site: [one for one in error.findings if site_of(one.where.file) == site] for site in sites}


def _key(error: Finding) -> _Key:
    """Return what stays the same when lines move; of three claims to one thing, each pair is an error of its own."""
    return error.rule, error.subject, frozenset(where.file for where in (error.where, error.also) if where)


def _at_site(error: Finding, site: str) -> Finding:
    """Return an error about two places with the one in that site first."""
    if error.also and site_of(error.where.file) != site == site_of(error.also.file):
        return replace(error, where=error.also, also=error.where)
    return error
