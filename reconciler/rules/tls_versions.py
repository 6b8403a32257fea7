"""TLS must have a version left that both sides know, and a digest that the library has. Raises nothing.

Known limit: what OpenSSL's own configuration forbids is not known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Severity, did_you_mean, nothing_mentioned
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_PROTOCOLS = re.compile(r"(?:smtpd?|lmtp|tlsproxy_tls|tlsproxy_client)_(?:tls_)?(?:mandatory_)?protocols", re.ASCII)
_DIGEST = re.compile(r"\w+_fingerprint_digest", re.ASCII)
_VERSIONS = ("tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3")  # no library of today has SSL
# Without hyphens, because OpenSSL knows sha256 as SHA2-256, SHA-256 and RSA-SHA256 too.
_DIGESTS = names(
    """
    blake2b512 blake2s256 keccak224 keccak256 keccak384 keccak512 md4 md5 md5sha1 mdc2 ripemd ripemd160 rmd160 sha1
    sha2224 sha2256 sha2384 sha2512 sha2512224 sha2512256 sha224 sha256 sha3224 sha3256 sha3384 sha3512 sha384 sha512
    sha512224 sha512256 shake128 shake256 sm3 ssl3md5 ssl3sha1 whirlpool
    """
)
_USUAL = ("md5", "sha1", "sha256", "sha384", "sha512")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check the versions of TLS and the digests of fingerprints."""
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if _PROTOCOLS.fullmatch(parameter.name):
                yield from _versions(scope, parameter)
            elif _DIGEST.fullmatch(parameter.name):
                yield from _digest(scope, parameter)


def _versions(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    text = (scope.expanded(parameter.value) or "").lower()
    allowed = _allowed([word for word in re.split(r"[\s,:]+", text, flags=re.ASCII) if word])
    if allowed is None or allowed & {"tlsv1.2", "tlsv1.3"}:
        return
    if not allowed:
        what = f"{parameter.name} leaves no version of TLS: every handshake fails; write >=TLSv1.2"
        yield scope.finding("no-tls-version", parameter, what)
    else:
        what = (
            f"{parameter.name} leaves only {', '.join(sorted(allowed))}, which servers and libraries of today refuse;"
            " write >=TLSv1.2"
        )
        yield scope.finding("no-tls-version", parameter, what, severity=Severity.WARNING)


def _allowed(listed: list[str]) -> set[str] | None:
    """Return the versions that a list allows; None if it holds what this rule can't read."""
    known = {"sslv2": -2, "sslv3": -1} | {version: number for number, version in enumerate(_VERSIONS)}
    low, high, only, out = 0, len(_VERSIONS) - 1, set[str](), set[str]()
    for word in listed:
        name = word.lstrip("!<>=")
        if name not in known:
            return None
        if word.startswith(">="):
            low = max(low, known[name])
        elif word.startswith("<="):
            high = min(high, known[name])
        elif word.startswith("!"):
            out.add(name)
        else:
            only.add(name)
    left = {version for version in _VERSIONS if low <= known[version] <= high} - out
    return left & only if only else left


def _digest(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    text = (scope.expanded(parameter.value) or "").lower()
    plain = text.replace("-", "").removeprefix("rsa")
    if text and plain not in _DIGESTS and not is_digits(text[0]):  # an object identifier begins with a digit
        what = f'{parameter.name}: no library has the digest "{text}": TLS would be off{did_you_mean(text, _USUAL)}'
        yield scope.finding("no-tls-version", parameter, what, text)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "no-tls-version": (
        "A list of versions excludes every version of TLS that programs of today speak, or a digest for fingerprints "
        "does not exist. Handshakes fail, and mail that needs TLS waits. Write >=TLSv1.2, and a digest such as sha256."
    ),
}
