"""A protection that is set up must stop what it should stop. These rules warn, and never refuse a commit.

Postfix obeys each of these settings, and each may be intended; an allowance then records the reason. Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, nothing_mentioned
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.restrictions import LISTS, parsed, smtpd_scopes
from reconciler.postfix.scopes import Scope, scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Parameter

_CODE = re.compile(r"unknown_\w+_recipient_reject_code|unknown_virtual_(?:alias|mailbox)_reject_code", re.ASCII)
_LOGIN_CHECKS = frozenset(
    f"reject_{kind}sender_login_mismatch" for kind in ("", "authenticated_", "unauthenticated_", "known_")
)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that protections are in force."""
    main = Scope(merged, facts)
    yield from _unasked_logins(main)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            yield from _left_on(scope, parameter)
    for scope in smtpd_scopes(merged, facts):
        yield from _logins(scope)


def _unasked_logins(main: Scope) -> Iterator[Finding]:
    """Warn of a table of logins and their sender addresses that no restriction uses."""
    parameter = main.parameter("smtpd_sender_login_maps")
    if not parameter or not main.words("smtpd_sender_login_maps"):
        return
    everywhere = scopes(main.merged, main.facts)
    asked = {
        restriction.name
        for scope in everywhere
        for name in (*LISTS, *scope.words("smtpd_restriction_classes"))
        for restriction in parsed(scope.value(name))
    }
    if not asked & _LOGIN_CHECKS:
        what = (
            "no restriction uses smtpd_sender_login_maps: no list holds reject_sender_login_mismatch, so every user"
            " who logs in may send as any sender"
        )
        yield main.warning("unused-login-maps", parameter, what)


def _left_on(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    """Warn of settings that are meant for a short test."""
    name, value = parameter.name, (scope.expanded(parameter.value) or "").strip(SPACE)
    if name == "soft_bounce" and value.lower() == "yes":
        what = "soft_bounce is yes: no mail is refused permanently, so other servers and this queue try again for days"
        yield scope.warning("left-on", parameter, what)
    elif name == "defer_transports" and value:
        what = f'defer_transports is "{value}": mail by these transports waits until somebody flushes the queue'
        yield scope.warning("left-on", parameter, what)
    elif _CODE.fullmatch(name) and value.startswith("4"):
        what = f"{name} is {value}: mail for an address that does not exist is tried again for days; write 550"
        yield scope.warning("left-on", parameter, what)
    elif name == "debug_peer_list" and value:
        what = f'debug_peer_list is "{value}": whole sessions with these peers are logged, passwords included'
        yield scope.warning("left-on", parameter, what)


def _logins(scope: Scope) -> Iterator[Finding]:
    """Warn of logins that an eavesdropper could read, or that need no password."""
    enabled = scope.parameter("smtpd_sasl_auth_enable")
    if not enabled or not scope.is_on("smtpd_sasl_auth_enable"):
        return
    options = {word.lower() for word in scope.words("smtpd_sasl_security_options")}
    encrypted = scope.is_on("smtpd_tls_wrappermode") or scope.value("smtpd_tls_security_level").lower() in {
        "encrypt", "fingerprint", "verify", "secure",
    }  # fmt: skip
    if not (encrypted or scope.is_on("smtpd_tls_auth_only") or "noplaintext" in options):
        what = "logins are accepted without TLS: passwords travel in plain text; set smtpd_tls_auth_only to yes"
        yield scope.place_of(enabled).warning("login-without-tls", enabled, what)
    if "noanonymous" not in options:
        parameter = scope.parameter("smtpd_sasl_security_options") or enabled
        what = "smtpd_sasl_security_options lacks noanonymous: an anonymous client counts as logged in, and may relay"
        yield scope.place_of(parameter).warning("anonymous-login", parameter, what)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unused-login-maps": (
        "A table defines which login may use which sender address, but no restriction uses the table. Every user who "
        "logs in may send as any sender. Add reject_sender_login_mismatch, or one of its variants, to "
        "smtpd_sender_restrictions."
    ),
    "left-on": (
        "A setting for tests is in force. soft_bounce keeps mail waiting that Postfix should refuse. debug_peer_list "
        "writes whole sessions to the log. Remove the setting when the test is over."
    ),
    "login-without-tls": (
        "Clients may log in over a connection that is not encrypted. An eavesdropper can read the password. Set "
        "smtpd_tls_auth_only to yes. If there is a submission service, port 25 needs no logins at all."
    ),
    "anonymous-login": (
        "Postfix accepts anonymous logins. permit_sasl_authenticated then lets any client relay. Add noanonymous to "
        "smtpd_sasl_security_options, which is the default of Postfix."
    ),
}
