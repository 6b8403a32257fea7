"""The errors of a schema, translated into texts for people, each at its place.

The module takes pydantic's error items as plain mappings, so that no text shows pydantic's own names or types.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reconciler.desired.yaml_reader import Bracketed, Document, Path, kind_of, one_text, quoted
from reconciler.model import UNWRITTEN, Finding, closest, did_you_mean, error_at
from reconciler.model.ascii_text import SPACE, is_digits

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_MAPPINGS = frozenset({"dict_type", "model_type", "model_attributes_type", "dataclass_type"})
_EXPECTED = {
    "string_type": "one text", "bool_type": "yes or no", "bool_parsing": "yes or no", "int_type": "a whole number",
    "int_parsing": "a whole number", "int_from_float": "a whole number", "tuple_type": "a list",
}  # fmt: skip
_FORMS = {
    "chroot": "yes, no or -",
    "command": "one word",
    "hostname": "a full name such as mx1.example.com",
    "login": "a name without blanks",
    "maxproc": "a number or -",
    "port": "a number, or a name such as submission",
    "private": "yes, no or -",
    "rate_delay": "a time such as 2s",
    "unpriv": "yes, no or -",
    "wakeup": "seconds such as 60 or 60?, or -",
}
_PYDANTIC = frozenset({
    *_MAPPINGS, *_EXPECTED, "literal_error", "greater_than_equal", "less_than_equal", "string_too_long",
    "string_pattern_mismatch",
})  # fmt: skip
_SWITCHES = ("enabled", "lockdown")
_RULES = {"extra_forbidden": "unknown-key", "missing": "missing-key"}
_PARAMETERS = frozenset({
    "inet_interfaces", "mydestination", "mydomain", "myhostname", "mynetworks", "myorigin", "relayhost",
})  # fmt: skip


def unknown_section(key: str, value: object, known: Collection[str]) -> str:
    """Return why *key* can't be at the top of a file, and where its author probably meant to write it."""
    text = f'unknown key "{key}"'
    if hint := did_you_mean(key, known):
        return text + hint
    is_parameter = key in _PARAMETERS or re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", key)
    if is_parameter and not isinstance(value, dict):
        return f"{text}; if it is a parameter of Postfix, write it under parameters: {{{key}: ...}}"
    return f"{text}; known keys are {', '.join(sorted(known))}"


def no_value(path: Path) -> str:
    """Return what to write for a key without a value."""
    if (path[0] == "parameters" and len(path) > 1) or "options" in path[:-1]:
        return f'{path[-1]} has no value; write "" for an empty one (null removes in hosts/ and services only)'
    if path in {("parameters",), ("services",), ("transports",), ("tls",)}:
        return f"{path[0]} has no value; remove the key, or write {path[0]}: {{}} for an empty section"
    return f"{'.'.join(path)} has no value; give it one or remove the key (null removes in hosts/ and services only)"


def invalid(section: str, item: Mapping[str, Any], fields: Collection[str], merged: Document) -> Finding:
    """Translate one of pydantic's errors into a finding at its place; *fields* are those that the section has."""
    kind, path = item["type"], _path(section, item, merged)
    places = merged.keys if kind == "extra_forbidden" else merged.places
    where = next((places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in places), UNWRITTEN)
    rule = "invalid-value" if kind in _PYDANTIC or kind.startswith("ip_") else _RULES.get(kind, kind)
    return error_at(rule, where, _text(path, item, fields), ".".join(path))


def _path(section: str, item: Mapping[str, Any], merged: Document) -> Path:
    """Return the path in the file: of pydantic's path, only the keys that the file has, and a missing key."""
    path: Path = (section,)
    for part in item["loc"]:
        here = (*path, str(part))
        if here in merged.places or here in merged.keys or (item["type"] == "missing" and part == item["loc"][-1]):
            path = here
    return path


def _text(path: Path, item: Mapping[str, Any], fields: Collection[str]) -> str:
    value, kind, name = item["input"], item["type"], ".".join(path)
    key = next(part for part in reversed(path) if not is_digits(part) or part == path[0])
    if kind == "extra_forbidden":
        return f'unknown key "{path[-1]}" in {".".join(path[:-1])}' + (
            did_you_mean(path[-1], fields) or f"; known keys are {', '.join(fields)}"
        )
    if kind == "missing":
        return f"{name} is missing"
    if kind in _MAPPINGS:
        return _no_mapping(path, value, fields, is_model=kind != "dict_type")
    if isinstance(value, list) and (kind in _PYDANTIC or kind.startswith("ip_") or kind == "unquoted-brackets"):
        return _list(name, key, value)
    if kind == "literal_error":
        words = re.findall("'([^']+)'", item["ctx"]["expected"])
        return f"{name} is one of {', '.join(words)}, got {kind_of(value)}{did_you_mean(str(value), words)}"
    if kind == "string_pattern_mismatch":
        return _misshapen(path, key, str(value), item["loc"])
    if kind in _EXPECTED or kind.startswith("ip_"):
        hint = f"; write {key}: [{value}]" if kind == "tuple_type" and isinstance(value, str) else ""
        return f"{name} is {_EXPECTED.get(kind, 'an IPv4 or IPv6 address')}, got {kind_of(value)}{hint}"
    if kind in _PYDANTIC:
        message = item["msg"].removeprefix("Input ").removeprefix("String ")
        return f"{name} {message[:1].lower()}{message[1:]}, got {kind_of(value)}"
    return f"{name}: {item['msg']}"


def _no_mapping(path: Path, value: object, fields: Collection[str], *, is_model: bool) -> str:
    name, key = ".".join(path), path[-1]
    if path == ("smart_host",):
        meant = one_text(key, value) if isinstance(value, list) else value if isinstance(value, str) else None
        nexthop = quoted("[HOST]:587" if meant in {None, "yes"} else str(meant))
        return f"smart_host is a mapping: smart_host: {{nexthop: {nexthop}}}"
    if is_model:
        hint = (
            f"; write {key}: {{{next(iter(fields))}: {value}}}" if isinstance(value, str) and len(fields) == 1 else ""
        )
        if (switch := next((field for field in fields if field in _SWITCHES), "")) and value in ("yes", "no"):
            hint = f"; write {key}: {{{switch}: {value}}}"
        return f"{name} is a mapping with the keys {', '.join(fields)}, got {kind_of(value)}{hint}"
    words = [str(part).partition("=") for part in value] if isinstance(value, list) else []
    pairs = ", ".join(f"{left.strip(SPACE)}: {right.strip(SPACE)}" for left, equals, right in words if equals)
    return f"{name} is a mapping of NAME: VALUE, got {kind_of(value)}" + (
        f"; write {key}: {{{pairs}}}" if pairs else ""
    )


def _list(name: str, key: str, value: list[Any]) -> str:
    """Return the text for a list where one text is expected."""
    meant = one_text(key, value)
    if meant is None:
        return f"{name} is one text, got a list"
    if not isinstance(value, Bracketed):
        return f"{name} is one text, got a list; write {key}: {quoted(meant)}"
    whole = "quote the whole value" if meant.startswith("[") else "write one text"
    return f"{name}: YAML reads brackets as a list; {whole}: {key}: {quoted(meant)}"


def _misshapen(path: Path, key: str, value: str, loc: tuple[object, ...]) -> str:
    is_key = loc[-1:] == ("[key]",)
    if is_key and path[0] == "services" and len(loc) == 2:  # noqa: PLR2004 - services.NAME's own key
        return f'not a valid service: "{value}"; expected NAME/TYPE, such as {_service(value)}'
    if is_key:
        place = ".".join(path[:-1]) or path[0]
        return f'not a valid name in {place}: "{value}"; expected letters, digits, "_", "-" and "."'
    form = _FORMS.get(key)
    return f'not a valid {key}: "{value}"' + (f"; expected {form}" if form else "")


def _service(name: str) -> str:
    kinds = ("inet", "unix")
    base, slash, kind = name.partition("/")
    if slash and base:
        return f"{base}/{closest(kind, kinds) or 'unix'}"
    return (
        f"{name}/unix" if re.fullmatch(r"[A-Za-z0-9_-]+", name) and name not in {"smtp", "submission"} else "smtp/inet"
    )


EXPLAINED = {
    "invalid-value": (
        "A value of mail.yaml does not have the form that its key needs. The finding names the expected form and the "
        "value. Correct the value; nothing goes live until every key can be read."
    ),
    "missing-key": (
        "A section lacks a required key, so reconciler can't use the section. Add the key, or remove the section."
    ),
}
