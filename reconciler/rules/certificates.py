"""Certificates and keys: they can be read, belong together, are good today, and name this host.

All of it is of the moment, for it is judged by the files that lie on the host: ``facts.pems``, so far as they are
there (references.py says what is missing). Postfix starts with a bad one, offers STARTTLS, and answers 454. Raises
nothing.

Known limits: chains are not verified, nor is the file of tls_server_sni_maps read. Of certificates that smtp(8) shows
to others the names are not asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.circumstances import Certificate, Key, Pem
from reconciler.model import Severity
from reconciler.rules.references import FILES, files_of, offers_tls
from reconciler.rules.restrictions import smtpd_scopes
from reconciler.rules.scopes import Scope, scopes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_SOON = 21
_PAIRED = re.compile(r"_(?P<kind>d|ec)?cert_file\Z")
_SHOWN = re.compile(r"_(?:(?:d|ec)?cert_file|chain_files)\Z")
_BUNDLE = re.compile(r"_(?:CAfile|trust_anchor_file)\Z")
_PARAMETERS = re.compile(r"_dh\d+_param_file\Z")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Every certificate that a setting names can be shown to a client."""
    used = any(map(offers_tls, smtpd_scopes(merged, facts)))
    for scope in scopes(merged, facts):
        for parameter in _naming(scope):
            pems = [(path, facts.pems.get(path, Pem())) for path in files_of(scope, parameter)]
            about = _About(scope, parameter, used=used or not parameter.name.startswith("smtpd_"))
            for path, pem in pems:
                yield from about.unreadable(path, pem)
            if pems and all(pem.blocks and not pem.problem for _, pem in pems) and not _BUNDLE.search(parameter.name):
                yield from about.mismatch(pems)
                for path, pem in pems:
                    yield from about.dates(path, pem)
                yield from about.names(pems)


def mentioned_pems(merged: Contribution, facts: Facts) -> frozenset[str]:
    """The PEM files that the rules ask ``facts.pems`` about."""
    everywhere = scopes(merged, facts)
    return frozenset(
        path for scope in everywhere for parameter in _naming(scope) for path in files_of(scope, parameter)
    )


def _naming(scope: Scope) -> list[Parameter]:
    return [one for one in scope.written if FILES.search(one.name) and not _PARAMETERS.search(one.name)]


class _About:
    """What is said of one setting; where nothing uses it, nothing is refused."""

    def __init__(self, scope: Scope, parameter: Parameter, *, used: bool) -> None:
        self._scope, self._parameter = scope, parameter
        self._worst = Severity.ERROR if used else Severity.WARNING
        self._server = parameter.name.startswith("smtpd_")
        self._then = (
            ("STARTTLS would be answered with 454" if self._server else "mail would leave without it")
            if used
            else "nothing uses it yet"
        )

    def _finding(self, rule: str, text: str, path: str, severity: Severity) -> Finding:
        what = f"{self._parameter.name}: {text}"
        return self._scope.finding(rule, self._parameter, what, path, severity=severity, lasting=False)

    def unreadable(self, path: str, pem: Pem) -> Iterator[Finding]:
        """A file that holds nothing that OpenSSL could load."""
        if pem.problem:
            what = f'"{path}" {pem.problem}, and {self._then}'
            yield self._finding("unreadable-certificate", what, path, self._worst)

    def mismatch(self, pems: list[tuple[str, Pem]]) -> Iterator[Finding]:
        """A key that is not its certificate's, or none at all."""
        if self._parameter.name.endswith("_chain_files"):
            problem = _chain_problem([(path, block) for path, pem in pems for block in pem.blocks])
        elif match := _PAIRED.search(self._parameter.name):
            name = f"{self._parameter.name[: match.start()]}_{match['kind'] or ''}key_file"
            problem = self._pair_problem(pems, name)
        else:
            return
        if problem:
            path, text = problem
            yield self._finding("key-mismatch", f"{text}, and {self._then}", path, self._worst)

    def _pair_problem(self, pems: list[tuple[str, Pem]], name: str) -> tuple[str, str] | None:
        """What is wrong with a certificate file and the file of its key, which may be the same."""
        given = self._scope.value(name).strip()
        keys = self._scope.facts.pems.get(given)
        for path, pem in pems:
            leaf = _leaf(pem)
            if not leaf:
                return path, f'"{path}" holds no certificate'
            key = next((block for block in keys.blocks if isinstance(block, Key)), None) if keys else None
            if keys and keys.blocks and not keys.problem and not key:
                return given, f'{name} "{given}" holds no key'
            if key and not _belong(key, leaf):
                return path, f'the key in "{given}" is not that of the certificate in "{path}"'
        return None

    def dates(self, path: str, pem: Pem) -> Iterator[Finding]:
        """Certificates that are not good today, or not for long; those after the first of a file only when over."""
        leaves = [block for block in pem.blocks if isinstance(block, Certificate) and block.public]
        for place, one in enumerate(leaves):
            shown = f'the certificate "{one.names[0] if one.names else ""}" in "{path}"'
            worst = self._worst if place == 0 else Severity.WARNING
            if not one.begun:
                what = f"{shown} is not good yet: those who look would turn away"
                yield self._finding("certificate-expired", what, path, worst)
            elif one.days < 0:
                what = f"{shown} expired {_days(-one.days - 1)} ago: those who look would turn away"
                yield self._finding("certificate-expired", what, path, worst)
            elif one.days < _SOON and place == 0:
                yield self._finding(
                    "certificate-expires", f"{shown} expires in {_days(one.days)}", path, Severity.WARNING
                )

    def names(self, pems: list[tuple[str, Pem]]) -> Iterator[Finding]:
        """A certificate for clients that does not name this host."""
        if not self._server or not _SHOWN.search(self._parameter.name):
            return
        host, leaves = self._scope.value("myhostname").lower(), [leaf for _, pem in pems if (leaf := _leaf(pem))]
        named = sorted({name for leaf in leaves for name in leaf.names})
        if named and not any(_covers(name, host) for name in named):
            shown = ", ".join(named[:3])
            what = f'the certificate is for {shown} and not for myhostname, "{host}": who checks it would turn away'
            yield self._finding("certificate-name", what, host, Severity.WARNING)


def _leaf(pem: Pem) -> Certificate | None:
    """The certificate that is one's own: the first."""
    return next((block for block in pem.blocks if isinstance(block, Certificate)), None)


def _chain_problem(blocks: list[tuple[str, Key | Certificate]]) -> tuple[str, str] | None:
    """What Postfix says of a chain file: a key comes first, and its certificate right behind it."""
    path, first = blocks[0]
    if not isinstance(first, Key):
        return path, f'"{path}" begins with a certificate; the key comes first in smtpd_tls_chain_files'
    following = [*blocks[1:], ("", Key(""))]
    for (path, block), (_, after) in zip(blocks, following, strict=True):
        if isinstance(block, Key) and not isinstance(after, Certificate):
            return path, f'the key in "{path}" is not followed by its certificate'
        if isinstance(block, Key) and isinstance(after, Certificate) and not _belong(block, after):
            return path, f'the key in "{path}" is not that of the certificate behind it'
    return None


def _belong(key: Key, certificate: Certificate) -> bool:
    """Whether they are a pair, so far as anybody can tell."""
    return not key.public or not certificate.public or key.public == certificate.public


def _days(number: int) -> str:
    return f"{number} day{'' if number == 1 else 's'}" if number else "less than a day"


def _covers(name: str, host: str) -> bool:
    """Whether a certificate's name is the host's; a star stands for one label (RFC 6125)."""
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])


EXPLAINED = {
    "unreadable-certificate": (
        "A file of certificates or keys holds none that OpenSSL could load. Postfix starts all the same, offers "
        "STARTTLS, and answers 454 to those who try. Put a PEM file there, with its key not behind a passphrase. This "
        "is judged anew at every pass."
    ),
    "key-mismatch": (
        "A key and a certificate do not belong together, or stand in the wrong order. Postfix switches TLS off and "
        "answers 454 to STARTTLS. Name the pair that belongs together; in smtpd_tls_chain_files each key stands right "
        "before its certificate. This is judged anew at every pass."
    ),
    "certificate-expired": (
        "A certificate is not good today. Clients that check it turn away, and senders may give up. Renew it; this is "
        "judged anew at every pass, and an expiry at night does not block a push when it is already so in what is "
        "live."
    ),
    "certificate-expires": (
        "A certificate is good for less than three weeks. Those who renew by themselves do so earlier, so something "
        "may have stopped. Renew it, and look at what was to do so."
    ),
    "certificate-name": (
        "The certificate that clients are shown does not name myhostname. Those who check names turn away; most "
        "servers don't, most mail programs do. Get one for that name, or correct hostname."
    ),
}
