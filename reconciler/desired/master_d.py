"""The services of a commit: those that master.d/ defines, and those that ``services`` adds without a command.

Every error is a finding; read() raises InvalidSource only for a commit beyond its budget.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.features import FEATURES
from reconciler.features.services import SECTION, Schema
from reconciler.model import Finding, Where, did_you_mean, error_at
from reconciler.postfix.syntax import duplicates, read_master

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.desired.budget import Budget
    from reconciler.desired.yaml_reader import Document
    from reconciler.model import Service, Tree

FILE = re.compile(r"master\.d/[^/]+\.cf")


def read(files: Tree, findings: list[Finding], budget: Budget) -> list[Service]:
    """Return the services of master.d by file name; one that Postfix or a feature already defines is a duplicate."""
    own: list[Service] = []
    for path in sorted(filter(FILE.fullmatch, files)):
        content = files[path].read()
        budget.take_services(content, Where(path))
        services, problems = read_master(content.decode("utf-8", "surrogateescape"), path)
        own += services
        findings += problems
    always = frozenset[str]().union(*(feature.services(None) for feature in FEATURES))
    already_defined = [service for service in own if service.key in always]
    for service in already_defined:
        text = (
            f"duplicate service: {service.key} is already defined, and the last definition would win;"
            f' change it under "services:" in mail.yaml'
        )
        findings.append(error_at("duplicate-service", service.where, text, service.key))
    places = {service.where for service in already_defined}
    findings += [finding for finding in duplicates(own) if finding.where not in places]
    return own


def without_command(merged: Document, sections: Mapping[type, object], own: list[Service]) -> Iterator[Finding]:
    """Yield an error for each new service without a command; *own* are the services of master.d."""
    section = sections.get(Schema)
    known = {service.key for service in own}
    for feature in FEATURES:
        # A section with an error may still name its services: knowing them avoids a second finding.
        known |= feature.services(sections.get(feature.Schema, merged.value.get(feature.SECTION)))
    for key, change in section.root.items() if isinstance(section, Schema) else ():
        if change and change.command is None and key not in known:
            hint = did_you_mean(key, sorted(known))
            text = f'service "{key}" is new, so it needs a command, such as command: smtpd{hint}'
            where = merged.keys[(SECTION, key)]
            yield error_at("service-without-command", where, text, key)


EXPLAINED = {
    "service-without-command": (
        "The commit changes a service that neither Postfix nor the commit defines, and gives it no command. Give it "
        "a command, such as smtpd; if you meant a stock service, correct its name, which is NAME/TYPE."
    ),
}
