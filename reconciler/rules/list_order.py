"""An exclusion must come before what it is excluded from: in a list, the first match decides.

Raises nothing; all findings are warnings.

Known limit: the rule compares words with words; files and tables of a list are not read.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.networks import NETWORK_LISTS
from reconciler.postfix.scopes import FILE, PARENTS, Scope, scopes, words
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_DOMAIN_LISTS = names("fast_flush_domains mydestination relay_domains virtual_alias_domains virtual_mailbox_domains")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each exclusion of a list can take effect."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name in NETWORK_LISTS | _DOMAIN_LISTS and "!" in parameter.value:
                yield from _in_vain(scope, parameter)


def _in_vain(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    parents = parameter.name in scope.words(PARENTS)
    before: list[str] = []
    for word in words(scope.expanded(parameter.value) or ""):
        plain = word.lstrip("!").lower()
        if (len(word) - len(plain)) % 2:
            first = next((one for one in before if _covers(one, plain, parents=parents)), None)
            if first:
                what = (
                    f'{parameter.name}: "{word}" has no effect, because "{first}" comes before it, and the first match'
                    f' decides; write "{word}" first'
                )
                yield scope.warning("excluded-in-vain", parameter, what, word)
        else:
            before.append(plain)


def _covers(pattern: str, word: str, *, parents: bool) -> bool:
    """Return whether each host or domain that a word stands for also matches an earlier pattern."""
    wide, narrow = _network(pattern), _network(word)
    if isinstance(wide, IPv4Network) and isinstance(narrow, IPv4Network):
        return narrow.subnet_of(wide)
    if isinstance(wide, IPv6Network) and isinstance(narrow, IPv6Network):
        return narrow.subnet_of(wide)
    if wide or narrow or ":" in pattern or pattern.startswith(FILE):
        return False
    below = f".{pattern}" if parents else pattern
    return word == pattern or (below.startswith(".") and word.endswith(below))


def _network(word: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(word.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "excluded-in-vain": (
        "A list excludes a host or a domain with !, but an earlier word of the list matches it already, and the first "
        "match decides. What was to be excluded is in the list, and may relay, for example. Write the exclusion first."
    ),
}
