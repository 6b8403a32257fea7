"""Desired states for the tests of the rules: a healthy one, and what differs from it."""

from __future__ import annotations

import json

from reconciler.desired.lint import lint
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import Desired, Facts, File, Finding
from tests.unit.host_facts import HOST

HEALTHY = {
    "mydestination": "mx.test.example, localhost",
    "mynetworks": "127.0.0.0/8",
    "virtual_alias_domains": "v.example",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
}
VIRTUAL = "info@v.example  root@mx.test.example\n"


def desired(
    parameters: dict[str, str] | None = None, files: dict[str, str] | None = None, **sections: object
) -> Desired:
    """The healthy state with some parameters, files and sections of mail.yaml changed."""
    mail = {"hostname": "mx.test.example", "parameters": HEALTHY | (parameters or {}), **sections}
    texts = {"mail.yaml": json.dumps(mail, indent=1), "tables/virtual": VIRTUAL} | (files or {})
    return load({path: File.of(text.encode()) for path, text in texts.items()}, "mx.test.example", {})


def linted(state: Desired, facts: Facts = HOST) -> list[Finding]:
    """Everything that the rules say of the state."""
    return lint(state, facts, compose(state, facts))


def findings_of(
    rule: str,
    parameters: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
    facts: Facts = HOST,
    **sections: object,
) -> list[Finding]:
    """Return the findings of one rule about the state."""
    findings = linted(desired(parameters, files, **sections), facts)
    return [finding for finding in findings if finding.rule == rule]


def only_finding(
    rule: str,
    parameters: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
    facts: Facts = HOST,
    **sections: object,
) -> str:
    """Return the text of the only finding of one rule about the state."""
    (finding,) = findings_of(rule, parameters, files, facts, **sections)
    return str(finding)
