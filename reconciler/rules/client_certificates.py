"""A client shows its certificate only if smtpd asks for one. Raises nothing; all findings are warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.restrictions import LISTS, classes_of, parsed, smtpd_scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Where
    from reconciler.postfix.scopes import Scope

_OF_PROOFS = frozenset({"permit_tls_clientcerts", "permit_tls_all_clientcerts", "check_ccert_access"})
_ASKING = ("smtpd_tls_ask_ccert", "smtpd_tls_req_ccert")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that certificates which decide about clients are asked for, on one listener at least."""
    by_place: dict[tuple[Where, str], list[Finding | None]] = {}
    for scope in smtpd_scopes(merged, facts):
        asks = any(map(scope.is_on, _ASKING))
        for name in (*LISTS, *classes_of(scope)):
            parameter = scope.parameter(name)
            for one in parsed(scope.value(name)) if parameter else ():
                if parameter and one.name in _OF_PROOFS:
                    what = _what(scope, name, one.name)
                    finding = scope.place_of(parameter).warning("certificate-not-asked", parameter, what, one.name)
                    by_place.setdefault((parameter.where, one.name), []).append(None if asks else finding)
    for findings in by_place.values():
        if findings[0] and all(findings):
            yield findings[0]


def _what(scope: Scope, name: str, word: str) -> str:
    then = "permits nobody" if word.startswith("permit") else "is never asked"
    tls = scope.value("smtpd_tls_security_level").lower() in {"", "none"} and not scope.is_on("smtpd_tls_wrappermode")
    without = ", and no TLS is offered" if tls else ""
    why = f"smtpd asks no client for a certificate{without}"
    return f"{name}: {word} {then}, because {why}; set smtpd_tls_ask_ccert to yes"


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "certificate-not-asked": (
        "A restriction decides by the certificate of a client, but smtpd asks for none, so no client shows one. Set "
        "smtpd_tls_ask_ccert (and smtpd_tls_security_level) where these clients connect."
    ),
}
