"""The mail programs of own users: what is demanded of servers must not meet them, nor before they have logged in.

Raises nothing; all findings are warnings.

Known limit: the rules do not follow restriction classes and tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.restrictions import FINAL, classes_of, parsed, smtpd_scopes
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Where
    from reconciler.postfix.scopes import Scope

_LOGIN, _DELAY = "permit_sasl_authenticated", "smtpd_delay_reject"
_LISTS = tuple(f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "recipient"))
# A laptop at home has no name of its own, and its address is in lists of dynamic addresses.
_OF_SERVERS = names(
    """
    reject_non_fqdn_helo_hostname reject_rbl_client reject_unknown_client_hostname
    reject_unknown_forward_client_hostname reject_unknown_helo_hostname reject_unknown_reverse_client_hostname
    """
)
_EARLY = {
    "smtpd_client_restrictions": ("helo", "sender", "recipient"),
    "smtpd_helo_restrictions": ("sender", "recipient"),
}
_WRAPPED = frozenset({"465", "smtps", "submissions"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check what meets clients that log in."""
    done: set[tuple[Where, str]] = set()
    for scope in smtpd_scopes(merged, facts):
        for finding in (*_as_servers(scope), *_too_early(scope), *_unwrapped(scope)):
            if (finding.where, finding.subject) not in done:
                done.add((finding.where, finding.subject))
                yield finding


def _as_servers(scope: Scope) -> Iterator[Finding]:
    """Yield checks of servers that clients meet although they have logged in."""
    if not scope.is_on("smtpd_sasl_auth_enable"):
        return
    for name in _LISTS:
        parameter, restrictions = scope.parameter(name), parsed(scope.value(name))
        said = {one.name for one in restrictions}
        if not parameter or _LOGIN in said or said & {*classes_of(scope), "warn_if_reject"}:
            continue
        for one in restrictions:
            if one.name in FINAL:
                break
            if one.name in _OF_SERVERS:
                text = f"{one.name} {one.argument}" if one.argument else one.name
                what = (
                    f"{name}: {text} also meets users who have logged in, from laptops and phones with dynamic"
                    f" addresses; put {_LOGIN} before it"
                )
                yield scope.place_of(parameter).warning("refuses-own-users", parameter, what, one.name)
                break


def _too_early(scope: Scope) -> Iterator[Finding]:
    """Yield checks of what the client has not said yet, because each list is asked at its own command."""
    if scope.is_on(_DELAY) or not scope.parameter(_DELAY):
        return
    for name, later in _EARLY.items():
        parameter = scope.parameter(name)
        for one in parsed(scope.value(name)) if parameter else ():
            unsaid = next((word for word in later if f"_{word}" in one.name), "")
            if parameter and (unsaid or one.name == _LOGIN):
                stage = name.split("_")[1]
                what = (
                    f"{name}: {one.name} comes too early: {_DELAY} is no, so the list is asked at the {stage} stage,"
                    f" before the client has {f'named its {unsaid}' if unsaid else 'logged in'}; set {_DELAY} to yes"
                )
                yield scope.place_of(parameter).warning("asked-too-early", parameter, what, one.name)


def _unwrapped(scope: Scope) -> Iterator[Finding]:
    """Yield a listener on the port where clients begin with TLS, and the server waits for them to do otherwise."""
    service = scope.service
    if not service or service.type != "inet" or service.name.rpartition(":")[2] not in _WRAPPED:
        return
    if not scope.is_on("smtpd_tls_wrappermode"):
        parameter = scope.parameter("smtpd_tls_wrappermode") or next(iter(service.overrides), None)
        what = (
            f'the service "{service.name}" has no smtpd_tls_wrappermode=yes: clients begin with TLS on this port, and'
            " wait until they give up"
        )
        if parameter:
            yield scope.warning("unwrapped-port", parameter, what)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "asked-too-early": (
        "With smtpd_delay_reject=no, each list of restrictions is asked at its own stage of a session. A check of the "
        "sender, the recipient or the login in an earlier list has no effect, or refuses everybody. Set "
        "smtpd_delay_reject to yes, or move the check to the list of its stage."
    ),
    "unwrapped-port": (
        "On port 465, sessions begin with TLS, and the listener there does not expect it: clients wait until they give "
        "up. Give the service the option smtpd_tls_wrappermode=yes."
    ),
}
