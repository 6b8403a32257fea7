"""Lists of networks and clients: ``mynetworks`` and its kin.

A pattern that Postfix can't parse makes the whole list fail: 451 for everybody (match_hostaddr in match_ops.c). Raises
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.networks import NETWORK_LISTS, problem_of
from reconciler.postfix.scopes import scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter
    from reconciler.postfix.scopes import Scope


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Every network can be parsed."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name in NETWORK_LISTS:
                yield from _bad_networks(scope, parameter)


def _bad_networks(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for word in words(scope.expanded(parameter.value) or ""):
        problem, _, hint = (problem_of(word.lstrip("!")) or "").partition(";")
        if problem:
            then = "" if "match nobody" in problem else ": Postfix would answer 451 to everybody"
            what = f'{parameter.name}: "{word}" {problem}{then}{hint and ";" + hint}'
            yield scope.finding("bad-network", parameter, what, word)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "bad-network": (
        "A list or table of networks holds one that Postfix can't read, or that has bits set beyond its prefix. "
        "Postfix skips it with a warning, or answers 451 to everybody. Write ADDRESS or NETWORK/PREFIX, with IPv6 "
        "in brackets in lists."
    ),
}
