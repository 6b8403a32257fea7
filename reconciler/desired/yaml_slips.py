"""Slips in the syntax of YAML: what the author probably meant, and the text with it put right.

explain() takes an error of the parser, hidden() finds slips that YAML reads as something else, as ``name = value`` and
a line that ends with a backslash. A Slip says what to write. Its *repaired* text lets the reader go on, so that one
slip does not hide the others of its file; it is None where the intention is unclear. Pure. Raises nothing.

Known limits: no slip is explained in a line of more than 1000 characters. No text repeats what may be a password.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from reconciler.desired.yaml_quotes import MAX_EXPLAINED, Lines, Slip, indent, is_content, unquoted, without_comment
from reconciler.desired.yaml_scalars import counted, is_private, is_secret, scalar
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.references import KNOWN_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TYPES = frozenset({*KNOWN_TYPES, "table"})
_CLOSERS = {"[": "]", "{": "}"}
_SETTING = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.]*)\s*=(?P<value>.*)", re.ASCII)
_APART = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.]*)\s+=(?P<value>(?:\s.*)?)", re.ASCII)
_TIGHT = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9_.-]*):(?P<value>[^\s:/].*|/.*)", re.ASCII)
_KEY = re.compile(r"(?P<name>\"[^\"]*\"|'[^']*'|[A-Za-z0-9_@$./-][^\s:#]*):(?: +(?P<value>[^ ].*))?\Z", re.ASCII)
_SUSPECT = re.compile(r"^[ \t]*[A-Za-z][A-Za-z0-9_.]*[ \t]*=|(?:^|[ \t])\\[ \t]*$", re.MULTILINE)
_BACKSLASH = re.compile(r"(?:(?<=[ \t])|^)\\[ \t]*\Z")


class SyntaxProblem(Protocol):
    """What the parser reports: a problem at a place, and what it was reading, since another place.

    A place has a *line* and a *column*, counted from 0, or is None.
    """

    problem: str | None
    problem_mark: Any
    context: str | None
    context_mark: Any


# ---- errors of the parser --------------------------------------------------------------------------------------------


def explain(text: str, error: SyntaxProblem, tokens: Iterable[Any]) -> Slip | None:
    """Return the slip that makes the text unreadable, or None; *tokens* are those before the error."""
    mark = error.problem_mark
    if mark is None:
        return None
    lines = Lines(text)
    return (
        _tabbed(lines, mark.line)
        or _unclosed(lines, error)
        or _swallowed(lines, mark.line, tokens)
        or _without_colon(lines, error)
        or unquoted(lines, mark.line, mark.column)
        or _misplaced(lines, error)
    )


def _tabbed(lines: Lines, number: int) -> Slip | None:
    def lead(line: str) -> str:
        return line[: len(line) - len(line.lstrip(SPACE))]

    if "\t" not in lead(lines[number]):
        return None
    spaced = {
        at: lead(line).replace("\t", "  ") + line.lstrip(SPACE)
        for at, line in enumerate(lines.all)
        if "\t" in lead(line) and is_content(line)
    }
    what = "the line begins with a tab; indent YAML with blanks only"
    return Slip(number, lead(lines[number]).index("\t"), what, lines.with_changed(spaced))


def _unclosed(lines: Lines, error: SyntaxProblem) -> Slip | None:
    """Return a bracket or a quote that is not closed, at its opening."""
    mark, about = error.context_mark, error.context or ""
    if mark is None or not lines[mark.line]:
        return None
    line = lines[mark.line]
    opening = line[mark.column : mark.column + 1]
    if about == "while scanning a quoted scalar" and "end of stream" in (error.problem or ""):
        what = f"the quote {opening} opened here is not closed; close it with {opening} at the end of the text"
        return Slip(mark.line, mark.column, what, lines.with_changed({mark.line: f"{line.rstrip(SPACE)}{opening}"}))
    if opening not in _CLOSERS or not about.startswith("while parsing a flow "):
        return None
    closer = _CLOSERS[opening]
    inside = [line[mark.column :]]
    for number in range(mark.line + 1, len(lines.all)):
        ended = bool(lines.all[number].strip(SPACE)) and indent(lines.all[number]) <= indent(line)
        if not ended or lines.all[number].lstrip(SPACE).startswith(closer):
            inside.append(lines.all[number])
        if ended:
            break
    whole = "\n".join(inside)
    if whole.count(opening) <= whole.count(closer):
        return None
    what = f'the bracket "{opening}" opened here is not closed; close it with "{closer}"'
    alone = len([one for one in inside if one.strip(SPACE)]) == 1
    closed = {mark.line: f"{_without_comment_at_end(line)}{closer}"}
    return Slip(mark.line, mark.column, what, lines.with_changed(closed) if alone else None)


def _without_comment_at_end(line: str) -> str:
    return re.sub(r"(?<!\s)\s+#.*", "", line, flags=re.ASCII).rstrip(SPACE)


def _swallowed(lines: Lines, number: int, tokens: Iterable[Any]) -> Slip | None:
    """Return a quote that ends only at the next quote, some lines below, where the error is."""
    last = None
    for token in tokens:
        if getattr(token, "style", None) in ("'", '"'):
            last = token
    if not last or last.start_mark.line == last.end_mark.line or last.end_mark.line != number:
        return None
    at, column, mark = last.start_mark.line, last.start_mark.column, last.style
    what = f"the quote {mark} opened here is not closed on its line; close it with {mark} at the end of the text"
    return Slip(at, column, what, lines.with_changed({at: f"{lines[at].rstrip(SPACE)}{mark}"}) if lines[at] else None)


def _without_colon(lines: Lines, error: SyntaxProblem) -> Slip | None:
    """Return a line that has no key: with ``=`` for the colon, without a blank, or meant to continue the one above."""
    mark = error.problem_mark
    if "could not find expected ':'" in (error.problem or ""):
        mark = error.context_mark
        number = mark.line if mark else -1
    elif error.context is None and "mapping values are not allowed" in (error.problem or ""):
        number = lines.above(mark.line) if mark else -1
        if not (mark and _KEY.match(lines[mark.line].strip(SPACE))):
            return None
    else:
        return None
    line = _without_comment_at_end(lines[number]) if number >= 0 else ""
    found = line.lstrip(SPACE)
    return (
        _equated(lines, number)
        or _tight(lines, number, found)
        or (_lone(lines, number, found) if mark and mark.line == number else None)
    )


def _equated(lines: Lines, number: int, *, apart: bool = False) -> Slip | None:
    """Return ``name = value`` in a line; all others of its indentation are put right with it."""
    match = _setting(lines[number], apart=apart)
    if not match:
        return None
    column, above = indent(lines[number]), lines.above(number)
    name = match["name"]
    if is_secret(name) or is_private(f"{name}={match['value']}"):
        return Slip(number, column, f'"=" does not set a value in YAML; write "{name}:" and a blank before the value')
    written = f"{name}: {scalar(match['value'].strip(SPACE))}"
    if not column:
        what = f'"=" does not set a value in YAML; write {written}, below "parameters:" if it is a parameter of Postfix'
        return Slip(number, column, what)
    same = [at for at, line in enumerate(lines.all) if indent(line) == column and _setting(line, apart=apart)]
    blanks = column
    if above >= 0 and (key := _KEY.match(lines[above].strip(SPACE))) and key["value"]:
        blanks = min(column, indent(lines[above]))
    changed = {
        at: f"{' ' * blanks}{one['name']}: {scalar(one['value'].strip(SPACE))}"
        for at in same
        if (one := _setting(lines[at], apart=apart))
    }
    more = f" (and {counted(len(same) - 1, 'more line')} of the kind)" if len(same) > 1 else ""
    return Slip(number, column, f'"=" does not set a value in YAML; write {written}{more}', lines.with_changed(changed))


def _setting(line: str, *, apart: bool) -> re.Match[str] | None:
    """Match ``name = value``; with *apart*, only with a blank before the sign and after it."""
    text = without_comment(line) if len(line) <= MAX_EXPLAINED else ""
    return _APART.fullmatch(text) if apart else _SETTING.fullmatch(text)


def _tight(lines: Lines, number: int, found: str) -> Slip | None:
    match = _TIGHT.fullmatch(found)
    if not match or match["name"] in _TYPES or is_secret(match["name"]) or is_private(found):
        return None
    column = indent(lines[number])
    written = f"{match['name']}: {scalar(match['value'])}"
    what = f"YAML needs a blank after the colon of a key; write {written}"
    return Slip(number, column, what, lines.with_changed({number: f"{' ' * column}{written}"}))


def _lone(lines: Lines, number: int, found: str) -> Slip | None:
    """Return a line that has no key, and so should continue the value above."""
    above = lines.above(number)
    if not found or above < 0 or is_private(lines[above] + found):
        return None
    if found.startswith((";", "//")):
        commented = {number: f"#{lines[number]}"}
        return Slip(number, indent(lines[number]), 'a comment begins with "#"', lines.with_changed(commented))
    if found[0] in "\"'" and found[-1] == found[0] and _KEY.match(found[1:-1]):
        unquoted = {number: f"{' ' * indent(lines[number])}{found[1:-1]}"}
        what = f"quotes around a key and its value make a text of both; write {found[1:-1]}"
        return Slip(number, indent(lines[number]), what, lines.with_changed(unquoted))
    if not _KEY.match(lines[above].strip(SPACE)):
        return None
    column, deeper = indent(lines[number]), indent(lines[above]) + 2
    what = (
        f'"{found}" has no key; to continue the value of line {above + 1}, indent it deeper, by {deeper} blanks;'
        " otherwise write KEY: VALUE"
    )
    return Slip(number, column, what, lines.with_changed({number: ""}))


def _misplaced(lines: Lines, error: SyntaxProblem) -> Slip | None:
    """Return a key that is indented otherwise than its neighbours."""
    mark = error.problem_mark
    if mark is None:
        return None
    number, line = mark.line, lines[mark.line]
    above, problem = lines.above(number), error.problem or ""
    if problem == "did not find expected key" and (slip := _odd_start(lines, number)):
        return slip
    if above < 0 or not _KEY.match(without_comment(line)):
        return None
    here, there = indent(line), indent(lines[above])
    if "mapping values are not allowed" in problem and here > there:
        right = there
    elif "did not find expected key" in problem and mark.column == here and here < there:
        levels = [indent(one) for one in lines.all[:number] if is_content(one)]
        right = min((level for level in levels if level > here), default=there)
    else:
        return None
    last = number
    while last + 1 < len(lines.all) and (
        not is_content(lines.all[last + 1]) or indent(lines.all[last + 1]) >= here > 0
    ):
        last += 1
    moved = {
        at: " " * max(indent(lines.all[at]) - here + right, 0) + lines.all[at].lstrip(" ")
        for at in range(number, last + 1)
        if is_content(lines.all[at])
    }
    name = without_comment(line).partition(":")[0]
    what = (
        f'"{name}" is indented by {here} and line {above + 1} by {there}; indent the keys of a section alike, here by'
        f" {right}"
    )
    return Slip(number, here, what, lines.with_changed(moved))


def _odd_start(lines: Lines, number: int) -> Slip | None:
    """Return a dash before a key, or a bracket that closes nothing."""
    line = lines[number]
    column, found = indent(line), without_comment(line)
    if found.startswith("- ") and _KEY.match(found[2:].strip(SPACE)):
        written = found[2:].strip(SPACE)
        what = f"a section has no dashes before its keys; write {written}"
        return Slip(number, column, what, lines.with_changed({number: f"{' ' * column}{written}"}))
    if found and not found.strip("]}"):
        what = f'"{found}" closes nothing that is open; remove it'
        return Slip(number, column, what, lines.with_changed({number: ""}))
    return None


# ---- slips that YAML reads as something else -------------------------------------------------------------------------


def may_hide(text: str) -> bool:
    """Return whether hidden() may find a slip; fast."""
    return ("=" in text or "\\" in text) and bool(_SUSPECT.search(text))


def hidden(text: str, tokens: Iterable[Any]) -> Slip | None:
    """Return a line that YAML joins with its neighbours, but that was meant as a setting, or ends with a backslash."""
    lines = Lines(text)
    for token in tokens:
        if getattr(token, "plain", False):
            first, last = token.start_mark.line, token.end_mark.line
            if slip := _as_setting(lines, first, token.start_mark.column, last) or _continued(lines, first, last):
                return slip
    return None


def _as_setting(lines: Lines, first: int, column: int, last: int) -> Slip | None:
    above = lines.above(first)
    is_section = above < 0 or (not indent(lines[above]) and lines[above].rstrip(SPACE).endswith(":"))
    if is_section and not lines[first][:column].strip(SPACE) and (slip := _equated(lines, first)):
        return slip
    return next(filter(None, (_equated(lines, number, apart=True) for number in range(first + 1, last + 1))), None)


def _continued(lines: Lines, first: int, last: int) -> Slip | None:
    number = next((at for at in range(first, last + 1) if _BACKSLASH.search(lines[at])), -1)
    if number < 0:
        return None
    changed, at = {}, number
    while match := _BACKSLASH.search(lines[at]):
        changed[at] = lines[at][: match.start()].rstrip(SPACE)
        at += 1
    match = _BACKSLASH.search(lines[number])
    what = 'YAML joins indented lines without a "\\" at the end, and the value would hold it; remove it'
    return Slip(number, match.start() if match else 0, what, lines.with_changed(changed))


def tokens_before(scanned: Iterator[Any], error: type[Exception]) -> Iterator[Any]:
    """Yield tokens up to the one that can't be read."""
    try:
        yield from scanned
    except error:
        return
