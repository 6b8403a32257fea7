"""diff(live, target) returns a Plan: the changes in mail's terms, and the activations that they need.

Pure, and fast if little has changed: of a table, only the lines that differ are parsed, or, where their order counts,
those between the first and the last difference.
For a secret file (mode 0600), and for a parameter such as people_bind_pw, the plan shows that it changed, never its
contents. Each change has the place of what made it. Tables of the same rows, and files that differ in comments, order
or blanks, are the same written differently; equality.py finds the settings of which that is true. Only
raise_if_unsafe() raises: the error is UnsafePlan.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.model import (
    BESIDE,
    UNWRITTEN,
    Activation,
    Change,
    Contribution,
    Effect,
    File,
    Finding,
    Kind,
    Plan,
    Table,
    Where,
)
from reconciler.model.ascii_text import SPACE
from reconciler.model.errors import UnsafePlan
from reconciler.postfix.master_changes import differing_services
from reconciler.postfix.references import SUFFIXES
from reconciler.postfix.syntax import one_line, read_main, read_master, show_service
from reconciler.postfix.table_changes import differing
from reconciler.postfix.tables import ORDERED_TYPES, count_entries, in_order, read_table
from reconciler.trees.file_changes import changed_lines, is_deployed, link_changes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from reconciler.model import Companion, Service, Tree
    from reconciler.postfix.tables import Entry

MAIN, MASTER = "main.cf", "master.cf"
# According to postconf(5), the first two need a stop and a start; the running master keeps the values of the others.
NEEDS_RESTART = frozenset({
    "inet_interfaces", "inet_protocols", "queue_directory", "data_directory", "daemon_directory", "command_directory",
    "mail_owner", "setgid_group", "process_id_directory",
})  # fmt: skip
MANY, SHARE = 10, 0.3
_OLD_MAP = "a map of another type"
_SUFFIXES = tuple(sorted({suffix for suffixes in SUFFIXES.values() for suffix in suffixes if suffix}))
_OTHER_ORDER = "rows in another order"
_WORD = re.compile(r"[\w.@+-]+", re.ASCII)
_NETWORK = re.compile(rb"if[ \t]|[0-9A-Fa-f]*[.:][0-9A-Fa-f.:/]*[ \t]")


def diff(live: Tree, target: Tree, origin: Contribution | None = None) -> Plan:
    """Compare two trees; *origin* has the places in the desired state where the target's settings are written.

    A file that a map of the target takes the place of is no change: the change is that of its source. A map of another
    type that goes with it is a file of which nothing is shown.
    """
    changes: list[Change] = []
    maps = {name for path, file in target.items() for name in _maps(path, file)}
    of_other_types = {path + suffix for path, file in target.items() if file.compiled for suffix in _SUFFIXES} - maps
    for path in sorted(live.keys() | target.keys(), key=_order):
        before, after = live.get(path), target.get(path)
        if after is None and path in of_other_types:
            changes.append(Change(kind=Kind.FILE, what=path, before=_OLD_MAP, after=None, effect=Effect.SAME))
        elif before is None and after and not after.compiled and path.endswith(_SUFFIXES):
            changes.append(Change(kind=Kind.FILE, what=path, before=None, after=_OLD_MAP, effect=Effect.SAME))
        elif before != after and not (after is None and path in maps):
            changes += _file_changes(path, before, after, origin or Contribution())
    changes += link_changes(live, target, origin or Contribution())
    return Plan(live=live, target=target, changes=tuple(changes), steps=activations(changes))


def _maps(path: str, file: File) -> Iterator[str]:
    """Yield the names of the files that are compiled from a table's source."""
    kind = file.compiled.partition(" ")[2]
    yield from (path + suffix for suffix in SUFFIXES.get(kind, ()) if suffix)


def _order(path: str) -> tuple[int, str]:
    return (MAIN, MASTER).index(path) if path in (MAIN, MASTER) else 2, path


def activations(changes: Collection[Change]) -> tuple[Activation, ...]:
    """Return the activations that the changes need; companions' files need none, because apply/ handles companions.

    A default that is written out, or left out, is no other value for the running master: it needs no restart.
    """
    if not changes:
        return ()
    if all(change.what.startswith(BESIDE) for change in changes):
        return (Activation.NOTHING,)
    restart = any(
        change.kind is Kind.PARAMETER and change.what in NEEDS_RESTART and change.effect is not Effect.DEFAULT
        for change in changes
    )
    return (Activation.RESTART if restart else Activation.RELOAD,)


def _file_changes(path: str, before: File | None, after: File | None, origin: Contribution) -> Iterator[Change]:
    where = _place_of(path, origin)
    if before and after and before.digest == after.digest:
        yield from _attributes(path, before, after, where)
    elif _is_secret(before) or _is_secret(after):
        kind = Kind.TABLE if path in origin.tables else Kind.FILE
        was, is_ = ("(secret)" if file else None for file in (before, after))
        yield Change(kind=kind, what=path, before=was, after=is_, where=where)
    elif path == MAIN:
        yield from _parameters(before, after, origin)
    elif path == MASTER:
        yield from _services(before, after, origin)
    elif path.startswith(BESIDE):
        yield from _lines(path, before, after, origin.companions.get(path.split("/", 2)[1]))
    elif path in origin.files or (path not in origin.tables and is_deployed(path, before, after)):
        yield from changed_lines(path, before, after, origin.files.get(path))
    else:
        yield from _table(path, before, after, origin.tables.get(path))


def _place_of(path: str, origin: Contribution) -> Where | None:
    """Return the place of what makes a file that is no setting of Postfix's own."""
    if path.startswith(BESIDE):
        companion = origin.companions.get(path.split("/", 2)[1])
        return companion.where if companion else None
    made = origin.tables.get(path) or origin.files.get(path)
    return made.where if made else None


def _lines(path: str, before: File | None, after: File | None, companion: Companion | None) -> Iterator[Change]:
    """Yield the changes of a companion's file; adjacent lines are one change."""
    where = companion.where if companion else None
    old, new = (file.lines() if file else [] for file in (before, after))
    if before is None or after is None:
        was, is_ = (f"{len(file.lines())} lines" if file else None for file in (before, after))
        yield Change(kind=Kind.FILE, what=path, before=was, after=is_, where=where)
        return
    for kind, start, end, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            was, is_ = " / ".join(old[start:end]), " / ".join(new[first:last])
            place = next(_places_of_words(companion, was, is_), where) if companion else None
            yield Change(kind=Kind.FILE, what=path, before=was, after=is_, where=place)


def _places_of_words(companion: Companion, before: str, after: str) -> Iterator[Where]:
    """Yield the places of words that lines of a companion have got."""
    words = set(_WORD.findall(after)) - set(_WORD.findall(before))
    yield from (place for word, place in companion.places.items() if word in words)


def _is_secret(file: File | None) -> bool:
    return file is not None and file.is_secret


def _attributes(path: str, before: File, after: File, where: Where | None) -> Iterator[Change]:
    """Yield the change of a file with equal bytes: who may read it, or only how its map is compiled."""
    may, might = (f"mode {file.mode:04o}, {file.owner}" for file in (after, before))
    if may != might:
        yield Change(kind=Kind.FILE, what=path, before=might, after=may, where=where)
    elif before.compiled != after.compiled:
        was, is_ = (file.compiled or "not compiled by reconciler" for file in (before, after))
        yield Change(kind=Kind.FILE, what=path, before=was, after=is_, where=where, effect=Effect.SAME)


def _text(file: File | None) -> str:
    return file.read().decode("utf-8", "surrogateescape") if file else ""


def _parameters(before: File | None, after: File | None, origin: Contribution) -> Iterator[Change]:
    (old, old_problems), (new, new_problems) = (read_main(_text(file), MAIN) for file in (before, after))
    changed = False
    for name in sorted(old.keys() | new.keys()):
        was, is_ = (one_line(side[name].value) if name in side else None for side in (old, new))
        if was != is_:
            changed = True
            written = origin.parameters.get(name)
            yield Change(
                kind=Kind.PARAMETER, what=name, before=was, after=is_, where=written.where if written else None
            )
    if not changed:
        yield _layout(MAIN, before, after, is_read=not (old_problems or new_problems))


def _services(before: File | None, after: File | None, origin: Contribution) -> Iterator[Change]:
    texts = _text(before), _text(after)
    if changes := list(_of_services(*differing_services(*texts), origin)):
        yield from changes
    else:
        problems = [problem for text in texts for problem in read_master(text, MASTER)[1]]
        yield _layout(MASTER, before, after, is_read=not problems)


def _of_services(before: str, after: str, origin: Contribution) -> Iterator[Change]:
    was, is_ = ({service.key: service for service in read_master(text, MASTER)[0]} for text in (before, after))
    for key in sorted(was.keys() | is_.keys()):
        shown, shows = (show_service(side[key]) if key in side else None for side in (was, is_))
        if shown != shows:
            where = _place_in(origin.services.get(key), was.get(key))
            yield Change(kind=Kind.SERVICE, what=key, before=shown, after=shows, where=where)


def _place_in(made: Service | None, before: Service | None) -> Where | None:
    """Return the place of the only option of a service that changes, else the place of the service."""
    if made is None or before is None:
        return made.where if made else None
    old = {(option.name, one_line(option.value)) for option in before.overrides}
    places = [one.where for one in made.overrides if (one.name, one_line(one.value)) not in old]
    is_alone = len(set(places)) == 1 and show_service(replace(before, overrides=made.overrides)) == show_service(made)
    return places[0] if places and (is_alone or made.where is UNWRITTEN) else made.where


def _layout(
    path: str, before: File | None, after: File | None, where: Where | None = None, *, is_read: bool = True
) -> Change:
    """Return a change of bytes without a change of meaning: comments, order or blanks, if all of it *is_read*."""
    return Change(
        kind=Kind.FILE, what=path, before=before.digest[:12] if before else None,
        after=after.digest[:12] if after else None, where=where, effect=Effect.SAME if is_read else Effect.DIFFERENT,
    )  # fmt: skip


def _table(path: str, before: File | None, after: File | None, table: Table | None) -> Iterator[Change]:
    where = table.where if table else None
    if before is None or after is None:
        was, is_ = (_counted(file) if file else None for file in (before, after))
        yield Change(kind=Kind.TABLE, what=path, before=was, after=is_, where=where)
        return
    types = tuple(_type_of(file, other, table) for file, other in ((before, after), (after, before)))
    is_ordered = any(kind in ORDERED_TYPES for _, kind in types)
    line, *texts = _parts(before.read(), after.read(), is_ordered=is_ordered)
    old, new = (_rows(path, text, *kind) for text, kind in zip(texts, types, strict=True))
    changed = False
    for key in sorted(old.keys() | new.keys()):
        was_row, row = old.get(key), new.get(key)
        if was_row is None or row is None or was_row[:2] != row[:2]:
            changed = True
            place = table.at(line(row.line)) if table and row else where
            yield _row_change(path, was_row, row, place)
    if is_ordered and (moved := _moved(old, new)):
        yield _in_another_order(path, table.at(line(moved.line)) if table else None)
    elif not changed:
        # A key may be there twice: then the first row counts, and so does the order.
        _, *texts = _parts(before.read(), after.read(), is_ordered=True)
        sides = (_rows(path, text, *kind) for text, kind in zip(texts, types, strict=True))
        first, second = ({key: row[:2] for key, row in side.items()} for side in sides)
        yield _layout(path, before, after, where) if first == second else _in_another_order(path, where)


def _counted(file: File) -> str:
    count = count_entries(file.read())
    return f"{count} {'entry' if count == 1 else 'entries'}"


def _in_another_order(path: str, where: Where | None) -> Change:
    return Change(kind=Kind.FILE, what=path, before=_OTHER_ORDER, after=_OTHER_ORDER, where=where)


def _row_change(path: str, before: Entry | None, after: Entry | None, where: Where | None) -> Change:
    was, is_ = (row.value if row else None for row in (before, after))
    is_same = was is not None and is_ is not None and one_line(was) == one_line(is_)
    named = after or before
    return Change(
        kind=Kind.ENTRY, what=named.key if named else "", before=was, after=is_, within=path, where=where,
        effect=Effect.SAME if is_same else Effect.DIFFERENT,
    )  # fmt: skip


def _type_of(file: File, other: File, table: Table | None) -> tuple[str, str]:
    """Return the compiler and the type of a table; before adoption, only the target knows them."""
    compiler, _, kind = (file.compiled or other.compiled).partition(" ")
    return compiler, kind or (table.type if table else _guessed_type(file.read().lstrip(SPACE.encode())))


def _guessed_type(text: bytes) -> str:
    return "pcre" if text[:1] in (b"/", b"!") else "cidr" if _NETWORK.match(text) else "texthash"


def _rows(path: str, text: bytes, compiler: str, kind: str) -> dict[tuple[str, int], Entry]:
    """Return the rows of a table as Postfix finds them: by the key in lower case, or in their order where it counts."""
    table = Table(name=path, type=kind, source=text, file=path, compiler=compiler)
    if kind not in ORDERED_TYPES:
        return {(entry.key.lower(), 0): entry for entry in reversed(read_table(table)[0])}  # the first of two counts
    seen: Counter[str] = Counter()
    rows = {}
    for entry in in_order(table):
        rows[entry.key, seen[entry.key]] = entry
        seen[entry.key] += 1
    return rows


def _moved(old: Mapping[tuple[str, int], Entry], new: Mapping[tuple[str, int], Entry]) -> Entry | None:
    """Return the first row of both tables that stands elsewhere in the new one, or None."""
    before, after = [key for key in old if key in new], [key for key in new if key in old]
    return next((new[key] for key, other in zip(after, before, strict=True) if key != other), None)


def _parts(old: bytes, new: bytes, *, is_ordered: bool) -> tuple[Callable[[int], int], bytes, bytes]:
    """Return how a line of the new part counts in the whole text, and the parts that differ.

    Where the order counts, equal lines between the first difference and the last count as well.
    """
    parts = differing(old, new, together=is_ordered)
    return parts.line, *((parts.old, parts.new) if is_ordered else _without_common_lines(parts.old, parts.new))


def _without_common_lines(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """Blank the lines that both texts share, which keeps line numbers; continuation lines make this impossible."""
    if re.search(rb"^[ \t]", old, re.MULTILINE) or re.search(rb"^[ \t]", new, re.MULTILINE):
        return old, new
    old_lines, new_lines = old.split(b"\n"), new.split(b"\n")
    common = set(old_lines) & set(new_lines)
    blanked = ([b"" if line in common else line for line in side] for side in (old_lines, new_lines))
    return b"\n".join(next(blanked)), b"\n".join(next(blanked))


# ---- the guard -------------------------------------------------------------------------------------------------------


def raise_if_unsafe(plan: Plan, *, confirmed: bool, rows: Mapping[str, int] = MappingProxyType({})) -> None:
    """Refuse a plan that removes over 30 % of a table of ten entries or more, unless a commit confirmed it.

    *rows* has the number of confirmed deletions for each table. Raises UnsafePlan, with the number of deletions and the
    trailer that confirms them.
    """
    if confirmed:
        return
    findings = [
        finding
        for path, file in sorted(plan.live.items())
        for finding in _too_many(plan, path, file, rows.get(path, 0))
    ]
    if findings:
        raise UnsafePlan(findings)


def _too_many(plan: Plan, path: str, file: File, known: int) -> Iterator[Finding]:
    gone = [change for change in plan.changes if change.within == path and change.after is None]
    whole = [
        change for change in plan.changes if change.kind is Kind.TABLE and change.what == path and change.after is None
    ]
    if path in (MAIN, MASTER) or _is_secret(file) or not (gone or whole):
        return
    total = count_entries(file.read())
    count = total if whole else len(gone)
    if total >= MANY and count - known > SHARE * total:
        where = next((change.where for change in (*whole, *gone) if change.where), Where(f"tables/{path}"))
        text = (
            f"table {path} would lose {count} of its {total} entries ({count * 100 // total} %); if that is intended,"
            ' add the trailer "Confirm: deletions" to a commit message'
        )
        yield Finding(rule="too-many-deletions", where=where, text=text, subject=path)
