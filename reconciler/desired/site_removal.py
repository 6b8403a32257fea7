"""The removal of a site: it removes the site's files, and the rows of shared tables that certainly belong to the site.

A row certainly belongs to the site if its value names a transport of the site, because mail would wait for that
transport. In tables of addresses, a row also belongs to the site if its key is in a domain that no other site has. The
module is pure and raises nothing. It uses what it can read of a malformed file; the rules refuse the commit if the rest
is wrong.

Known limits: rows with patterns are checked for transports only. A person must remove what mail.yaml or another site's
files say about the site.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from reconciler.desired import yaml_reader
from reconciler.features import site_files, sites, tables, transports
from reconciler.model import Finding, Table, printable
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.syntax import logical_lines, one_line, read_master
from reconciler.postfix.tables import PATTERN_TYPES, count_entries, walk

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.model import Tree

_ROUTES = frozenset({"transport", "sender_transport"})
_ADDRESSES = _ROUTES | {
    "virtual", "relay_domains", "virtual_mailbox", "sender_canonical", "recipient_canonical", "generic", "sni",
}  # fmt: skip
_TABLES = re.compile(r"(?:sites/[^/]+/)?tables/([^/.]+)(?:\.([^/]+))?")
_CONFIRMED = re.compile(r"Confirm: ([0-9]{1,9}) deletions? in (\S+)", re.ASCII)
_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Removal:
    """The changes by the removal of a site: *rows* are those of shared tables, each with its file.

    *deleted* is the number of entries that each compiled table loses, which the commit confirms.
    """

    site: str
    files: Mapping[str, bytes | None]
    rows: tuple[tuple[str, str], ...]
    deleted: Mapping[str, int]

    @property
    def lines(self) -> Iterator[str]:
        """Yield one line for each file and row that is removed."""
        yield from (f"- {path}" for path, content in self.files.items() if content is None)
        yield from (f"- {path}: {row}" for path, row in self.rows)

    @property
    def body(self) -> str:
        """Return the commit's message below its subject."""
        listing = "".join(f"  {path}: {row}\n" for path, row in self.rows[:_MOST_LISTED])
        more = len(self.rows) - _MOST_LISTED
        rows = f"Rows that named the site's transports or domains:\n{listing}" if listing else ""
        rows += f"  and {more} more\n" if more > 0 else ""
        trailers = "".join(
            f"Confirm: {count} deletion{'s' * (count > 1)} in {table}\n"
            for table, count in sorted(self.deleted.items())
        )
        return "\n".join(part for part in (rows, trailers) if part)


def confirmed_rows(trailers: Collection[str]) -> Counter[str]:
    """Return how many deletions in each table these lines of commit messages confirm."""
    counts: Counter[str] = Counter()
    for match in filter(None, map(_CONFIRMED.fullmatch, trailers)):
        counts[match[2]] += int(match[1])
    return counts


def site_named(text: str) -> str | None:
    """Return the name of the site for ``12`` or ``site12``, or None."""
    name = text if text.startswith("site") else f"site{text}"
    return name if site_files.NAME.fullmatch(name) else None


def sites_of(files: Tree) -> dict[str, dict[str, Any]]:
    """Return every site that has files, sorted by number, with the values of its site.yaml."""
    names = sorted({site for path in files if (site := site_files.site_of(path))}, key=site_files.number_of)
    return {site: _site_data(files, site) for site in names}


def removal(files: Tree, site: str, live: Tree = MappingProxyType({})) -> Removal:
    """Return the removal of that site: its own files and rows, and no others.

    *live* are the site's files as they are live, which differ from *files* if the site's last change was left out.
    """
    gone = sorted(path for path in files if site_files.site_of(path) == site)
    known = sites_of(files)
    others = {domain for other, site_data in known.items() if other != site for domain in domains_in(site_data)}
    domains = (domains_in(known.get(site, {})) | domains_in(_site_data(live, site))) - others
    services = _services(files, site) | _services(live, site)
    changed: dict[str, bytes | None] = dict.fromkeys(gone)
    rows: list[tuple[str, str]] = []
    deleted = _own_entries(files, site, domains) | _own_entries(live, site, domains)  # the larger number of each table
    for path in sorted(path for path in files if path.startswith("tables/") and _TABLES.fullmatch(path)):
        table, kept, removed = _without(path, files[path].read(), services, domains) if gone else ("", b"", [])
        if removed:
            changed[path] = kept
            rows += [(path, printable(row)) for row in removed]
            deleted[table] += len(removed)
    return Removal(site, changed, tuple(rows), {table: count for table, count in deleted.items() if count})


def _own_entries(files: Tree, site: str, domains: Collection[str]) -> Counter[str]:
    """Return how many entries of each compiled table come from the site's own files."""
    entries: Counter[str] = Counter()
    if _site_data(files, site).get("delivery"):
        entries[sites.TABLE] += len(domains)
    for path in files:
        if path.startswith("sites/") and site_files.site_of(path) == site and (match := _TABLES.fullmatch(path)):
            entries[match[1]] += count_entries(files[path].read())
    return entries


def _site_data(files: Tree, site: str) -> dict[str, Any]:
    path = f"sites/{site}/site.yaml"
    ignored: list[Finding] = []
    return dict(yaml_reader.read(path, files[path], ignored).value) if path in files else {}


def domains_in(site_data: Mapping[str, Any]) -> set[str]:
    """Return the domains of a site from the values of its site.yaml."""
    domains = site_data.get("domains")
    texts = domains if isinstance(domains, list) else []
    return {text.lower().removesuffix(".") for text in texts if isinstance(text, str) and "." in text}


def _services(files: Tree, site: str) -> set[str]:
    """Return the transports that only the site has."""
    names = {sites.service_of(site)}
    for path in files:
        if path.startswith("master.d/") and site_files.site_of(path) == site:
            text = files[path].read().decode("utf-8", "surrogateescape")
            names |= {service.name for service in read_master(text, path)[0]}
    return names - transports.RESERVED - transports.BUILT_IN.keys()


def _without(path: str, source: bytes, services: set[str], domains: set[str]) -> tuple[str, bytes, list[str]]:
    """Return a table's name, its text without the removed rows, and those rows."""
    match = _TABLES.fullmatch(path)
    name = match[1] if match else ""
    kind = tables.type_of(name, (match[2] if match else "") or "")
    table = Table(name=name, type=kind, source=source, file=path)
    ignored: list[Finding] = []
    # The keys of patterns and networks are not addresses, so their domain is unknown.
    by_key = name in _ADDRESSES and kind not in PATTERN_TYPES and kind != "cidr"
    lines = {
        entry.line
        for entry in walk(table, ignored)
        if (name in _ROUTES and entry.value.partition(":")[0].strip(SPACE) in services)
        or (by_key and _domain_of(entry.key) in domains)
    }
    if not lines:
        return name, source, []
    text = source.decode("utf-8", "surrogateescape")
    removed = [logical for logical in logical_lines(text) if logical.line in lines]
    numbers = {number for logical in removed for number, _ in logical.parts}
    kept = "\n".join(line for number, line in enumerate(text.split("\n"), 1) if number not in numbers)
    return name, kept.encode("utf-8", "surrogateescape"), [one_line(logical.text) for logical in removed]


def _domain_of(key: str) -> str:
    """Return the domain of a key such as a@x.org, @x.org, .x.org or x.org."""
    return key.lower().rpartition("@")[2].removeprefix(".").removesuffix(".")
