"""Users who log in must be able to: AUTH is offered to them, with a mechanism of theirs, and what they send is taken.

Raises nothing.

Known limit: the mechanisms of a SASL server are not known; dovecot's are PLAIN and LOGIN unless it is told otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Severity, nothing_mentioned
from reconciler.postfix.own_tables import own_tables
from reconciler.postfix.patterns import takes_all
from reconciler.postfix.restrictions import FINAL, LISTS, classes_of, parsed, smtpd_scopes
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.strangers import met_by_strangers, takes_strangers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter, Where

_LOGIN = "permit_sasl_authenticated"
_ENABLE = "smtpd_sasl_auth_enable"
_OWNERS = "smtpd_sender_login_maps"
_LISTS = tuple(f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "recipient"))
_OF_OWNERS = frozenset({"reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch"})
_OF_STRANGERS = frozenset({"reject_sender_login_mismatch", "reject_unauthenticated_sender_login_mismatch"})
_ADDRESSES = ("a.stranger@example.com", "info@mail.stranger.net", "x@a.b.co.uk")
_PLAIN = frozenset({"plain", "login", "xoauth2", "oauthbearer"})
_ENFORCED = frozenset({"encrypt", "fingerprint", "verify", "secure"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that logins are offered where they are needed, and that they help."""
    done: set[tuple[Where, str]] = set()
    for scope in smtpd_scopes(merged, facts):
        for judge in _JUDGES:
            for finding in judge(scope):
                if (finding.where, finding.rule) not in done:
                    done.add((finding.where, finding.rule))
                    yield finding
    for scope in scopes(merged, facts):
        if scope.service and scope.service.command in {"smtp", "lmtp"}:
            for finding in _client(scope, scope.service.command):
                if (finding.where, finding.rule) not in done:
                    done.add((finding.where, finding.rule))
                    yield finding


def _offers_tls(scope: Scope) -> bool:
    level = scope.value("smtpd_tls_security_level").lower()
    old = scope.is_on("smtpd_use_tls") or scope.is_on("smtpd_enforce_tls")
    return scope.is_on("smtpd_tls_wrappermode") or (level != "none" and bool(level or old))


# ---- AUTH is offered -------------------------------------------------------------------------------------------------


def _only_logins(scope: Scope) -> Iterator[Finding]:
    """Refuse a list that permits only logins, on a listener that offers none."""
    for name in () if scope.is_on(_ENABLE) else _LISTS:
        parameter, classes = scope.parameter(name), classes_of(scope)
        named = False
        for one in parsed(scope.value(name)) if parameter else ():
            if parameter and named and one.name in FINAL - {"permit"}:
                what = (
                    f"{name} permits only clients that have logged in, but {_ENABLE} is no: AUTH is not offered, and"
                    f" everybody is refused; set {_ENABLE} to yes there"
                )
                yield scope.place_of(parameter).finding("login-in-vain", parameter, what, _LOGIN)
            named = named or one.name == _LOGIN
            if one.name in FINAL or one.name in classes or not one.name.startswith((_LOGIN, "reject_")):
                break


def _under_tls(scope: Scope) -> Iterator[Finding]:
    """Warn of logins that are offered under TLS only, where there is none."""
    parameter = scope.parameter("smtpd_tls_auth_only")
    if parameter and scope.is_on(_ENABLE) and scope.is_on(parameter.name) and not _offers_tls(scope):
        what = (
            "smtpd_tls_auth_only is yes, but smtpd_tls_security_level offers no TLS: AUTH is never offered; set it to"
            " may or encrypt"
        )
        yield scope.place_of(parameter).warning("login-in-vain", parameter, what)


def _excepted(scope: Scope) -> Iterator[Finding]:
    """Warn of networks without AUTH that hold everybody."""
    name = "smtpd_sasl_exceptions_networks"
    parameter = scope.parameter(name)
    if parameter and scope.is_on(_ENABLE) and {"0.0.0.0/0", "static:all"} & set(scope.words(name)):
        what = f"{name} holds every client, so AUTH is offered to nobody; name the networks that can't use it"
        yield scope.place_of(parameter).warning("login-in-vain", parameter, what)


def _discarded(scope: Scope) -> Iterator[Finding]:
    """Check that what the listener demands or offers is among its answers to EHLO."""
    name = "smtpd_discard_ehlo_keywords"
    parameter, words = scope.parameter(name), {word.lower() for word in scope.words(name)}
    if not parameter or not words & {"starttls", "auth"}:
        return
    level, wrapped = scope.value("smtpd_tls_security_level").lower(), scope.is_on("smtpd_tls_wrappermode")
    if "starttls" in words and level in _ENFORCED and not wrapped:
        what = f"{name} hides STARTTLS, but smtpd_tls_security_level is {level}: every client gets 530; remove starttls"
        yield scope.place_of(parameter).finding("login-in-vain", parameter, what, "starttls")
    elif "auth" in words and scope.is_on(_ENABLE):
        what = f"{name} hides AUTH, but {_ENABLE} is yes: no client logs in; remove auth, or set {_ENABLE} to no"
        yield scope.place_of(parameter).warning("login-in-vain", parameter, what, "auth")


def _mechanisms(scope: Scope) -> Iterator[Finding]:
    """Warn if PLAIN and LOGIN are not even offered under TLS."""
    name = "smtpd_sasl_tls_security_options" if _offers_tls(scope) else "smtpd_sasl_security_options"
    parameter = scope.parameter(name) or scope.parameter("smtpd_sasl_security_options")
    if parameter and scope.is_on(_ENABLE) and "noplaintext" in map(str.lower, scope.words(name)):
        under = " under TLS too" if _offers_tls(scope) else ""
        what = (
            f"{name} holds noplaintext{under}: PLAIN and LOGIN, which most clients use, are not offered; set"
            " smtpd_sasl_tls_security_options to noanonymous, and offer TLS"
        )
        yield scope.place_of(parameter).warning("login-in-vain", parameter, what, "noplaintext")


# ---- what they send is taken -----------------------------------------------------------------------------------------


def _owners(scope: Scope) -> Iterator[Finding]:
    """Check that someone owns the addresses of those who log in: no owner is a mismatch."""
    if not scope.is_on(_ENABLE) or scope.words(_OWNERS):
        return
    for name in LISTS:
        parameter = scope.parameter(name)
        for one in parsed(scope.value(name)) if parameter else ():
            if one.name in FINAL | {_LOGIN, "warn_if_reject"}:
                break
            if parameter and one.name in _OF_OWNERS:
                what = (
                    f"{name}: {one.name} needs {_OWNERS}: without it, nobody owns an address, and whoever logs in gets"
                    " 553 (not owned by user)"
                )
                yield scope.place_of(parameter).finding("login-in-vain", parameter, what, one.name)
                return


def _owned_by_all(scope: Scope) -> Iterator[Finding]:
    """Warn of a table that gives every foreign address an owner, who has not logged in."""
    if not takes_strangers(scope) or not any(
        takes_all(named.table, _ADDRESSES) for named in own_tables(scope, _OWNERS)
    ):
        return
    for name in LISTS:
        parameter = scope.parameter(name)
        for one in met_by_strangers(scope, name) if parameter else ():
            if parameter and one.name in _OF_STRANGERS:
                what = (
                    f"{name}: {_OWNERS} has an owner for every address, so {one.name} refuses all mail from outside"
                    " (553 not logged in); narrow the pattern to own domains, or use"
                    " reject_authenticated_sender_login_mismatch"
                )
                yield scope.place_of(parameter).warning("owned-by-all", parameter, what, one.name)


_JUDGES: tuple[Callable[[Scope], Iterator[Finding]], ...] = (
    _only_logins, _under_tls, _excepted, _discarded, _mechanisms, _owners, _owned_by_all,
)  # fmt: skip

# ---- this host logs in elsewhere -------------------------------------------------------------------------------------


def _client(scope: Scope, program: str) -> Iterator[Finding]:
    """Warn of a client that may not use PLAIN and LOGIN, which are all that most relays have."""
    enabled, level = (
        scope.parameter(f"{program}_sasl_auth_enable"),
        scope.value(f"{program}_tls_security_level").lower(),
    )
    tls = level not in {"", "none"} or scope.is_on(f"{program}_use_tls") or scope.is_on(f"{program}_enforce_tls")
    name = f"{program}_sasl_tls_security_options" if tls else f"{program}_sasl_security_options"
    if not enabled or not scope.is_on(enabled.name) or "noplaintext" not in map(str.lower, scope.words(name)):
        return
    filtered = {word.lower() for word in scope.words(f"{program}_sasl_mechanism_filter")}
    if filtered and not filtered & _PLAIN:
        return
    parameter = _written(scope, name, program) or enabled
    default = "" if parameter != enabled else ", by default"
    what = (
        f"{name} holds noplaintext{default}: {program} uses neither PLAIN nor LOGIN, which are all that most relays"
        f" offer (no mechanism available), and their mail waits; set {name} to noanonymous"
    )
    yield scope.place_of(parameter).finding("login-in-vain", parameter, what, severity=Severity.WARNING)


def _written(scope: Scope, name: str, program: str) -> Parameter | None:
    return scope.parameter(name) or scope.parameter(f"{program}_sasl_security_options")


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "login-in-vain": (
        "Clients can't log in, or it does not help them. AUTH is not offered, or only under TLS that is not there, or "
        "only with mechanisms that most clients and relays do not have (noplaintext), or a check of owners has no "
        "table of owners. Change the setting that the finding names."
    ),
    "owned-by-all": (
        "A table gives every sender address an owner, and a check refuses an owned address to clients that have not "
        "logged in. Other servers never log in, so all mail from outside would be refused. Narrow the pattern to the "
        "own domains, or check only clients that have logged in."
    ),
}
