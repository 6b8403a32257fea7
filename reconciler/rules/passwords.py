"""The commit must not hold a password in plain text: a login of smtp(8), of a table on a server, of a program.

A password in the repository stays in its history, and every user of the host can read main.cf and a table of the
commit. What is written as ``!secret NAME``, or in a sealed file, is in neither. What is known of a password is its use
or the name that it is given; no finding shows it. Raises nothing.

Known limit: a password that a program of the commit has in its text is known only if it is a private key.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from reconciler.model import error_at, nothing_mentioned
from reconciler.model.ascii_text import SPACE, split_lines, split_words
from reconciler.postfix.definitions import PARAMETERS, has_login, is_password
from reconciler.postfix.references import CLIENTS, file_below, own_name, tables_of
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.syntax import read_main
from reconciler.postfix.tables import Entries, entry_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Contribution, DeployedFile, Desired, Facts, Finding, Parameter, Service
    from reconciler.postfix.references import Reference

RULE = "plain-text-secret"
_LOGINS = frozenset({"smtp_sasl_password_maps", "lmtp_sasl_password_maps"})
_NAME = re.compile(r"(?:\A|_)(?:bind_?pw|pass|password|passwd|passphrase|pw|secret)\Z", re.IGNORECASE | re.ASCII)
_ENVIRONMENT = frozenset({"export_environment", "import_environment"})
_VARIABLE = re.compile(r"(?:PASS|PASSWORD|PASSWD|PWD|SECRET|TOKEN)\Z", re.IGNORECASE | re.ASCII)
_HARMLESS = frozenset({"PWD", "OLDPWD"})
_OPTION = re.compile(r"(?:password|passwd|passphrase|secret|token)\Z", re.IGNORECASE | re.ASCII)
_SETTING = re.compile(r"[\"']?(?P<name>[A-Za-z0-9_.-]+)[\"']?\s*[:=]\s*[\"']?(?P<value>[^\s\"'#;]*)", re.ASCII)
_ENDING = re.compile(r"(?:passw(?:or)?d|passphrase|secret|bind_?pw|_pw)\Z", re.IGNORECASE | re.ASCII)
_NOT_LITERAL = ("$", "/", "{", "%", "<", "!")
_WORDS = frozenset({"", "false", "no", "none", "null", "passwd", "true", "yes"})
_CONFIGURATION = re.compile(r"(?:\.(?:cf|cfg|cnf|conf|env|ini|toml|ya?ml)|/[^./]+|\A[^./]+)\Z", re.ASCII)
_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|\AAGE-SECRET-KEY-1")
_RUNNABLE = 0o111
_EXPOSED = "(and change the password, because it has been exposed)"
_SEALED = ".age"


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that the commit holds no password in plain text."""
    named = _described_in_settings(merged, facts)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            yield from _of_logins(scope, parameter)
            if how := _instead(parameter, facts, named):
                what = f"{parameter.name} holds a password in plain text, which every user can read, and which would"
                yield scope.finding(RULE, parameter, f"{what} stay in the history; {how} {_EXPOSED}")
    for service in merged.distinct:
        if _in_arguments(service):
            what = "its arguments hold a password in plain text, which every user can read, and which would stay in the"
            how = "history; have the program read it from a file, files/PATH.age"
            yield service.finding(RULE, f"{what} {how} {_EXPOSED}")
    for made in merged.files.values():
        if not made.type and not made.source.endswith(_SEALED) and (line := _in_file(made, merged, facts)):
            what = f"{made.source} holds a password or a key in plain text, which would stay in the history; remove the"
            how = f"file, and seal it with `reconciler secret set {made.source} < FILE` {_EXPOSED}"
            yield error_at(RULE, made.at(line), f"{what} {how}", made.path)


# ---- logins of smtp(8) -----------------------------------------------------------------------------------------------


def _of_logins(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    for reference in tables_of(scope, parameter) if parameter.name in _LOGINS else ():
        if place := _plain(scope, reference):
            what = (
                f"{parameter.name}: {place} holds a password in plain text, which would stay in the history;"
                " run `reconciler secret set smart_host` and write smart_host: {nexthop: ..., username: ...,"
                " password: !secret smart_host} (and change the password, because it has been exposed)"
            )
            yield scope.finding(RULE, parameter, what, reference.type)


def _plain(scope: Scope, reference: Reference) -> str | None:
    """Return where the password is, and never the password itself."""
    if reference.type in {"static", "inline"}:
        return f"the {reference.type}: table" if reference.name.strip("{} ") else None
    table = scope.merged.tables.get(own_name(reference.name, scope.facts.directory) or "")
    if table and not table.is_secret and next(iter(Entries(table)), None):
        return f"the table {table.name}"
    made = scope.merged.files.get(file_below(reference.name, scope.facts.directory) or "")
    if made and reference.type not in CLIENTS and not made.source.endswith(_SEALED) and any(entry_lines(made.content)):
        return f"the file {made.source}"
    return None


# ---- settings and arguments ------------------------------------------------------------------------------------------


def _described_in_settings(merged: Contribution, facts: Facts) -> Mapping[str, str]:
    """Return the types of the tables on servers that parameters describe, such as people in ldap:people."""
    return {
        reference.name: reference.type
        for scope in scopes(merged, facts)
        for parameter in scope.written
        for reference in tables_of(scope, parameter)
        if reference.type in CLIENTS and reference.name and not {"/", "$"} & set(reference.name)
    }


def _instead(parameter: Parameter, facts: Facts, named: Mapping[str, str]) -> str:
    """Return what to do instead if the value of a parameter is a password; else an empty text."""
    name, value = parameter.name, parameter.value.strip(SPACE)
    if not value or value.startswith("$"):
        return ""
    for table, kind in named.items():
        rest = name.removeprefix(f"{table}_")
        if rest != name and rest in PARAMETERS[kind] and is_password(rest, value):
            file = f"write its parameters into tables/{table}.{kind}, with {rest} = !secret {table}"
            return f"{file}, and table:{table} where {kind}:{table} is, after `reconciler secret set {table}`"
    is_given = name not in facts.parameters and _NAME.search(name) and not value.startswith("/")
    if is_given or has_login(value) or (name in _ENVIRONMENT and any(map(_is_variable, split_words(value)))):
        return "write it as !secret NAME in tables/NAME.TYPE if it is for a table, else into a sealed files/PATH.age"
    return ""


def _is_variable(word: str) -> bool:
    """Return whether a word gives a password to an environment."""
    name, equals, value = word.strip("{}, ").partition("=")
    return bool(equals and value and _VARIABLE.search(name)) and name not in _HARMLESS and value[0] not in "$/"


def _in_arguments(service: Service) -> bool:
    """Return whether the command of a service is given a password."""
    words = [word.strip("{}") for word in service.arguments]
    given = [word.partition("=") for word in words]
    assigned = any(_OPTION.search(name) and equals and _is_literal(value) for name, equals, value in given)
    followed = any(
        name.startswith("-") and _OPTION.search(name) and not value.startswith("-") and _is_literal(value)
        for name, value in pairwise(words)
    )
    return assigned or followed or any(map(has_login, words))


def _is_literal(value: str) -> bool:
    return not value.startswith(_NOT_LITERAL) and value.lower() not in _WORDS


# ---- files -----------------------------------------------------------------------------------------------------------


def _in_file(made: DeployedFile, merged: Contribution, facts: Facts) -> int:
    """Return the line of the first password in a file, or 0."""
    lines = split_lines(made.content.decode("utf-8", "replace"))
    if key := next((number for number, line in enumerate(lines, 1) if _KEY.search(line)), 0):
        return key
    if _describes_a_table(made, merged, facts):
        settings, _ = read_main("\n".join(lines), made.source)
        found = (one.where.line for one in settings.values() if is_password(one.name, one.value))
        return next(found, 0)
    if made.mode & _RUNNABLE or not _CONFIGURATION.search(made.path):
        return 0
    return next((number for number, line in enumerate(lines, 1) if _sets_password(line)), 0)


def _describes_a_table(made: DeployedFile, merged: Contribution, facts: Facts) -> bool:
    return any(
        reference.type in CLIENTS and file_below(reference.name, facts.directory) == made.path
        for scope in scopes(merged, facts)
        for parameter in scope.written
        if made.path in parameter.value
        for reference in tables_of(scope, parameter)
    )


def _sets_password(line: str) -> bool:
    match = _SETTING.match(line.lstrip(SPACE))
    if not match or match["name"].lower() in _WORDS or not _ENDING.search(match["name"]):
        return bool(match) and has_login(line)
    return _is_literal(match["value"])


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "plain-text-secret": (
        "The commit holds a password in plain text. Every person who can read the repository could read it, and it "
        "would stay in the history; main.cf and the files of tables can be read by every user of the host. Remove it, "
        "change the password, and store the new one with `reconciler secret set NAME`. Values then refer to it as "
        "!secret NAME, also in tables/NAME.mysql and others; a whole file is sealed as files/PATH.age."
    ),
}
