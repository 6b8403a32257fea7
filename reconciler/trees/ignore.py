"""Ignore rules: what is left alone on this host for a while, however it was edited by hand.

What is left alone is carried: the target gets the live value in the place of its own, so that no pass and no push puts
it back while the rule holds. Pure; raises nothing.

Known limits: of main.cf a rule may name one parameter, of every other file the whole of it. A file that is gone, or in
whose place stands something else, is put back all the same. What is carried is not linted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from reconciler.model import File, did_you_mean
from reconciler.postfix.syntax import logical_lines, one_line, read_main

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import datetime

    from reconciler.model import Tree

MAIN = "main.cf"


@dataclass(frozen=True, slots=True)
class Rule:
    """A file, or one parameter of main.cf, that is left alone up to *until*, and why."""

    file: str
    parameter: str
    until: datetime
    why: str

    @property
    def what(self) -> str:
        """As the settings write it: ``transport`` or ``main.cf:smtpd_banner``."""
        return f"{self.file}:{self.parameter}" if self.parameter else self.file


class Carried(NamedTuple):
    """A target with what is left alone as it is live, and the *names* of that."""

    tree: Tree
    names: tuple[str, ...] = ()


def holding(rules: Iterable[Rule], now: datetime) -> tuple[Rule, ...]:
    """The rules that have not expired."""
    return tuple(rule for rule in rules if now < rule.until)


def left_alone(target: Tree, live: Tree, base: Tree | None, carried: Collection[str], rules: Iterable[Rule]) -> Carried:
    """The target with what is left alone as it is live.

    *base* is what the live commit made of this host, None when it is unknown; *carried* was left alone already.
    """
    result, names = dict(target), list[str]()
    for rule in rules:
        if rule.file not in live or rule.file not in target or not live[rule.file].digest.isalnum():
            continue  # gone, or no regular file, whose digest says so in words
        is_, wanted, was = (_value(tree, rule) for tree in (live, result, base or {}))
        if is_ == wanted or not (rule.what in carried or (base is not None and is_ != was)):
            continue
        names.append(rule.what)
        result[rule.file] = _with(result[MAIN], rule.parameter, is_) if rule.parameter else live[rule.file]
    return Carried(result, tuple(names))


def _text(file: File) -> str:
    return file.read().decode("utf-8", "surrogateescape")


def _value(tree: Tree, rule: Rule) -> str | File | None:
    if not rule.parameter:
        return tree.get(rule.file)
    parameter = read_main(_text(tree[MAIN]), MAIN)[0].get(rule.parameter) if MAIN in tree else None
    return one_line(parameter.value) if parameter else None


def _with(file: File, name: str, value: object) -> File:
    """main.cf with that value; None takes the parameter away."""
    lines = _text(file).split("\n")
    new = [] if value is None else [f"{name} = {value}".rstrip()]
    place = len(lines) - 1 if lines[-1] == "" else len(lines)
    for logical in reversed(list(logical_lines(_text(file)))):
        if logical.text.partition("=")[0].strip() == name:
            place = logical.line - 1
            del lines[place : logical.parts[-1][0]]
    lines[place:place] = new
    return File.of("\n".join(lines).encode("utf-8", "surrogateescape"), file.mode, file.owner, file.compiled)


def limits(rules: Iterable[Rule], now: datetime, files: Collection[str], parameters: Collection[str]) -> Iterator[str]:
    """What is wrong with the rules on this host: expired, or about something that is not there."""
    for rule in rules:
        if now >= rule.until:
            yield f"ignore rule {rule.what} expired on {rule.until:%Y-%m-%d %H:%M}: drift is put back again"
        elif rule.file not in files:
            hint = did_you_mean(rule.file, files)
            yield f"ignore rule {rule.what}: no file of ours has that name, so it does nothing{hint}"
        elif rule.parameter and rule.parameter not in parameters:
            hint = did_you_mean(rule.parameter, parameters)
            yield f"ignore rule {rule.what}: Postfix has no such parameter, so it does nothing{hint}"
