"""Lists of networks and clients, such as ``mynetworks``, must hold only patterns that Postfix can parse.

A pattern that it can't parse makes the whole list fail: 451 for every client (match_hostaddr in match_ops.c). Raises
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
    """Check that Postfix can parse each network."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name in NETWORK_LISTS:
                yield from _bad_networks(scope, parameter)


def _bad_networks(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for word in words(scope.expanded(parameter.value) or ""):
        problem, _, hint = (problem_of(word.lstrip("!")) or "").partition(";")
        if problem:
            then = "" if " match " in problem else ": Postfix would answer 451 to every client"
            what = f'{parameter.name}: "{word}" {problem}{then}{hint and ";" + hint}'
            yield scope.finding("bad-network", parameter, what, word)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "bad-network": (
        "A list or table of networks holds an entry that Postfix can't read, or that has bits set beyond its prefix. "
        "Postfix skips it with a warning, or answers 451 to every client. Write ADDRESS or NETWORK/PREFIX. In lists, "
        "write IPv6 in brackets."
    ),
}
