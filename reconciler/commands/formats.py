"""The findings of a check in the formats of code review: GitHub, GitLab and SARIF. Pure, and raises nothing.

    GitHub   https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    GitLab   https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
    SARIF    https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html

A fingerprint follows from the rule, the file and the subject, so that it stays the same when lines move; of several
findings with one fingerprint, the later ones are numbered.

Known limit: GitHub shows at most ten errors and ten warnings of a step as annotations; its log has all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from reconciler import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reconciler.model import Finding

_SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_IN_TEXT = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTY = _IN_TEXT | {":": "%3A", ",": "%2C"}


def github(findings: Sequence[Finding], folder: str) -> str:
    """Return the findings as workflow commands, one a line; *folder* is where the files are in the repository."""
    return "".join(f"{_command(one, folder)}\n" for one in findings)


def _command(finding: Finding, folder: str) -> str:
    kind = "error" if finding.is_error else "warning"
    told = {"title": finding.rule}
    text = finding.text
    if finding.where.is_of_host:
        text = f"{finding.where}: {text}"
    else:
        told |= {"file": _path(finding, folder), "line": str(finding.where.line), "col": str(finding.where.column)}
    properties = ",".join(f"{name}={_escaped(value, _IN_PROPERTY)}" for name, value in told.items())
    return f"::{kind} {properties}::{_escaped(text, _IN_TEXT)}"


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(char, char) for char in text)


def gitlab(findings: Sequence[Finding], folder: str) -> str:
    """Return the findings as a Code Quality report."""
    report = [
        {
            "description": finding.text,
            "check_name": finding.rule,
            "fingerprint": fingerprint,
            "severity": "major" if finding.is_error else "minor",
            "location": {"path": _path(finding, folder), "lines": {"begin": finding.where.line}},
        }
        for finding, fingerprint in zip(findings, _fingerprints(findings, folder), strict=True)
    ]
    return json.dumps(report, indent=1) + "\n"


def sarif(findings: Sequence[Finding], folder: str, explained: Mapping[str, str]) -> str:
    """Return the findings as a SARIF log; *explained* are the explanations of rules by their names."""
    names = list(dict.fromkeys(finding.rule for finding in findings))
    rules = [
        {"id": name, "shortDescription": {"text": name.replace("-", " ")}, "fullDescription": {"text": explained[name]}}
        if name in explained
        else {"id": name}
        for name in names
    ]
    results = [
        _result(finding, names.index(finding.rule), fingerprint, folder)
        for finding, fingerprint in zip(findings, _fingerprints(findings, folder), strict=True)
    ]
    driver = {"name": "reconciler", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _result(finding: Finding, rule: int, fingerprint: str, folder: str) -> dict[str, Any]:
    path = quote(_path(finding, folder), errors="surrogateescape")
    place = {
        "artifactLocation": {"uri": f"file://{path}" if finding.where.is_of_host else path},
        "region": {"startLine": finding.where.line, "startColumn": finding.where.column},
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule,
        "level": "error" if finding.is_error else "warning",
        "message": {"text": finding.text},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"reconciler/v1": fingerprint},
    }


def _path(finding: Finding, folder: str) -> str:
    """Return the path of a finding's file in the repository, or on the host."""
    file = finding.where.file
    return file if finding.where.is_of_host or not folder else f"{folder}/{file}"


def _fingerprints(findings: Sequence[Finding], folder: str) -> Iterator[str]:
    seen: Counter[tuple[str, str, str]] = Counter()
    for finding in findings:
        identity = (finding.rule, _path(finding, folder), finding.subject)
        text = "\0".join((*identity, str(seen[identity])))
        seen[identity] += 1
        yield hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
