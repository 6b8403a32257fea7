"""The JSON Schema of the YAML files of a commit, for editors; it is derived from the validators that load() uses.

Promises: a file that load() accepts fits its schema. The schema sees a file as YAML 1.2 does, where 25 is a number and
true a boolean, while load() reads the text of each scalar. Draft 7, without references, because editors know these.
Raises nothing.

Known limits: the schema knows the form of values and not their meaning, which the rules judge; a secret in plain text
looks like ``!secret NAME`` to it, and where a text may be a number, every number fits. A mail.yaml that only the files
in hosts/ make complete does not fit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reconciler.desired import flows, layout
from reconciler.desired.load import section_schemas
from reconciler.features import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

DRAFT = "http://json-schema.org/draft-07/schema#"
FILES = {"mail": "mail.yaml", "host": "hosts/NAME.yaml", "site": "sites/siteNN/site.yaml", "flows": "flows/NAME.yaml"}
"""What each schema is for."""
_NULL = {"type": "null"}
_SECRET = {"type": "string", "description": "!secret NAME, for the secret in secrets/NAME.age"}
_SPELLINGS = {
    "yes": (True, *(spelling for word in ("yes", "on", "true") for spelling in (word, word.title(), word.upper()))),
    "no": (False, *(spelling for word in ("no", "off", "false") for spelling in (word, word.title(), word.upper()))),
}
_NUMBERS = ("0", "25", "554")
_ADDRESS = [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]
_SWITCH = {
    "anyOf": [
        {"type": "boolean"},
        {"enum": [0, 1]},
        {"type": "string", "pattern": "^(?:[Yy](?:[Ee][Ss])?|[Nn][Oo]?|[Oo][Nn]|[Oo][Ff][Ff]|[Tt](?:[Rr][Uu][Ee])?"
                                      "|[Ff](?:[Aa][Ll][Ss][Ee])?|[01])$"},
    ]
}  # fmt: skip
_KEPT = ("description", "format", "maxLength", "minLength", "minItems", "maxItems", "required", "minProperties")


def schemas(known: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the schema of each kind of file in FILES; *known* are the parameters of a Postfix, with their defaults."""
    sections = section_schemas()
    entries = {section: _entry(sections.pop(section)) for section in layout.ENTRIES}
    names = {name: {"description": f"Postfix's default: {value or '(empty)'}"} for name, value in known.items()}
    return {
        "mail": _file("mail", _Strict(names).mapping(sections) | {"minProperties": 1}),
        "host": _file("host", _Overlay(names).mapping(sections)),
        "site": _file("site", _Strict(names).plain(*entries["sites"])),
        "flows": _file("flows", _Form(names).plain(*_mapped(flows.schema()))),
    }


def together(parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return one document: the schema of mail.yaml, with the schemas of the other files as its definitions."""
    return parts["mail"] | {"definitions": {name: part for name, part in parts.items() if name != "mail"}}


def _file(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DRAFT, "title": FILES[name], **schema}


def _entry(section: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of one entry of a section whose entries are files, and the definitions that it may name."""
    (entry,) = section["patternProperties"].values()
    return entry, section.get("$defs", {})


def _mapped(entry: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of a file of such entries by names of the author's choice, and its definitions likewise."""
    return {"type": "object", "additionalProperties": entry}, entry.get("$defs", {})


class _Form:
    """The translation of a validator's schema into the schema of the YAML; null stays where a validator takes it."""

    def __init__(self, names: Mapping[str, dict[str, Any]]) -> None:
        self._names = names

    def mapping(self, sections: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        """Return the schema of a file with one key for each section."""
        properties = {name: self.field(self.plain(one, one.get("$defs", {}))) for name, one in sections.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def field(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of the value of a fixed key."""
        return schema

    def entry(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of the value of a key of the author's choice."""
        return schema

    def plain(self, node: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the translation of a node; *known* are the definitions that it may name."""
        kept = {key: node[key] for key in _KEPT if key in node}
        if name := str(node.get("$ref", "")).rpartition("/")[2]:
            return _SECRET if name == "SecretName" else self.plain(known[name], known) | kept
        if several := node.get("anyOf"):
            return kept | self._several([self.plain(one, known) for one in several])
        if words := node.get("enum") or ([node["const"]] if "const" in node else []):
            return kept | {"enum": [spelling for word in words for spelling in _SPELLINGS.get(word, (word,))]}
        match node.get("type"):
            case "object":
                return kept | self._object(node, known)
            case "array":
                return kept | {"type": "array", "items": self.plain(node.get("items", {}), known)}
            case "boolean":
                return kept | _SWITCH
            case "integer":
                number = {key: node[key] for key in ("type", "minimum", "maximum") if key in node}
                return kept | {"anyOf": [number, {"type": "string", "pattern": "^[0-9]+$"}]}
            case "null":
                return _NULL
            case _:
                return self._text(node, kept)

    def _text(self, node: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
        if node.get("format") == "ipvanyaddress":
            return {"anyOf": _ADDRESS}
        if "format" in node:
            return kept | {"type": "string"}
        pattern = node.get("pattern")
        if pattern is None:
            return kept | {"type": ["string", "number", "boolean"]}
        types = ["string"]
        types += ["number"] * any(re.search(pattern, number) for number in _NUMBERS)
        types += ["boolean"] * any(re.search(pattern, word) for word in _SPELLINGS)
        return kept | {"type": types if len(types) > 1 else "string", "pattern": pattern}

    def _several(self, several: list[dict[str, Any]]) -> dict[str, Any]:
        flat = [inner for one in several for inner in (one["anyOf"] if one.keys() == {"anyOf"} else [one])]
        unique = [one for number, one in enumerate(flat) if one not in flat[:number]]
        return unique[0] if len(unique) == 1 else {"anyOf": unique}

    def _object(self, node: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "object"}
        if fields := node.get("properties"):
            made["properties"] = {name: self.field(self.plain(one, known)) for name, one in fields.items()}
        if forms := node.get("patternProperties"):
            made["patternProperties"] = {name: self.entry(self.plain(one, known)) for name, one in forms.items()}
        if self._names and (form := made.get("patternProperties", {}).get(parameters.PATTERN)):
            made["properties"] = {name: form | told for name, told in self._names.items()}
        rest = node.get("additionalProperties", not forms)
        made["additionalProperties"] = self.entry(self.plain(rest, known)) if isinstance(rest, dict) else rest
        return made


class _Strict(_Form):
    """The form of mail.yaml and site.yaml: a null is a value only where a validator takes it for any key's."""

    def field(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of the value of a fixed key, which is never null."""
        if "anyOf" not in schema:
            return schema
        others = {key: value for key, value in schema.items() if key != "anyOf"}
        return others | self._several([one for one in schema["anyOf"] if one != _NULL])


class _Overlay(_Form):
    """The form of hosts/NAME.yaml: null removes any key, and a mapping may be in part in mail.yaml."""

    def field(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of the value of a fixed key, which may be null."""
        return self._several([schema, _NULL])

    entry = field

    def plain(self, node: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the translation of a node without keys that it must have."""
        made = super().plain(node, known)
        return {key: value for key, value in made.items() if key != "required"}
