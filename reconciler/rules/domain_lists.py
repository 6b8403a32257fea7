"""The domains in a list of main.cf must have a form that Postfix compares: no star, no address, a dot where it counts.

A list of own domains holds whole names. A list of domains to relay for also takes what is below a name: without a
dot in front of it while parent_domain_matches_subdomains holds the list, and with one otherwise. Raises nothing.

Known limit: the words of a list in an outside file are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import meant, nothing_mentioned
from reconciler.postfix.networks import NETWORK_LISTS
from reconciler.postfix.references import tables_in
from reconciler.postfix.scopes import FILE, PARENTS, Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_WHOLE = frozenset({"mydestination", "virtual_alias_domains", "virtual_mailbox_domains"})
_WITH_PARENTS = frozenset({"relay_domains", "fast_flush_domains"})
_SUFFIXES = frozenset({"masquerade_domains"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each domain of a list can match."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name in _WHOLE | _WITH_PARENTS | _SUFFIXES | NETWORK_LISTS:
                yield from _useless(scope, parameter)


def _useless(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    listed = words(scope.expanded(parameter.value) or "")
    for word in dict.fromkeys(listed):
        plain = word.lstrip("!")
        if plain.startswith(FILE) or any(tables_in(plain)):
            continue
        problem, instead = _why_useless(scope, parameter.name, plain.lower())
        if problem and instead not in map(str.lower, listed):
            what = f'{parameter.name}: "{word}" never matches: {problem}{meant(instead)}'
            yield scope.finding("domain-never-matches", parameter, what, word)


def _why_useless(scope: Scope, name: str, word: str) -> tuple[str, str]:
    """Return why no domain matches the word and what was meant; both are empty if one can match."""
    if "@" in word and name not in NETWORK_LISTS:
        return "it is compared with domains, not with addresses", word.rpartition("@")[2]
    if name in _WHOLE | _WITH_PARENTS and word.strip("\"';").rstrip(".") != word:
        return "a domain has no dot, quote or semicolon at its end", word.strip("\"';").rstrip(".")
    bare = word.lstrip("*.")
    if name in NETWORK_LISTS and not word.startswith("*."):
        return "", ""
    if name in _WHOLE:
        problem = "each domain of this list stands for itself alone"
        return (problem, "a table of type regexp" if bare else "") if word.startswith(("*", ".")) else ("", "")
    parent = name in _SUFFIXES or name in scope.words(PARENTS)
    if word.startswith("*"):
        return "a star has no meaning in this list", (bare if parent else f".{bare}") if bare else ""
    if word.startswith(".") and parent:
        return "a name without a dot matches itself and all below it, and one with a dot nothing", bare
    return "", ""


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "domain-never-matches": (
        "A word in a list of domains has a form that Postfix never compares with a domain: a star, an address, or a "
        "dot in front where a plain name stands for all below it. Mail for those domains is refused, or the setting "
        "does not apply to them. Write the domain as the finding says."
    ),
}
