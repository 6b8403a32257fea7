"""render() turns a Contribution into a Tree: the same input gives the same bytes. Only this module uses Jinja2.

Values are data: the writers of syntax.py write them, and Jinja2 never reads them as a template. A table is written as
its source, byte for byte, and master.cf as the text that the desired state holds of it, if that is the whole. Raises
ValueError for a value that no rule refused but no writer can write.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from jinja2 import DictLoader, Environment, StrictUndefined

from reconciler.model import BESIDE, File
from reconciler.model.past import PastOfEach
from reconciler.postfix.syntax import folded, read_master, show_service, write_override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model import Contribution, Parameter, Service, Table, Tree

MASTER, _SERVICE = "master.cf", "service.j2"
_services: PastOfEach[Service, str] = PastOfEach()
"""The text of each service in master.cf."""


def render(merged: Contribution, templates: Mapping[str, str]) -> Tree:
    """Return the files of Postfix and of its companions; *templates* are sources by name (``postfix/main.cf.j2``)."""
    environment = _environment(tuple(sorted(templates.items())))
    tree = {
        name.removeprefix("postfix/").removesuffix(".j2"): File.of(
            _text(environment, name, merged).encode("utf-8", "surrogateescape")
        )
        for name in templates
        if name.startswith("postfix/")
    }
    if _is_whole(merged):
        tree[MASTER] = File.of(merged.master)
    tree |= {table.name: _source(table) for table in merged.tables.values()}
    tree |= {path: made.file for path, made in merged.files.items()}
    return tree | {
        f"{BESIDE}{companion.name}/{path}": file
        for companion in merged.companions.values()
        for path, file in companion.files.items()
    }


@lru_cache(maxsize=2)
def _environment(templates: tuple[tuple[str, str], ...]) -> Environment:
    environment = Environment(
        loader=DictLoader(dict(templates)), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, autoescape=False,  # noqa: S701 - Postfix's files are not HTML
    )  # fmt: skip
    environment.filters |= {"folded": folded, "option": write_override}
    return environment


def _text(environment: Environment, name: str, merged: Contribution) -> str:
    parameters = sorted(merged.parameters.values(), key=_order)
    services = _services.of(merged.entries, (environment,), partial(_service, environment))
    return environment.get_template(name).render(parameters=parameters, services=services)


def _service(environment: Environment, service: Service) -> str:
    return environment.get_template(_SERVICE).render(service=service)


def _is_whole(merged: Contribution) -> bool:
    """Return whether the text of master.cf has the very services of the target, in their order."""
    read, _ = read_master(merged.master.decode("utf-8", "surrogateescape"), MASTER)
    return bool(merged.master) and list(map(show_service, read)) == list(map(show_service, merged.entries))


def _order(parameter: Parameter) -> tuple[bool, str]:
    """Sort compatibility_level first, because it decides what the others mean; then sort by name."""
    return parameter.name != "compatibility_level", parameter.name


def _source(table: Table) -> File:
    compiled = f"{table.compiler} {table.type}" if table.compiler else ""
    return File(table.digest, table.mode, "root:root", lambda: table.source, compiled)
