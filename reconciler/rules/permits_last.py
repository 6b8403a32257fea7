"""A permit must come before what it exempts from: at the end of a list, it permits what is permitted anyway.

Raises nothing; all findings are warnings.

Known limit: the rule does not follow restriction classes, and knows the answers of the commit's own tables only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.own_tables import tables_named
from reconciler.postfix.restrictions import FINAL, LISTS, WITH_TABLE, parsed, smtpd_scopes, trusts_others
from reconciler.postfix.tables import Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter, Table, Where
    from reconciler.postfix.restrictions import Restriction
    from reconciler.postfix.scopes import Scope

_PERMITS = frozenset(
    {"permit_dnswl_client", "permit_rhswl_client", "permit_sasl_authenticated", "permit_tls_clientcerts"}
)
_OWN = frozenset({"permit_mynetworks", "permit_sasl_authenticated", "permit_tls_clientcerts"})
_REFUSING = re.compile(r"reject|defer|check_policy_service", re.ASCII)
_RELAYING = frozenset({"reject_unauth_destination", "defer_unauth_destination"})
# These hold for anybody, whatever exempts them from the rest.
_FOR_ALL = frozenset({"reject_unauth_pipelining", "reject_non_fqdn_sender", "reject_non_fqdn_recipient"})
_OK = re.compile(r"(?:ok|permit|permit_auth_destination|\d+)(?:\s|\Z)", re.IGNORECASE | re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each permit of a list exempts from something."""
    done: set[tuple[Where, str]] = set()
    for scope in smtpd_scopes(merged, facts):
        for name in LISTS:
            parameter = scope.parameter(name)
            for finding in _in_vain(scope, parameter) if parameter else ():
                if (finding.where, finding.subject) not in done:
                    done.add((finding.where, finding.subject))
                    yield finding


def _in_vain(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    restrictions = _decided(parsed(scope.value(parameter.name)))
    while restrictions and _permits_only(scope, parameter, restrictions[-1]):
        last = restrictions.pop()
        # Only own clients may be let by before the protection against relaying.
        spared = _FOR_ALL if last.name in _OWN else _FOR_ALL | _RELAYING
        refusing = [one.name for one in restrictions if _REFUSING.match(one.name) and one.name not in spared]
        relays = any(one.name in _RELAYING for one in restrictions)
        if not refusing or (last.name == "permit_mynetworks" and not (relays and trusts_others(scope))):
            continue
        if last.name == "permit_sasl_authenticated" and not scope.is_on("smtpd_sasl_auth_enable"):
            continue
        text = f"{last.name} {last.argument}" if last.argument else last.name
        what = (
            f"{parameter.name}: {text} comes last, where it permits what is permitted anyway, and {refusing[0]} refuses"
            f" before it; move it before {refusing[0]}"
        )
        yield scope.place_of(parameter).warning("permit-in-vain", parameter, what, text)


def _decided(restrictions: list[Restriction]) -> list[Restriction]:
    """Return the restrictions before the end of a list that permits the rest; none if the list refuses the rest."""
    for number, one in enumerate(restrictions):
        if one.name in FINAL:
            return restrictions[:number] if one.name == "permit" else []
    return restrictions


def _permits_only(scope: Scope, parameter: Parameter, last: Restriction) -> bool:
    if last.name in _PERMITS or last.name == "permit_mynetworks":
        return True
    if last.name not in WITH_TABLE:
        return False
    tables = tables_named(scope, parameter, last.argument or "")
    return bool(tables) and all(any(Entries(named.table)) and _all_ok(named.table) for named in tables)


def _all_ok(table: Table) -> bool:
    return all(_OK.match(entry.value) for entry in Entries(table))


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "permit-in-vain": (
        "A permit is at the end of a list of restrictions, where all that is left is permitted anyway. What it should "
        "exempt from comes before it, and refuses first: partners that a block list holds, own clients that relay, or "
        "users who have logged in from a dynamic address. Move the permit before the check that the finding names."
    ),
}
