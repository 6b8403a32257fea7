"""A commit's files become Desired, or every reason why they do not, each as ``file:line:column: what``.

load() raises InvalidSource with all findings of the commit at once; doubts that do not refuse it travel in
Desired.findings.

Known limit: of hosts/ only this host's file is validated against the schema; the others are read for their syntax.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from reconciler import document
from reconciler.document import Document, at, kind_of
from reconciler.errors import InvalidSource
from reconciler.features import FEATURES, services, transports
from reconciler.model import Desired, Finding, SecretName, Severity, Table, Where
from reconciler.syntax import did_you_mean, duplicates, read_master

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.model import Secret, Service, Tree

COMPILED_TYPES = ("lmdb", "hash", "cdb")
TEXT_TYPES = ("pcre", "regexp", "cidr", "texthash")
RESERVED_NAMES = frozenset(
    {"main.cf", "master.cf", "dynamicmaps.cf", "postfix-files", "postfix-script", "post-install"}
)
PLACES = ("mail.yaml", "hosts", "tables", "master.d", "secrets", "sites", "dns", "flows", "access.yaml")
_TABLE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
_ADAPTERS = {feature.SECTION: TypeAdapter[object](feature.Schema) for feature in FEATURES}


def load(files: Tree, host: str, secrets: Mapping[str, Secret]) -> Desired:
    """Read what people asked for on *host*; *secrets* are those of the commit that could be opened."""
    findings: list[Finding] = list(_misplaced(files))
    merged = _merged(files, host, findings)
    sections = _sections(merged, findings)
    _missing_secrets(merged, files, findings)
    tables = {table.name: table for table in _tables(files, findings)}
    desired = Desired(
        sections=sections,
        tables=tables,
        services=tuple(_services(files, findings)),
        secrets=secrets,
        places=merged.places,
        findings=tuple(finding for finding in findings if not finding.is_error),
    )
    if any(finding.is_error for finding in findings):
        raise InvalidSource(sorted(findings, key=lambda finding: finding.where))
    return desired


def _error(rule: str, where: Where, text: str, subject: str = "") -> Finding:
    return Finding(rule=rule, where=where, text=text, subject=subject or text)


def _misplaced(files: Tree) -> Iterator[Finding]:
    """Files that nothing reads, where their name says that something was meant to."""
    for path in files:
        top, _, rest = path.partition("/")
        name = PurePosixPath(path).name
        if top in PLACES or top.startswith("."):
            if top == "master.d" and not name.endswith(".cf") and not _is_prose(name):
                yield _error(
                    "misplaced-file", Where(path), f'only files named NAME.cf are read in master.d, got "{name}"'
                )
            continue
        hint = did_you_mean(top, PLACES)
        if hint and rest != "":
            text = f'nothing reads the folder "{top}"{hint}'
        elif hint:
            text = f'nothing reads the file "{top}"{hint}'
        else:
            continue
        yield Finding(rule="misplaced-file", where=Where(path), text=text, subject=path, severity=Severity.WARNING)


def _is_prose(name: str) -> bool:
    return name.startswith((".", "README")) or name.endswith(".md")


# ---- merging --------------------------------------------------------------------------------------------------------


def _merged(files: Tree, host: str, findings: list[Finding]) -> Document:
    """mail.yaml, with what hosts/NAME.yaml of this host says in its place."""
    merged = Document({})
    if "mail.yaml" not in files:
        findings.append(
            _error("empty-state", Where("mail.yaml"), "mail.yaml is missing: without it nothing is desired")
        )
    else:
        before = len(findings)
        merged = document.read("mail.yaml", files["mail.yaml"], findings)
        _no_nulls(merged, findings)
        if not merged.value and len(findings) == before:
            text = "mail.yaml holds no key; that never means that everything should go"
            findings.append(_error("empty-state", Where("mail.yaml"), text))
    for path in sorted(files):
        if re.fullmatch(r"hosts/[^/]+\.ya?ml", path):
            read = document.read(path, files[path], findings)
            if path in (f"hosts/{host}.yaml", f"hosts/{host}.yml"):
                _overlay(merged, read, ())
        elif path.startswith("hosts/") and not _is_prose(PurePosixPath(path).name):
            findings.append(_error("misplaced-file", Where(path), f'only hosts/NAME.yaml is read here, got "{path}"'))
    return merged


def _overlay(below: Document, above: Document, path: document.Path) -> None:
    """Merge mappings by key; lists and scalars are replaced, and null removes."""
    target, source = at(below.value, path), at(above.value, path)
    for key, value in source.items():
        here = (*path, key)
        if value is None and path != (services.SECTION,):
            target.pop(key, None)
            below.places = {place: where for place, where in below.places.items() if place[: len(here)] != here}
            continue
        below.places[here] = above.places[here]
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _overlay(below, above, here)
        else:
            target[key] = value
            below.places |= {place: where for place, where in above.places.items() if place[: len(here)] == here}
            below.keys |= {place: where for place, where in above.keys.items() if place[: len(here)] == here}


def _no_nulls(merged: Document, findings: list[Finding]) -> None:
    for path, where in merged.places.items():
        removes_service = len(path) == 2 and path[0] == services.SECTION  # noqa: PLR2004 - services.NAME
        if not removes_service and at(merged.value, path) is None:
            text = f'{path[-1]} has no value; write "" for an empty one (null removes in hosts/ and services only)'
            findings.append(_error("null-value", where, text, ".".join(path)))


# ---- the schema ------------------------------------------------------------------------------------------------------


def _sections(merged: Document, findings: list[Finding]) -> dict[type, object]:
    sections: dict[type, object] = {}
    schemas = {feature.SECTION: feature.Schema for feature in FEATURES}
    for key, value in merged.value.items():
        if key not in schemas or key == "tables":
            text = f'unknown key "{key}"{did_you_mean(key, schemas)}'
            findings.append(_error("unknown-key", merged.keys[(key,)], text, key))
            continue
        if value is None:
            continue  # null-value was said already
        try:
            sections[schemas[key]] = _ADAPTERS[key].validate_python(value)
        except ValidationError as error:
            items = [dict(item) for item in error.errors(include_url=False)]
            findings += [_invalid(key, item, schemas[key], merged) for item in items if item["input"] is not None]
    return sections


def _invalid(section: str, item: dict[str, Any], schema: type, merged: Document) -> Finding:
    """Put one of pydantic's errors into our words and at its place."""
    path = (section, *(str(part) for part in item["loc"] if part != "[key]"))
    value, kind, name = item["input"], item["type"], ".".join(path)
    places = merged.keys if kind == "extra_forbidden" else merged.places
    where = next((places[path[:n]] for n in range(len(path), 0, -1) if path[:n] in places), Where("mail.yaml"))
    if kind == "extra_forbidden":
        known = sorted(_fields(schema))
        hint = did_you_mean(path[-1], known) or f"; known are {', '.join(known)}"
        text = f'unknown key "{path[-1]}" in {".".join(path[:-1])}{hint}'
    elif kind == "missing":
        text = f"{name} is missing"
    elif kind == "literal_error":
        words = re.findall("[a-z-]+", item["ctx"]["expected"])
        expected = ", ".join(word for word in words if word != "or")
        text = f'{name} is one of {expected}, got "{value}"{did_you_mean(str(value), words)}'
    elif isinstance(value, list) and kind in {"string_type", "unquoted-brackets"}:
        inside = ", ".join(str(part) for part in value)
        text = f'{name}: YAML reads brackets as a list; quote the whole text: "[{inside}]"'
    elif kind == "string_pattern_mismatch":
        text = f'not a valid {path[-1] if path[-1] != str(value) else section}: "{value}"'
    elif kind in _PYDANTIC_KINDS:
        message = item["msg"].removeprefix("Input ").removeprefix("Value error, ")
        text = f"{name} {message[:1].lower()}{message[1:]}, got {kind_of(value)}"
    else:
        text = f"{name}: {item['msg']}"
    rule = "invalid-value" if kind in _PYDANTIC_KINDS or kind == "literal_error" else kind.replace("_", "-")
    return _error(rule, where, text, name)


_PYDANTIC_KINDS = frozenset({
    "string_type", "bool_type", "bool_parsing", "int_type", "int_parsing", "int_from_float", "greater_than_equal",
    "dict_type", "model_type", "model_attributes_type", "tuple_type", "string_too_long", "ip_any_address",
    "ip_v4_address", "ip_v6_address", "string_pattern_mismatch",
})  # fmt: skip


def _fields(schema: type) -> set[str]:
    """The field names that a section knows, at whatever depth."""
    pending, known = [TypeAdapter[object](schema).json_schema()], set[str]()
    while pending:
        node = pending.pop()
        known |= set(node.get("properties", {}))
        pending += [value for value in node.get("$defs", {}).values() if isinstance(value, dict)]
    return known


def _missing_secrets(merged: Document, files: Tree, findings: list[Finding]) -> None:
    names = sorted(PurePosixPath(path).stem for path in files if re.fullmatch(r"secrets/[^/]+\.age", path))
    for path, where in merged.places.items():
        value = at(merged.value, path)
        if isinstance(value, SecretName) and value.name not in names:
            hint = did_you_mean(value.name, names)
            command = f"reconciler secret set {value.name}"
            text = f"there is no secrets/{value.name}.age in this commit; make it with `{command}`{hint}"
            findings.append(_error("missing-secret", where, text, value.name))


# ---- files -----------------------------------------------------------------------------------------------------------


def _tables(files: Tree, findings: list[Finding]) -> Iterator[Table]:
    seen: dict[str, str] = {}
    for path in sorted(files):
        name = path.removeprefix("tables/")
        if name == path or _is_prose(name):
            continue
        base, _, suffix = name.partition(".")
        if problem := _bad_table(name, base, suffix):
            findings.append(_error(problem[0], Where(path), problem[1], name))
        elif base in seen:
            text = (
                f"table {base} is there twice: {seen[base]} has it already, and both would be $config_directory/{base}"
            )
            findings.append(_error("ambiguous-table", Where(path), text, base))
        else:
            seen[base] = path
            kind = suffix or "lmdb"
            compiler = "" if kind in TEXT_TYPES else "postalias" if base == "aliases" else "postmap"
            yield Table(name=base, type=kind, source=files[path].read(), file=path, compiler=compiler)


def _bad_table(name: str, base: str, suffix: str) -> tuple[str, str] | None:
    known = (*COMPILED_TYPES, *TEXT_TYPES)
    if "passw" in base:
        text = (
            f"table {base} would keep passwords in the history for ever; use smart_host with password: !secret NAME,"
            " after `reconciler secret set NAME`"
        )
        return "plain-text-secret", text
    if not _TABLE_NAME.match(base) or name in RESERVED_NAMES:
        return "invalid-table", f'"{name}" can\'t be the name of a table'
    if suffix and suffix not in known:
        return (
            "invalid-table",
            f'unknown table type "{suffix}"{did_you_mean(suffix, known) or "; known are " + ", ".join(known)}',
        )
    return None


def _services(files: Tree, findings: list[Finding]) -> list[Service]:
    """master.d in the order of its file names; a service that Postfix or a feature brings already is a duplicate."""
    own: list[Service] = []
    for path in sorted(files):
        if re.fullmatch(r"master\.d/[^/]+\.cf", path):
            text = files[path].read().decode("utf-8", "surrogateescape")
            read, problems = read_master(text, path)
            own += read
            findings += problems
    stock = {service.key for service in read_master(services.STOCK, "")[0]}
    stock |= {f"{name}/unix" for name in transports.BUILT_IN}
    for service in own:
        if service.key in stock:
            text = (
                f"duplicate service: {service.key} is there already, and the last one would win;"
                f' change it under "services:" in mail.yaml'
            )
            findings.append(_error("duplicate-service", service.where, text, service.key))
    findings += _unique(duplicates(own), findings)
    return own


def _unique(new: Iterable[Finding], old: list[Finding]) -> list[Finding]:
    places = {finding.where for finding in old if finding.rule == "duplicate-service"}
    return [finding for finding in new if finding.where not in places]
