"""Where this host has domains that receive mail, some listener on port 25 must let other servers deliver it.

A list of main.cf that ends in reject holds on port 25 too, unless the listener has its own. Raises nothing; all
findings are warnings.

Known limit: a host whose mail arrives through another host only is meant so; an allowance says that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.restrictions import classes_of, parsed, smtpd_scopes
from reconciler.postfix.scopes import Scope
from reconciler.postfix.strangers import is_for_servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_RECEIVING = ("virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
_LISTS = tuple(f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "recipient"))
_OWN = frozenset({"permit_mynetworks", "permit_sasl_authenticated", "permit_inet_interfaces"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that a stranger can send to this host's own domains."""
    main = Scope(merged, facts)
    domains = [word for name in _RECEIVING for word in main.words(name) if ":" not in word and word[0] not in "/!"]
    domains = [word for word in domains if word not in main.words("mydestination")]
    closed = [_closed(scope) for scope in smtpd_scopes(merged, facts) if is_for_servers(scope)]
    if domains and closed and all(closed) and closed[0]:
        scope, parameter = closed[0]
        what = (
            f"{parameter.name} lets nobody by but own clients, on port 25 too: mail from other servers for {domains[0]}"
            " would be refused; write it as an option of the listener for own users"
        )
        yield scope.warning("strangers-refused", parameter, what)


def _closed(scope: Scope) -> tuple[Scope, Parameter] | None:
    """Return the first list that refuses all but own clients, and its place."""
    for name in _LISTS:
        parameter = scope.parameter(name)
        if parameter and _ends(scope, name):
            return scope.place_of(parameter), parameter
    return None


def _ends(scope: Scope, name: str) -> bool:
    classes = classes_of(scope)
    for restriction in parsed(scope.value(name)):
        word = restriction.name
        if word == "reject":
            return True
        refuses = word.startswith(("reject_", "warn_if_")) and word not in classes
        if word == "warn_if_reject" or not (word in _OWN or refuses):
            return False
    return False


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "strangers-refused": (
        "A list of restrictions permits own clients and refuses everybody else, and it holds on port 25. Other servers "
        "can't deliver mail for the domains of this host: they get 554. Write such a list only as an option of the "
        "listener for own users, or end it with reject_unauth_destination instead of reject."
    ),
}
