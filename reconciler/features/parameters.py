"""``parameters``: main.cf by name, which prevails over every feature.

The rules hold for every name that is set, in main.cf and as an option of a service, whoever set it. Postfix ignores a
name it does not know and expands an undefined one to nothing. What it counts as known, this counts as known: its own
parameters, those that belong to a service or a database table, and names that some value refers to.

Known limit: any name that starts with that of a database table (``ldap:people`` and ``people_server_host``) passes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, RootModel, StringConstraints
from pydantic_core import PydanticCustomError

from reconciler.model import Contribution, Parameter, SecretName, did_you_mean, no_services, nothing_mentioned
from reconciler.postfix.macros import MalformedMacro, references
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.syntax import unwritable
from reconciler.postfix.vocabulary import RAW, per_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Finding

SECTION = "parameters"
_READ_ONLY = frozenset({"process_id", "process_name", "service_name"})
_DATABASE = re.compile(r"(?<![\w-])(?:ldap|mysql|pgsql|sqlite|memcache|mongodb):([A-Za-z0-9_]+)")


def _plain(value: object) -> object:
    if isinstance(value, SecretName):
        text = "main.cf is readable by every user of the host: a secret can't be the value of a parameter"
        raise PydanticCustomError("secret-in-parameter", text)
    return value


def _writable(value: str) -> str:
    if reason := unwritable(value):
        raise PydanticCustomError("unwritable-value", "{reason}", {"reason": reason})
    return value.strip()


# A delivery service's limits carry its name, so ``mydomain.com-out_destination_rate_delay`` is one.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Value = Annotated[str, BeforeValidator(_plain), AfterValidator(_writable)]


class Schema(RootModel[dict[Name, Value]]):
    """Values by parameter name, each the text that Postfix reads."""


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute each parameter as it was written."""
    section = desired.section(Schema)
    return Contribution(
        parameters={
            name: Parameter(name, value, desired.where(SECTION, name), SECTION)
            for name, value in (section.root if section else {}).items()
        }
    )


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - a Feature
    """Every name that is set means something to this Postfix, and every name in a value is defined."""
    everywhere = list(scopes(merged, facts))
    theirs = per_service(merged.entries)
    builtin = facts.parameters.keys() | theirs.keys()
    obsolete = {name for text in facts.parameters.values() for name in _names(text)}
    known = builtin | obsolete | _used(everywhere)
    databases = tuple(f"{name}_" for name in _databases(everywhere))
    defined = builtin | obsolete | {parameter.name for scope in everywhere for parameter in scope.written}
    for scope in everywhere:
        for parameter in scope.written:
            yield from _unknown(scope, parameter, known, databases)
            yield from _read_only(scope, parameter)
            yield from _without_effect(scope, parameter, theirs)
            if parameter.name not in RAW:
                yield from _undefined(scope, parameter, defined)
                yield from _recursive(scope, parameter)


def _used(everywhere: list[Scope]) -> set[str]:
    """The names that values refer to, and restriction classes."""
    values = [parameter.value for scope in everywhere for parameter in scope.written if parameter.name not in RAW]
    used = {name for text in values for name in _names(text)}
    return used.union(*(scope.words("smtpd_restriction_classes") for scope in everywhere))


def _names(text: str) -> list[str]:
    try:
        return list(references(text)) if "$" in text else []
    except MalformedMacro:
        return []


def _databases(everywhere: list[Scope]) -> set[str]:
    return {name for scope in everywhere for parameter in scope.written for name in _DATABASE.findall(parameter.value)}


def _unknown(scope: Scope, parameter: Parameter, known: set[str], databases: tuple[str, ...]) -> Iterator[Finding]:
    name = parameter.name
    if name not in known and not name.startswith(databases or "\0"):
        hint = did_you_mean(name, known)
        version = scope.facts.version
        what = f'unknown parameter "{name}": no value refers to it, and Postfix {version} would ignore it{hint}'
        yield scope.finding("unknown-parameter", parameter, what)


def _read_only(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    if parameter.name in _READ_ONLY:
        what = f'"{parameter.name}" is set by Postfix itself, which would ignore this value'
        yield scope.finding("read-only-parameter", parameter, what)


def _without_effect(scope: Scope, parameter: Parameter, theirs: dict[str, str]) -> Iterator[Finding]:
    """A delivery limit is read by qmgr(8) from main.cf, never by the service whose option it is."""
    if scope.service and scope.service.command != "qmgr" and parameter.name in theirs:
        if parameter.name.endswith("_time_limit"):
            return
        what = f'"{parameter.name}" is read by qmgr, from main.cf: as an option of this service it does nothing'
        yield scope.warning("option-without-effect", parameter, what)


def _undefined(scope: Scope, parameter: Parameter, defined: set[str]) -> Iterator[Finding]:
    try:
        named = list(dict.fromkeys(references(parameter.value)))
    except MalformedMacro as error:
        what = f"malformed reference in {parameter.name}: {error}; Postfix programs would die of it"
        yield scope.finding("malformed-reference", parameter, what)
        return
    for name in named:
        if name not in defined:
            hint = did_you_mean(name, defined)
            what = f'undefined name "${name}" in {parameter.name}: Postfix would put nothing in its place{hint}'
            yield scope.finding("undefined-name", parameter, what, name)


def _recursive(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    if scope.endless(parameter.value):
        what = f'{parameter.name} refers to itself in "{parameter.value}": Postfix programs would die of it'
        yield scope.finding("recursive-value", parameter, what)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unknown-parameter": (
        "A parameter is set that this Postfix does not know, and that no value refers to. Postfix would ignore it,"
        " and what was meant would not be in force. Correct the spelling; a name of one's own is fine as soon as "
        "some value says $name."
    ),
    "read-only-parameter": (
        "A parameter is set that Postfix fills in itself. It would ignore the value. Remove the line."
    ),
    "option-without-effect": (
        "A delivery limit stands as an option of a service. Limits of a transport are read by qmgr from main.cf, "
        'so here it does nothing. Write it under "parameters:" as TRANSPORT_destination_....'
    ),
    "malformed-reference": (
        "A value holds a $ that is not followed by a name, or braces that do not close. Postfix's programs end "
        "when they read it. Write $name, ${name} or ${name?{yes}:{no}}, and $$ for a dollar sign itself."
    ),
    "undefined-name": (
        "A value refers to a name that is not defined. Postfix puts nothing in its place, without a word; in a "
        "command of pipe, every delivery would wait. Define the name, or correct its spelling."
    ),
    "recursive-value": (
        "A value refers to itself, directly or through others. Postfix's programs end when they expand it. Break "
        "the circle by writing one of the values out."
    ),
    "secret-in-parameter": (
        "A parameter's value is a secret. main.cf is readable by every user of the host, so the secret would be "
        "none. Use the section that takes it, such as smart_host; it writes a table that only root can read."
    ),
    "unwritable-value": (
        "A value can't be written to main.cf or master.cf without changing what it says: it holds control "
        "characters, or a line that would start a setting of its own. Write it on one line, or indent it as one "
        "block whose lines are no settings."
    ),
}
