"""Parameter values must have the form that the programs of Postfix can read.

A parameter has the type of Postfix's own default, expanded: ``yes``, ``20``, ``300s``. Where a default can't show the
type (an enumeration, a list of words, a value that may not be empty), postfix/vocabulary.py does, taken from the
sources of Postfix 3.7. Where Postfix only warns, the rule only warns. Raises nothing.

Known limits: of ranges, only lower bounds that hold for a whole type are known; the rules skip word lists that are not
in the vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING

from reconciler.model import Severity, did_you_mean, meant, nothing_mentioned
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.macros import MalformedMacro, expand, references
from reconciler.postfix.numbers import as_number
from reconciler.postfix.scopes import Scope, scopes, words
from reconciler.postfix.syntax import one_line
from reconciler.postfix.vocabulary import (
    LISTS,
    LONG,
    NOT_EMPTY,
    NOT_NUMBERS,
    NOT_ZERO,
    PROTOCOL,
    RAW,
    TLS_WORDS,
    WORDS,
    KnownNames,
    ServiceLimits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_NUMBER = re.compile(r"[+-]?\d+\Z", re.ASCII)
_TIME = re.compile(r"\+?\d+([a-z]?)(.*)\Z", re.DOTALL | re.ASCII)
_UNITS = "smhdw"
_INT_MAX, _LONG_MAX = 2**31 - 1, 2**63 - 1
_SIZE = re.compile(r"(\d{1,9})\s*([kmgtKMGT]?)(?:i?[bB]|[bB]ytes?)?", re.ASCII)
_GROUPED = re.compile(r"\d{1,3}(?:[,._' ]\d{3})+", re.ASCII)
_POWERS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_MEANT = {"true": "yes", "on": "yes", "1": "yes", "y": "yes", "enable": "yes", "enabled": "yes"}
_MEANT |= {"false": "no", "off": "no", "0": "no", "n": "no", "disable": "no", "disabled": "no", "none": "no"}
_BOUNDS_SINCE = (3, 6)  # the first release with protocols such as >=TLSv1.2
_LEVEL = re.compile(r"\d+(?:\.\d+){0,2}\Z", re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each value fits its parameter."""
    defaults = _Defaults(facts.parameters, ServiceLimits(merged.index))
    kinds = cache(partial(kind, defaults=defaults))
    everywhere = scopes(merged, facts)
    defined = KnownNames(defaults, {parameter.name for scope in everywhere for parameter in scope.written})
    for scope in everywhere:
        for parameter in scope.written:
            value = _readable(scope, parameter, defined)
            if value is not None:
                is_scalar = parameter.name in defaults
                yield from _misfits(scope, parameter, one_line(value), kinds if is_scalar else None)


class _Defaults(Mapping[str, str]):
    """The defaults of this Postfix and those of each service, which are other parameters."""

    def __init__(self, parameters: Mapping[str, str], theirs: ServiceLimits) -> None:
        self._parameters, self._theirs = parameters, theirs

    def __getitem__(self, name: str) -> str:
        return self._parameters[name] if name in self._parameters else f"${self._theirs[name]}"

    def __iter__(self) -> Iterator[str]:
        yield from KnownNames(self._parameters, self._theirs)

    def __len__(self) -> int:
        return len(KnownNames(self._parameters, self._theirs))


def _readable(scope: Scope, parameter: Parameter, defined: Collection[str]) -> str | None:
    """Return the expanded value; None if other rules report it, or if main.cf does not expand it."""
    if parameter.name in RAW:
        return None
    try:
        if any(name not in defined for name in references(parameter.value)):
            return None
    except MalformedMacro:
        return None
    return scope.expanded(parameter.value)


def _misfits(scope: Scope, parameter: Parameter, value: str, kinds: Callable[[str], str] | None) -> Iterator[Finding]:
    name = parameter.name
    if name in LISTS or name in WORDS:
        yield from _bad_words(scope, parameter, value)
    elif name.endswith("_protocols") and "_tls_" in name:
        yield from _bad_protocols(scope, parameter, value)
    elif name == "compatibility_level":
        if not _LEVEL.match(value):
            yield _bad(scope, parameter, value, "a level such as 2 or 3.6")
    elif not value and name in NOT_EMPTY:
        what = f"{name} is empty, which is fatal to Postfix programs; remove it to get its default"
        yield scope.finding("empty-value", parameter, what)
    elif kinds and name not in NOT_NUMBERS and not name.endswith("_feedback"):
        yield from _bad_scalar(scope, parameter, value, kinds(name))


def kind(name: str, defaults: Mapping[str, str]) -> str:
    """Return the type of the parameter's expanded default: ``yes/no``, ``number``, ``time`` or ``text``."""
    try:
        default = expand(defaults[name], defaults.get).strip(SPACE)
    except MalformedMacro:
        return "text"
    if default in {"yes", "no"}:
        return "yes/no"
    if _NUMBER.match(default):
        return "number"
    return "time" if re.fullmatch(rf"\d+[{_UNITS}]", default, re.ASCII) else "text"


def _bad_scalar(scope: Scope, parameter: Parameter, value: str, expected: str) -> Iterator[Finding]:
    if expected == "yes/no" and value.lower() not in {"yes", "no"}:
        meant = _MEANT.get(value.lower())
        yield _bad(scope, parameter, value, "yes or no", f"; did you mean {meant}?" if meant else "")
    elif expected == "number":
        yield from _bad_number(scope, parameter, value)
    elif expected == "time":
        yield from _bad_time(scope, parameter, value)


def _bad_number(scope: Scope, parameter: Parameter, value: str) -> Iterator[Finding]:
    largest = _LONG_MAX if parameter.name in LONG else _INT_MAX
    if not _NUMBER.match(value):
        meant = _meant_number(parameter.name, value)
        hint = " (sizes are bytes, without a unit)" if _SIZE.fullmatch(value) else ""
        yield _bad(scope, parameter, value, f"a number{hint}", f"; did you mean {meant}?" if meant else "")
    elif abs(as_number(value)) > largest:
        yield _bad(scope, parameter, value, f"a number up to {largest}")
    elif as_number(value) < 1 and parameter.name in NOT_ZERO:
        yield _bad(scope, parameter, value, "a number above 0")
    elif as_number(value) < 0 and not parameter.name.endswith("list_threshold"):  # DNS lists may have negative weights
        yield _bad(scope, parameter, value, "a number of 0 or more")


def _meant_number(name: str, value: str) -> str:
    """Return the likely number of ``50MB``, ``10,485,760`` or ``unlimited``, or an empty text."""
    if value.lower() in {"unlimited", "none", "no", "off", "infinite"} and name not in NOT_ZERO:
        return "0"
    if size := _SIZE.fullmatch(value):
        return str(as_number(size[1]) << _POWERS[size[2].lower()])
    grouped = _GROUPED.fullmatch(value)
    return re.sub(r"\D", "", value, flags=re.ASCII) if grouped else ""


def _bad_time(scope: Scope, parameter: Parameter, value: str) -> Iterator[Finding]:
    match = _TIME.match(value)
    if not match or (match[1] or "s") not in _UNITS or (not match[1] and match[2]):
        hint = _meant_time(value)
        yield _bad(scope, parameter, value, "a time such as 300s (units are s, m, h, d and w)", hint)
    elif match[2]:
        what = f'{parameter.name} is "{value}": Postfix reads "{value[: match.end(1)]}" and ignores "{match[2]}"'
        yield scope.warning("odd-time", parameter, what)
    elif as_number(re.findall(r"\d+", value, re.ASCII)[0]) == 0 and parameter.name in NOT_ZERO:
        yield _bad(scope, parameter, value, "a time above 0")


def _meant_time(value: str) -> str:
    """Return a hint at the intended form of ``5 minutes`` or ``5M``."""
    match = re.fullmatch(r"(\d+)\s*([smhdwSMHDW])[a-zA-Z]*", value, re.ASCII)
    return f"; did you mean {match[1]}{match[2].lower()}?" if match else ""


def _bad_words(scope: Scope, parameter: Parameter, value: str) -> Iterator[Finding]:
    """Check enumerations: one word of them, or a list."""
    name = parameter.name
    known, fatal = LISTS.get(name) or WORDS[name]
    known = known - scope.facts.unsaid
    given = words(value) if name in LISTS else [value]
    for word in given:
        if word.lower() not in known and not (word == "" and "" in known):
            likely = TLS_WORDS.get(word.lower(), "") if "encrypt" in known else ""
            hint = meant(likely) if likely and likely in known else did_you_mean(word, known)
            expected = f"one of {', '.join(sorted(filter(None, known)))}"
            yield _bad(scope, parameter, word, expected, hint, severity=Severity.ERROR if fatal else Severity.WARNING)


def _bad_protocols(scope: Scope, parameter: Parameter, value: str) -> Iterator[Finding]:
    for word in re.split(r"[\s,:]+", value, flags=re.ASCII):
        if word[:1] in "<>" and scope.facts.release < _BOUNDS_SINCE and PROTOCOL.fullmatch(word):
            yield _bad(scope, parameter, word, f"protocols such as !SSLv3 in Postfix {scope.facts.version}")
        elif word and not PROTOCOL.fullmatch(word):
            known = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
            lower = {protocol.lower(): protocol for protocol in known}
            hint = did_you_mean(word.lstrip("!<>="), lower).replace("tls", "TLS").replace("ssl", "SSL")
            yield _bad(scope, parameter, word, "protocols such as >=TLSv1.2 or !SSLv3", hint)


def _bad(
    scope: Scope, parameter: Parameter, value: str, expected: str, hint: str = "", severity: Severity = Severity.ERROR
) -> Finding:
    then = "the programs that read it would fail" if severity is Severity.ERROR else "Postfix would ignore it"
    what = f'{parameter.name} must be {expected}, got "{value}": {then}{hint}'
    return scope.finding("bad-value", parameter, what, value, severity=severity)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "bad-value": (
        "A parameter has a value that its program can't read. Most programs exit when they read it, and the service "
        "stops. Some ignore it with a warning, and then the finding is only a warning. The finding names the expected "
        "form."
    ),
    "odd-time": (
        "A time has more than one number and unit. Postfix reads the first and ignores the rest. Write one number "
        "with one unit: s, m, h, d or w."
    ),
    "empty-value": (
        "A parameter is empty that must have a value. Postfix programs exit when they read it. Remove the line to get "
        "the default, or set a value."
    ),
}
