"""``tables/NAME.mysql`` and others: the files that describe tables on servers, with ``!secret NAME`` for passwords.

Such a file becomes ``$config_directory/NAME`` with mode 0640 for root and postfix if it holds a secret, else 0644;
``table:NAME`` and well-known names refer to it as to any other table. rules/lookups.py has it answer a look-up.

Known limit: a site can't add to such a table, because its rows are on the server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from reconciler.features import tables
from reconciler.features.files import SEALED_OWNER
from reconciler.features.section import SectionValue
from reconciler.model import (
    Contribution,
    DeployedFile,
    Parameter,
    Where,
    did_you_mean,
    error_at,
    no_services,
    nothing_mentioned,
)
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.definitions import PARAMETERS, is_password, missing
from reconciler.postfix.syntax import read_main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Desired, Facts, Finding, Secret, Table

SECTION = "databases"
_SECRET = re.compile(
    r"^(?P<start>(?P<name>[A-Za-z0-9_]+)[ \t]*=[ \t]*)!secret[ \t]+(?P<secret>[A-Za-z0-9][A-Za-z0-9_.-]*)[ \t\r]*$",
    re.MULTILINE | re.ASCII,
)
_TAG = "!secret"


class Schema(SectionValue[None]):
    """The key ``databases:`` can't have a value."""


@dataclass(frozen=True)
class Definition:
    """The description of a table on a server, as the commit has it, for a table of that *type*."""

    name: str
    type: str
    file: str
    source: bytes

    @property
    def where(self) -> Where:
        """Return the place of the file as a whole."""
        return Where(self.file)

    @cached_property
    def _read(self) -> tuple[dict[str, Parameter], list[Finding]]:
        return read_main(self._text, self.file)

    @property
    def _text(self) -> str:
        return self.source.decode("utf-8", "surrogateescape")

    @property
    def settings(self) -> Mapping[str, Parameter]:
        """Return its parameters, as they are written."""
        return self._read[0]

    @property
    def unreadable(self) -> list[Finding]:
        """Return an error for each line that is no setting."""
        return self._read[1]

    @cached_property
    def secrets(self) -> Mapping[str, str]:
        """Return the names of the secrets by the parameters that they are the values of."""
        return {match["name"]: match["secret"] for match in _SECRET.finditer(self._text)}

    def rendered(self, opened: Mapping[str, Secret]) -> bytes:
        """Return the file with its secrets; one that could not be opened is empty."""

        def filled(match: re.Match[str]) -> str:
            secret = opened.get(match["secret"])
            return match["start"] + (secret.value if secret and not is_malformed(secret.value) else "")

        return _SECRET.sub(filled, self._text).encode("utf-8", "surrogateescape")


def is_malformed(value: str) -> bool:
    """Return whether a secret can't be the value of a setting."""
    return not value or "\n" in value or value != value.strip(SPACE)


@dataclass(frozen=True, slots=True)
class Definitions:
    """The descriptions of tables on servers."""

    all: tuple[Definition, ...] = ()


def definitions(desired: Desired) -> tuple[Definition, ...]:
    """Return the descriptions of a desired state."""
    found = desired.section(Definitions)
    return found.all if found else ()


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute each file, and the parameter that each well-known name sets."""
    made = {one.name: _deployed(one, desired) for one in definitions(desired)}
    wired = {
        tables.WIRED[name]: Parameter(tables.WIRED[name], file.reference, file.where, tables.SECTION)
        for name, file in made.items()
        if name in tables.WIRED
    }
    return Contribution(parameters=wired, files=made)


def _deployed(definition: Definition, desired: Desired) -> DeployedFile:
    mode, owner = (0o640, SEALED_OWNER) if definition.secrets else (0o644, "root:root")
    return DeployedFile(
        path=definition.name, content=definition.rendered(desired.secrets), source=definition.file, mode=mode,
        owner=owner, type=definition.type,
    )  # fmt: skip


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that each file says all that a look-up needs, nothing that is ignored, and no password."""
    for definition in definitions(desired):
        yield from definition.unreadable
        yield from _settings(definition)
        yield from _secrets(definition, desired)
        yield from _taken(definition, merged)
        for name in missing(definition.type, definition.settings):
            text = f'table {definition.name} has no "{name}", without which {definition.type} answers no look-up'
            yield error_at("incomplete-definition", definition.where, text, f"{definition.name} {name}")
        if definition.name in tables.WIRED:
            yield from tables.left_out(definition.name, definition.where, facts, merged)


def _settings(definition: Definition) -> Iterator[Finding]:
    known = PARAMETERS[definition.type]
    for name, setting in definition.settings.items():
        subject = f"{definition.name} {name}"
        if name not in known:
            text = f'"{name}" is no parameter of tables of type {definition.type}, which ignore it'
            yield error_at("unknown-lookup-parameter", setting.where, text + did_you_mean(name, sorted(known)), subject)
        elif setting.value.startswith(_TAG):
            if name not in definition.secrets:
                text = f"{name}: expected {_TAG} NAME and nothing else, on the line of {name}"
                yield error_at("malformed-secret", setting.where, text, subject)
        elif is_password(name, setting.value):
            secret = re.sub(r"[^A-Za-z0-9_-]", "_", definition.name)
            text = (
                f"{name} holds a password in plain text, which would stay in the history; run `reconciler secret set"
                f" {secret}` and write {name} = {_TAG} {secret} (and change the password, because it has been exposed)"
            )
            yield error_at("plain-text-secret", setting.where, text, subject)


def _secrets(definition: Definition, desired: Desired) -> Iterator[Finding]:
    for name, secret in definition.secrets.items():
        if secret in desired.secrets and is_malformed(desired.secrets[secret].value):
            text = f"secret {secret} is empty, contains a line break, or has blanks at its start or end; set it again"
            where = definition.settings[name].where if name in definition.settings else definition.where
            yield error_at("malformed-secret", where, text, secret)


def _taken(definition: Definition, merged: Contribution) -> Iterator[Finding]:
    """Yield an error for what would become the same file of Postfix's folder."""
    named = definition.name
    found: list[DeployedFile | Table | None] = [merged.files.get(named), merged.tables.get(named)]
    for other in [one.where for one in found if one and one.where.file != definition.file]:
        text = f"both {definition.file} and {other.file} would become {named}; rename one"
        yield error_at("ambiguous-file", definition.where, text, named, other)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unknown-lookup-parameter": (
        "The file of a table on a server has a parameter that tables of its type do not know. They ignore it without a "
        "word, so the server that is asked, or the question, is another one than intended. Correct its spelling; "
        "mysql_table(5), pgsql_table(5), ldap_table(5), sqlite_table(5) and mongodb_table(5) list the parameters."
    ),
    "incomplete-definition": (
        "The file of a table on a server lacks a parameter, so that no look-up is answered, and mail that needs the "
        "table would be deferred. Write the parameter, such as query = SELECT goto FROM alias WHERE address = '%s'."
    ),
}
