"""Faults of a file as text: the marks of a merge, another encoding, and characters that only look like ASCII.

Text from a web page or a word processor has non-breaking blanks, typographic quotes and long dashes; to YAML and to
Postfix they are letters. clean() reports them at their place, and returns the files with all of that put right,
so that the rest of each file is judged as it was meant. Pure. Raises nothing.

Known limits: one finding for each kind and file. Comments, text after the key of a row, and the values of parameters
that hold text for people may have any character. A typographic quote counts only around a whole value.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from reconciler.desired import table_memory
from reconciler.desired.yaml_memory import has_read
from reconciler.desired.yaml_scalars import counted
from reconciler.model import File, Finding, Where, error_at
from reconciler.model.ascii_text import SPACE, split_words
from reconciler.model.past import Past

if TYPE_CHECKING:
    from reconciler.model import Tree

_YAML = re.compile(r"(?:mail|hosts/[^/]+|sites/[^/]+/site|flows/[^/]+)\.ya?ml")
_SERVICES = re.compile(r"master\.d/[^/]+\.cf")
_ROWS = re.compile(r"(?:sites/[^/]+/)?tables/(?P<name>[^/.]+)(?:\.(?P<type>[^/]+))?")
_OTHER = re.compile(r"secrets/recipients|dns/[^/]+\.zone\.j2")
_DEPLOYED = re.compile(r"files/.+(?<!\.age)")
_PATTERNS = frozenset({"pcre", "regexp"})
_BLANKS = {
    "\xa0": "a non-breaking blank", "\u2007": "a non-breaking blank", "\u202f": "a non-breaking blank",
    "\u2002": "a wide blank", "\u2003": "a wide blank", "\u2009": "a thin blank", "\u3000": "a wide blank",
}  # fmt: skip
_NOTHING = {
    "\u200b": "an invisible character", "\u200c": "an invisible character", "\u200d": "an invisible character",
    "\u2060": "an invisible character", "\ufeff": "an invisible character", "\xad": "a soft hyphen",
}  # fmt: skip
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_BLANK = re.compile("[" + "".join((*_BLANKS, *_NOTHING)) + "]")
_KEY = re.compile(f"[^ \t]*[ \t]*{_BLANK.pattern}*")
_DASH = re.compile(rf"(?<![^\s])[{_DASHES}](?=[a-z]?(?:\s|\Z))", re.ASCII)
_QUOTE = re.compile("[\u201c\u201d\u201e\u201f\xab\xbb\u2018\u2019\u201a\u2039\u203a]")
_FOR_PEOPLE = ("banner", "footer", "reply", "text", "reason", "mail_name", "header")
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#")
_ENCODINGS = (
    (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
)  # fmt: skip
_MARK = b"\xef\xbb\xbf"
_MERGE = re.compile(rb"^(?:<{7}(?= |\r?$)|\|{7}(?= |\r?$)|={7}(?=\r?$)|>{7}(?= |\r?$))", re.MULTILINE)
_MARKS = (b"<<<<<<<", b">>>>>>>", b"=======")
_SHOWN = 6
_SMALL, _SMALLEST = 1024, 512
_faultless: Past[dict[str, str]] = Past(1)
"""The blobs by the paths of those files of sites in the commit that was read last that need not be looked at again."""
_TABLES, _SITES = "tables/", "sites/"


_Judge = Callable[[str], tuple[int, str, str] | None]
"""Finds an unusual character in a line: its column from 0, what is wrong, and the line with all of them replaced."""


def clean(files: Tree) -> tuple[Tree, list[Finding]]:
    """Return the files with these faults put right, and a finding for each fault.

    The bytes of small files and of tables that were read are at hand in what is returned, but for those of sites that
    were seen before.
    """
    changed: dict[str, File] = {}
    findings: list[Finding] = []
    known = _faultless.used("") or {}
    faultless = {path: file.digest for path, file in files.items()}
    for path in [path for path, digest in faultless.items() if known.get(path) != digest]:
        if not (_look(path, files[path], changed, findings) and path.startswith(_SITES)):
            del faultless[path]
    _faultless.keep("", faultless)
    return ({**files, **changed} if changed else files), findings


def _look(path: str, file: File, changed: dict[str, File], findings: list[Finding]) -> bool:
    """Put a file right, and have its bytes at hand; return whether it need not be looked at again.

    That is so for a document that was read, and for a small table without a fault.
    """
    judge = _kind(path)
    if judge is _yaml and has_read(file):
        return True
    if judge is None or table_memory.known_of(file):
        return False
    content = file.read()
    if not content.isascii() or b"\0" in content[:2] or any(_holds(content, mark) for mark in _MARKS):
        repaired = judge(path, content, findings)
        if repaired != content:
            changed[path] = File.of(repaired, file.mode)
        return False
    if len(content) <= _SMALL or path.startswith(_TABLES):
        # Small files are read several times; a table has the bytes of its file.
        changed[path] = replace(file, read=partial(bytes, content))
    if path.startswith(_TABLES):
        table_memory.keep(file, content)
    return len(content) <= _SMALLEST and judge is not _yaml


def _holds(content: bytes, mark: bytes) -> bool:
    """Return whether a mark is in a text; a large table without its first character is searched for that alone."""
    return mark[:1] in content and mark in content


def _kind(path: str) -> Callable[[str, bytes, list[Finding]], bytes] | None:
    """Return the reader of a file whose text Postfix or reconciler reads, or None."""
    if _YAML.fullmatch(path):
        return _yaml
    if _SERVICES.fullmatch(path):
        return _services
    if row := _ROWS.fullmatch(path):
        return _patterns if row["type"] in _PATTERNS else _rows
    return _others if _OTHER.fullmatch(path) else _deployed if _DEPLOYED.fullmatch(path) else None


def _yaml(path: str, content: bytes, findings: list[Finding]) -> bytes:
    return _judged(path, _merged(path, _decoded(path, content, findings), findings), findings, _yaml_line)


def _services(path: str, content: bytes, findings: list[Finding]) -> bytes:
    content = _unmarked(path, _merged(path, _decoded(path, content, findings), findings), findings)
    return _judged(path, content, findings, _service_line)


def _rows(path: str, content: bytes, findings: list[Finding]) -> bytes:
    return _judged(path, _merged(path, _decoded(path, content, findings), findings), findings, _row)


def _patterns(path: str, content: bytes, findings: list[Finding]) -> bytes:
    return _merged(path, _decoded(path, content, findings), findings)


def _others(path: str, content: bytes, findings: list[Finding]) -> bytes:
    return _unmarked(path, _merged(path, _decoded(path, content, findings), findings), findings)


def _deployed(path: str, content: bytes, findings: list[Finding]) -> bytes:
    """Look for both ends of a conflict only: the file is deployed as it is, and a line may be of equal signs."""
    marks = {match[0][:1] for match in _MERGE.finditer(content)}
    return _merged(path, content, findings) if marks >= {b"<", b">"} else content


# ---- the file as a whole ---------------------------------------------------------------------------------------------


def _decoded(path: str, content: bytes, findings: list[Finding]) -> bytes:
    """Return a text in UTF-16 or UTF-32 as UTF-8."""
    encoding = next((name for mark, name in _ENCODINGS if content.startswith(mark)), "")
    if not encoding and content[1:2] == b"\0" and content[:1] != b"\0":
        encoding = "utf-16-le"
    if not encoding and content[:1] == b"\0" and content[1:2] != b"\0":
        encoding = "utf-16-be"
    if not encoding:
        return content
    what = f"the file is in {encoding[:6].upper()}, which neither YAML here nor Postfix reads; save it as UTF-8"
    findings.append(error_at("unusual-encoding", Where(path), what, path))
    return content.decode(encoding, "replace").encode("utf-8", "replace")


def _unmarked(path: str, content: bytes, findings: list[Finding]) -> bytes:
    if not content.startswith(_MARK):
        return content
    what = "the file starts with a byte order mark, which would be part of its first word; save it as plain UTF-8"
    findings.append(error_at("unusual-encoding", Where(path), what, path))
    return content.removeprefix(_MARK)


def _merged(path: str, content: bytes, findings: list[Finding]) -> bytes:
    """Return the text with one side of each conflict, and the marks and the other side as empty lines."""
    if not _MERGE.search(content):
        return content
    lines = content.split(b"\n")
    marks = {number: line[:1] for number, line in enumerate(lines) if _MERGE.match(line)}
    kept, other = [], False
    for number, line in enumerate(lines):
        mark = marks.get(number, b"")
        other = mark in (b"|", b"=") if mark else other
        kept.append(b"" if mark or other else line)
    shown = ", ".join(str(number + 1) for number in [*marks][:_SHOWN]) + (", ..." if len(marks) > _SHOWN else "")
    what = f"a merge left its marks in lines {shown}; keep what is right between them, and remove these lines"
    findings.append(error_at("merge-marks", Where(path, min(marks) + 1), what, path))
    return b"\n".join(kept)


# ---- unusual characters ----------------------------------------------------------------------------------------------


def _judged(path: str, content: bytes, findings: list[Finding], judge: _Judge) -> bytes:
    """Return the text with its unusual characters replaced; report the first of each kind, and count the others."""
    if content.isascii():
        return content
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    first: dict[str, Where] = {}
    many: Counter[str] = Counter()
    for number, line in enumerate(lines):
        if not line.isascii() and (slip := judge(line)):
            column, what, lines[number] = slip
            first.setdefault(what, Where(path, number + 1, column + 1))
            many[what] += 1
    for what, where in first.items():
        more = f" (and {counted(many[what] - 1, 'more line')} of the kind)" if many[what] > 1 else ""
        findings.append(error_at("unusual-character", where, what + more, path))
    return "\n".join(lines).encode("utf-8", "surrogateescape") if first else content


def _name(char: str) -> str:
    return f"{_BLANKS.get(char) or _NOTHING.get(char)} (U+{ord(char):04X})"


def _plain(text: str) -> str:
    return _BLANK.sub(lambda match: " " if match[0] in _BLANKS else "", text)


def _blank(match: re.Match[str], line: str, until: int) -> tuple[int, str, str]:
    instead = "type a plain blank instead" if match[0] in _BLANKS else "remove it"
    what = f"here is {_name(match[0])}, which YAML and Postfix take as a letter; {instead}"
    return match.start(), what, _plain(line[:until]) + line[until:]


def _yaml_line(line: str) -> tuple[int, str, str] | None:
    comment = _COMMENT.search(line)
    end = comment.start() if comment else len(line)
    if quoted := _in_quotes(line, end):
        first, last = quoted
        what = f'{line[first]} is a typographic quote, which YAML takes as part of the text; type " instead'
        return first, what, f'{line[:first]}"{line[first + 1 : last]}"{line[last + 1 :]}'
    key = line.partition(":")[0].lower()
    match = _BLANK.search(line, 0, end)
    free = match and ":" in line[: match.start()] and any(word in key for word in _FOR_PEOPLE)
    return _blank(match, line, end) if match and not free and not line.startswith("\ufeff") else None


def _in_quotes(line: str, end: int) -> tuple[int, int] | None:
    """Return the places of two typographic quotes around a whole value, or None."""
    for one, other in pairwise(match.start() for match in _QUOTE.finditer(line, 0, end)):
        before, after = line[:one].rstrip(SPACE), line[other + 1 : end].lstrip(SPACE)
        if (not before or before[-1] in ":-{[,") and (not after or after[0] in ",}]:") and '"' not in line[one:other]:
            return one, other
    return None


def _service_line(line: str) -> tuple[int, str, str] | None:
    if line.lstrip(SPACE).startswith("#"):
        return None
    if match := _BLANK.search(line):
        return _blank(match, line, len(line))
    if match := _DASH.search(line):
        found = split_words(line[match.start() :], 1)[0]
        what = f'"{found}" begins with a long dash (U+{ord(match[0]):04X}); type "-{found[1:]}" instead'
        return match.start(), what, _DASH.sub("-", line)
    return None


def _row(line: str) -> tuple[int, str, str] | None:
    """Find an unusual blank in or after the key of a row; the text after them is free."""
    if line.lstrip(SPACE).startswith("#") or line.startswith("\ufeff"):
        return None
    key = _KEY.match(line)
    until = key.end() if key else 0
    match = _BLANK.search(line, 0, until)
    return _blank(match, line, until) if match else None


EXPLAINED = {
    "merge-marks": (
        "A merge or a rebase left its marks in a file: lines that begin with <<<<<<<, ======= or >>>>>>>. Both sides "
        "of the conflict are in the file. Keep what is right, remove the lines with the marks, and commit again."
    ),
    "unusual-encoding": (
        "A file is not in UTF-8, or starts with a byte order mark. Postfix would take its bytes as part of names and "
        "values. Save the file as UTF-8 without a byte order mark."
    ),
    "unusual-character": (
        "A character looks like a blank, a quote or a dash, and is another one: text that was copied from a web page "
        "or a word processor often has them. YAML and Postfix take it as a letter of the name or value. Type the plain "
        "character instead."
    ),
}
