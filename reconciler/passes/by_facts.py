"""Judge the files of a commit by the facts of another host, on a machine that has no Postfix.

judge_files() finds what the schemas, the rules and the writers of Postfix's files find. It knows no live state, so no
error is excused because it is live too, and no deletion needs a confirmation. Postfix's own programs do not read the
result, nothing is rehearsed, and no secret is decrypted. Raises InvalidSource for files that can't be read, ValueError
for a value that no writer can write.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.desired.budget import Budget
from reconciler.desired.lint import lint, mentioned
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import listed
from reconciler.passes.understand import Understood
from reconciler.trees.render import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Facts, Finding, Mentioned, Tree


@dataclass(frozen=True, slots=True)
class JudgedFiles:
    """The meaning of a commit's files on a host, their findings, and what the facts do not say about that host."""

    understood: Understood
    findings: tuple[Finding, ...]
    unknown: tuple[str, ...]


def judge_files(files: Tree, facts: Facts, templates: Mapping[str, str]) -> JudgedFiles:
    """Return what a commit's files mean on the host that the facts are of."""
    desired = load(files, facts.host, {}, Budget(time.thread_time))
    origin = compose(desired, facts)
    findings = lint(desired, facts, origin, Budget(time.thread_time))
    render(origin, templates)
    unknown = tuple(sorted(set(_unknown(mentioned(origin, facts), facts))))
    return JudgedFiles(Understood(desired, facts, origin), listed(findings), unknown)


def _unknown(asked: Mentioned, facts: Facts) -> Iterator[str]:
    """Yield the files, servers, addresses and tables that the rules ask about and the facts do not know."""
    yield from asked.paths - facts.files.keys()
    yield from asked.pems - facts.pems.keys()
    yield from map(str, asked.servers - facts.answers.keys())
    yield from asked.addresses - facts.names.keys()
    yield from (access.path for access in asked.accesses - facts.accesses.keys())
    yield from (space.folder for space in asked.spaces - facts.spaces.keys())
    yield from (lookup.table for lookup in asked.lookups - facts.lookups.keys())
    yield from asked.hosts - facts.hosts.keys()
    yield from asked.resolvers - facts.resolvers.keys()
