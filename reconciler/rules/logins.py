"""A listener that takes logins must relay for those who have logged in.

smtpd asks all of its lists of restrictions, and each one may refuse: a list of main.cf holds for every listener that
has none of its own. Raises nothing.

Known limit: what a table, a policy server or a class of restrictions decides is not known; a rehearsal plays a login.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import Severity, nothing_mentioned
from reconciler.postfix.restrictions import RELAY, WITH_TABLE, classes_of, parsed, smtpd_scopes, trusts_others

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter, Where
    from reconciler.postfix.scopes import Scope

_PERMIT = "permit_sasl_authenticated"
_LISTS = ("smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions", *RELAY)
_REFUSING = frozenset({"defer", "defer_unauth_destination", "reject", "reject_unauth_destination"})
# What these decide about a client with a login can't be read from the list.
_UNKNOWN = WITH_TABLE | {"check_policy_service", "permit_dnswl_client", "permit_rhswl_client"}
_FOR_PEOPLE = frozenset({"25", "465", "587", "smtp", "smtps", "submission", "submissions"})
_BY_PROOF = frozenset({"permit_tls_all_clientcerts", "permit_tls_clientcerts"})


class _Refusal(NamedTuple):
    """The word of a list that refuses a login, and whether clients in mynetworks are let by before it."""

    parameter: Parameter
    word: str
    is_for_others: bool


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that no list refuses everybody who has logged in."""
    reported: set[Where] = set()
    for scope in smtpd_scopes(merged, facts):
        if not scope.is_on("smtpd_sasl_auth_enable") or _is_for_programs(scope):
            continue
        for finding in refused_logins(scope):
            if finding.where not in reported:
                reported.add(finding.where)
                yield finding


def refused_logins(scope: Scope) -> Iterator[Finding]:
    """Yield the lists that refuse every client that has logged in to this listener, which takes logins."""
    permits = [name for name in _LISTS if _PERMIT in map(str.lower, scope.words(name))]
    refusals = (_refusal(scope, name) for name in (_LISTS if permits else RELAY))
    yield from filter(None, (_finding(scope, refusal, permits) for refusal in refusals if refusal))


def _is_for_programs(scope: Scope) -> bool:
    """Return whether a listener is for filters and checks, and takes logins only because main.cf says so.

    Its own options say nothing of logins, and no mail client connects to it: its address is of this host alone, it has
    networks of its own, or a list of its own ends for all but mynetworks at a port that is not for people.
    """
    service = scope.service
    if not service or any(_is_about_logins(one) for one in service.overrides):
        return False
    host, _, port = service.name.rpartition(":")
    own = {one.name: [restriction.name for restriction in parsed(one.value)] for one in service.overrides}
    closed = any(own.get(name, [])[:2] == ["permit_mynetworks", "reject"] for name in _LISTS)
    here = host in {"localhost", "[::1]", "::1"} or host.removeprefix("[").startswith("127.")
    return here or "mynetworks" in own or (closed and port not in _FOR_PEOPLE)


def _is_about_logins(option: Parameter) -> bool:
    return option.name.startswith("smtpd_sasl_") or (option.name in _LISTS and _PERMIT in option.value.lower())


def _refusal(scope: Scope, name: str) -> _Refusal | None:
    """Return what refuses a client that has logged in and sends to another host; None if nothing surely does."""
    parameter = scope.parameter(name)
    if not parameter:
        return None
    classes, warned, is_for_others = classes_of(scope), False, False
    for restriction in parsed(scope.value(name)):
        word = restriction.name
        if word in {"permit", _PERMIT}:
            return None
        if not warned and (word in classes or word in _UNKNOWN or word in _BY_PROOF or ":" in word):
            return None
        if not warned and word in _REFUSING:
            return _Refusal(parameter, word, is_for_others)
        is_for_others = is_for_others or (word == "permit_mynetworks" and trusts_others(scope))
        warned = word == "warn_if_reject"
    return None


def _finding(scope: Scope, refusal: _Refusal, permits: list[str]) -> Finding | None:
    name = refusal.parameter.name
    if refusal.is_for_others and name not in RELAY:
        return None  # logins of one's own network only: that is meant
    meant = scope.parameter(permits[0]) if permits else None
    # The place is the listener's own line, if logins are permitted there and refused by a list of main.cf.
    parameter = meant if meant and scope.place_of(meant) != scope.place_of(refusal.parameter) else refusal.parameter
    listener = f'"{scope.service.name}"' if scope.service else "smtpd"
    said = f"its {permits[0]} has {_PERMIT}, but " if permits else ""
    what = (
        f"the listener {listener} takes logins: {said}{name} holds there too, and its {refusal.word} comes without"
        f" {_PERMIT} before it: who has logged in may send to no other host; set {name} with {_PERMIT} there"
    )
    is_sure = bool(permits) and not refusal.is_for_others
    severity = Severity.ERROR if is_sure else Severity.WARNING
    return scope.place_of(parameter).finding("login-without-relay", parameter, what, name, severity=severity)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "login-without-relay": (
        "A listener takes logins, and a list of restrictions refuses those who have logged in. smtpd asks every list: "
        "smtpd_relay_restrictions of main.cf also holds for a listener that sets only smtpd_recipient_restrictions. "
        "Clients get 554 Relay access denied after a correct login. Set the list on the listener, with "
        "permit_sasl_authenticated before the word that refuses; or set smtpd_sasl_auth_enable to no."
    ),
}
