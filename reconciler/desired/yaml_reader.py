"""read() turns a YAML file into plain values with their places; only this module calls PyYAML.

It accepts safe YAML only: no tag but ``!secret``, no duplicate keys, and limits for size, depth and aliases. A value is
the scalar's text, never its resolved type: 010 stays 010, and only plain true, false, yes, no, on and off become yes or
no. For bad text, read() adds a finding that says what to write, and reads on with that put right (yaml_slips.py); where
the intention is unclear, it returns an empty document. No finding quotes the value of a key for a password. Raises
InvalidSource only for a commit beyond its budget.

Known limits: a syntax error that is not understood hides later errors in the file. Merge keys (``<<``) are refused.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from reconciler.desired import allowances
from reconciler.desired.budget import Budget
from reconciler.desired.yaml_quotes import Slip, tagged
from reconciler.desired.yaml_scalars import Bracketed, may_show_password
from reconciler.desired.yaml_slips import explain, hidden, may_hide, tokens_before
from reconciler.model import Finding, SecretName, Where, error_at, limits
from reconciler.model.ascii_text import split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import UnionType

    from reconciler.model import Allowance, File

_SOME = 1000
_REPAIRS, _MAX_REPAIRED = 20, 1 << 17  # each slip that is put right costs one more reading of the file
_MANY = f"the file has more than {limits.VALUES} values, where each use of an alias counts"
_WORDS = {"true": "yes", "yes": "yes", "on": "yes", "false": "no", "no": "no", "off": "no"}
_NULLS = frozenset({"", "~", "null"})
_SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Path = tuple[str, ...]


@dataclass(slots=True)
class Document:
    """Plain values (text, None, SecretName, lists, mappings), and the places of each value and key by path.

    A file that could not be read has no values, and is not *readable*.
    """

    value: Any = None
    places: dict[Path, Where] = field(default_factory=dict)
    keys: dict[Path, Where] = field(default_factory=dict)
    allowances: tuple[Allowance, ...] = ()
    readable: bool = True

    def copy(self) -> Document:
        """Return an independent copy."""
        return Document(deepcopy(self.value), dict(self.places), dict(self.keys), self.allowances, self.readable)

    def forget(self, path: Path, value: Any = None) -> None:  # noqa: ANN401 - YAML's values
        """Drop the places of *value* at *path*, and of all values in it."""
        for place in _paths(value, path):
            self.places.pop(place, None)
            self.keys.pop(place, None)

    def adopt(self, other: Document, path: Path, value: Any = None) -> None:  # noqa: ANN401 - YAML's values
        """Copy from another document the places of *value* at *path*, and of all values in it."""
        for place in _paths(value, path):
            self.places[place] = other.places[place]
            if place in other.keys:
                self.keys[place] = other.keys[place]


def _paths(value: Any, path: Path) -> Iterator[Path]:  # noqa: ANN401 - YAML's values
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _paths(item, (*path, str(key)))


def paths_of(value: Any, kind: type | UnionType) -> list[Path]:  # noqa: ANN401 - YAML's values
    """Return the path of each value of a kind that is no list and no mapping."""
    found: list[Path] = [()] * isinstance(value, kind)
    inside: list[tuple[Path, Any]] = [((), value)]
    for path, outer in inside:
        for key, item in (
            outer.items() if isinstance(outer, dict) else enumerate(outer) if isinstance(outer, list) else ()
        ):
            if isinstance(item, dict | list):
                inside.append(((*path, str(key)), item))
            elif isinstance(item, kind):
                found.append((*path, str(key)))
    return found


def read(path: str, file: File, findings: list[Finding], budget: Budget | None = None) -> Document:
    """Read one file; append its errors to *findings*, and return an empty document if it can't be read."""
    content = file.read()
    if len(content) > limits.YAML_BYTES:
        what = f"the file has {len(content)} bytes; a YAML file may have at most {limits.YAML_BYTES}"
        findings.append(_error(Where(path), what))
        return Document({}, readable=False)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        where = Where(
            path, content.count(b"\n", 0, error.start) + 1, error.start - content.rfind(b"\n", 0, error.start)
        )
        findings.append(_error(where, "this is not UTF-8 text; save the file as UTF-8"))
        text = content.decode("latin-1")
    return _read_repaired(path, text, findings, budget or Budget())


def _read_repaired(path: str, text: str, findings: list[Finding], budget: Budget) -> Document:
    """Read a text; put each slip right that hides the rest of the file, and report it."""
    lines: set[int] = set()
    while True:
        read: list[Finding] = []
        try:
            document = _read(path, text, read, budget)
        except _Rejected as error:
            slip, other = error.slip, _error(error.where, str(error))
        except yaml.MarkedYAMLError as error:
            slip, other = explain(text, error, _tokens(text)), _unexplained(path, error)
        except yaml.reader.ReaderError as error:
            what = f"{error.reason}; write it as an escape inside double quotes"
            slip, other = None, _error(_mark_at(path, text, error.position), what)
        except yaml.YAMLError as error:
            slip, other = None, _error(Where(path), split_lines(str(error))[0])
        else:
            findings += read
            return document
        told_at = _error(Where(path, slip.line + 1, slip.column + 1), slip.what) if slip else other
        if told_at.where.line - 1 not in lines:  # a second error of a line follows from its first
            findings.append(told_at)
        if (
            not slip
            or slip.repaired is None
            or slip.line in lines
            or len(text) > _MAX_REPAIRED
            or len(lines) >= _REPAIRS
        ):
            return Document({}, readable=False)
        lines.add(slip.line)
        text = slip.repaired


def _read(path: str, text: str, findings: list[Finding], budget: Budget) -> Document:
    if may_hide(text) and (slip := hidden(text, _tokens(text))):
        raise _Rejected(Where(path), slip.what, slip)
    taken = _refuse_dangers(path, text, budget)
    document, root = Document({}), yaml.compose(text, Loader=_Loader)
    if root:
        reader = _Reader(path, document, findings)
        document.value = reader.value(root, ())
        if reader.repeats:
            _forget_unread(document)
        budget.take_values(max(reader.count - taken, 0), Where(path))
        document.allowances = tuple(allowances.read(text, path, reader.is_comment, trailing=True))
    if not isinstance(document.value, dict):
        raise _Rejected(Where(path), _no_lines(document.value))
    return document


def _forget_unread(document: Document) -> None:
    """Drop the places of values that are not in the document, because their key was set before."""
    read = set(_paths(document.value, ()))
    for places in (document.places, document.keys):
        for path in [path for path in places if path not in read]:
            del places[path]


def _no_lines(value: object) -> str:
    hint = "; remove the dashes" if isinstance(value, list) else ""
    text = f'expected "key: value" lines, got {kind_of(value)}{hint}'
    return 'expected "key: value" lines' if may_show_password("", value, text) else text


def _error(where: Where, text: str) -> Finding:
    return error_at("unreadable-yaml", where, text, where.file)


class _Rejected(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, where: Where, text: str, slip: Slip | None = None) -> None:
        super().__init__(text)
        self.where, self.slip = where, slip


def _mark(path: str, mark: Any) -> Where:  # noqa: ANN401 - the C parser has a class of its own
    return Where(path, mark.line + 1, mark.column + 1) if mark else Where(path)


def _mark_at(path: str, text: str, position: int) -> Where:
    before = text[:position]
    return Where(path, before.count("\n") + 1, position - before.rfind("\n"))


def _unexplained(path: str, error: yaml.MarkedYAMLError) -> Finding:
    problem = error.problem or "cannot be read as YAML"
    return _error(_mark(path, error.problem_mark), f"{problem} ({error.context})" if error.context else problem)


def _tokens(text: str) -> Iterator[Any]:
    return tokens_before(yaml.scan(text, Loader=_Loader), yaml.YAMLError)


# ---- reading ---------------------------------------------------------------------------------------------------------


def _refuse_dangers(path: str, text: str, budget: Budget) -> int:
    """Check the stream before any value is built from it; return what a large one took from the budget for that."""
    depth = documents = taken = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader), 1):
        if number % _SOME == 0:  # a file that is refused later has cost something as well
            taken += _SOME // 2  # a value and its key are two events
            budget.take_values(_SOME // 2, Where(path))
            if taken > limits.VALUES:
                raise _Rejected(Where(path), _MANY)
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        where = _mark(path, event.start_mark)
        if tag and not (tag == "!secret" and isinstance(event, yaml.ScalarEvent)):
            slip = tagged(text, where.line - 1, where.column - 1, tag)
            raise _Rejected(where, slip.what, slip)
        if depth > limits.DEPTH:
            raise _Rejected(where, f"the value is nested deeper than {limits.DEPTH} levels")
        if documents > 1:
            raise _Rejected(where, "a second YAML document begins here; a file can have only one")
    return taken


class _Reader:
    """Builds plain values from nodes, and records the place of each."""

    def __init__(self, path: str, document: Document, findings: list[Finding]) -> None:
        self.path, self.places, self.keys, self.count = path, document.places, document.keys, 0
        self.repeats = False
        self._findings = findings
        self._texts: dict[int, int] = {}

    @cached_property
    def _starts(self) -> list[int]:
        return sorted(self._texts)

    def is_comment(self, position: int) -> bool:
        """Return True if that position is outside all scalars, so that a # begins a comment; all values were read."""
        place = bisect_right(self._starts, position)
        return not place or position >= self._texts[self._starts[place - 1]]

    def value(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - YAML's values
        self.count += 1
        where = _mark(self.path, node.start_mark)
        if self.count > limits.VALUES:
            raise _Rejected(where, _MANY)
        if len(path) > limits.DEPTH:
            what = f"the value is nested deeper than {limits.DEPTH} levels, through an alias of itself or of others"
            raise _Rejected(where, what)
        if path:
            self.places.setdefault(path, where)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            items = [self.value(item, (*path, str(index))) for index, item in enumerate(node.value)]
            return Bracketed(items) if node.flow_style else items
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - YAML has three kinds of nodes
        return self._scalar(node, where)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = _mark(self.path, key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                what = "a key must be a plain word; merge keys and composite keys are not supported"
                if isinstance(key_node, yaml.MappingNode):
                    what = 'nothing fills in "{{ }}" here; write the value itself, or $name for a parameter of Postfix'
                raise _Rejected(where, what)
            key = sys.intern(key_node.value)  # thousands of sites have the same few keys
            if again := key in result:
                first, self.repeats = self.keys[(*path, key)].line, True
                self._findings.append(_error(where, f'"{key}" is already set at line {first}; keep one of the two'))
            self.keys.setdefault((*path, key), where)
            if not isinstance(value_node, yaml.ScalarNode):
                self.places.setdefault((*path, key), where)  # the place of a collection is that of its key
            value = self.value(value_node, (*path, key))
            if not again:
                result[key] = value
            elif isinstance(value, dict) and isinstance(result[key], dict):
                result[key] = value | result[key]
        return result

    def _scalar(self, node: yaml.ScalarNode, where: Where) -> str | SecretName | None:
        text: str = node.value
        if "#" in text:
            self._texts[node.start_mark.index] = node.end_mark.index
        if node.tag == "!secret":
            if not _SECRET_NAME.match(text):
                name = text.rpartition("/")[2].removesuffix(".age")
                is_path = text.startswith("secrets/") or text.endswith(".age")  # other texts may be the password
                hint = f', got "{text}"; write !secret {name}' if is_path and _SECRET_NAME.match(name) else ""
                what = f"!secret takes the name of a file secrets/NAME.age{hint or '; write !secret NAME'}"
                self._findings.append(_error(where, what))
                return SecretName("")
            return SecretName(text)
        if node.style:  # quoted or a block: the text itself
            return text
        return None if text.lower() in _NULLS else _WORDS.get(text.lower(), text)


@dataclass(frozen=True, slots=True)
class Span:
    """The position of a value in its text, as offsets: the start of its key, its own start, and its end.

    *column* is that of its key. *flow* is True for a value in or inside braces. *inside* has the keys of a mapping.
    """

    key: int
    start: int
    end: int
    column: int
    flow: bool
    inside: tuple[str, ...] | None


def spans(text: str) -> dict[Path, Span]:
    """Return the span of each value of a mapping at any depth, the root at ``()``; raise ValueError for bad YAML."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    measured: dict[Path, Span] = {}
    if root:
        _measure(root, (), root.start_mark, measured)
    return measured


def _measure(node: yaml.Node, path: Path, key: Any, measured: dict[Path, Span]) -> int:  # noqa: ANN401 - as _mark()
    """Record the spans of a node and its values; return its end offset, without comments after it."""
    if len(path) > limits.DEPTH:
        raise ValueError("nested too deeply")
    end = node.end_mark.index
    names = [item.value for item, _ in node.value] if isinstance(node, yaml.MappingNode) else None
    ends = []
    for item, value in node.value if isinstance(node, yaml.MappingNode) else ():
        ended = _measure(value, (*path, str(item.value)), item.start_mark, measured)
        is_alias = value.start_mark.index < item.start_mark.index
        ends.append(item.end_mark.index if is_alias else ended)
    if isinstance(node, yaml.SequenceNode):
        ends = [_measure(item, (*path, str(place)), item.start_mark, measured) for place, item in enumerate(node.value)]
    flow = bool(getattr(node, "flow_style", False))
    if ends and not flow:
        end = max(ends)
    inside = None if names is None else tuple(map(str, names))
    measured[path] = Span(key.index, node.start_mark.index, end, key.column, flow, inside)
    return int(end)


def at(value: Any, path: Path) -> Any:  # noqa: ANN401 - YAML's values
    """Return the value at a path of keys and list positions."""
    for key in path:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def kind_of(value: object) -> str:
    """Return the kind of a value, in words for people."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, SecretName):
        return f"!secret {value.name}"
    return "nothing" if value is None else f'"{value}"'


EXPLAINED = {
    "unreadable-yaml": (
        "A file is not valid YAML, or uses a part of YAML that reconciler does not accept. reconciler can't check the"
        " file, so nothing goes live. The finding names the place and, if quotes are missing, what to write. Tags other"
        " than !secret, merge keys and duplicate keys are not accepted."
    ),
}
