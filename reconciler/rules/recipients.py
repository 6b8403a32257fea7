"""Aliases must lead to an address, or to a command or file that exists.

cleanup(8) and local(8) read every word of a row as a recipient; mail to a recipient or command that does not exist
bounces. Raises nothing.

Known limits: the rules do not check users or the aliases of other files; a rehearsal tries a few. They do not know the
recipients of a pattern.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, Mentioned
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.aliases import domain_of, targets
from reconciler.postfix.hashed_texts import HashedTexts
from reconciler.postfix.numbers import as_number
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.scopes import Scope
from reconciler.postfix.table_parts import holds, longest_line, mentions, search
from reconciler.postfix.tables import PATTERN_TYPES, Entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Table
    from reconciler.postfix.tables import Entry

_VIRTUAL, _DOMAINS, _LIMIT = "virtual_alias_maps", "virtual_alias_domains", "virtual_alias_expansion_limit"
_LISTS = (_VIRTUAL, "alias_maps", "recipient_bcc_maps", "sender_bcc_maps")
_STRAY = re.compile(rb"[ \t,][#;]|;(?:[ \t\r]|$)", re.MULTILINE)
_NO_ADDRESS = re.compile(r"(?:^|[\s,])(#\S*)|(?<!\S)(\S*;)(?=\s|$)", re.ASCII)
_COMMAND = re.compile(rb'[ \t,]"?(?:\||/|:include:)')
_MANY = 64  # domains: to search a text for more of them takes longer than to read it
_OUTSIDE = re.compile(r'(?P<kind>\||:include:)\s*(?P<path>/[^\s",]+)', re.ASCII)


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each recipient of a row can receive mail."""
    main = Scope(merged, facts)
    for name in _LISTS:
        for table in _tables(main, name):
            if mentions(table, (b"#", b";")) and search(table, _STRAY):
                yield from _stray_words(table)
    for table in _tables(main, _VIRTUAL):
        yield from _no_addresses(table)
    yield from _missing_rows(main)
    for table in _tables(main, _VIRTUAL):
        yield from _too_many(table, main.value(_LIMIT))
    for table, entry, kind, path in _outside_paths(main):
        if facts.files.get(path) is False:
            then = "its mail would bounce" if kind == "|" else "its mail would wait"
            what = f'"{entry.key}": missing file "{path}": it does not exist or can\'t be read, and {then}'
            yield table.finding("missing-file", entry.line, what, f"{entry.key} {path}", lasting=False)


def mentioned(merged: Contribution, facts: Facts) -> Mentioned:
    """Name the commands and address lists that aliases refer to."""
    return Mentioned(paths=frozenset(path for _, _, _, path in _outside_paths(Scope(merged, facts))))


def _tables(main: Scope, name: str) -> list[Table]:
    """Return the tables of the commit that a parameter names and whose keys are addresses."""
    parameter = main.parameter(name)
    names = (
        (own_name(reference.name, main.facts.directory) or "" for reference in tables_of(main, parameter))
        if parameter
        else ()
    )
    tables = map(main.merged.tables.get, names)
    return [table for table in tables if table and table.type not in PATTERN_TYPES]


def _stray_words(table: Table) -> Iterator[Finding]:
    for entry in Entries(table):
        match = _NO_ADDRESS.search(entry.value) if not re.search(r'["|]', entry.value) else None
        if match and match[1]:
            what = (
                f'"{entry.key}": "{match[1]}" and the words after it would be recipients: give comments their own line'
            )
            yield table.finding("not-an-address", entry.line, what, f"{entry.key} {match[1]}")
        elif match:
            what = (
                f'"{entry.key}": "{match[2]}" would be one address with its semicolon: separate addresses with commas'
            )
            yield table.finding("not-an-address", entry.line, what, f"{entry.key} {match[2]}")


def _no_addresses(table: Table) -> Iterator[Finding]:
    """Yield the commands, files and lists among virtual aliases, which are all addresses to cleanup(8)."""
    may_have_one = mentions(table, (b"|", b"/", b":include:")) and search(table, _COMMAND)
    for entry in Entries(table) if may_have_one else ():
        word = next((word for word in targets(entry) if _COMMAND.match(b" " + word.encode("utf-8", "replace"))), "")
        if word:
            what = (
                f'"{entry.key}": "{word}" would be a user of that name, and the mail would bounce: {_VIRTUAL} holds'
                " addresses only; write a name here, and what it stands for into tables/aliases"
            )
            yield table.finding("not-an-address", entry.line, what, f"{entry.key} {word}")


def _missing_rows(main: Scope) -> Iterator[Finding]:
    """Yield targets without an alias in a domain that consists only of aliases."""
    domains = {word.lower() for word in main.words(_DOMAINS) if ":" not in word and "/" not in word}
    tables, maps = _tables(main, _VIRTUAL), main.words(_VIRTUAL)
    if not domains or len(tables) != len(maps):
        return
    within = b"|".join(re.escape(domain.encode()) for domain in sorted(domains))
    suspect = re.compile(rb"(?im)[ \t,][^\s,@]+@(?:" + within + rb")(?:[\s,]|\Z)") if len(domains) <= _MANY else None
    if suspect and not any(search(table, suspect) for table in tables):
        return
    keys = HashedTexts(entry.key.lower() for table in tables for entry in Entries(table))
    marks = main.value("recipient_delimiter")
    for table in tables:
        for entry in Entries(table):
            for target in targets(entry):
                domain = domain_of(target)
                if domain[1:] not in domains or target == domain:
                    continue
                if not any(key in keys for key in _lookup_keys(target, domain, marks)):
                    what = f'"{entry.key}": no row for "{target}", whose domain has only aliases: its mail would bounce'
                    yield table.finding("nobody-there", entry.line, what, f"{entry.key} {target}")


def _lookup_keys(address: str, domain: str, marks: str) -> set[str]:
    """Return the keys by which virtual(5) finds an address."""
    local = address.removesuffix(domain)
    plain = re.split(f"[{re.escape(marks)}]", local)[0] if marks else local
    return {address, f"{plain}{domain}", domain}


def _too_many(table: Table, limit: str) -> Iterator[Finding]:
    if not is_digits(limit) or longest_line(table) < 2 * as_number(limit):
        return
    for entry in Entries(table):
        many = len(targets(entry)) if len(entry.value) > as_number(limit) else 0
        if many > as_number(limit):
            what = (
                f'"{entry.key}": {many} recipients are more than {_LIMIT} ({limit}): its mail would be refused with 451'
            )
            yield table.finding("too-many-recipients", entry.line, what, f"{entry.key} {_LIMIT}")


def _outside_paths(main: Scope) -> Iterator[tuple[Table, Entry, str, str]]:
    """Yield the commands and address lists that rows of aliases(5) refer to."""
    for table in _tables(main, "alias_maps"):
        if holds(table, b"|") or holds(table, b":include:"):
            for entry in Entries(table):
                for match in _OUTSIDE.finditer(entry.value):
                    yield table, entry, match["kind"], match["path"]


PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "not-an-address": (
        "A row of addresses holds a # or a semicolon. Postfix reads every word of a row as a recipient, so mail goes "
        "to unintended addresses and bounces. Write comments on separate lines, and separate addresses with commas."
    ),
    "nobody-there": (
        "An alias leads to an address that does not exist. Either the domain of the address is in "
        "virtual_alias_domains, which consists only of aliases, and has no row for it; or a rehearsal found a user "
        "whom this host does not know. Postfix would accept mail and then bounce it. Add the row or the user, or "
        "correct the address."
    ),
    "too-many-recipients": (
        "An alias stands for more recipients than virtual_alias_expansion_limit allows. cleanup answers 451 after "
        "DATA, so its mail never arrives. Raise the limit, or use a mailing list."
    ),
}
