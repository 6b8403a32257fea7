"""smtpd's access restriction lists must hold known words and protect against relaying (smtpd_check.c).

A word that smtpd does not know is no syntax error: smtpd answers 451 4.3.5 to each client that reaches the word. If no
list rejects foreign destinations, smtpd refuses to serve at all. Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import did_you_mean, nothing_mentioned
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.restrictions import (
    FINAL,
    KNOWN,
    LISTS,
    PROTECTION,
    RELAY,
    WITH_TABLE,
    classes_of,
    lacking,
    parsed,
    smtpd_scopes,
)
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter
    from reconciler.postfix.restrictions import Restriction

_JOINED = re.compile(r"([a-z_]+)[=(](.+)", re.ASCII)
_DOMAIN = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", re.IGNORECASE | re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each restriction is known and complete, and that each smtpd is protected against relaying."""
    for scope in scopes(merged, facts):
        lists = {*LISTS, *classes_of(scope)}
        for parameter in scope.written:
            if parameter.name in lists:
                yield from _list_problems(scope, parameter)
            if parameter.name == "smtpd_restriction_classes":
                yield from _undefined_classes(scope, parameter)
                yield from _endless_classes(scope, parameter)
    reported = set()
    for scope in smtpd_scopes(merged, facts):
        finding = _unprotected(scope)
        if finding and finding.where not in reported:
            reported.add(finding.where)
            yield finding


# ---- the words of a list ---------------------------------------------------------------------------------------------


def _list_problems(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    classes = classes_of(scope)
    after, warned = "", False
    for restriction in parsed(scope.expanded(parameter.value) or ""):
        name = restriction.name
        if after:
            what = f'{parameter.name}: "{name}" comes after "{after}" and is never reached'
            yield scope.warning("unreachable-restriction", parameter, what, name)
            return
        if name not in classes and (reason := lacking(name, scope.facts)):
            what = f'unknown restriction "{name}" in {parameter.name}: {reason}, and smtpd would answer 451 4.3.5'
            yield scope.finding("unknown-restriction", parameter, what, name)
        elif joined := _JOINED.match(name):
            table = re.sub(r"^\w+:\$config_directory/", "table:", joined[2].rstrip(")"), flags=re.ASCII)
            written = f"{joined[1]} {table}"
            what = f'unknown restriction "{name}" in {parameter.name}: smtpd would answer 451 4.3.5 to every client'
            if joined[1] in KNOWN:
                what += f"; write a blank between a restriction and its table: {written}"
            yield scope.finding("unknown-restriction", parameter, what, name)
        elif restriction.argument is not None:
            yield from _bad_argument(scope, parameter, restriction)
        elif name not in KNOWN and name not in classes and ":" not in name:
            hint = did_you_mean(name, KNOWN.union(classes))
            if not hint and _DOMAIN.fullmatch(name):
                hint = f"; did you mean reject_rbl_client {name}?"
            what = (
                f'unknown restriction "{name}" in {parameter.name}: smtpd would answer 451 4.3.5 to every client{hint}'
            )
            yield scope.finding("unknown-restriction", parameter, what, name)
        # warn_if_reject turns a reject or a defer into a warning, and leaves a permit as it is.
        after = name if name in FINAL and not (warned and name != "permit") else ""
        warned = name == "warn_if_reject"


def _bad_argument(scope: Scope, parameter: Parameter, restriction: Restriction) -> Iterator[Finding]:
    name, argument = restriction.name, restriction.argument or ""
    if name in WITH_TABLE:
        bad, expected = ":" not in argument, "a table such as table:NAME"
    elif name == "check_policy_service":  # the rule malformed-endpoint reads the address
        bad, expected = not argument, "a server such as unix:private/policy"
    elif name == "sleep":
        bad, expected = not is_digits(argument), "a number of seconds"
    else:
        bad, expected = not argument or argument.lower() in KNOWN, "a domain"
    if bad:
        own = argument.rpartition("/")[2] if name in WITH_TABLE else ""
        hint = f"; did you mean table:{own}?" if own in scope.merged.tables else ""
        got = f'got "{argument}"' if argument else "got nothing"
        what = f'{parameter.name}: "{name}" must be followed by {expected}, {got}; smtpd would answer 451 4.3.5{hint}'
        yield scope.finding("incomplete-restriction", parameter, what, name)


def _endless_classes(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    """Yield a class that contains itself: smtpd follows it until it crashes."""
    classes = classes_of(scope)
    names = {name: [restriction.name for restriction in parsed(scope.value(name))] for name in classes}
    inner = {name: [word for word in listed if word in classes] for name, listed in names.items()}
    for name in classes:
        reached, waiting = set(), list(inner[name])
        while waiting:
            word = waiting.pop()
            if word not in reached:
                reached.add(word)
                waiting += inner[word]
        if name in reached:
            what = f'restriction class "{name}" contains itself: smtpd would crash, and clients would get no answer'
            yield scope.finding("endless-class", scope.parameter(name) or parameter, what, name)
            return


def _undefined_classes(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for name in words(scope.expanded(parameter.value) or ""):
        if not scope.parameter(name):
            what = f'restriction class "{name}" has no definition: smtpd would exit'
            yield scope.finding("undefined-class", parameter, what, name)


# ---- relaying --------------------------------------------------------------------------------------------------------


def _unprotected(scope: Scope) -> Finding | None:
    if any(_protects(scope.value(name), scope) for name in RELAY):
        return None
    parameter = next(filter(None, map(scope.parameter, RELAY)), None)
    if not parameter:
        return None
    what = (
        f"no relay protection: neither {RELAY[0]} nor {RELAY[1]} holds reject_unauth_destination, got"
        f' "{scope.value(parameter.name)}"; smtpd would refuse to serve'
    )
    return scope.place_of(parameter).finding("no-relay-protection", parameter, what)


def _protects(text: str, scope: Scope, depth: int = 0) -> bool:
    """Return the answer of smtpd's own has_required()."""
    classes = classes_of(scope)
    rest = iter(words(text))
    for word in rest:
        name = word.lower()
        if name == "warn_if_reject":
            next(rest, None)  # a restriction that only warns protects nothing
        elif name == "permit":
            return False
        elif name in PROTECTION or (
            word in classes and depth < len(classes) and _protects(scope.value(word), scope, depth + 1)
        ):
            return True
    return False


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unknown-restriction": (
        "A list of restrictions holds a word that smtpd does not know. smtpd answers 451 4.3.5 to each client that "
        "reaches the word, and `postfix check` does not report it. Correct the spelling, or declare the class in "
        "smtpd_restriction_classes."
    ),
    "incomplete-restriction": (
        "A restriction has no argument, or an argument of the wrong kind. smtpd would use the next word as the "
        "argument and answer 451, or check the wrong thing. Write the table, server or domain directly after the "
        "restriction."
    ),
    "unreachable-restriction": (
        "A restriction comes after one that always decides. smtpd never reaches it, so it protects nothing. Move it "
        "before the permit, reject or defer."
    ),
    "undefined-class": (
        "smtpd_restriction_classes names a class that has no restrictions. smtpd would exit when it starts. Set a "
        "parameter of that name to a list of restrictions."
    ),
    "endless-class": (
        "A class of restrictions contains itself, directly or through other classes. smtpd follows it until it "
        "crashes, and clients get no answer. Remove the class from its own list."
    ),
    "no-relay-protection": (
        "No list of restrictions rejects mail for foreign destinations. smtpd refuses to serve at all, and clients "
        "get no greeting. Add reject_unauth_destination to smtpd_relay_restrictions."
    ),
}
