"""Protection that is set up, and lets pass what it was to stop. All of it is told of, and refuses nothing.

Postfix does as it is told here: every one of these may be meant, and then it is allowed with a reason. Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Finding, nothing_mentioned
from reconciler.postfix.restrictions import LISTS, parsed, smtpd_scopes
from reconciler.postfix.scopes import Scope, scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Parameter

_LOGIN_CHECKS = frozenset(
    f"reject_{kind}sender_login_mismatch" for kind in ("", "authenticated_", "unauthenticated_", "known_")
)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """What protects is in force."""
    main = Scope(merged, facts)
    yield from _unasked_logins(main)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            yield from _left_on(scope, parameter)
    for scope in smtpd_scopes(merged, facts):
        yield from _logins(scope)


def _unasked_logins(main: Scope) -> Iterator[Finding]:
    """Who may use which sender address, without a restriction that asks it."""
    parameter = main.parameter("smtpd_sender_login_maps")
    if not parameter or not main.words("smtpd_sender_login_maps"):
        return
    everywhere = list(scopes(main.merged, main.facts))
    asked = {
        restriction.name
        for scope in everywhere
        for name in (*LISTS, *scope.words("smtpd_restriction_classes"))
        for restriction in parsed(scope.value(name))
    }
    if not asked & _LOGIN_CHECKS:
        what = (
            "smtpd_sender_login_maps is never asked: no list holds reject_sender_login_mismatch, so everybody who logs "
            "in may send as anybody"
        )
        yield main.warning("unused-login-maps", parameter, what)


def _left_on(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    """What people switch on for an afternoon."""
    name, value = parameter.name, (scope.expanded(parameter.value) or "").strip()
    if name == "soft_bounce" and value.lower() == "yes":
        what = "soft_bounce is yes: nothing is refused for good, so strangers try again for days, and so does our queue"
        yield scope.warning("left-on", parameter, what)
    elif name == "debug_peer_list" and value:
        what = f'debug_peer_list is "{value}": all that those peers say is logged, passwords included'
        yield scope.warning("left-on", parameter, what)


def _logins(scope: Scope) -> Iterator[Finding]:
    """Logins that a listener on the network could see, or that need no password."""
    enabled = scope.parameter("smtpd_sasl_auth_enable")
    if not enabled or not scope.is_on("smtpd_sasl_auth_enable"):
        return
    options = {word.lower() for word in scope.words("smtpd_sasl_security_options")}
    encrypted = scope.is_on("smtpd_tls_wrappermode") or scope.value("smtpd_tls_security_level").lower() in {
        "encrypt", "fingerprint", "verify", "secure",
    }  # fmt: skip
    if not (encrypted or scope.is_on("smtpd_tls_auth_only") or "noplaintext" in options):
        what = "logins are taken without TLS: passwords travel in plain text; set smtpd_tls_auth_only to yes"
        yield scope.place_of(enabled).warning("login-without-tls", enabled, what)
    if "noanonymous" not in options:
        parameter = scope.parameter("smtpd_sasl_security_options") or enabled
        what = "smtpd_sasl_security_options lacks noanonymous: who logs in as nobody counts as somebody, and may relay"
        yield scope.place_of(parameter).warning("anonymous-login", parameter, what)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unused-login-maps": (
        "A table says who may send as whom, and no restriction asks it. Everybody who logs in may send as anybody. Put "
        "reject_sender_login_mismatch, or one of its kind, into smtpd_sender_restrictions."
    ),
    "left-on": (
        "A setting for testing is in force. soft_bounce keeps mail waiting that should be refused; debug_peer_list "
        "writes whole sessions to the log. Remove it when the test is over."
    ),
    "login-without-tls": (
        "Clients may log in over a connection that is not encrypted. Whoever listens reads the password. Set "
        "smtpd_tls_auth_only to yes; port 25 needs no logins at all when there is a submission service."
    ),
    "anonymous-login": (
        "A login may be anonymous. permit_sasl_authenticated then lets anybody relay. Add noanonymous to "
        "smtpd_sasl_security_options, which is Postfix's default."
    ),
}
