"""What leaves with a site: its files, and the rows of shared tables that are certainly its own.

Certain is a row whose value names a transport of the site, for mail would wait for it, and in tables of addresses one
whose key is in a domain that no other site has. Pure. Raises nothing: of files that can't be read, what is understood
counts, and what is left behind refuses the commit by the rules.

Known limits: patterns are looked at for transports alone. What mail.yaml or another site's files say of the site is for
a person to remove.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.desired import yaml_reader
from reconciler.features import sites, tables, transports
from reconciler.model import Finding, Table, printable
from reconciler.postfix.syntax import logical_lines, one_line, read_master
from reconciler.postfix.tables import PATTERN_TYPES, count_entries, walk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.model import Tree

_ROUTES = frozenset({"transport", "sender_transport"})
_ADDRESSES = _ROUTES | {
    "virtual", "relay_domains", "virtual_mailbox", "sender_canonical", "recipient_canonical", "generic", "sni",
}  # fmt: skip
_FOLDER = re.compile(rf"sites/({sites.NAME.pattern})/.+")
_SERVICES = re.compile(rf"master\.d/({sites.NAME.pattern})-[^/]+\.cf")
_FLOWS = re.compile(rf"flows/({sites.NAME.pattern})-[^/]+\.yaml")
_SECRETS = re.compile(rf"secrets/({sites.NAME.pattern})-[^/]+\.age")
_TABLES = re.compile(r"(?:sites/[^/]+/)?tables/([^/.]+)(?:\.([^/]+))?")
_CONFIRMED = re.compile(r"Confirm: ([0-9]{1,9}) deletions? in (\S+)")
_MOST_TOLD = 1000


@dataclass(frozen=True, slots=True)
class Removal:
    """What the removal of a site changes: *rows* are those of shared tables, each with its file.

    *deleted* says how many entries each compiled table loses by it, as its commit confirms.
    """

    site: str
    files: Mapping[str, bytes | None]
    rows: tuple[tuple[str, str], ...]
    deleted: Mapping[str, int]

    @property
    def lines(self) -> Iterator[str]:
        """What goes, for people."""
        yield from (f"- {path}" for path, content in self.files.items() if content is None)
        yield from (f"- {path}: {row}" for path, row in self.rows)

    @property
    def body(self) -> str:
        """What the commit's message says below its subject."""
        listing = "".join(f"  {path}: {row}\n" for path, row in self.rows[:_MOST_TOLD])
        more = len(self.rows) - _MOST_TOLD
        rows = f"Rows that named its transports or its domains:\n{listing}" if listing else ""
        rows += f"  and {more} more\n" if more > 0 else ""
        trailers = "".join(
            f"Confirm: {count} deletion{'s' * (count > 1)} in {table}\n"
            for table, count in sorted(self.deleted.items())
        )
        return "\n".join(part for part in (rows, trailers) if part)


def confirmed_rows(trailers: Collection[str]) -> Counter[str]:
    """How many deletions in each table these lines of commit messages confirm."""
    counts: Counter[str] = Counter()
    for match in filter(None, map(_CONFIRMED.fullmatch, trailers)):
        counts[match[2]] += int(match[1])
    return counts


def site_named(text: str) -> str | None:
    """The site that ``12`` or ``site12`` is, or None."""
    name = text if text.startswith("site") else f"site{text}"
    return name if sites.NAME.fullmatch(name) else None


def owner_of(path: str) -> str | None:
    """The site that a file of a commit belongs to, or None."""
    match = next(filter(None, (pattern.fullmatch(path) for pattern in (_FOLDER, _SERVICES, _FLOWS, _SECRETS))), None)
    return match[1] if match else None


def sites_of(files: Tree) -> dict[str, dict[str, Any]]:
    """Every site that has files, by its number, with what its site.yaml says."""
    named = sorted({site for path in files if (site := owner_of(path))}, key=sites.number_of)
    return {site: _site_data(files, site) for site in named}


def removal(files: Tree, site: str) -> Removal:
    """What leaves with that site, and only with that."""
    gone = sorted(path for path in files if owner_of(path) == site)
    known = sites_of(files)
    others = {domain for other, site_data in known.items() if other != site for domain in domains_in(site_data)}
    domains = domains_in(known.get(site, {})) - others
    left: dict[str, bytes | None] = dict.fromkeys(gone)
    rows: list[tuple[str, str]] = []
    deleted: Counter[str] = Counter()
    if known.get(site, {}).get("delivery"):
        deleted[sites.TABLE] += len(domains)
    for path in gone:
        if path.startswith("sites/") and (match := _TABLES.fullmatch(path)):
            deleted[match[1]] += count_entries(files[path].read())
    for path in sorted(path for path in files if path.startswith("tables/") and _TABLES.fullmatch(path)):
        table, kept, taken = (
            _without(path, files[path].read(), _services(files, site), domains) if gone else ("", b"", [])
        )
        if taken:
            left[path] = kept
            rows += [(path, printable(row)) for row in taken]
            deleted[table] += len(taken)
    return Removal(site, left, tuple(rows), {table: count for table, count in deleted.items() if count})


def _site_data(files: Tree, site: str) -> dict[str, Any]:
    path = f"sites/{site}/site.yaml"
    unread: list[Finding] = []
    return dict(yaml_reader.read(path, files[path], unread).value) if path in files else {}


def domains_in(site_data: Mapping[str, Any]) -> set[str]:
    """The domains of a site by what its site.yaml says."""
    listed = site_data.get("domains")
    texts = listed if isinstance(listed, list) else []
    return {text.lower().removesuffix(".") for text in texts if isinstance(text, str) and "." in text}


def _services(files: Tree, site: str) -> set[str]:
    """The transports that only the site has."""
    names = {sites.service_of(site)}
    for path in files:
        if (match := _SERVICES.fullmatch(path)) and match[1] == site:
            text = files[path].read().decode("utf-8", "surrogateescape")
            names |= {service.name for service in read_master(text, path)[0]}
    return names - transports.RESERVED - transports.BUILT_IN.keys()


def _without(path: str, source: bytes, services: set[str], domains: set[str]) -> tuple[str, bytes, list[str]]:
    """A table's name, its text without the rows that go, and those rows."""
    match = _TABLES.fullmatch(path)
    name = match[1] if match else ""
    kind = tables.type_of(name, (match[2] if match else "") or "")
    table = Table(name=name, type=kind, source=source, file=path)
    unread: list[Finding] = []
    # The keys of patterns and networks are no addresses: what domain they are about nobody can tell.
    by_key = name in _ADDRESSES and kind not in PATTERN_TYPES and kind != "cidr"
    lines = {
        entry.line
        for entry in walk(table, unread)
        if (name in _ROUTES and entry.value.partition(":")[0].strip() in services)
        or (by_key and _domain_of(entry.key) in domains)
    }
    if not lines:
        return name, source, []
    text = source.decode("utf-8", "surrogateescape")
    going = [logical for logical in logical_lines(text) if logical.line in lines]
    numbers = {number for logical in going for number, _ in logical.parts}
    kept = "\n".join(line for number, line in enumerate(text.split("\n"), 1) if number not in numbers)
    return name, kept.encode("utf-8", "surrogateescape"), [one_line(logical.text) for logical in going]


def _domain_of(key: str) -> str:
    """The domain of a key such as a@x.org, @x.org, .x.org or x.org."""
    return key.lower().rpartition("@")[2].removeprefix(".").removesuffix(".")
