"""``parameters``: values of main.cf by name, which prevail over every feature.

The rules check every name that is set, in main.cf or as an option of a service, by any feature. Postfix ignores a name
that it does not know, and expands an undefined name to nothing. The rules know the same names as Postfix: its own
parameters, those that belong to a service or a database table, and names that some value refers to.

Known limit: any name that starts with that of a database table (``ldap:people`` and ``people_server_host``) passes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError

from reconciler.features.section import SectionValue
from reconciler.model import (
    Contribution,
    Parameter,
    SecretName,
    Severity,
    did_you_mean,
    limits,
    no_services,
    nothing_mentioned,
)
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.macros import EndlessMacro, MalformedMacro, ValueTooLarge, references
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.syntax import unwritable
from reconciler.postfix.vocabulary import FORMER, PER_SERVICE, RAW, KnownNames, ServiceLimits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from reconciler.model import Desired, Facts, Finding

SECTION = "parameters"
_READ_ONLY = frozenset({"process_id", "process_name", "service_name"})
_DATABASE = re.compile(r"(?<![\w-])(?:ldap|mysql|pgsql|sqlite|memcache|mongodb):([A-Za-z0-9_]+)", re.ASCII)


def _plain(value: object) -> object:
    if isinstance(value, SecretName):
        text = "every user of the host can read main.cf: a secret can't be the value of a parameter"
        raise PydanticCustomError("secret-in-parameter", text)
    return value


def _writable(value: str) -> str:
    if reason := unwritable(value):
        raise PydanticCustomError("unwritable-value", "{reason}", {"reason": reason})
    return value.strip(SPACE)


# A delivery service's limits start with its name: ``mydomain.com-out_destination_rate_delay`` is a valid name.
PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
Name = Annotated[str, StringConstraints(pattern=PATTERN)]
Value = Annotated[str, BeforeValidator(_plain), AfterValidator(_writable)]


class Schema(SectionValue[dict[Name, Value]]):
    """Values by parameter name, each as the text that Postfix reads."""


def written(desired: Desired, name: str) -> str:
    """Return the value of a parameter as the section has it; empty if it does not."""
    section = desired.section(Schema)
    return section.root.get(name, "") if section else ""


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
    """Check that this Postfix knows every name that is set, and that every name in a value is defined."""
    everywhere = scopes(merged, facts)
    theirs = ServiceLimits(merged.index)
    obsolete = {name for text in facts.parameters.values() for name in _names(text)}
    builtin = KnownNames(facts.parameters, obsolete, theirs)
    known = KnownNames(builtin, _used(everywhere))
    databases = tuple(f"{name}_" for name in _databases(everywhere))
    defined = KnownNames(builtin, {parameter.name for scope in everywhere for parameter in scope.written})
    for scope in everywhere:
        for parameter in scope.written:
            yield from _unknown(scope, parameter, known, databases)
            yield from _read_only(scope, parameter)
            yield from _without_effect(scope, parameter, theirs)
            if parameter.name not in RAW:
                yield from _undefined(scope, parameter, defined)
            yield from _unexpanded(scope, parameter)


def _used(everywhere: Sequence[Scope]) -> set[str]:
    """Return the names that values refer to, and restriction classes."""
    values = [parameter.value for scope in everywhere for parameter in scope.written if parameter.name not in RAW]
    used = {name for text in values for name in _names(text)}
    return used.union(*(scope.words("smtpd_restriction_classes") for scope in everywhere))


def _names(text: str) -> list[str]:
    try:
        return list(references(text)) if "$" in text else []
    except MalformedMacro:
        return []


def _databases(everywhere: Sequence[Scope]) -> set[str]:
    return {name for scope in everywhere for parameter in scope.written for name in _DATABASE.findall(parameter.value)}


def _unknown(
    scope: Scope, parameter: Parameter, known: Collection[str], databases: tuple[str, ...]
) -> Iterator[Finding]:
    name = parameter.name
    if name not in known and not name.startswith(databases or "\0"):
        if name in FORMER:
            what = f"{name} has no effect: Postfix {scope.facts.version} does not have it; older or patched ones had"
            yield scope.warning("former-parameter", parameter, what)
            return
        if service := _left_over(scope, name, known):
            what = f'{name} has no effect: there is no service "{service}"'
            yield scope.warning("no-such-transport", parameter, what, service)
            return
        hint, version = did_you_mean(name, known), scope.facts.version
        what = f'unknown parameter "{name}": no value refers to it, and Postfix {version} would ignore it{hint}'
        yield scope.finding("unknown-parameter", parameter, what)


def _left_over(scope: Scope, name: str, known: Collection[str]) -> str:
    """Return the service whose limit a parameter would be; empty if it has no such form, or looks like a slip."""
    endings = sorted((f"_{suffix}" for suffix in (*PER_SERVICE, "time_limit")), key=len, reverse=True)
    ending = next((ending for ending in endings if name.endswith(ending)), "")
    service = name.removesuffix(ending) if ending else ""
    services = {other.removesuffix(ending) for other in known if other.endswith(ending)}
    services |= scope.merged.names
    return service if service and not did_you_mean(service, services) else ""


def _read_only(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    if parameter.name in _READ_ONLY:
        what = f'"{parameter.name}" is set by Postfix itself, which would ignore this value'
        yield scope.finding("read-only-parameter", parameter, what)


def _without_effect(scope: Scope, parameter: Parameter, theirs: Collection[str]) -> Iterator[Finding]:
    """Report a delivery limit as an option of a service: only qmgr(8) reads it, and only from main.cf."""
    if scope.service and scope.service.command != "qmgr" and parameter.name in theirs:
        if parameter.name.endswith("_time_limit"):
            return
        what = f'qmgr reads "{parameter.name}" from main.cf: as an option of this service it has no effect'
        yield scope.warning("option-without-effect", parameter, what)


def _undefined(scope: Scope, parameter: Parameter, defined: Collection[str]) -> Iterator[Finding]:
    try:
        named = list(dict.fromkeys(references(parameter.value)))
    except MalformedMacro as error:
        what = f"malformed reference in {parameter.name}: {error}; Postfix programs would exit"
        yield scope.finding("malformed-reference", parameter, what)
        return
    for name in named:
        if name not in defined:
            hint = did_you_mean(name, defined) if name not in FORMER else ""
            what = f'undefined name "${name}" in {parameter.name}: Postfix would expand it to nothing{hint}'
            severity = Severity.WARNING if name in FORMER else Severity.ERROR
            yield scope.finding("undefined-name", parameter, what, name, severity=severity)


def _unexpanded(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    failure = scope.failure(parameter.value)
    if isinstance(failure, ValueTooLarge):
        what = f"{parameter.name} is longer than {limits.VALUE} characters when its names are expanded; use a table"
        yield scope.finding("value-too-large", parameter, what)
    elif isinstance(failure, EndlessMacro) and parameter.name not in RAW:
        what = f'{parameter.name} refers to itself in "{parameter.value}": Postfix programs would exit'
        yield scope.finding("recursive-value", parameter, what)


services = no_services
mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unknown-parameter": (
        "A parameter is set that this Postfix does not know, and that no value refers to. Postfix would ignore it, "
        "and the intended setting would not be in force. Correct the spelling. A parameter name of your own is valid "
        "if some value refers to it as $name."
    ),
    "former-parameter": (
        "main.cf sets a parameter that an older Postfix had, or one with the VDA patch for quotas. This Postfix "
        "ignores it. Remove the line; a mailbox quota is now a matter of Dovecot."
    ),
    "no-such-transport": (
        "main.cf sets a limit of a transport, TRANSPORT_destination_recipient_limit and the like, and master.cf has no "
        "service of that name. Postfix ignores it. Remove it, or add the service."
    ),
    "read-only-parameter": (
        "A parameter is set that Postfix sets itself. Postfix would ignore the value. Remove the line."
    ),
    "option-without-effect": (
        "A delivery limit is written as an option of a service. qmgr reads the limits of a transport from main.cf, so "
        'the option has no effect. Write it under "parameters:" with the name of its transport, such as '
        "TRANSPORT_destination_rate_delay."
    ),
    "malformed-reference": (
        "A value contains a $ without a name after it, or braces that do not close. Postfix programs exit when they "
        "read it. Write $name, ${name} or ${name?{yes}:{no}}, and $$ for a dollar sign."
    ),
    "undefined-name": (
        "A value refers to a name that is not defined. Postfix silently expands it to nothing. In a command of pipe, "
        "every delivery would wait. Define the name, or correct its spelling."
    ),
    "recursive-value": (
        "A value refers to itself, directly or through other values. Postfix programs exit when they expand it. Break "
        "the circle by writing out one of the values."
    ),
    "value-too-large": (
        "A value is too large, as it is written or after all names in it are expanded. reconciler does not check such a"
        " value, so it can't go live. Put a long list into a table, and break up values that repeat one another."
    ),
    "secret-in-parameter": (
        "The value of a parameter is a secret. Every user of the host can read main.cf, so it would not stay secret. "
        "Use the section that accepts the secret, such as smart_host. It writes a table that only root can read."
    ),
    "unwritable-value": (
        "A value can't be written to main.cf or master.cf without a change of its meaning: it contains control "
        "characters, or a line that would start another setting. Write it on one line, or indent it as one block "
        "whose lines are not settings."
    ),
}
