"""Values that need quotes in YAML: what their author meant, from the line with the error, and the text with it quoted.

unquoted() explains an error of the parser, tagged() a text that begins with an exclamation mark. Lines is a text by its
lines, as libyaml numbers them, and Slip what is wrong at one of them. Pure. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reconciler.desired.yaml_scalars import Bracketed, is_private, is_secret, one_text, quoted
from reconciler.model.ascii_text import SPACE

MAX_EXPLAINED = 1000  # for a longer line, no finding suggests what to write
LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # more than Postfix's: libyaml numbers lines by these
# A key, or the dash of a list, and the value after it; also inside of { }.
_AHEAD = r"(?:(?:^|[{,]|- ) *(?P<key>[A-Za-z0-9_.$/-]+):|^ *-) +"
_BRACKETS = re.compile(_AHEAD + r"(?P<value>\[(?P<inside>[^\[\]]*)\](?P<rest>.*))")
_INDICATOR = re.compile(_AHEAD + r"(?P<value>[!*@%`&|>\t].*)")
_PAIR = re.compile(_AHEAD + r"(?P<value>[^\s\[{\"'].*:(?: .*)?)", re.ASCII)
_TEMPLATE = re.compile(_AHEAD + r"(?P<value>\{\{.*)")
_DASHED = re.compile(_AHEAD + r"(?P<value>- .*)")
_AFTER_QUOTES = re.compile(
    _AHEAD + r"(?P<value>(?P<text>\"[^\"]*\"|'[^']*')(?P<rest>[^\s#,}\]].*|\s+[^\s#].*|,.+))", re.ASCII
)
_NEXT_KEY = re.compile(r" ([a-z][a-z0-9_]*): ")


@dataclass(frozen=True, slots=True)
class Slip:
    """What is wrong at a line and column, both counted from 0, and the whole text with it put right."""

    line: int
    column: int
    what: str
    repaired: str | None = None


class Lines:
    """The lines of a text with their ends, so that some can be replaced."""

    def __init__(self, text: str) -> None:
        self._parts = re.split(f"({LINE_END.pattern})", text)
        self.all = self._parts[::2]

    def __getitem__(self, number: int) -> str:
        line = self.all[number] if 0 <= number < len(self.all) else ""
        return line if len(line) <= MAX_EXPLAINED else ""

    def above(self, number: int) -> int:
        """Return the number of the line above that is neither empty nor a comment, or -1."""
        return next((one for one in range(number - 1, -1, -1) if is_content(self.all[one])), -1)

    def with_changed(self, changed: dict[int, str]) -> str:
        """Return the text with some lines replaced."""
        parts = list(self._parts)
        for number, line in changed.items():
            parts[2 * number] = line
        return "".join(parts)


def is_content(line: str) -> bool:
    """Return whether a line is neither empty nor a comment."""
    stripped = line.strip(SPACE)
    return bool(stripped) and not stripped.startswith("#")


def indent(line: str) -> int:
    """Return the number of blanks at the start of a line."""
    return len(line) - len(line.lstrip(" "))


def without_comment(text: str) -> str:
    """Return a line without a comment after it, and without the blanks around it."""
    return re.sub(r"(?<!\s)\s+#.*", "", text, flags=re.ASCII).strip(SPACE)


# ---- missing quotes --------------------------------------------------------------------------------------------------


def unquoted(lines: Lines, number: int, column: int) -> Slip | None:
    """Return a value that needs quotes, if the line with the error shows it."""
    line = lines[number]
    for pattern, say in _PATTERNS:
        for match in reversed(list(pattern.finditer(line))):
            if match.start("value") > column:
                continue
            value = _scalar_in(match)
            if not (said := say(match, value)):
                continue
            what, meant = said
            at, key = match.start("value"), match["key"] or ""
            if is_secret(key):
                return Slip(number, at, f"a password must not be in plain text here; write {key}: !secret NAME")
            if is_private(f"{key}: {value}"):
                return None
            repaired = line[:at] + _whole(key, meant) + line[at + len(value) :]
            return Slip(number, at, what, lines.with_changed({number: repaired}))
    return None


def tagged(text: str, number: int, column: int, tag: str) -> Slip:
    """Return a text that begins with ``!``, which YAML takes as a tag."""
    lines = Lines(text)
    line = lines[number]
    if is_secret(line[:column]):
        what = 'this tag is not allowed; the only one is !secret NAME (quote a text that starts with "!")'
        return Slip(number, column, what)
    if tag.lower() in ("!secrets", "!secret", "!vault", "!age"):
        return Slip(number, column, f'the tag "{tag}" is not allowed; did you mean !secret?')
    what = f'the tag "{tag}" is not allowed; the only one is !secret NAME (quote a text that starts with "!")'
    for match in _INDICATOR.finditer(line):
        if match.start("value") == column:
            value = _scalar_in(match)
            repaired = lines.with_changed({number: line[:column] + quoted(value) + line[column + len(value) :]})
            return Slip(number, column, f"{what}: {_written(match, value)}", repaired)
    return Slip(number, column, what)


def _scalar_in(match: re.Match[str]) -> str:
    """Return the value without a comment after it, and inside { } without the next key or the end."""
    value, before = match["value"], match.string[: match.start("value")]
    if before.count("{") > before.count("}"):
        end = value.find("]") + 1
        value = value[:end] + re.split(r"[,}]", value[end:])[0]
    return re.sub(r"(?<!\s)\s+#.*", "", value, flags=re.ASCII).strip(" ")


def _whole(key: str, value: str) -> str:
    return f"{{nexthop: {quoted(value)}}}" if key == "smart_host" else quoted(value)


def _written(match: re.Match[str], value: str) -> str:
    key = match["key"]
    return f"{key}: {_whole(key, value)}" if key else f"- {quoted(value)}"


def _bracketed(match: re.Match[str], value: str) -> tuple[str, str] | None:
    inside = match["inside"].strip(SPACE)
    if value == f"[{match['inside']}]":
        if not inside.startswith(":"):
            return None
        value = one_text(match["key"] or "", Bracketed(re.split(r"[\s,]+", inside, flags=re.ASCII))) or value
    return f"YAML reads brackets as a list; quote the whole value: {_written(match, value)}", value


def _indicated(match: re.Match[str], value: str) -> tuple[str, str]:
    first = "a tab" if value[0] == "\t" else f'"{value[0]}"'
    meant = value.strip(SPACE)
    return f"{first} at the start of a value has a meaning in YAML; quote it: {_written(match, meant)}", meant


def _partly_quoted(match: re.Match[str], value: str) -> tuple[str, str]:
    words = re.split(r"[\"']", value)
    listed = all(not between.strip(" ,") for between in words[::2])
    meant = re.sub(r"[\"']", "", value) if listed else value
    return f"the text goes on after its quotes; quote the whole value: {_written(match, meant)}", meant


def _paired(match: re.Match[str], value: str) -> tuple[str, str] | None:
    if not re.search(r":(?:\s|\Z)", value, re.ASCII):
        return None
    before = match.string[: match.start("value")]
    if before.count("{") > before.count("}") and (more := _NEXT_KEY.search(value)):
        return f'a comma is missing before "{more[1]}"', value
    said = f"YAML reads a text with a colon and a blank as a key; quote the whole value: {_written(match, value)}"
    return said, value


def _templated(_: re.Match[str], value: str) -> tuple[str, str]:
    what = 'nothing fills in "{{ }}" here; write the value itself, or $name for a parameter of Postfix'
    return what, value


def _dashed(match: re.Match[str], value: str) -> tuple[str, str]:
    meant = value[2:].strip(SPACE)
    return f"a list with dashes begins on the line below its key; write {_written(match, meant)}", meant


_PATTERNS = (
    (_TEMPLATE, _templated),
    (_BRACKETS, _bracketed),
    (_INDICATOR, _indicated),
    (_AFTER_QUOTES, _partly_quoted),
    (_DASHED, _dashed),
    (_PAIR, _paired),
)
