"""A check must come before the permit of those whom it is about. Raises nothing; all findings are warnings.

Known limit: the rules do not follow restriction classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Finding, nothing_mentioned
from reconciler.postfix.restrictions import FINAL, LISTS, PROTECTION, parsed, smtpd_scopes
from reconciler.postfix.strangers import takes_strangers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts
    from reconciler.postfix.restrictions import Restriction
    from reconciler.postfix.scopes import Scope

_LOGIN, _OWN = "permit_sasl_authenticated", "permit_auth_destination"
# Checks of clients that have logged in, each with the one of these that takes its place.
_OF_LOGINS = frozenset(
    {
        "reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch",
        "reject_known_sender_login_mismatch", "check_sasl_access",
    }
)  # fmt: skip


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that no permit comes before a check of the same clients."""
    for scope in smtpd_scopes(merged, facts):
        if scope.is_on("smtpd_sasl_auth_enable"):
            yield from unreached_login_checks(scope)
        if takes_strangers(scope):
            yield from _own_destinations(scope)


def _behind(scope: Scope, name: str, permit: str) -> tuple[list[Restriction], list[Restriction]]:
    """Return the restrictions of a list before a permit, and those between it and the end."""
    before: list[Restriction] = []
    behind: list[Restriction] = []
    part = before
    for restriction in parsed(scope.value(name)):
        if restriction.name in FINAL:
            break
        if restriction.name == permit:
            part = behind
        else:
            part.append(restriction)
    return before, behind


def unreached_login_checks(scope: Scope) -> Iterator[Finding]:
    """Warn of checks of logins that no client that has logged in reaches."""
    lists = {name: _behind(scope, name, _LOGIN) for name in LISTS}
    done = {restriction for before, _ in lists.values() for restriction in before}
    senders = {one.name for one in done} & _OF_LOGINS - {"check_sasl_access"}
    for name, (_, behind) in lists.items():
        parameter = scope.parameter(name)
        for restriction in behind if parameter else ():
            fine = restriction in done or (restriction.name != "check_sasl_access" and senders)
            if parameter and restriction.name in _OF_LOGINS and not fine:
                then = (
                    "no login is checked"
                    if restriction.name == "check_sasl_access"
                    else "any of them can send as any other"
                )
                what = (
                    f"{name}: {restriction.name} comes after {_LOGIN}, so clients that have logged in never reach it,"
                    f" and {then}; move it before the permits"
                )
                yield scope.place_of(parameter).warning("behind-permit", parameter, what, restriction.name)


def _own_destinations(scope: Scope) -> Iterator[Finding]:
    """Warn of checks after permit_auth_destination, which mail for this host's own domains never reaches."""
    for name in LISTS:
        parameter = scope.parameter(name)
        checks = [one.name for one in _behind(scope, name, _OWN)[1] if not one.name.startswith("permit")]
        lost = next((check for check in checks if check not in PROTECTION), "")
        if parameter and lost:
            what = f"{name}: {lost} comes after {_OWN}, so mail for this host's own domains never reaches it"
            yield scope.place_of(parameter).warning("behind-permit", parameter, what, lost)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "behind-permit": (
        "A check comes after a permit that lets pass those whom it is about: a check of senders and logins after "
        "permit_sasl_authenticated, or any check of mail for own domains after permit_auth_destination. It has no "
        "effect on them. Move the check before the permit."
    ),
}
