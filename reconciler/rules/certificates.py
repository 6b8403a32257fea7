"""Certificates and keys: they can be read, belong together, are good today, and name this host.

All of it is of the moment, for it is judged by the files that lie on the host: ``facts.pems``, so far as they are
there (references.py says what is missing). Postfix starts with a bad one, offers STARTTLS, and answers 454. Raises
nothing.

Known limits: chains are not verified. Of certificates that smtp(8) shows to others the names are not asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Certificate, Key, Mentioned, Pem, Severity
from reconciler.postfix import sni
from reconciler.postfix.nexthops import is_host
from reconciler.postfix.references import FILES, files_of, offers_tls
from reconciler.postfix.restrictions import smtpd_scopes
from reconciler.postfix.scopes import Scope, scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_SOON = 21
_PAIRED = re.compile(r"_(?P<kind>d|ec)?cert_file\Z")
_SHOWN = re.compile(r"_(?:(?:d|ec)?cert_file|chain_files)\Z")
_BUNDLE = re.compile(r"_(?:CAfile|trust_anchor_file)\Z")
_PARAMETERS = re.compile(r"_dh\d+_param_file\Z")
Pems = list[tuple[str, Pem]]
_UNUSED = "nothing uses it yet"


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Every certificate that a setting or a row of tls_server_sni_maps names can be shown to a client."""
    used = any(map(offers_tls, smtpd_scopes(merged, facts)))
    for scope in scopes(merged, facts):
        for parameter in _naming(scope):
            pems = _pems(files_of(scope, parameter), facts)
            yield from _of_setting(scope, parameter, pems, used=used or not parameter.name.startswith("smtpd_"))
    for row in sni.rows(merged, facts):
        checks = _Checks(row.finding, f"who asks for {row.name} would get no TLS" if used else _UNUSED, refuses=used)
        pems = _pems(row.files, facts)
        yield from checks.unreadable(pems)
        if _can_load(pems):
            yield from checks.mismatch(_chain_problem(pems, "in tls_server_sni_maps"))
            yield from checks.dates(pems)
            if is_host(row.name.removeprefix(".")):
                yield from checks.names(pems, row.name)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """What is in the PEM files of settings and of rows."""
    everywhere = scopes(merged, facts)
    settings = {path for scope in everywhere for parameter in _naming(scope) for path in files_of(scope, parameter)}
    return Mentioned(pems=frozenset(settings) | sni.files(merged, facts))


def _naming(scope: Scope) -> list[Parameter]:
    named = (parameter for parameter in scope.written if FILES.search(parameter.name))
    return [parameter for parameter in named if not _PARAMETERS.search(parameter.name)]


def _pems(paths: Iterable[str], facts: Facts) -> Pems:
    return [(path, facts.pems.get(path, Pem())) for path in paths]


def _can_load(pems: Pems) -> bool:
    return bool(pems) and all(pem.blocks and not pem.problem for _, pem in pems)


def _of_setting(scope: Scope, parameter: Parameter, pems: Pems, *, used: bool) -> Iterator[Finding]:
    name, server = parameter.name, parameter.name.startswith("smtpd_")

    def finding(rule: str, text: str, path: str, severity: Severity) -> Finding:
        return scope.finding(rule, parameter, f"{name}: {text}", path, severity=severity, lasting=False)

    then = "STARTTLS would be answered with 454" if server else "mail would leave without it"
    checks = _Checks(finding, then if used else _UNUSED, refuses=used)
    yield from checks.unreadable(pems)
    if not _can_load(pems) or _BUNDLE.search(name):
        return
    if name.endswith("_chain_files"):
        yield from checks.mismatch(_chain_problem(pems, "in smtpd_tls_chain_files"))
    elif match := _PAIRED.search(name):
        keys = f"{name[: match.start()]}_{match['kind'] or ''}key_file"
        yield from checks.mismatch(_pair_problem(scope, pems, keys))
    yield from checks.dates(pems)
    if server and _SHOWN.search(name):
        yield from checks.names(pems, scope.value("myhostname").lower(), "myhostname, ")


class _Checks:
    """What is said of the files of one setting or row; where nothing uses them, nothing is refused."""

    def __init__(self, finding: Callable[[str, str, str, Severity], Finding], then: str, *, refuses: bool) -> None:
        self._finding, self._then = finding, then
        self._worst = Severity.ERROR if refuses else Severity.WARNING

    def unreadable(self, pems: Pems) -> Iterator[Finding]:
        """Files that hold nothing that OpenSSL could load."""
        for path, pem in pems:
            if pem.problem:
                what = f'"{path}" {pem.problem}, and {self._then}'
                yield self._finding("unreadable-certificate", what, path, self._worst)

    def mismatch(self, problem: tuple[str, str] | None) -> Iterator[Finding]:
        """A key that is not its certificate's, or none at all: the file to blame, and what is wrong."""
        if problem:
            path, text = problem
            yield self._finding("key-mismatch", f"{text}, and {self._then}", path, self._worst)

    def dates(self, pems: Pems) -> Iterator[Finding]:
        """Certificates that are not good today, or not for long; those after the first of a file only when over."""
        for path, pem in pems:
            leaves = [block for block in pem.blocks if isinstance(block, Certificate) and block.public]
            for place, certificate in enumerate(leaves):
                shown = f'the certificate "{certificate.names[0] if certificate.names else ""}" in "{path}"'
                worst = self._worst if place == 0 else Severity.WARNING
                if not certificate.begun:
                    what = f"{shown} is not good yet: those who look would turn away"
                    yield self._finding("certificate-expired", what, path, worst)
                elif certificate.days < 0:
                    what = f"{shown} expired {_days(-certificate.days - 1)} ago: those who look would turn away"
                    yield self._finding("certificate-expired", what, path, worst)
                elif certificate.days < _SOON and place == 0:
                    what = f"{shown} expires in {_days(certificate.days)}"
                    yield self._finding("certificate-expires", what, path, Severity.WARNING)

    def names(self, pems: Pems, wanted: str, label: str = "") -> Iterator[Finding]:
        """A certificate for clients that does not name the host they ask for."""
        named = sorted({name for _, pem in pems if (leaf := _leaf(pem)) for name in leaf.names})
        if named and not any(_covers(name, wanted) for name in named):
            shown = ", ".join(named[:3])
            what = f'the certificate is for {shown} and not for {label}"{wanted}": who checks it would turn away'
            yield self._finding("certificate-name", what, wanted, Severity.WARNING)


def _leaf(pem: Pem) -> Certificate | None:
    """The certificate that is one's own: the first."""
    return next((block for block in pem.blocks if isinstance(block, Certificate)), None)


def _pair_problem(scope: Scope, pems: Pems, name: str) -> tuple[str, str] | None:
    """What is wrong with a certificate file and the file of its key, which may be the same."""
    given = scope.value(name).strip()
    keys = scope.facts.pems.get(given)
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


def _chain_problem(pems: Pems, place: str) -> tuple[str, str] | None:
    """What Postfix says of a chain of files: a key comes first, and its certificate right behind it."""
    blocks = [(path, block) for path, pem in pems for block in pem.blocks]
    path, first = blocks[0]
    if not isinstance(first, Key):
        return path, f'"{path}" begins with a certificate; the key comes first {place}'
    following = [*blocks[1:], ("", Key(""))]  # behind the last block stands nothing, which is no certificate either
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
PASSING = frozenset(EXPLAINED)
