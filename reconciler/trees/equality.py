"""The changes of a plan that change nothing: the same written differently, and defaults written out or left out.

Two values are the same if Postfix makes the same of them: after names are expanded, so that ``/etc/postfix/virtual``
equals ``$config_directory/virtual``, and without regard to commas in lists, the case of yes and no, or units of time.
Pure; raises nothing. A value that can't be expanded, or that another program expands, is the same only as it is
written.

Known limits: the defaults of mynetworks and of names outside main.cf are unknown here, so their changes count as
different. What is read from a file or a table is not compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from reconciler.model import Change, Effect, Kind, Parameter
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.macros import MalformedMacro, expand
from reconciler.postfix.networks import NETWORK_LISTS
from reconciler.postfix.restrictions import LISTS
from reconciler.postfix.scopes import words
from reconciler.postfix.syntax import one_line
from reconciler.postfix.vocabulary import RAW, ServiceLimits
from reconciler.trees.gained import settings_of
from reconciler.trees.plan import activations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Contribution, Facts, Plan, Service

LEVEL = "compatibility_level"
_LISTED = re.compile(r"_(?:maps|domains|restrictions|classes|clients|networks|hosts|milters|protocols|interfaces)\Z")
_TIME = re.compile(r"([0-9]{1,9})([smhdw]?)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FIELDS = {"private": "y", "unprivileged": "y", "wakeup": "0"}
_OWN_NAME = "service_name"
_HOST_DECIDES = frozenset({"mynetworks"})
"""Defaults that follow from addresses and other settings, so that `postconf -d` does not tell them."""


def with_effects(plan: Plan, facts: Facts) -> Plan:
    """Return the plan with the effect of each change of a setting or a service, and what they then need of Postfix."""
    if not any(map(_may_be_the_same, plan.changes)):
        return plan
    live, target = _sides(plan, facts)
    changes = tuple(_judged(change, live, target) for change in plan.changes)
    return replace(plan, changes=changes, steps=activations(changes))


def _may_be_the_same(change: Change) -> bool:
    is_changed = change.before is not None and change.after is not None
    return change.kind is Kind.PARAMETER or (change.kind is Kind.SERVICE and is_changed)


def by_level(plan: Plan, facts: Facts) -> Iterator[Change]:
    """Yield the defaults that change with compatibility_level, although nothing sets them."""
    if not any(change.what == LEVEL for change in plan.changes):
        return
    live, target = _sides(plan, facts)
    for name, default in sorted(facts.parameters.items()):
        if LEVEL in default and not {name} & (live.main.keys() | target.main.keys()):
            was, is_ = live.value(name), target.value(name)
            if was != is_:
                yield Change(kind=Kind.PARAMETER, what=name, before=was, after=is_)


def _sides(plan: Plan, facts: Facts) -> tuple[_Side, _Side]:
    return _Side(settings_of(plan.live), facts), _Side(settings_of(plan.target), facts)


def _judged(change: Change, live: _Side, target: _Side) -> Change:
    """Return the change with its effect."""
    if change.kind is Kind.PARAMETER:
        was, is_ = live.value(change.what), target.value(change.what)
        is_same, is_default = was == is_ is not None, change.before is None or change.after is None
    elif _may_be_the_same(change):
        old, new = live.service(change.what), target.service(change.what)
        is_same, is_default = _are_same(old, new, live, target), _written(old) != _written(new)
    else:
        return change
    return replace(change, effect=Effect.DEFAULT if is_default else Effect.SAME) if is_same else change


def _are_same(old: Service, new: Service, live: _Side, target: _Side) -> bool:
    """Return whether two services run the same program in the same way."""
    if (old.command, old.arguments) != (new.command, new.arguments) or live.fields(old) != target.fields(new):
        return False
    names = {option.name for service in (old, new) for option in service.overrides}
    values = ((live.value(name, old), target.value(name, new)) for name in names)
    return all(was == is_ is not None for was, is_ in values)


def _written(service: Service) -> tuple[object, ...]:
    """Return what stands there, without its values and its order."""
    fields = (service.private, service.unprivileged, service.chroot, service.wakeup, service.maxproc)
    return *fields, {option.name for option in service.overrides}


class _UnknownName(Exception):  # noqa: N818 - it never leaves this module
    """A value refers to a name that another program expands."""


@dataclass(frozen=True, slots=True)
class _Side:
    """The settings of one side of a plan."""

    settings: Contribution
    facts: Facts
    _of_services: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _services: Mapping[str, Service] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_of_services", ServiceLimits(self.settings.index))
        object.__setattr__(self, "_services", {service.key: service for service in self.settings.entries})

    @property
    def main(self) -> Mapping[str, Parameter]:
        """The parameters of its main.cf."""
        return self.settings.parameters

    def service(self, key: str) -> Service:
        """Return the service of that name and type."""
        return self._services[key]

    def value(self, name: str, service: Service | None = None) -> str | None:
        """Return what a parameter means here, in one form for equal values; None if that is unknown."""
        own = {option.name: option for option in service.overrides} if service else {}
        if service:
            own.setdefault(_OWN_NAME, Parameter(_OWN_NAME, service.name, service.where))
        text = self._text(name, own)
        if text is None or (name in _HOST_DECIDES and name not in own and name not in self.main):
            return None
        try:
            expanded = text if name in RAW else expand(text, partial(self._known, own))
        except (MalformedMacro, _UnknownName):
            return None
        return _in_one_form(name, expanded, self.facts.parameters.get(name, ""))

    def fields(self, service: Service) -> tuple[str, ...]:
        """Return the fields of a service, with the defaults of master(5) written out."""
        digits = re.match(r"[0-9]{1,9}", self.value(LEVEL) or "0", re.ASCII)
        chroot = "n" if digits and int(digits.group()) else "y"
        defaults = {**_FIELDS, "chroot": chroot, "maxproc": self.value("default_process_limit") or "100"}
        return tuple(
            default if getattr(service, key) == "-" else getattr(service, key) for key, default in defaults.items()
        )

    def _text(self, name: str, own: Mapping[str, Parameter]) -> str | None:
        written = own.get(name) or self.main.get(name)
        if written:
            return written.value
        if name == "mydomain":
            return self._domain(own)
        if default := self._of_services.get(name):
            return f"${default}"
        return self.facts.parameters.get(name)

    def _domain(self, own: Mapping[str, Parameter]) -> str | None:
        """Return the default of mydomain: myhostname without its first part."""
        host = self._text("myhostname", own)
        return host.partition(".")[2] or "localdomain" if host and "$" not in host else None

    def _known(self, own: Mapping[str, Parameter], name: str) -> str:
        text = self._text(name, own)
        if text is None or name in _HOST_DECIDES - own.keys() - self.main.keys():
            raise _UnknownName(name)
        return text


def _in_one_form(name: str, value: str, default: str) -> str:
    """Return a value in the one form that all its spellings share."""
    if name in LISTS or name in NETWORK_LISTS or name == "mydestination" or _LISTED.search(name):
        return " ".join(words(value))
    time, usual = _TIME.fullmatch(value), _TIME.fullmatch(default)
    if time and usual and usual[2]:  # a number without a unit has that of the default
        return f"{int(time[1]) * _SECONDS[time[2] or usual[2]]}s"
    if value.lower() in {"yes", "no"}:
        return value.lower()
    return value.lstrip("0") or "0" if is_digits(value) and is_digits(default) else one_line(value)
