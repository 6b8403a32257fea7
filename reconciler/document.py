"""A YAML file becomes plain values with their places; the door to PyYAML.

Safe YAML only: no tag but ``!secret``, no duplicate keys, bounded in size, depth and aliases. A value is the scalar's
text, never its resolved type: 010 stays 010, and only plain true, false, yes, no, on and off become yes or no. read()
never raises on bad text: it answers an empty document, and findings say why.

Known limits: one error of the YAML itself hides those that come after it in the file. Merge keys (``<<``) are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from reconciler.model import Finding, SecretName, Where

if TYPE_CHECKING:
    from reconciler.model import File

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_NODES = 100_000
_WORDS = {"true": "yes", "yes": "yes", "on": "yes", "false": "no", "no": "no", "off": "no"}
_NULLS = frozenset({"", "~", "null"})
_SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str, ...]


@dataclass(slots=True)
class Document:
    """Plain values (text, None, SecretName, lists, mappings), and by its path the place of each and of its key."""

    value: Any = None
    places: dict[Path, Where] = field(default_factory=dict)
    keys: dict[Path, Where] = field(default_factory=dict)


def read(path: str, file: File, findings: list[Finding]) -> Document:
    """Read one file; what is wrong with it goes to *findings*, and the document is empty then."""
    content = file.read()
    try:
        return _read(path, content)
    except UnicodeDecodeError as error:
        findings.append(_error(Where(path, content.count(b"\n", 0, error.start) + 1), "this is not UTF-8 text"))
    except _Rejected as error:
        findings.append(_error(error.where, str(error)))
    except yaml.MarkedYAMLError as error:
        findings.append(_error(_mark(path, error.problem_mark), _problem(error)))
    except yaml.YAMLError as error:
        findings.append(_error(Where(path), str(error).splitlines()[0]))
    return Document({})


def _read(path: str, content: bytes) -> Document:
    if len(content) > MAX_BYTES:
        raise _Rejected(Where(path), f"{len(content)} bytes are more than the {MAX_BYTES} that a YAML file may have")
    text = content.decode()
    _refuse_dangers(path, text)
    document, root = Document({}), yaml.compose(text, Loader=_Loader)
    if root:
        document.value = _Reader(path, document).value(root, ())
    if not isinstance(document.value, dict):
        raise _Rejected(Where(path), f'expected "key: value" lines, got {kind_of(document.value)}')
    return document


def _error(where: Where, text: str) -> Finding:
    return Finding(rule="unreadable-yaml", where=where, text=text, subject=where.file)


class _Rejected(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, where: Where, text: str) -> None:
        super().__init__(text)
        self.where = where


def _mark(path: str, mark: Any) -> Where:  # noqa: ANN401 - the C parser has a class of its own
    return Where(path, mark.line + 1, mark.column + 1) if mark else Where(path)


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "cannot be read as YAML"
    return f"{problem} ({error.context})" if error.context else problem


def _refuse_dangers(path: str, text: str) -> None:
    """Look at the stream before anything is built from it."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        where = _mark(path, event.start_mark)
        if tag and not (tag == "!secret" and isinstance(event, yaml.ScalarEvent)):
            raise _Rejected(where, f'the tag "{tag}" is not allowed; the only one is !secret NAME')
        if depth > MAX_DEPTH:
            raise _Rejected(where, f"nested deeper than {MAX_DEPTH} levels")
        if documents > 1:
            raise _Rejected(where, "a second YAML document begins here; a file holds one")


class _Reader:
    """Builds plain values from nodes and notes where each stood."""

    def __init__(self, path: str, document: Document) -> None:
        self.path, self.places, self.keys, self.budget = path, document.places, document.keys, MAX_NODES

    def value(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - YAML's values
        self.budget -= 1
        where = _mark(self.path, node.start_mark)
        if self.budget < 0:
            raise _Rejected(where, f"more than {MAX_NODES} values, aliases counted as often as they are used")
        if len(path) > MAX_DEPTH:
            raise _Rejected(where, f"nested deeper than {MAX_DEPTH} levels, through an alias of itself or of others")
        if path:
            self.places.setdefault(path, where)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, str(index))) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - YAML has three kinds of nodes
        return self._scalar(node, where)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = _mark(self.path, key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                raise _Rejected(where, "a key is a plain word; merge keys and composite keys are not supported")
            key = key_node.value
            if key in result:
                raise _Rejected(where, f'"{key}" was set already at line {self.keys[(*path, key)].line}')
            self.keys.setdefault((*path, key), where)
            if not isinstance(value_node, yaml.ScalarNode):
                self.places[(*path, key)] = where  # a collection is where its key is
            result[key] = self.value(value_node, (*path, key))
        return result

    @staticmethod
    def _scalar(node: yaml.ScalarNode, where: Where) -> str | SecretName | None:
        text: str = node.value
        if node.tag == "!secret":
            if not _SECRET_NAME.match(text):
                raise _Rejected(where, f'!secret takes the name of a file secrets/NAME.age, got "{text}"')
            return SecretName(text)
        if node.style:  # quoted or a block: the text itself
            return text
        return None if text.lower() in _NULLS else _WORDS.get(text.lower(), text)


def at(value: Any, path: Path) -> Any:  # noqa: ANN401 - YAML's values
    """The value at a path of keys and list positions."""
    for key in path:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def kind_of(value: object) -> str:
    """What a value is, in words for people."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "nothing" if value is None else f'"{value}"'
