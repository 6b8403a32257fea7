"""diff(live, target) returns a Plan: the changes in mail's terms, and the activations that they need.

Pure, and fast if little has changed: of a table, only the lines between the first and the last difference are parsed.
For a secret file (mode 0600), the plan shows that it changed, never its contents. Only raise_if_unsafe() raises: the
error is UnsafePlan.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import TYPE_CHECKING

from reconciler.model import BESIDE, Activation, Change, Contribution, File, Finding, Kind, Plan, Table, Where
from reconciler.model.ascii_text import SPACE
from reconciler.model.errors import UnsafePlan
from reconciler.postfix.syntax import one_line, read_main, read_master, show_service
from reconciler.postfix.tables import PATTERN_TYPES, count_entries, read_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from reconciler.model import Tree

MAIN, MASTER = "main.cf", "master.cf"
# According to postconf(5), the first two need a stop and a start; the running master keeps the values of the others.
NEEDS_RESTART = frozenset({
    "inet_interfaces", "inet_protocols", "queue_directory", "data_directory", "daemon_directory", "command_directory",
    "mail_owner", "setgid_group", "process_id_directory",
})  # fmt: skip
MANY, SHARE = 10, 0.3
_BLOCK = 1 << 16


def diff(live: Tree, target: Tree, origin: Contribution | None = None) -> Plan:
    """Compare two trees; *origin* has the places in the desired state where the target's settings are written."""
    changes: list[Change] = []
    for path in sorted(live.keys() | target.keys(), key=_order):
        before, after = live.get(path), target.get(path)
        if before != after:
            changes += _file_changes(path, before, after, origin or Contribution())
    return Plan(live=live, target=target, changes=tuple(changes), steps=activations(changes))


def _order(path: str) -> tuple[int, str]:
    return (MAIN, MASTER).index(path) if path in (MAIN, MASTER) else 2, path


def activations(changes: Collection[Change]) -> tuple[Activation, ...]:
    """Return the activations that the changes need; companions' files need none, because apply/ handles companions."""
    if not changes:
        return ()
    if all(change.what.startswith(BESIDE) for change in changes):
        return (Activation.NOTHING,)
    restart = any(change.kind is Kind.PARAMETER and change.what in NEEDS_RESTART for change in changes)
    return (Activation.RESTART if restart else Activation.RELOAD,)


def _file_changes(path: str, before: File | None, after: File | None, origin: Contribution) -> Iterator[Change]:
    if before and after and before.digest == after.digest:
        yield from _attributes(path, before, after)
    elif _is_secret(before) or _is_secret(after):
        kind = Kind.TABLE if path in origin.tables else Kind.FILE
        yield Change(kind=kind, what=path, before="(secret)" if before else None, after="(secret)" if after else None)
    elif path == MAIN:
        yield from _parameters(before, after, origin)
    elif path == MASTER:
        yield from _services(before, after, origin)
    elif path.startswith(BESIDE):
        yield from _lines(path, before, after, origin)
    else:
        yield from _table(path, before, after, origin)


def _lines(path: str, before: File | None, after: File | None, origin: Contribution) -> Iterator[Change]:
    """Yield the changes of a companion's file; adjacent lines are one change."""
    companion = origin.companions.get(path.split("/", 2)[1])
    where = companion.where if companion else None
    old, new = (file.lines() if file else [] for file in (before, after))
    if before is None or after is None:
        was, is_ = (f"{len(file.lines())} lines" if file else None for file in (before, after))
        yield Change(kind=Kind.FILE, what=path, before=was, after=is_, where=where)
        return
    for kind, start, end, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            was, is_ = " / ".join(old[start:end]), " / ".join(new[first:last])
            yield Change(kind=Kind.FILE, what=path, before=was, after=is_, where=where)


def _is_secret(file: File | None) -> bool:
    return file is not None and file.is_secret


def _attributes(path: str, before: File, after: File) -> Iterator[Change]:
    def shown(file: File) -> str:
        return f"mode {file.mode:04o}, {file.owner}" + (f", {file.compiled}" if file.compiled else "")

    yield Change(kind=Kind.FILE, what=path, before=shown(before), after=shown(after))


def _text(file: File | None) -> str:
    return file.read().decode("utf-8", "surrogateescape") if file else ""


def _parameters(before: File | None, after: File | None, origin: Contribution) -> Iterator[Change]:
    old, new = (read_main(_text(file), MAIN)[0] for file in (before, after))
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
        yield _layout(MAIN, before, after)


def _services(before: File | None, after: File | None, origin: Contribution) -> Iterator[Change]:
    old, new = (
        {service.key: show_service(service) for service in read_master(_text(file), MASTER)[0]}
        for file in (before, after)
    )
    changed = False
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            changed = True
            written = origin.services.get(key)
            where = written.where if written else None
            yield Change(kind=Kind.SERVICE, what=key, before=old.get(key), after=new.get(key), where=where)
    if not changed:
        yield _layout(MASTER, before, after)


def _layout(path: str, before: File | None, after: File | None) -> Change:
    """Return a change of bytes without a change of meaning: comments, order or blanks."""
    return Change(
        kind=Kind.FILE,
        what=path,
        before=before.digest[:12] if before else None,
        after=after.digest[:12] if after else None,
    )


def _table(path: str, before: File | None, after: File | None, origin: Contribution) -> Iterator[Change]:
    table = origin.tables.get(path)
    where = Where(table.file) if table else None
    if before is None or after is None:
        was, is_ = (f"{count_entries(file.read())} entries" if file else None for file in (before, after))
        yield Change(kind=Kind.TABLE, what=path, before=was, after=is_, where=where)
        return
    offset, old_text, new_text = _middle(before.read(), after.read())
    old, new = (_read_entries(path, side, text) for side, text in ((before, old_text), (after, new_text)))
    changed = False
    for key in sorted(old.keys() | new.keys()):
        if old.get(key, ("", 0))[0] != new.get(key, ("", 0))[0]:
            changed = True
            line = table.at(new[key][1] + offset) if table and key in new else where
            was, is_ = (side[key][0] if key in side else None for side in (old, new))
            yield Change(kind=Kind.ENTRY, what=key, before=was, after=is_, within=path, where=line)
    if not changed:
        yield _layout(path, before, after)


def _read_entries(path: str, file: File, text: bytes) -> dict[str, tuple[str, int]]:
    compiler, _, kind = file.compiled.partition(" ")
    kind = kind or ("pcre" if text.lstrip(SPACE.encode())[:1] in (b"/", b"!") else "texthash")
    table = Table(name=path, type=kind, source=text, file=path, compiler=compiler)
    read, _ = read_table(table)
    if kind in PATTERN_TYPES:
        return {entry.key: (entry.value, entry.line) for entry in read}
    return {entry.key: (entry.value, entry.line) for entry in reversed(read)}  # maps keep the first of two


def _middle(old: bytes, new: bytes) -> tuple[int, bytes, bytes]:
    """Return the number of equal lines at the start, and the lines between the first and the last difference."""
    start = _line_start(old, _common_prefix(old, new))
    tail = _common_suffix(old, new, min(len(old), len(new)) - start)
    old_end, new_end = _line_end(old, len(old) - tail), _line_end(new, len(new) - tail)
    return old.count(b"\n", 0, start), *_without_common_lines(old[start:old_end], new[start:new_end])


def _without_common_lines(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """Blank the lines that both texts share, which keeps line numbers; continuation lines make this impossible."""
    if re.search(rb"^[ \t]", old, re.MULTILINE) or re.search(rb"^[ \t]", new, re.MULTILINE):
        return old, new
    old_lines, new_lines = old.split(b"\n"), new.split(b"\n")
    common = set(old_lines) & set(new_lines)
    blanked = ([b"" if line in common else line for line in side] for side in (old_lines, new_lines))
    return b"\n".join(next(blanked)), b"\n".join(next(blanked))


def _line_start(text: bytes, at: int) -> int:
    """Return the start of the logical line around *at*, which includes its continuation lines."""
    start = text.rfind(b"\n", 0, at) + 1
    while start and text[start : start + 1] in (b" ", b"\t"):
        start = text.rfind(b"\n", 0, start - 1) + 1
    return start


def _line_end(text: bytes, at: int) -> int:
    end = at if at and text[at - 1 : at] == b"\n" else text.find(b"\n", at) + 1
    while end and text[end : end + 1] in (b" ", b"\t"):
        end = text.find(b"\n", end) + 1
    return end or len(text)


def _common_prefix(one: bytes, other: bytes) -> int:
    """Return how many bytes agree at the start; compare blocks first, because large tables differ in few lines."""
    limit = min(len(one), len(other))
    at = 0
    while at < limit and one[at : at + _BLOCK] == other[at : at + _BLOCK]:
        at += _BLOCK
    at = min(at, limit)
    end = min(at + _BLOCK, limit)
    return next((i for i in range(at, end) if one[i] != other[i]), end)


def _common_suffix(one: bytes, other: bytes, limit: int) -> int:
    """Return how many bytes agree at the end, at most *limit*; compare blocks, because a copy of each text is large."""
    at, size = 0, min(_BLOCK, limit)
    while at < limit and one[len(one) - at - size : len(one) - at] == other[len(other) - at - size : len(other) - at]:
        at += size
        size = min(_BLOCK, limit - at)
    return at + next((i for i in range(size) if one[-1 - at - i] != other[-1 - at - i]), size)


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
