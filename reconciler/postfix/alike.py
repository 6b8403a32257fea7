"""Services that are alike: what a rule finds in one of them, it finds in each of them.

A thousand sites that deliver alike are as many services of smtp(8), which differ in the address of this host that they
bind to, in the name that they greet with, and in their tag. No rule that looks at the scope of a service finds anything
in such an address, name or tag; a rule that does asks every_scope() (scopes.py). So a rule that finds nothing in the
first of them finds nothing in the others.

with_alike() names the others; scopes() then leaves them out. Pure. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from reconciler.model.past import Past

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from reconciler.model import Contribution, Facts, Service

T = TypeVar("T")

FEWEST = 16
"""Services that are alike; for fewer of them, it is quicker to look at each than to find out whether there are any."""
_PROGRAMS = frozenset({"smtp", "lmtp"})
_BIND = {"smtp_bind_address": ".", "smtp_bind_address6": ":", "lmtp_bind_address": ".", "lmtp_bind_address6": ":"}
_GREETINGS = frozenset({"smtp_helo_name", "lmtp_lhlo_name"})
_TAG = "syslog_name"
VARYING = frozenset({*_BIND, *_GREETINGS, _TAG})
"""The options in which services may differ that are alike; none of them names a file."""
_HOST_NAME = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII)
_PLAIN_TAG = re.compile(r"[A-Za-z0-9/._-]+", re.ASCII)
_found: Past[tuple[object, object, frozenset[str]]] = Past(4, in_a_pass=True)
"""By the places in memory of the services and of the host's addresses, which stay as long as they are in here."""


def with_alike(merged: Contribution, facts: Facts) -> Contribution:
    """Return the contribution with *alike*, the services of which an earlier one is like them, if there are many."""
    place = id(merged.services), id(facts.addresses)
    known = _found.used(place)
    if known is None:
        known = merged.services, facts.addresses, _alike(merged, facts)
        _found.keep(place, known)
    alike = known[2]
    return replace(merged, alike=alike) if len(alike) >= FEWEST else merged


def _alike(merged: Contribution, facts: Facts) -> frozenset[str]:
    """Return the keys of the services of which an earlier one is like them."""
    judge = _Likeness(merged, facts)
    first: set[Hashable] = set()
    alike: set[str] = set()
    for key, service in merged.services.items():
        if service and service.command in _PROGRAMS and service.type == "unix":
            kind = judge.kind(service)
            (alike.add(key) if kind in first else first.add(kind))
    return frozenset(alike)


def of_all(find: Callable[[Contribution], Iterable[T]], few: Contribution, merged: Contribution) -> Iterable[T]:
    """Return what *find* finds in all services; it looks at each if there is anything in the *few* of with_alike()."""
    return find(merged) if few is merged or any(True for _ in find(few)) else ()


class _Likeness:
    """Tells of which kind a service is, on a host with these addresses, beside services of these names."""

    def __init__(self, merged: Contribution, facts: Facts) -> None:
        self._own = facts.own_by_text
        self._names = frozenset(service.name for service in merged.services.values() if service)

    def kind(self, service: Service) -> Hashable:
        """Return what services have in common that are alike."""
        options = [
            (one.name, "" if one.name in VARYING and self._is_plain(one.name, one.value) else one.value)
            for one in service.overrides
        ]
        fields = (service.private, service.unprivileged, service.chroot, service.wakeup, service.maxproc)
        return service.where.file.partition("/")[0], service.command, fields, service.arguments, tuple(options)

    def _is_plain(self, name: str, value: str) -> bool:
        """Return whether a value is an address, a name or a tag in which no rule finds anything.

        The name of a service is none, because a value may name a service.
        """
        if mark := _BIND.get(name):
            return mark in value and value in self._own and self._names.isdisjoint((value, *value.split(":")))
        if name in _GREETINGS:
            return value not in self._names and bool(_HOST_NAME.fullmatch(value))
        return name == _TAG and bool(_PLAIN_TAG.fullmatch(value))
