"""A Contribution becomes a Tree: same input, same bytes. The door to Jinja2.

Values are data: they pass the writers of syntax.py and are never read as a template. Tables are their own source, byte
for byte. Raises ValueError for a value that no rule refused and no writer can write.

Templates from the repository are read by render_lines() in a language of its own: for, if and a few filters, with
nothing to call and no attribute to reach. Raises BadTemplate for what it can't read. Each line of the result knows the
line of the template that it came from.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from jinja2 import DictLoader, Environment, StrictUndefined

from reconciler.model import BESIDE, File
from reconciler.postfix.syntax import folded, write_override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model import Contribution, Parameter, Table, Tree


def render(merged: Contribution, templates: Mapping[str, str]) -> Tree:
    """Postfix's files, and its companions' beside them; *templates* are sources by name (``postfix/main.cf.j2``)."""
    environment = _environment(tuple(sorted(templates.items())))
    tree = {
        name.removeprefix("postfix/").removesuffix(".j2"): File.of(
            _text(environment, name, merged).encode("utf-8", "surrogateescape")
        )
        for name in templates
        if name.startswith("postfix/")
    }
    tree |= {table.name: _source(table) for table in merged.tables.values()}
    beside = merged.companions.values()
    return tree | {f"{BESIDE}{one.name}/{path}": file for one in beside for path, file in one.files.items()}


@functools.lru_cache(maxsize=2)
def _environment(templates: tuple[tuple[str, str], ...]) -> Environment:
    environment = Environment(
        loader=DictLoader(dict(templates)), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,  # noqa: S701 - Postfix's files are not HTML
    )  # fmt: skip
    environment.filters |= {"folded": folded, "option": write_override}
    return environment


def _text(environment: Environment, name: str, merged: Contribution) -> str:
    parameters = sorted(merged.parameters.values(), key=_order)
    return environment.get_template(name).render(parameters=parameters, services=merged.entries)


def _order(parameter: Parameter) -> tuple[bool, str]:
    """compatibility_level first, for it decides what the others mean; then by name."""
    return parameter.name != "compatibility_level", parameter.name


def _source(table: Table) -> File:
    compiled = f"{table.compiler} {table.type}" if table.compiler else ""
    return File.of(table.source, table.mode, compiled=compiled)
