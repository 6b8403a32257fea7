"""Certificates and keys must be readable, belong together, be valid today, and name this host.

Every finding is of the moment, because it depends on the files of the host: ``facts.pems``, as far as the files exist
(references.py reports missing ones). Postfix starts with an unusable file, offers STARTTLS, and answers 454. Raises
nothing.

Known limits: the rules do not verify chains, nor check the names in certificates that smtp(8) shows to others.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import Certificate, Key, Mentioned, Pem, Severity
from reconciler.model.ascii_text import SPACE
from reconciler.postfix import sni
from reconciler.postfix.nexthops import is_host
from reconciler.postfix.references import FILES, files_of, offers_tls, showing
from reconciler.postfix.restrictions import smtpd_scopes
from reconciler.postfix.scopes import Scope, scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_PAIRED = re.compile(r"_(?P<kind>d|ec)?cert_file\Z")
_SHOWN = re.compile(r"_(?:(?:d|ec)?cert_file|chain_files)\Z")
_BUNDLE = re.compile(r"_(?:CAfile|trust_anchor_file)\Z")
_PARAMETERS = re.compile(r"_dh\d+_param_file\Z", re.ASCII)
Pems = list[tuple[str, Pem]]
_UNUSED = "nothing uses it yet"
_AT_START = frozenset({"unreadable-certificate", "key-mismatch"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that Postfix can show each certificate that a setting or a row of tls_server_sni_maps names."""
    used = any(map(offers_tls, smtpd_scopes(merged, facts)))
    for scope in scopes(merged, facts):
        for parameter in _naming(scope):
            pems = _pems(files_of(scope, parameter), facts)
            yield from _of_setting(scope, parameter, pems, used=used or not parameter.name.startswith("smtpd_"))
    for row in sni.rows(merged, facts):
        checks = _Checks(
            row.finding, f"clients that ask for {row.name} would get no TLS" if used else _UNUSED, refuses=used
        )
        pems = _pems(row.files, facts)
        yield from checks.unreadable(pems)
        if _can_load(pems):
            yield from checks.mismatch(_chain_problem(pems, "in tls_server_sni_maps"))
            yield from checks.dates(pems)
            if is_host(row.name.removeprefix(".")):
                yield from checks.names(pems, row.name)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the PEM files of settings and of rows, whose contents the rule needs."""
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
        found = scope.finding(rule, parameter, f"{name}: {text}", path, severity=severity, lasting=False)
        return replace(found, starts=showing(scope, parameter, path)) if rule in _AT_START else found

    then = "smtpd would answer STARTTLS with 454" if server else "Postfix would send mail without it"
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
    """Makes the findings about the files of one setting or row; where nothing uses the files, it only warns."""

    def __init__(self, finding: Callable[[str, str, str, Severity], Finding], then: str, *, refuses: bool) -> None:
        self._finding, self._then = finding, then
        self._worst = Severity.ERROR if refuses else Severity.WARNING

    def unreadable(self, pems: Pems) -> Iterator[Finding]:
        """Yield a finding for each file that holds nothing that OpenSSL can load."""
        for path, pem in pems:
            if pem.problem:
                what = f'"{path}" {pem.problem}, and {self._then}'
                yield self._finding("unreadable-certificate", what, path, self._worst)

    def mismatch(self, problem: tuple[str, str] | None) -> Iterator[Finding]:
        """Yield the finding for a key that is missing or not its certificate's; *problem* is the file and the text."""
        if problem:
            path, text = problem
            yield self._finding("key-mismatch", f"{text}, and {self._then}", path, self._worst)

    def dates(self, pems: Pems) -> Iterator[Finding]:
        """Yield certificates that are not valid today, or expire soon; after the first of a file, only invalid ones."""
        for path, pem in pems:
            leaves = [block for block in pem.blocks if isinstance(block, Certificate) and block.public]
            for place, certificate in enumerate(leaves):
                what, invalid = certificate.validity(path)
                if invalid:
                    worst = self._worst if place == 0 else Severity.WARNING
                    text = f"{what}: peers that check it would disconnect"
                    yield self._finding("certificate-expired", text, path, worst)
                elif what and place == 0:
                    yield self._finding("certificate-expires", what, path, Severity.WARNING)

    def names(self, pems: Pems, wanted: str, label: str = "") -> Iterator[Finding]:
        """Warn of a certificate for clients that does not name the host that they ask for."""
        named = sorted({name for _, pem in pems if (leaf := _leaf(pem)) for name in leaf.names})
        if named and not any(_covers(name, wanted) for name in named):
            shown = ", ".join(named[:3])
            what = (
                f'the certificate is for {shown} and not for {label}"{wanted}": clients that check the name would'
                " disconnect"
            )
            yield self._finding("certificate-name", what, wanted, Severity.WARNING)


def _leaf(pem: Pem) -> Certificate | None:
    """Return the host's own certificate, which is the first one."""
    return next((block for block in pem.blocks if isinstance(block, Certificate)), None)


def _pair_problem(scope: Scope, pems: Pems, name: str) -> tuple[str, str] | None:
    """Return what is wrong with a certificate file and the file of its key, which may be the same."""
    given = scope.value(name).strip(SPACE)
    keys = scope.facts.pems.get(given)
    for path, pem in pems:
        leaf = _leaf(pem)
        if not leaf:
            return path, f'"{path}" holds no certificate'
        key = next((block for block in keys.blocks if isinstance(block, Key)), None) if keys else None
        if keys and keys.blocks and not keys.problem and not key:
            return given, f'{name} "{given}" holds no key'
        if key and not _belong(key, leaf):
            return path, f'the key in "{given}" does not belong to the certificate in "{path}"'
    return None


def _chain_problem(pems: Pems, place: str) -> tuple[str, str] | None:
    """Return what Postfix would reject in a chain: a key comes first, and its certificate directly after it."""
    blocks = [(path, block) for path, pem in pems for block in pem.blocks]
    path, first = blocks[0]
    if not isinstance(first, Key):
        return path, f'"{path}" begins with a certificate; the key comes first {place}'
    following = [*blocks[1:], ("", Key(""))]  # after the last block, a stand-in that is no certificate
    for (path, block), (_, after) in zip(blocks, following, strict=True):
        if isinstance(block, Key) and not isinstance(after, Certificate):
            return path, f'the key in "{path}" is not followed by its certificate'
        if isinstance(block, Key) and isinstance(after, Certificate) and not _belong(block, after):
            return path, f'the key in "{path}" does not belong to the certificate after it'
    return None


def _belong(key: Key, certificate: Certificate) -> bool:
    """Return whether they are a pair, as far as their public keys are known."""
    return not key.public or not certificate.public or key.public == certificate.public


def _covers(name: str, host: str) -> bool:
    """Return whether a certificate's name is the host's; a star stands for one label (RFC 6125)."""
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])


EXPLAINED = {
    "unreadable-certificate": (
        "A file of certificates or keys holds nothing that OpenSSL can load. Postfix starts nevertheless, offers "
        "STARTTLS, and answers 454 to clients that use it. Install a PEM file there, and do not protect its key with "
        "a passphrase. reconciler checks this again at every pass."
    ),
    "key-mismatch": (
        "A key and a certificate do not belong together, or are in the wrong order. Postfix turns TLS off and answers "
        "454 to STARTTLS. Name a key and a certificate that belong together. In smtpd_tls_chain_files, write each key "
        "directly before its certificate. reconciler checks this again at every pass."
    ),
    "certificate-expired": (
        "A certificate has expired, or is not valid yet. Clients that check it disconnect, and senders may give up. "
        "Renew the certificate. reconciler checks this again at every pass. A certificate that expires at night does "
        "not block a push if the live configuration already uses it."
    ),
    "certificate-expires": (
        "A certificate expires in less than three weeks. Automatic renewal usually happens earlier, so it may have "
        "stopped. Renew the certificate, and check the program that should have renewed it."
    ),
    "certificate-name": (
        "The certificate that Postfix shows to clients does not name myhostname. Clients that check names disconnect: "
        "most mail programs check names, and most servers do not. Get a certificate for that name, or correct "
        "hostname."
    ),
}
PASSING = frozenset(EXPLAINED)
