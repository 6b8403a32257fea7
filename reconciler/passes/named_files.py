"""The files of the live configuration that Postfix's processes read at their start: certificates, keys, tables.

Reads only. Raises OSError as the kernel gives it, CommandFailed when postconf fails.
"""

from __future__ import annotations

import os.path
import re
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

from reconciler.host.facts import postfix_facts
from reconciler.host.programs import postconf
from reconciler.model import Contribution, Service, Table
from reconciler.model.past import PastOfEach
from reconciler.postfix import sni
from reconciler.postfix.alike import VARYING
from reconciler.postfix.references import chains, named_tables, read_at_start
from reconciler.postfix.syntax import read_main, read_master
from reconciler.postfix.tables import TEXT_TYPES

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.model import Facts


_may_name: PastOfEach[Service, bool] = PastOfEach()
_FILE = re.compile("[/:$]")  # in a path, a table, or a name that stands for one


class Named(NamedTuple):
    """The files that the live configuration names: *files* are read at a process start, *pairs* must load together.

    *tables* are the tables and lists by their names, each with its files.
    """

    files: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, ...]] = frozenset()
    tables: frozenset[tuple[str, tuple[str, ...]]] = frozenset()

    @property
    def there(self) -> tuple[str, ...]:
        """The tables whose files are all there now."""
        return tuple(sorted(name for name, paths in self.tables if all(map(os.path.exists, paths))))


def named(edges: Edges) -> Named:
    """Read the names from the live main.cf and master.cf."""
    directory = edges.settings.config_directory
    texts = [(directory / name).read_text("utf-8", "surrogateescape") for name in (postconf.MAIN, postconf.MASTER)]
    parameters, _ = read_main(texts[0], postconf.MAIN)
    services, _ = read_master(texts[1], postconf.MASTER)
    may_name = _may_name.of(services, (), _may_name_files)
    live = Contribution(parameters=parameters, services={one.key: one for one in compress(services, may_name)})
    facts = postfix_facts(edges.host, edges.settings)
    live = replace(live, tables=_sni_tables(live, facts, directory))
    return Named(
        read_at_start(live, facts) | sni.files(live, facts),
        chains(live, facts) | {row.files for row in sni.rows(live, facts)},
        named_tables(live, facts),
    )


def _may_name_files(service: Service) -> bool:
    """Return whether a service is jailed, or has an option that can name a file; those of sites have none."""
    return service.chroot == "y" or any(
        option.name not in VARYING and _FILE.search(option.value) for option in service.overrides
    )


def _sni_tables(live: Contribution, facts: Facts, directory: Path) -> dict[str, Table]:
    """Yield the live tables whose rows name certificates."""
    return {
        name: Table(name=name, type=kind, source=(directory / name).read_bytes(), file=name)
        for name, kind in sni.names(live, facts)
        if kind in TEXT_TYPES and (directory / name).is_file()
    }
