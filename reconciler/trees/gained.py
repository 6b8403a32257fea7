"""The powers that a plan gives its author: those of postfix/root_equivalent.py that live does not have, and links.

Pure.
Promises: what is live already is not repeated, and a table that is live already is not read again. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.model import UNWRITTEN, Contribution, Kind
from reconciler.postfix.derived import keeping
from reconciler.postfix.master_changes import differing_services
from reconciler.postfix.root_equivalent import LINKED, Power, powers, tables_with_powers
from reconciler.postfix.syntax import read_main, read_master

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model import Facts, File, Plan, Tree
    from reconciler.postfix.root_equivalent import UsedTable


def gained(plan: Plan, origin: Contribution, facts: Facts, *, is_rendered: bool = False) -> tuple[Power, ...]:
    """Return the powers that *origin*, the contribution of the target, adds or changes; settings come first.

    *is_rendered*: the target has exactly what *origin* says, so that the services of both sides are read where they
    differ.
    """
    if plan.empty:
        return ()
    with keeping():
        found, tables = list(powers(origin, facts)), list(tables_with_powers(origin, facts))
        live = Contribution()
        if found or tables:
            live = _live(plan, origin) if is_rendered else settings_of(plan.live)
        new = _new(found, powers(live, facts))
        settings = [power for power in found if power.identity in new]
        new_tables = _new(tables, tables_with_powers(live, facts))
    for used in tables:
        settings += used.powers() if used.identity in new_tables else _changed(used, plan)
    settings += _of_programs(plan, origin, facts)
    settings += _of_links(plan, origin)
    return tuple(dict.fromkeys(settings))


def _new(found: Iterable[Power | UsedTable], before: Iterable[Power | UsedTable]) -> set[tuple[str, ...]]:
    """Return the identities that are not among those *before*, of which no more are looked at than needed."""
    new = set[tuple[str, ...]](one.identity for one in found)
    known = iter(before)
    while new and (one := next(known, None)):
        new.discard(one.identity)
    return new


def _changed(used: UsedTable, plan: Plan) -> Iterator[Power]:
    """Yield the powers of the entries that the plan adds or changes; it has read them already."""
    for change in plan.changes:
        if change.kind is Kind.ENTRY and change.within == used.name and change.after is not None:
            yield from used.of_entry(change.what, change.after, change.where or used.use.where)
        elif change.kind is Kind.TABLE and change.what == used.name:
            yield from used.powers()


def _of_programs(plan: Plan, origin: Contribution, facts: Facts) -> Iterator[Power]:
    """Yield the powers that a setting or an entry gives a file of the commit, for each file that changes."""
    changed = {
        change.what: change
        for change in plan.changes
        if change.kind is Kind.FILE and change.what in origin.files and change.after is not None
    }
    tables = [used for used in tables_with_powers(origin, facts) if used.table] if changed else []
    for path, change in changed.items():
        names = [name for name in (f"/{path}", origin.files[path].link) if name]
        named = [used for used in tables if used.table and any(name.encode() in used.table.source for name in names)]
        found = [*powers(origin, facts), *(power for used in named for power in used.powers())]
        for power in found:
            if any(_is_named(name, power.value) for name in names):
                where = change.where or power.where
                yield power._replace(what=f"{path}, for {power.what}", value=change.after or "", where=where)


def _of_links(plan: Plan, origin: Contribution) -> Iterator[Power]:
    """Yield what other programs read by a link: the links that come or change, and files that change behind others."""
    links = {change.what for change in plan.changes if change.kind is Kind.LINK}
    for change in plan.changes:
        made = origin.files.get(change.what) if change.kind is Kind.FILE else None
        if change.after is None:
            continue
        if change.kind is Kind.LINK:
            yield Power(LINKED, change.what, change.after, change.where or UNWRITTEN)
        elif made and made.link and made.link not in links:
            yield Power(LINKED, f"{made.path}, for {made.link}", "", made.link_where)


def _is_named(path: str, value: str) -> bool:
    """Return whether a value has a path, and not a longer one."""
    return bool(re.search(rf"{re.escape(path)}(?![A-Za-z0-9_.@+/-])", value))


def _live(plan: Plan, origin: Contribution) -> Contribution:
    """Return the settings of what is live; where its master.cf is as the target's, the services are those of origin."""
    old, new = (_text(tree.get("master.cf")) for tree in (plan.live, plan.target))
    (services, _), (others, _) = (read_master(text, "master.cf") for text in differing_services(old, new))
    same = dict(origin.services)
    for service in others:
        same.pop(service.key, None)
    live = settings_of({name: file for name, file in plan.live.items() if name != "master.cf"})
    return replace(live, services=same | {service.key: service for service in services})


def settings_of(tree: Tree) -> Contribution:
    """Return the settings and services of a tree."""
    services = read_master(_text(tree.get("master.cf")), "master.cf")[0]
    return Contribution(
        parameters=read_main(_text(tree.get("main.cf")), "main.cf")[0],
        services={service.key: service for service in services},
    )


def _text(file: File | None) -> str:
    return file.read().decode("utf-8", "surrogateescape") if file else ""
