"""Restriction classes and transports that the commit declares must be used.

The rules skip stock services, those that Debian ships, and the services of `transports`. Raises nothing.

Known limit: a transport counts as used if its name occurs anywhere in a table or in a value. Tables outside the commit
may name any transport; if there is such a table, the rules report no transport.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Finding, nothing_mentioned, warning_at
from reconciler.postfix.reached import asks_elsewhere, named_words, words_in
from reconciler.postfix.scopes import Scope, scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts

# Debian's own master.cf declares these, and most hosts never use them.
_SHIPPED = frozenset({"bsmtp", "ifmail", "maildrop", "mailman", "scalemail-backend", "uucp"})
# Upstream's own, which are there if master.d holds the whole of master.cf.
_STOCK = frozenset({"discard", "error", "lmtp", "local", "relay", "retry", "smtp", "virtual"})
_DELIVER = frozenset({"discard", "error", "lmtp", "local", "pipe", "smtp", "virtual"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that each declared class and transport is used."""
    main, everywhere = Scope(merged, facts), scopes(merged, facts)
    classes = main.words("smtpd_restriction_classes")
    own = [one for one in desired.services if one.type == "unix" and one.command in _DELIVER and one.name not in _STOCK]
    if any(map(asks_elsewhere, everywhere)):
        own = []  # such a table may name any of them
    sought = {*classes, *(service.name for service in own)}
    named = named_words(merged, everywhere, sought) | _arguments(merged) if sought else set()
    parameter = main.parameter("smtpd_restriction_classes")
    for name in classes if parameter else ():
        if parameter and name not in named:
            what = f'class "{name}" is defined, but no list or table uses it'
            yield main.warning("unused-class", parameter, what, name)
    for service in own:
        if service.name not in named and not (service.command == "pipe" and service.name in _SHIPPED):
            what = f'service "{service.name}" of type unix: no setting or table sends mail to it'
            yield warning_at("unused-transport", service.where, what, service.key)


def _arguments(merged: Contribution) -> set[str]:
    """Return the words of all commands: a program that another service runs may name a service."""
    return words_in(word for service in merged.distinct for word in service.arguments)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unused-class": (
        "A class of restrictions is defined, but nothing uses it. It protects nothing. Name it in a list of "
        "restrictions or as the answer of an access table, or remove it."
    ),
    "unused-transport": (
        "A service that delivers mail is declared, but nothing sends mail to it. The mail that it should deliver goes "
        "another way. Name it in tables/transport, tables/sender_transport or a parameter, or remove it."
    ),
}
