"""Where a setting holds: main.cf, or one service of master.cf with its own ``-o`` options over it.

A Scope answers what a parameter's value is there, as the daemon would see it. ``$config_directory`` stays as it is
written, for that is how a value names a file of the generation. Raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, Where
from reconciler.postfix.macros import EndlessMacro, MalformedMacro, expand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Facts, Parameter, Service

CONFIG_DIRECTORY = "$config_directory"


@dataclass(frozen=True, slots=True)
class Scope:
    """main.cf, or the options of *service* over it."""

    merged: Contribution
    facts: Facts
    service: Service | None = None

    @property
    def written(self) -> list[Parameter]:
        """The settings that are written in this very place."""
        return list(self.service.overrides) if self.service else list(self.merged.parameters.values())

    def parameter(self, name: str) -> Parameter | None:
        """The setting of that name which holds here, if somebody wrote one; the last option wins."""
        own = [override for override in self.service.overrides if override.name == name] if self.service else []
        return own[-1] if own else self.merged.parameters.get(name)

    def value(self, name: str) -> str:
        """The expanded value that holds here, Postfix's default included; empty when it can't be expanded."""
        return self.expanded(self._text(name) or "") or ""

    def expanded(self, text: str) -> str | None:
        """*text* expanded, a name that nobody defines being empty; None where it can't be expanded."""
        try:
            return expand(text, self._lookup)
        except MalformedMacro:
            return None

    def words(self, name: str) -> list[str]:
        """The value as the list it is."""
        return words(self.value(name))

    def is_on(self, name: str) -> bool:
        """Whether a yes/no parameter says yes."""
        return self.value(name).lower() == "yes"

    def where(self, *names: str) -> Where:
        """Where the first of *names* is written that is, else the service."""
        for parameter in map(self.parameter, names):
            if parameter:
                return parameter.where
        return self.service.where if self.service else Where("mail.yaml")

    def finding(
        self, rule: str, parameter: Parameter, text: str, about: str = "",
        *, severity: Severity = Severity.ERROR, lasting: bool = True,
    ) -> Finding:  # fmt: skip
        """A finding about a setting written here; *about* is the part of its value that is wrong."""
        place = f"{self.service.key} {parameter.name}" if self.service else parameter.name
        label = f"service {self.service.key}: " if self.service else ""
        subject = f"{place} {about}".rstrip()
        return Finding(
            rule=rule, where=parameter.where, text=label + text, subject=subject, severity=severity, lasting=lasting
        )

    def warning(self, rule: str, parameter: Parameter, text: str, about: str = "", *, lasting: bool = True) -> Finding:
        """A warning about a setting written here, as finding() makes an error."""
        return self.finding(rule, parameter, text, about, severity=Severity.WARNING, lasting=lasting)

    def place_of(self, parameter: Parameter) -> Scope:
        """The scope in which a setting is written that holds here: this one, or main.cf."""
        own = self.service and parameter in self.service.overrides
        return self if own else Scope(self.merged, self.facts)

    def endless(self, text: str) -> bool:
        """Whether *text* leads back to itself."""
        try:
            expand(text, self._lookup)
        except EndlessMacro:
            return True
        except MalformedMacro:
            return False
        return False

    def _text(self, name: str) -> str | None:
        parameter = self.parameter(name)
        return parameter.value if parameter else self.facts.parameters.get(name)

    def _lookup(self, name: str) -> str | None:
        # $$config_directory, for a value is expanded in turn, and $$ is the dollar that stays.
        return "$" + CONFIG_DIRECTORY if name == "config_directory" else self._text(name)


def scopes(merged: Contribution, facts: Facts) -> Iterator[Scope]:
    """main.cf first, then every service."""
    yield Scope(merged, facts)
    for service in merged.entries:
        yield Scope(merged, facts, service)


def words(text: str) -> list[str]:
    """The elements of a list, split at commas and blanks; ``{...}`` stays together (mystrtokq(3))."""
    elements: list[str] = []
    start, level = 0, 0
    for position, character in enumerate(text + " "):
        level += (character == "{") - (character == "}")
        if character in ", \t\r\n" and level <= 0:
            if position > start:
                elements.append(text[start:position])
            start, level = position + 1, 0
    return elements
