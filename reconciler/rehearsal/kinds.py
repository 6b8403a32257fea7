"""Choose what a rehearsal plays of what is alike: a few of each kind, and what the commit adds or changes.

Services are alike if they run the same program with the same options, but for their addresses and names: a thousand
sites that deliver alike are one kind. master(8) reads all of them in any case, and the rules have judged each. A value
that looks like no address and no name is a kind of its own, and so is a file that could not be read. Pure. Raises
nothing.

Known limit: of more than MOST members of a kind that a commit adds or changes at once, only the first are played, those
first whose options differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import filterfalse
from typing import TYPE_CHECKING, TypeVar

from reconciler.features.domains import DOMAIN
from reconciler.model import BESIDE, Effect, Kind
from reconciler.model.past import PastOfEach
from reconciler.postfix.alike import FEWEST, kinds_of
from reconciler.postfix.references import holds_tables, own_name, tables_in
from reconciler.postfix.scopes import Scope, words
from reconciler.postfix.tables import PATTERN_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

    from reconciler.model import Change, Parameter, Plan, Service

T = TypeVar("T")
FEW, MOST, MOST_KINDS = 2, 16, 64
_GENERATED = frozenset({"main.cf", "master.cf"})
_TAG = "syslog_name"  # a rehearsal gives each service its own
_NAMES = frozenset({"lmtp_lhlo_name", "myhostname", "smtp_helo_name", "smtpd_banner"})
_ADDRESSES = frozenset({"lmtp_bind_address", "lmtp_bind_address6", "smtp_bind_address", "smtp_bind_address6"})
_PLAIN_ADDRESS = re.compile("[0-9A-Fa-f.:]+")
_tables: PastOfEach[Service, tuple[str, ...]] = PastOfEach()
"""The tables of the commit that the options of each service may name."""
_USER = re.compile(r"(user=)([A-Za-z0-9._-]+)(?::([A-Za-z0-9._-]+))?", re.ASCII)


# ---- what a commit changes -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Changed:
    """What a commit adds or changes: *services* by their keys, and the *rows* of each table, with their values.

    *everywhere* if it changes main.cf, which all services read.
    """

    services: frozenset[str]
    rows: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    everywhere: bool = False


def changed_by(plan: Plan) -> Changed | None:
    """Return what a plan adds or changes; None if nothing was live before it."""
    if not plan.live:
        return None
    services, rows, everywhere = set[str](), dict[str, list[tuple[str, str]]](), False
    for change in plan.changes:
        if change.after is None:
            continue
        if change.kind is Kind.SERVICE:
            services.add(change.what)
        elif change.kind is Kind.ENTRY:
            rows.setdefault(change.within, []).append((change.what, change.after))
        elif change.kind is Kind.TABLE:
            rows.setdefault(change.what, [])
        elif change.kind in {Kind.PARAMETER, Kind.LINK} or _is_any_file(change, plan):
            everywhere = True
    return Changed(frozenset(services), {name: tuple(found) for name, found in rows.items()}, everywhere)


def _is_any_file(change: Change, plan: Plan) -> bool:
    """Return whether it is another content of a file that any service may read."""
    is_other = change.what.startswith(BESIDE) or change.what in _GENERATED or change.what not in plan.target
    return change.kind is Kind.FILE and change.effect is Effect.DIFFERENT and not is_other


# ---- kinds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kinds:
    """The kinds of the services of *main*; *changed* is what the commit changes, None for all of it.

    Numbers stand for services. Those of one number in *_alike* are alike; None stands for what is like no other.
    """

    main: Scope
    changed: Changed | None = None
    _settings: Mapping[str, tuple[tuple[str, str], ...]] = field(init=False)
    _alike: list[int | None] = field(init=False)
    _changed: Collection[int] = field(init=False)
    _of_alike: dict[int, Hashable] = field(init=False, default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        services, settings = self.main.merged.entries, _of_names(self.main)
        kinds = zip(services, kinds_of(services, self.main.facts), strict=True)
        object.__setattr__(self, "_settings", settings)
        object.__setattr__(self, "_alike", [None if service.name in settings else kind for service, kind in kinds])
        object.__setattr__(self, "_changed", _changed_of(self.main, self.changed))

    def chosen(self, numbers: Iterable[int]) -> list[int]:
        """Return those of the services with these numbers that are played."""
        services = self.main.merged.entries
        return choose(
            list(numbers),
            lambda number: self._kind_of(services, number),
            lambda number: exactly(services[number]),
            self._changed.__contains__,
            most_kinds=None if self.changed is None or self.changed.everywhere else MOST_KINDS,
        )

    def represented(self, played: Collection[int]) -> dict[int, int]:
        """Return many services that are neither *played* nor changed, each with one of them that is exactly like it.

        What is like it but for a name, an address of the host and a tag can do its work.
        """
        groups, found, kept = dict[int, list[int]](), dict[int, int](), {*played, *self._changed}
        for number, (service, kind) in enumerate(zip(self.main.merged.entries, self._alike, strict=True)):
            if kind is not None and "/" not in service.name:  # which would be a socket in no folder
                groups.setdefault(kind, []).append(number)
        for numbers in groups.values():
            first = next((number for number in numbers if number in played), numbers[0])
            if len(numbers) >= FEWEST:
                others = (number for number in numbers if number != first and number not in kept)
                found |= dict.fromkeys(others, first)
        return found

    def _kind_of(self, services: Sequence[Service], number: int) -> Hashable:
        """Return what services have in common that behave alike."""
        alike = self._alike[number]
        if alike is None:
            return self._kind(services[number])
        if alike not in self._of_alike:
            self._of_alike[alike] = self._kind(services[number])
        return self._of_alike[alike]

    def _kind(self, service: Service) -> Hashable:
        fields = (service.type, service.private, service.unprivileged, service.chroot, service.wakeup, service.maxproc)
        options = {option.name: self._option(option) for option in service.overrides if option.name != _TAG}
        arguments = tuple([_USER.sub(self._user, argument) for argument in service.arguments])
        named = self._settings.get(service.name, ())
        return fields, self._place(service), service.command, arguments, frozenset(options.items()), named

    def _place(self, service: Service) -> str:
        """Return the kind of a place to listen on; services that are no listeners have none."""
        if service.command == "postscreen" or service.type == "pass":
            return service.name
        if service.type != "inet":
            return ""
        host = service.name.rpartition(":")[0].strip("[]")
        return self._address(host) if host else "everywhere"

    def _address(self, text: str) -> str:
        address = self.main.facts.own_by_text.get(text)
        if address is None:
            return text
        return f"own IPv{address.version}{' loopback' if address.is_loopback else ''}"

    def _option(self, option: Parameter) -> str:
        if option.name in _ADDRESSES:
            return self._address(option.value)
        if option.name in _NAMES:
            return " ".join("NAME" if DOMAIN.fullmatch(word.lower()) else word for word in option.value.split(" "))
        if "/" not in option.value and ":" not in option.value:
            return option.value
        return " ".join(self._word(option, word) for word in words(option.value))

    def _word(self, option: Parameter, word: str) -> str:
        """Return the kind of a word: files that were read, and compiled tables of the commit, are alike."""
        if pem := self.main.facts.pems.get(word):
            return word if pem.problem else " ".join(type(block).__name__ for block in pem.blocks)
        if ":" in word and holds_tables(self.main, option.name):
            for reference in tables_in(word):
                table = self.main.merged.tables.get(own_name(reference.name, self.main.facts.directory) or "")
                if table and table.compiler and table.type not in PATTERN_TYPES:
                    word = word.replace(reference.name, "TABLE")
        return word

    def _user(self, match: re.Match[str]) -> str:
        return f"{match[1]}USER" if match[2] in self.main.facts.users and not match[3] else match[0]


def _changed_of(main: Scope, changed: Changed | None) -> Collection[int]:
    """Return the numbers of the services that the commit adds or changes, or of which an option names such a table."""
    services = main.merged.entries
    if changed is None:
        return range(len(services))
    places = {id(main.merged.services.get(key)) for key in changed.services}
    tables = _tables.of(services, (main.facts.directory,), partial(_tables_of, directory=main.facts.directory))
    each = enumerate(zip(services, tables, strict=True))
    return {
        number
        for number, (service, named) in each
        if id(service) in places or (named and any(table in changed.rows for table in named))
    }


def _tables_of(service: Service, directory: str) -> tuple[str, ...]:
    """Return the names of the tables in *directory* that the options of a service name."""
    words_of = (word for option in service.overrides if ":" in option.value for word in words(option.value))
    references = (reference for word in words_of for reference in tables_in(word))
    return tuple(filter(None, (own_name(reference.name, directory) for reference in references)))


def _of_names(main: Scope) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the settings of main.cf that begin with the name of a service, by that name: qmgr(8) reads them."""
    names = main.merged.names
    found: dict[str, list[tuple[str, str]]] = {}
    for parameter in main.merged.parameters.values():
        name, mark, rest = parameter.name.partition("_")
        while mark:
            if name in names:
                found.setdefault(name, []).append((rest, parameter.value))
            more, mark, rest = rest.partition("_")
            name = f"{name}_{more}"
    return {name: tuple(sorted(settings)) for name, settings in found.items()}


def with_few_scopes(main: Scope) -> Scope:
    """Return main.cf with those services alone that say something of their own, beyond addresses, names and a tag.

    The files, the tables and the servers that all services name are named by these.
    """
    first: dict[Hashable, Service] = {}
    seen: set[int] = set()
    services = main.merged.entries
    for service, kind in zip(services, kinds_of(services, main.facts), strict=True):
        if kind in seen:
            continue
        if kind is not None:
            seen.add(kind)
        name = "" if service.type == "unix" else service.name
        options = tuple((one.name, one.value) for one in service.overrides if not _is_plain(one))
        first.setdefault((name, service.type, service.chroot, service.command, service.arguments, options), service)
    merged = replace(main.merged, services={service.key: service for service in first.values()})
    return Scope(merged, main.facts)


def _is_plain(option: Parameter) -> bool:
    """Return whether an option is only an address, a name or a tag."""
    if option.name in _ADDRESSES:
        return bool(_PLAIN_ADDRESS.fullmatch(option.value))
    is_name = bool(DOMAIN.fullmatch(option.value.lower())) and option.name in _NAMES
    return is_name or (option.name == _TAG and "$" not in option.value)


def exactly(service: Service) -> Hashable:
    """Return all of what a service is, but for its name."""
    return service.arguments, tuple((option.name, option.value) for option in service.overrides)


def choose(
    items: Sequence[T], kind: Callable[[T], Hashable], exact: Callable[[T], Hashable],
    is_changed: Callable[[T], bool], *, most_kinds: int | None = None,
) -> list[T]:  # fmt: skip
    """Return the items that are played, in their order: FEW of each kind, and MOST of those that are changed.

    Of the kinds of which nothing is changed, only the first *most_kinds* are played: the live configuration has them.
    """
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(kind(item), []).append(item)
    played: list[T] = []
    kept = 0
    for group in groups.values():
        changed = _different(filter(is_changed, group), exact, MOST)
        kept += not changed
        if not changed and most_kinds is not None and kept > most_kinds:
            continue
        played += [*changed, *_different(filterfalse(is_changed, group), exact, max(FEW - len(changed), 0))]
    chosen = set(played)
    return [item for item in items if item in chosen]


def _different(items: Iterable[T], exact: Callable[[T], Hashable], most: int) -> list[T]:
    """Return the first items in their order, but those last that are like an earlier one in everything."""
    seen: set[Hashable] = set()
    again: list[T] = []
    first: list[T] = []
    for item in items:
        if len(first) == most:
            break
        what = exact(item)
        (again if what in seen else first).append(item)
        seen.add(what)
    return (first + again)[:most]
