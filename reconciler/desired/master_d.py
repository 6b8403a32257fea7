"""The services of a commit: those that master.d/ defines, and those that ``services`` adds without a command.

Every error is a finding; read() raises InvalidSource only for a commit beyond its budget.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.features import stock
from reconciler.features.composition import FEATURES
from reconciler.features.services import SECTION, MasterFile, Schema
from reconciler.model import Finding, Where, did_you_mean, error_at, paths_in, warning_at
from reconciler.model.ascii_text import SPACE, split_words
from reconciler.postfix.syntax import duplicates, is_comment, read_master

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.desired.budget import Budget
    from reconciler.desired.yaml_reader import Document
    from reconciler.model import Service, Tree

_COMMENTED = re.compile(r"#\s*(\S+)\s+(?:inet|unix|unix-dgram|fifo|pass)(?:\s+[-yn]){3}(?:\s+\S+){3}", re.ASCII)
_FILE = re.compile(r"master\.d/[^/]+\.cf")


def files_in(files: Tree) -> list[str]:
    """Return the files of master.d by their names."""
    return list(filter(_FILE.fullmatch, paths_in(files, "master.d/")))


def read(files: Tree, findings: list[Finding], budget: Budget, *, has_stock: bool = True) -> list[Service]:
    """Return the services of master.d by file name; one that Postfix or a feature already defines is a duplicate."""
    own: list[Service] = []
    for path in files_in(files):
        content = files[path].read()
        budget.take_services(content, Where(path))
        text = content.decode("utf-8", "surrogateescape")
        services, problems = read_master(text, path)
        own += services
        findings += problems
        findings += _adopted_options(text, path)
    always = _given() if has_stock else frozenset()
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


def _given() -> frozenset[str]:
    """Return the services that every commit has without a line about them."""
    return frozenset[str]().union(*(feature.services(None) for feature in FEATURES))


def has_stock(merged: Document) -> bool:
    """Return whether the host's document builds on the stock services."""
    return not isinstance(merged.value, dict) or merged.value.get(stock.SECTION) != stock.NONE


def whole(files: Tree) -> dict[type, object]:
    """Return the only file of master.d, which may be the whole of master.cf; nothing if there are several."""
    texts = [files[path].read() for path in files_in(files)]
    return {MasterFile: MasterFile(texts[0])} if len(texts) == 1 else {}


def _adopted_options(text: str, path: str) -> Iterator[Finding]:
    """Yield options whose own service is commented out: a comment ends no service, so they go to the one above."""
    above = commented = ""
    for number, line in enumerate(text.split("\n"), 1):
        if match := _COMMENTED.match(line):
            commented = match[1]
        elif line.strip(SPACE) and not is_comment(line):
            if line[0] not in " \t":
                above, commented = split_words(line)[0], ""
            elif above and commented:
                what = (
                    f'the comment above does not end service "{above}": this option of the commented-out service'
                    f' "{commented}" belongs to "{above}"; comment it out as well'
                )
                yield warning_at("commented-service", Where(path, number), what, f"{path} {commented}")
                commented = ""


def without_command(merged: Document, sections: Mapping[type, object], own: list[Service]) -> Iterator[Finding]:
    """Yield an error for each new service without a command; *own* are the services of master.d."""
    section = sections.get(Schema)
    known = {service.key for service in own}
    for feature in FEATURES:
        # A section with an error may still name its services: knowing them avoids a second finding.
        theirs = feature.services(sections.get(feature.Schema)) | feature.services(merged.value.get(feature.SECTION))
        known |= theirs if has_stock(merged) else theirs - feature.services(None)
    for key, change in section.root.items() if isinstance(section, Schema) else ():
        if change and change.command is None and key not in known:
            hint = did_you_mean(key, sorted(known))
            text = f'service "{key}" is new, so it needs a command, such as command: smtpd{hint}'
            where = merged.keys[(SECTION, key)]
            yield error_at("service-without-command", where, text, key)


EXPLAINED = {
    "commented-service": (
        "The first line of a service is a comment, but its options are not. For Postfix a comment does not end the "
        "service above, so that service gets the options. Put # before the options too."
    ),
    "service-without-command": (
        "The commit changes a service that neither Postfix nor the commit defines, and gives it no command. Give it "
        "a command, such as smtpd; if you meant a stock service, correct its name, which is NAME/TYPE."
    ),
}
