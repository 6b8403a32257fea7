"""The errors of a schema, translated into texts for people, each at its place.

The module takes pydantic's error items as plain mappings, so that no text shows pydantic's own names or types.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from reconciler.desired.yaml_reader import Document, Path, at, kind_of
from reconciler.desired.yaml_scalars import Bracketed, may_show_password, one_text, quoted, scalar
from reconciler.model import UNWRITTEN, Finding, closest, did_you_mean, error_at, meant
from reconciler.model.ascii_text import SPACE, is_digits, split_words
from reconciler.postfix.vocabulary import TLS_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

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
    "maxproc": "a number, 0 for no limit, or -",
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
# What people call a key that has another name here.
_MEANT = {
    "args": "arguments", "argv": "arguments", "delay": "rate_delay", "domain": "domains", "host": "nexthop",
    "ip": "address", "level": "outbound", "limit": "concurrency", "login": "username", "mail_from": "from",
    "max": "maxproc", "name": "helo", "opts": "options", "pass": "password", "program": "command", "rcpt": "to",
    "recipient": "to", "recipients": "to", "relay": "nexthop", "relayhost": "nexthop", "sender": "from",
    "server": "nexthop", "unprivileged": "unpriv", "user": "username",
}  # fmt: skip
_EXAMPLES = {
    "address": "address: 192.0.2.1", "command": "command: smtpd", "expect": "expect: refused, or expect: accepted",
    "helo": "helo: mail.example.com", "nexthop": 'nexthop: "[HOST]:587"', "to": "to: somebody@example.com",
}  # fmt: skip
_MASTER = re.compile(r"(\S+)\s+(inet|unix|fifo|pass|unix-dgram)(?:\s+[^\s:]+){5}\s+(\S+)", re.ASCII)
_COLUMNS = re.compile(r"(?:(?:inet|unix|fifo|pass)\s+)?(?:[-ynYN]\s+){3}[-0-9?]+\s+[-0-9]+\s+(\S+)", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9-]*")
_FULL_NAME = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+")
_PARAMETER = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
_SAME = {"unexpected_keyword_argument": "extra_forbidden"}
"""What pydantic calls the same of a dataclass, and of a model."""
_RULES = {"extra_forbidden": "unknown-key", "missing": "missing-key"}
_PARAMETERS = frozenset({
    "inet_interfaces", "mydestination", "mydomain", "myhostname", "mynetworks", "myorigin", "relayhost",
})  # fmt: skip


def unknown_section(key: str, value: object, known: Collection[str]) -> str:
    """Return why *key* can't be at the top of a file, and where its author probably meant to write it."""
    text = f'unknown key "{key}"'
    if key == "myhostname":
        return f"{text}; write hostname: {value if isinstance(value, str) else 'mx1.example.com'}"
    if hint := did_you_mean(key, known):
        return text + hint
    is_parameter = key in _PARAMETERS or _PARAMETER.fullmatch(key)
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
    if (half := item.get("ctx", {}).get("at")) and (*path, half) in merged.keys:
        return error_at(kind, merged.keys[(*path, half)], _text(path, item, fields), ".".join(path))
    places = merged.keys if kind == "extra_forbidden" or item["loc"][-1:] == ("[key]",) else merged.places
    where = next((places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in places), UNWRITTEN)
    rule = "invalid-value" if kind in _PYDANTIC or kind.startswith("ip_") else _RULES.get(kind, kind)
    if kind == "extra_forbidden":
        text = _unknown(path, fields, at(merged.value, path[:-1]), item.get("missing"))
        return error_at(rule, where, text, ".".join(path))
    text = _text(path, item, fields)
    if may_show_password(path[-1], item["input"], text):
        text = f"{'.'.join(path)} does not have the form that it needs; its value may hold a password, and is not shown"
    return error_at(rule, where, text, ".".join(path))


def causes(problems: Iterable[Mapping[str, Any]], fields: Callable[[Any], Collection[str]]) -> Iterator[dict[str, Any]]:
    """Yield pydantic's errors without those that follow from another one.

    A key that is missing beside an unknown one is usually that key, misspelt. What a malformed key holds does not
    matter. *fields* returns the keys that a place has.
    """
    told = [{**problem, "type": _SAME.get(problem["type"], problem["type"])} for problem in problems]
    malformed = {one["loc"][:-1] for one in told if one["loc"][-1:] == ("[key]",)}
    missing: dict[Any, list[str]] = {}
    for one in told:
        if one["type"] == "missing":
            missing.setdefault(one["loc"][:-1], []).append(str(one["loc"][-1]))
    for one in told:
        level = one["loc"][:-1]
        if one["type"] == "extra_forbidden" and (gone := missing.get(level)):
            meant = _likely(str(one["loc"][-1]), fields(level))
            one["missing"] = meant if meant in gone else gone[0] if len(gone) == 1 and not meant else None
            gone[:] = [name for name in gone if name != one["missing"]]
    for one in told:
        loc = one["loc"]
        if one["type"] == "missing" and loc[-1] not in missing.get(loc[:-1], ()):
            continue
        if loc[-1:] == ("[key]",) or not any(loc[:length] in malformed for length in range(len(loc) + 1)):
            yield one


def _likely(word: str, fields: Collection[str]) -> str | None:
    if (meant := _MEANT.get(word.lower())) in fields:
        return meant
    return closest(word, fields)


def _unknown(path: Path, fields: Collection[str], around: object, missing: str | None) -> str:
    """Return the text for a key that its section does not have."""
    key, text = path[-1], f'unknown key "{path[-1]}" in {".".join(path[:-1])}'
    beside = around if isinstance(around, dict) else {}
    if key == "port" and "nexthop" in fields:
        hop, port = beside.get("nexthop"), beside.get("port")
        written = f"{hop}:{port}" if isinstance(hop, str) and ":" not in hop else "[HOST]:587"
        return f'{text}; the port is part of the nexthop: write nexthop: "{written}"'
    if meant := _likely(key, fields) or missing:
        return f"{text}; did you mean {meant}?"
    if _PARAMETER.fullmatch(key) and not isinstance(beside.get(key), dict):
        return f"{text}; if it is a parameter of Postfix, write it under parameters: {{{key}: ...}}"
    return f"{text}; known keys are {', '.join(fields)}"


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
    if kind == "missing":
        return f"{name} is missing" + (f"; write {_EXAMPLES[path[-1]]}" if path[-1] in _EXAMPLES else "")
    if kind in _MAPPINGS:
        return _no_mapping(path, value, fields, is_model=kind != "dict_type")
    if isinstance(value, list) and (kind in _PYDANTIC or kind.startswith("ip_") or kind == "unquoted-brackets"):
        return _list(name, key, value)
    if kind == "literal_error":
        words = re.findall("'([^']+)'", item["ctx"]["expected"])
        return f"{name} is one of {', '.join(words)}, got {kind_of(value)}{_likely_word(key, str(value), words)}"
    if kind == "string_pattern_mismatch":
        return _misshapen(path, key, str(value), item["loc"])
    if kind in _EXPECTED or kind.startswith("ip_"):
        hint = _as_expected(key, kind, value)
        return f"{name} is {_EXPECTED.get(kind, 'an IPv4 or IPv6 address')}, got {kind_of(value)}{hint}"
    if kind in _PYDANTIC:
        message = item["msg"].removeprefix("Input ").removeprefix("String ")
        return f"{name} {message[:1].lower()}{message[1:]}, got {kind_of(value)}"
    return f"{name}: {item['msg']}"


def _likely_word(key: str, value: str, words: list[str]) -> str:
    """Return a hint at the word that was meant, of those that a key can have."""
    likely = TLS_WORDS.get(value.lower(), "") if "encrypt" in words else ""
    hint = meant(likely) if likely in words else did_you_mean(value, words)
    return hint or ('; for any other relay, write nexthop: "[HOST]:587" instead' if key == "preset" else "")


def _as_expected(key: str, kind: str, value: object) -> str:
    """Return what to write for a text where a list is expected, or for a mapping where a text is."""
    if kind == "tuple_type" and isinstance(value, str):
        words = [word for word in re.split(r"[\s,]+", value, flags=re.ASCII) if word]
        return f"; write {key}: [{', '.join(map(scalar, words))}]"
    if kind == "string_type" and isinstance(value, dict) and len(value) == 1:
        (left, right), *_ = value.items()
        return f"; write {key}: {scalar(f'{left} {right}')}" if isinstance(right, str) else ""
    return ""


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
        if path[0] == "services" and isinstance(value, str) and (columns := _COLUMNS.match(value)):
            hint = f"; write {key}: {{command: {columns[1]}}}, or the whole line of master.cf into master.d/NAME.cf"
        elif path[0] == "services" and isinstance(value, str) and _WORD.fullmatch(value) and value not in ("yes", "no"):
            hint = f"; write {key}: {{command: {value}}}"
        if (switch := next((field for field in fields if field in _SWITCHES), "")) and value in ("yes", "no"):
            hint = f"; write {key}: {{{switch}: {value}}}"
        return f"{name} is a mapping with the keys {', '.join(fields)}, got {kind_of(value)}{hint}"
    return f"{name} is a mapping of NAME: VALUE, got {kind_of(value)}{_as_mapping(path, value)}"


def _as_mapping(path: Path, value: object) -> str:
    """Return what to write for a text or a list where a mapping is expected."""
    key = path[-1]
    if path == ("services",) and isinstance(value, str) and (line := _MASTER.match(value)):
        return f"; write such a line into master.d/NAME.cf, or here {line[1]}/{line[2]}: {{command: {line[3]}}}"
    if path == ("transports",) and value:
        listed = value if isinstance(value, list) else split_words(str(value).replace(",", " "))
        pairs = ", ".join(f"{name}: {{}}" for name in listed if isinstance(name, str))
        return f"; write transports: {{{pairs}}}" if pairs else ""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        (name, inner), *_ = value[0].items() or [("NAME", "VALUE")]
        written = f"{name}: {scalar(inner)}" if isinstance(inner, str) else f"{name}: ..."
        return f"; remove the dashes, and write {written} below {key}"
    parts = (
        value
        if isinstance(value, list)
        else re.split(r"(?:\A|\s)-o\s*", value, flags=re.ASCII)
        if isinstance(value, str)
        else []
    )
    words = [re.sub(r"\A-o\s*", "", str(part), flags=re.ASCII).partition("=") for part in parts]
    pairs = ", ".join(f"{left.strip(SPACE)}: {scalar(right.strip(SPACE))}" for left, equals, right in words if equals)
    return f"; write {key}: {{{pairs}}}" if pairs else ""


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
    if is_key and "=" in value and not value.startswith("-"):
        name, _, right = value.partition("=")
        written = f"{name.strip(SPACE)}: {scalar(right.strip(SPACE)) if right.strip(SPACE) else 'VALUE'}"
        return f'not a valid name in {".".join(path[:-1]) or path[0]}: "{value}"; write {written}'
    if is_key and value.startswith("-o"):
        return f'not a valid name in {".".join(path[:-1]) or path[0]}: "{value}"; write {value[2:].strip(SPACE)}: VALUE'
    if is_key:
        place = ".".join(path[:-1]) or path[0]
        return f'not a valid name in {place}: "{value}"; expected letters, digits, "_", "-" and "."'
    form = _FORMS.get(key)
    words = split_words(value)
    if key == "command" and len(words) > 1:
        form = f"one word; write command: {words[0]} and arguments: [{', '.join(map(scalar, words[1:]))}]"
    bare = value.rpartition("//")[2].strip(f"{SPACE}./")
    hint = f"; did you mean {bare}?" if key == "hostname" and bare != value and _FULL_NAME.fullmatch(bare) else ""
    return f'not a valid {key}: "{value}"' + (f"; expected {form}" if form else "") + hint


def _service(name: str) -> str:
    kinds = ("inet", "unix")
    base, slash, kind = name.partition("/")
    if slash and base and kind in ("tcp", "udp", "ip", "net"):
        return f"{base}/inet"
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
