"""Ignore rules: each leaves one hand edit of this host in place until a given day.

The target carries such an edit: it has the live value instead of its own, so no pass and no push reverts the edit while
the rule is in force. Pure; raises nothing.

Known limits: a rule may name one parameter of main.cf, but only the whole of any other file. A file that is missing, or
that is no longer a regular file, is restored despite a rule. The rules do not check the carried values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import File, did_you_mean
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.syntax import logical_lines, one_line, read_main

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from reconciler.model import Tree

MAIN = "main.cf"


@dataclass(frozen=True, slots=True)
class Rule:
    """An ignore rule: it leaves a file, or one parameter of main.cf, in place until *until*, and gives the reason."""

    file: str
    parameter: str
    until: datetime
    why: str

    @property
    def what(self) -> str:
        """Return the name as in the settings: ``transport`` or ``main.cf:smtpd_banner``."""
        return f"{self.file}:{self.parameter}" if self.parameter else self.file


class Carried(NamedTuple):
    """A target with the live values of the hand edits that ignore rules leave in place, and the *names* of those."""

    tree: Tree
    names: tuple[str, ...] = ()


def holding(rules: Iterable[Rule], now: datetime) -> tuple[Rule, ...]:
    """Return the rules that have not expired."""
    return tuple(rule for rule in rules if now < rule.until)


def left_alone(target: Tree, live: Tree, base: Tree | None, carried: Collection[str], rules: Iterable[Rule]) -> Carried:
    """Return the target with the live values of the hand edits that *rules* leave in place.

    *base* is the tree that the live commit rendered to, or None if unknown. *carried* has the names that the live
    generation carries already.
    """
    result, names = dict(target), list[str]()
    for rule in rules:
        if rule.file not in live or rule.file not in target or " " in live[rule.file].digest:
            continue  # missing, or not a regular file: its digest is then a text in words
        current, wanted, previous = (_value(tree, rule) for tree in (live, result, base or {}))
        if current == wanted or not (rule.what in carried or (base is not None and current != previous)):
            continue
        names.append(rule.what)
        result[rule.file] = _with(result[MAIN], rule.parameter, current) if rule.parameter else live[rule.file]
    return Carried(result, tuple(names))


def _text(file: File) -> str:
    return file.read().decode("utf-8", "surrogateescape")


def _value(tree: Tree, rule: Rule) -> str | File | None:
    if not rule.parameter:
        return tree.get(rule.file)
    parameter = read_main(_text(tree[MAIN]), MAIN)[0].get(rule.parameter) if MAIN in tree else None
    return one_line(parameter.value) if parameter else None


def _with(file: File, name: str, value: object) -> File:
    """Return main.cf with that value; None removes the parameter."""
    lines = _text(file).split("\n")
    new = [] if value is None else [f"{name} = {value}".rstrip(SPACE)]
    place = len(lines) - 1 if lines[-1] == "" else len(lines)
    for logical in reversed(list(logical_lines(_text(file)))):
        if logical.text.partition("=")[0].strip(SPACE) == name:
            place = logical.line - 1
            del lines[place : logical.parts[-1][0]]
    lines[place:place] = new
    return File.of("\n".join(lines).encode("utf-8", "surrogateescape"), file.mode, file.owner, file.compiled)


def limits(rules: Iterable[Rule], now: datetime, files: Collection[str], parameters: Collection[str]) -> Iterator[str]:
    """Yield the faults of the rules on this host: they expired, or have no effect."""
    for rule in rules:
        if now >= rule.until:
            yield f"ignore rule {rule.what} expired on {rule.until:%Y-%m-%d %H:%M}: drift is reverted again"
        elif rule.file not in files:
            hint = did_you_mean(rule.file, files)
            yield f"ignore rule {rule.what}: reconciler manages no file of that name, so the rule has no effect{hint}"
        elif rule.parameter and rule.parameter not in parameters:
            hint = did_you_mean(rule.parameter, parameters)
            yield f"ignore rule {rule.what}: Postfix has no such parameter, so the rule has no effect{hint}"
