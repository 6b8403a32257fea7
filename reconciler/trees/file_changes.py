"""How a deployed file of the commit changes: which lines, from where in the commit they come, and which links to it.

Pure; raises nothing. Known limit: of a large difference, or in a file that is no text, only the sizes are told.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from reconciler.model import Change, File, Kind
from reconciler.model.ascii_text import split_lines
from reconciler.postfix.table_changes import gaps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, DeployedFile, Tree, Where
    from reconciler.postfix.table_changes import Gap

_MOST_LINES = 400
_RUNNABLE = 0o111


def is_deployed(path: str, *files: File | None) -> bool:
    """Return whether a live file that no commit describes any more was a deployed one: no table has such a name."""
    return "/" in path or "." in path or any(file.mode & _RUNNABLE for file in files if file)


def link_changes(live: Tree, target: Tree, origin: Contribution) -> Iterator[Change]:
    """Yield the links outside of Postfix's folder that come, go or lead to another file."""
    before, after = ({file.link: path for path, file in tree.items() if file.link} for tree in (live, target))
    for link in sorted(before.keys() | after.keys()):
        was, is_ = (f"to {side[link]}" if link in side else None for side in (before, after))
        if was != is_:
            made = origin.files.get(after.get(link, ""))
            yield Change(kind=Kind.LINK, what=link, before=was, after=is_, where=made.link_where if made else None)


def changed_lines(path: str, before: File | None, after: File | None, made: DeployedFile | None) -> Iterator[Change]:
    """Yield the changes of a file; adjacent lines are one change."""
    where = made.where if made else None
    if before is None or after is None:
        was, is_ = (_size(file) if file else None for file in (before, after))
        yield Change(kind=Kind.FILE, what=path, before=was, after=is_, where=where)
        return
    old, new = before.read(), after.read()
    parts = list(gaps(old, new))
    if b"\0" in old + new or sum(_lines_of(old, new, part) for part in parts) > _MOST_LINES:
        parts = []
    changes = [change for part in parts for change in _within(path, old, new, part, made)]
    # Nothing is left of it if only the last line has got its end.
    yield from changes or [Change(kind=Kind.FILE, what=path, before=_told(before), after=_told(after), where=where)]


def _lines_of(old: bytes, new: bytes, part: Gap) -> int:
    return old.count(b"\n", part.old, part.old_end) + new.count(b"\n", part.new, part.new_end)


def _within(path: str, old: bytes, new: bytes, part: Gap, made: DeployedFile | None) -> Iterator[Change]:
    """Yield the changes of a part that differs."""
    first = new.count(b"\n", 0, part.new) + 1
    texts = old[part.old : part.old_end], new[part.new : part.new_end]
    was, is_ = (split_lines(text.decode("utf-8", "surrogateescape")) for text in texts)
    for kind, start, end, at, until in SequenceMatcher(None, was, is_, autojunk=False).get_opcodes():
        if kind != "equal":
            where = _place(made, first + at) if made else None
            lines = " / ".join(was[start:end]), " / ".join(is_[at:until])
            yield Change(kind=Kind.FILE, what=path, before=lines[0], after=lines[1], where=where)


def _place(made: DeployedFile, line: int) -> Where:
    return made.at(max(1, min(line, made.content.count(b"\n") + 1)))


def _size(file: File) -> str:
    content = file.read()
    if b"\0" in content:
        return f"{len(content)} bytes"
    count = len(split_lines(content.decode("utf-8", "surrogateescape")))
    return f"{count} line{'' if count == 1 else 's'}"


def _told(file: File) -> str:
    return f"{_size(file)}, sha256 {file.digest[:12]}"
