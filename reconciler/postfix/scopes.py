"""The scope of a setting: main.cf, or one service of master.cf, whose own ``-o`` options override main.cf.

A Scope returns the value of a parameter there, as the daemon sees it. ``$config_directory`` is not expanded, because
values name the files of a generation with it. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.model import UNWRITTEN, Finding, Severity
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.derived import derived
from reconciler.postfix.macros import MalformedMacro, cost, expand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Contribution, Facts, Parameter, Service, Where

_BREAKS = re.compile("[, \t\r\n]+")
CONFIG_DIRECTORY = "$config_directory"
FILE = ("/", f"{CONFIG_DIRECTORY}/")
"""How a word of a list begins that names a file."""
PARENTS = "parent_domain_matches_subdomains"
"""The lists and tables in which a domain also stands for what is below it; its key has no dot in front."""


@dataclass(frozen=True, slots=True)
class Scope:
    """main.cf, or main.cf with the options of *service*."""

    merged: Contribution
    facts: Facts
    service: Service | None = None
    _own: Mapping[str, Parameter] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = {override.name: override for override in self.service.overrides} if self.service else {}
        object.__setattr__(self, "_own", own)  # the last option wins

    @property
    def written(self) -> list[Parameter]:
        """Return the settings that are written in this scope itself."""
        return list(self.service.overrides) if self.service else list(self.merged.parameters.values())

    def parameter(self, name: str) -> Parameter | None:
        """Return the setting of a parameter that applies here, or None if there is none; the last option wins."""
        return self._own.get(name) or self.merged.parameters.get(name)

    def value(self, name: str) -> str:
        """Return the expanded value that applies here, or Postfix's default; empty if it cannot be expanded."""
        return self.expanded(self._text(name) or "") or ""

    def expanded(self, text: str) -> str | None:
        """Return *text* with its names expanded, or None if that fails; an undefined name is empty."""
        try:
            return expand(text, self._lookup)
        except MalformedMacro:
            return None

    def words(self, name: str) -> list[str]:
        """Return the elements of a value that is a list."""
        return words(self.value(name))

    def is_on(self, name: str) -> bool:
        """Return whether a yes/no parameter is yes."""
        return self.value(name).lower() == "yes"

    def where(self, *names: str) -> Where:
        """Return the place of the first of *names* that is set, else the place of the service."""
        for parameter in map(self.parameter, names):
            if parameter:
                return parameter.where
        return self.service.where if self.service else UNWRITTEN

    def finding(
        self, rule: str, parameter: Parameter, text: str, about: str = "",
        *, severity: Severity = Severity.ERROR, lasting: bool = True,
    ) -> Finding:  # fmt: skip
        """Return a finding about a setting of this scope; *about* is the wrong part of its value."""
        place = f"{self.service.key} {parameter.name}" if self.service else parameter.name
        label = f"service {self.service.key}: " if self.service else ""
        subject = f"{place} {about}".rstrip(SPACE)
        return Finding(
            rule=rule, where=parameter.where, text=label + text, subject=subject, severity=severity, lasting=lasting
        )

    def warning(self, rule: str, parameter: Parameter, text: str, about: str = "", *, lasting: bool = True) -> Finding:
        """Return a warning about a setting of this scope, as finding() returns an error."""
        return self.finding(rule, parameter, text, about, severity=Severity.WARNING, lasting=lasting)

    def place_of(self, parameter: Parameter) -> Scope:
        """Return the scope that contains a setting which applies here: this scope, or main.cf."""
        return self if self._own.get(parameter.name) == parameter else Scope(self.merged, self.facts)

    def cost(self, text: str) -> int:
        """Return how many characters it takes to expand *text*."""
        return cost(text, self._lookup)

    def failure(self, text: str) -> MalformedMacro | None:
        """Return why *text* can't be expanded, or None if it can."""
        try:
            expand(text, self._lookup)
        except MalformedMacro as error:
            return error
        return None

    def _text(self, name: str) -> str | None:
        parameter = self.parameter(name)
        return parameter.value if parameter else self.facts.parameters.get(name)

    def _lookup(self, name: str) -> str | None:
        # $$config_directory, because the value is expanded again, and $$ becomes a literal dollar.
        return "$" + CONFIG_DIRECTORY if name == "config_directory" else self._text(name)


@derived
def scopes(merged: Contribution, facts: Facts) -> tuple[Scope, ...]:
    """Return the scope of main.cf, then the scope of each service; of those that are alike, of the first."""
    return Scope(merged, facts), *(Scope(merged, facts, service) for service in merged.distinct)


def every_scope(merged: Contribution, facts: Facts) -> Iterator[Scope]:
    """Yield the scope of main.cf, then the scope of each service."""
    yield Scope(merged, facts)
    yield from (Scope(merged, facts, service) for service in merged.entries)


def words(text: str) -> list[str]:
    """Split a list at commas and blanks; ``{...}`` is one element (mystrtokq(3))."""
    if "{" not in text:  # as in most values, of which there are many
        return [word for word in _BREAKS.split(text) if word] if text else []
    elements: list[str] = []
    start, level = 0, 0
    for position, character in enumerate(text + " "):
        level += (character == "{") - (character == "}")
        if character in ", \t\r\n" and level <= 0:
            if position > start:
                elements.append(text[start:position])
            start, level = position + 1, 0
    return elements
