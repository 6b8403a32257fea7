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
from functools import partial
from itertools import chain, compress
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from reconciler.model.past import Past, PastInAPass, PastOfEach

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from reconciler.model import Contribution, Facts, Service
    from reconciler.model.facts import ByText

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
_IN_GENERAL = {None: "\0name", False: "\0address", True: "\0loopback"}
"""What stands for a plain value in a kind: a text that no value is."""


class _Kind(NamedTuple):
    """What a service has in common with those that are alike, and the *texts* with which it may name a service.

    There is no such *kind* for a service that is not looked at.
    """

    kind: Hashable = None
    texts: tuple[str, ...] = ()


_NO_KIND = _Kind()
_TEXTS = attrgetter("texts")
_kinds: PastOfEach[Service, _Kind] = PastOfEach()
"""Of thousands of services, nearly all are the very same at each push."""
_known: Past[Hashable] = Past(1 << 10)
"""Kinds, so that services that are alike share the memory of one."""
_found: PastInAPass[frozenset[str]] = PastInAPass(4)
"""By the services and the host's addresses."""


def with_alike(merged: Contribution, facts: Facts) -> Contribution:
    """Return the contribution with *alike*, the services of which an earlier one is like them, if there are many."""
    alike = _found.of((merged.services, facts.addresses), lambda: _alike(merged, facts))
    return replace(merged, alike=alike) if len(alike) >= FEWEST else merged


def _alike(merged: Contribution, facts: Facts) -> frozenset[str]:
    """Return the keys of the services of which an earlier one is like them."""
    services, kinds = merged.entries, kinds_of(merged.entries, facts)
    keys = [*compress(merged.services, merged.services.values())]
    texts = [*map(_TEXTS, _each(services, facts))]
    # One whose address or greeting is the name of a service is like no other: a value may name a service.
    if named := merged.names.intersection(chain.from_iterable(texts)):
        kinds = [kind if named.isdisjoint(own) else None for kind, own in zip(kinds, texts, strict=True)]
    first = dict(zip(reversed(kinds), reversed(keys), strict=True))  # of each kind, the one that is given last
    return frozenset(compress(keys, [kind is not None for kind in kinds])).difference(first.values())


def of_all(find: Callable[[Contribution], Iterable[T]], few: Contribution, merged: Contribution) -> Iterable[T]:
    """Return what *find* finds in all services; it looks at each if there is anything in the *few* of with_alike()."""
    return find(merged) if few is merged or any(True for _ in find(few)) else ()


def kinds_of(services: Sequence[Service], facts: Facts) -> list[int | None]:
    """Return a number for each service, which those share that are alike, but for their names.

    It is None for a service that is not looked at.
    """
    kinds = [one.kind for one in _each(services, facts)]
    number_of: dict[Hashable, int] = {}
    # Of the very same kind, which thousands have, the number is looked up once.
    numbers = {
        place: None if kind is None else number_of.setdefault(kind, len(number_of))
        for place, kind in dict(zip(map(id, kinds), kinds, strict=True)).items()
    }
    return [numbers[id(kind)] for kind in kinds]


def _each(services: Sequence[Service], facts: Facts) -> tuple[_Kind, ...]:
    own = facts.own_by_text
    return _kinds.of(services, (own,), partial(_kind, own=own))


def _kind(service: Service, own: ByText) -> _Kind:
    if service.command not in _PROGRAMS or service.type != "unix":
        return _NO_KIND
    options, texts = list[tuple[str, str]](), list[str]()
    for one in service.overrides:
        is_plain = one.name in VARYING and _is_plain(one.name, one.value, own)
        bound = own[one.value] if is_plain and one.name in _BIND else None
        options.append((one.name, _IN_GENERAL[bound.is_loopback if bound else None] if is_plain else one.value))
        if is_plain and one.name != _TAG:
            texts += (one.value, *(one.value.split(":") if ":" in one.value else ()))
    fields = (service.private, service.unprivileged, service.chroot, service.wakeup, service.maxproc)
    place = service.where.file.partition("/")[0]
    kind = place, service.command, fields, service.arguments, tuple(options)
    return _Kind(_known.shared(kind), tuple(texts))


def _is_plain(name: str, value: str, own: ByText) -> bool:
    """Return whether a value is an address, a name or a tag in which no rule finds anything."""
    if mark := _BIND.get(name):
        return mark in value and value in own
    return bool(_HOST_NAME.fullmatch(value) if name in _GREETINGS else _PLAIN_TAG.fullmatch(value))
