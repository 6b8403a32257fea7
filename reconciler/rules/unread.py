"""A setting must be where a program reads it: an option on a program that reads it, main.cf for programs that run.

Postfix's own programs decide who reads what (``facts.reads``). A program also reads a name that a value of its own
refers to as $name. Raises nothing.

Known limit: where the facts do not contain a program, its options get no finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Finding, meant, nothing_mentioned
from reconciler.postfix.macros import MalformedMacro, references
from reconciler.postfix.reached import unreached_agents
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.vocabulary import ServiceLimits, names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import Contribution, Desired, Facts, Parameter

_PREFIXES = ("smtpd_", "smtp_", "lmtp_", "postscreen_", "virtual_", "mailbox_", "non_smtpd_", "")
# All programs hold these names, for Postfix's library declares them; these programs act on them.
_IN_LIBRARY = {
    "content_filter": names("pickup qmqpd smtpd"),
    "disable_dns_lookups": names("lmtp smtp"),
    "disable_mime_input_processing": names("cleanup"),
    "disable_mime_output_conversion": names("lmtp smtp"),
    "relay_domains": names("flush smtpd trivial-rewrite"),
    "relayhost": names("lmtp smtp trivial-rewrite"),
    "smtpd_relay_restrictions": names("smtpd"),
}
_TAKING_IN = frozenset({"smtpd", "pickup", "qmqpd"})
_SHOWN = 3


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that a program reads each setting, and that it can run."""
    if facts.reads:
        limits = ServiceLimits(merged.index)  # features/parameters.py reports these as options
        commands = {service.command for service in merged.distinct} & facts.reads.keys()
        used = {command: _acted_on(command, facts) for command in commands}
        for scope in scopes(merged, facts):
            if scope.service and scope.service.command in used:
                yield from _options(scope, used[scope.service.command], limits)
        yield from _settings(Scope(merged, facts))


# ---- options of a service --------------------------------------------------------------------------------------------


def _acted_on(program: str, facts: Facts) -> frozenset[str]:
    """Return the parameters that a program reads and acts on."""
    elsewhere = {name for name, programs in _IN_LIBRARY.items() if program not in programs}
    return facts.reads[program] - _of_the_other(program, facts) - elsewhere


def _options(scope: Scope, reads: frozenset[str], limits: Collection[str]) -> Iterator[Finding]:
    """Yield the options of a service that its program does not read; *reads* are those that it reads."""
    program = scope.service.command if scope.service else ""
    unread = [
        one
        for one in scope.written
        if one.name in scope.facts.parameters and one.name not in reads and one.name not in limits
    ]
    used = _referred(scope, reads) if unread else set()
    for parameter in unread:
        if parameter.name not in used:
            readers = _readers(parameter.name, scope.facts)
            who = f": {', '.join(readers)} would" if readers else ""
            what = f"{program} does not read {parameter.name}, so this option has no effect{who}"
            yield scope.warning(
                "unread-option", parameter, f"{what}{_instead(program, parameter.name, reads, readers)}"
            )


def _of_the_other(program: str, facts: Facts) -> set[str]:
    """Return the settings of smtp that lmtp has under its own name, or the reverse: both are one program."""
    own, other = {"smtp": ("smtp_", "lmtp_"), "lmtp": ("lmtp_", "smtp_")}.get(program, ("", ""))
    return {
        name
        for name in facts.parameters
        if own and name.startswith(other) and name.replace(other, own, 1) in facts.parameters
    }


def _readers(name: str, facts: Facts) -> list[str]:
    """Return the daemons that read a parameter."""
    if name in _IN_LIBRARY:
        return sorted(_IN_LIBRARY[name])
    reading = [program for program, reads in facts.reads.items() if name in reads and program in facts.programs]
    return sorted(program for program in reading if name not in _of_the_other(program, facts))


def _instead(program: str, name: str, reads: Collection[str], readers: list[str]) -> str:
    """Return a hint at the place or the name that was meant."""
    rests = (name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix))
    twins = (prefix + rest for rest in rests for prefix in _PREFIXES if prefix + rest != name)
    if twin := next((twin for twin in twins if twin in reads), None):
        return meant(twin)
    if readers == ["cleanup"] and program in _TAKING_IN:
        return "; to set it for this service alone, give it a cleanup of its own with cleanup_service_name"
    return ""


def _referred(scope: Scope, reads: Collection[str]) -> set[str]:
    """Return the names that the values of a program's parameters refer to, directly or through others."""
    found: set[str] = set()
    waiting = list(reads)
    while waiting:
        for name in _names(scope, waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


def _names(scope: Scope, name: str) -> list[str]:
    parameter = scope.parameter(name)
    text = parameter.value if parameter else scope.facts.parameters.get(name, "")
    try:
        return list(references(text)) if "$" in text else []
    except MalformedMacro:
        return []


# ---- settings of main.cf ---------------------------------------------------------------------------------------------


def _settings(main: Scope) -> Iterator[Finding]:
    """Yield one warning for the settings that only the same programs read, none of which runs or is reached."""
    facts, started = main.facts, {service.command for service in main.merged.distinct}
    unreached = unreached_agents(main.merged, facts)
    started |= {"master", *(facts.reads.keys() - facts.programs)}  # the others are commands
    running = started & facts.reads.keys() - unreached
    read = frozenset[str]().union(*(facts.reads[program] for program in running))
    unread = [one for one in main.written if one.value and one.name in facts.parameters and one.name not in read]
    if unread:
        used = set[str]()
        for scope in scopes(main.merged, facts):
            used |= _referred(scope, read.union(one.name for one in scope.written if one not in unread))
        unread = [parameter for parameter in unread if parameter.name not in used]
    groups: dict[tuple[str, ...], list[Parameter]] = {}
    for parameter in unread:
        if readers := _readers(parameter.name, facts):
            groups.setdefault(tuple(readers), []).append(parameter)
    for programs, parameters in groups.items():
        yield _unread(main, programs, parameters, unreached)


def _unread(main: Scope, readers: tuple[str, ...], parameters: list[Parameter], unreached: Collection[str]) -> Finding:
    names = [parameter.name for parameter in parameters]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    why = "no route leads to it" if set(readers) & set(unreached) else "no service of master.cf runs it"
    what = f"{', '.join(names[:_SHOWN])}{more}: only {' or '.join(readers)} reads this, and {why}: it has no effect"
    return main.warning("unread-setting", parameters[0], what, " ".join(readers))


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unread-option": (
        "An option of a service has a parameter that the program of the service does not read, as Postfix's own "
        "programs show. The option has no effect. For example, header_checks belongs to cleanup, and an smtpd with it "
        "checks no header. Give the option to a service of the program that the finding names, use the parameter of "
        "this program, or remove the option."
    ),
    "unread-setting": (
        "main.cf sets parameters that only one program reads, and that program never runs: master.cf has no service "
        "for it, or no route leads to its service. The settings have no effect. Add the service or the route, or "
        "remove the settings."
    ),
}
