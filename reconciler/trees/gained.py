"""The powers that a plan gives its author: those of postfix/root_equivalent.py that live does not have. Pure.

Promises: what is live already, unchanged, is not repeated; an unchanged table is not read. Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import Contribution, Table
from reconciler.postfix.root_equivalent import powers, tables_with_powers
from reconciler.postfix.syntax import read_main, read_master
from reconciler.postfix.tables import table_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import Facts, File, Plan, Tree
    from reconciler.postfix.root_equivalent import Power, UsedTable


def gained(plan: Plan, origin: Contribution, facts: Facts) -> tuple[Power, ...]:
    """Return the powers that *origin*, the contribution of the target, adds or changes; settings come first."""
    if plan.empty:
        return ()
    used = list(tables_with_powers(origin, facts))
    live = _read(
        plan.live, {one.name for one in used if one.table and plan.live.get(one.name) != plan.target.get(one.name)}
    )
    known = {power.identity for power in powers(live, facts)}
    settings = [power for power in powers(origin, facts) if power.identity not in known]
    before = {one.identity: one for one in tables_with_powers(live, facts)}
    entries = [power for one in used for power in _entries(one, before.get(one.identity), plan)]
    return tuple(dict.fromkeys([*settings, *entries]))


def _entries(used: UsedTable, old: UsedTable | None, plan: Plan) -> Iterator[Power]:
    if old and plan.live.get(used.name) == plan.target.get(used.name):
        return
    known = {power.identity for power in old.powers()} if old else set()
    yield from (power for power in used.powers() if power.identity not in known)


def _read(tree: Tree, tables: Collection[str]) -> Contribution:
    """Return the settings and services of a tree, and those of its *tables* that are there."""
    services = read_master(_text(tree.get("master.cf")), "master.cf")[0]
    return Contribution(
        parameters=read_main(_text(tree.get("main.cf")), "main.cf")[0],
        services={service.key: service for service in services},
        tables={name: _table(name, tree[name]) for name in tables if name in tree},
    )


def _table(name: str, file: File) -> Table:
    """Return a table of the tree; one that is not compiled has patterns if it begins like one, as in a plan."""
    if file.compiled:
        return table_of(name, file)
    source = file.read()
    kind = "pcre" if source.lstrip()[:1] in (b"/", b"!") else "texthash"
    return Table(name=name, type=kind, source=source, file=name)


def _text(file: File | None) -> str:
    return file.read().decode("utf-8", "surrogateescape") if file else ""
