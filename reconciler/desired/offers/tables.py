"""Compile the commit's hash: tables to lmdb:, and name them by their file. Pure; raises nothing.

``tables/NAME.hash`` becomes ``tables/NAME``. In mail.yaml each use of it becomes ``table:NAME``, or goes if that is
what the file's name does by itself. The old map is removed when the commit goes live.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.offers.mail_text import without_unexplained
from reconciler.desired.offers.offer import MAIL, Offer, plural
from reconciler.features import parameters
from reconciler.features.tables import WIRED, type_of
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.syntax import is_comment

if TYPE_CHECKING:
    from reconciler.desired.offers.offer import Ground
    from reconciler.model import Table

_OLD, _NEW = "hash", "lmdb"
_SHOWN = 5


def find(ground: Ground) -> Offer | None:
    """Offer to compile them anew."""
    old = [table for table in ground.desired.tables.values() if _is_old(table)]
    if _NEW not in ground.facts.map_types or not old:
        return None
    names = [table.name for table in old]
    directory = ground.facts.directory
    texts = {MAIL: _named(ground.mail, names, directory, r"table:\1")}
    for path in {service.where.file for service in ground.desired.services} & ground.files.keys():
        texts[path] = _named(ground.text(path), names, directory, rf"{_NEW}:$config_directory/\1")
    texts[MAIL] = without_unexplained(texts[MAIL], _wired(ground, names, directory)).text
    files: dict[str, bytes | None] = {
        path: content
        for path, text in texts.items()
        if (content := text.encode("utf-8", "surrogateescape")) != ground.files[path].read()
    }
    for table in old:
        files |= {table.file: None, f"tables/{table.name}": table.source}
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return Offer(
        summary=f"compile {plural(len(names), 'table')} to {_NEW}: instead of {_OLD}: ({shown})", files=files,
        renamed={f"{_OLD}:{directory}/{name}": f"{_NEW}:{directory}/{name}" for name in names},
        confirm=tuple(f"{name}.db is removed: {name}.{_NEW} takes its place" for name in names),
    )  # fmt: skip


def _is_old(table: Table) -> bool:
    own = f"tables/{table.name}.{_OLD}"
    return (table.type, table.file, table.pieces) == (_OLD, own, ()) and type_of(table.name, "") == _NEW


def _named(text: str, names: list[str], directory: str, new: str) -> str:
    """Return the text with new names for the tables, but not in comments."""
    places = "|".join(map(re.escape, {directory, "/etc/postfix", "$config_directory", "${config_directory}"}))
    known = "|".join(map(re.escape, names))
    use = re.compile(rf"(?<![\w.-]){_OLD}:(?:{places})/({known})(?![\w./-])", re.ASCII)
    lines = text.split("\n")
    return "\n".join(line if is_comment(line) else use.sub(new, line) for line in lines)


def _wired(ground: Ground, names: list[str], directory: str) -> list[str]:
    """Return the parameters that name nothing but the table whose file sets them by its name."""
    wired = {WIRED[name]: name for name in names if name in WIRED}
    found = []
    for parameter, name in wired.items():
        written = ground.origin.parameters.get(parameter)
        only = {f"{_OLD}:{place}/{name}" for place in (directory, "/etc/postfix", "$config_directory")}
        if written and written.section == parameters.SECTION and written.value.strip(SPACE) in only:
            found.append(parameter)
    return found
