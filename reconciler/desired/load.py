"""load() reads a commit's files into Desired, or reports every error in them, each as ``file:line:column: what``.

load() raises PartlyRead with all findings of the commit at once and with what could be read, or InvalidSource with the
limit that the commit is beyond.
Warnings do not refuse the commit; they are in Desired.findings. The texts are printable, whatever the files contain.

Known limit: the files of other hosts are checked against the schema only, because the rules need the facts of a host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import PurePosixPath
from types import NoneType
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from reconciler.desired import (
    deployed,
    described,
    entries,
    flows,
    layout,
    master_d,
    schema_errors,
    table_files,
    text_faults,
    yaml_memory,
    yaml_reader,
)
from reconciler.desired.allowances import MAY_HOLD, found_in
from reconciler.desired.budget import BoundedFindings, Budget
from reconciler.desired.causes import without_consequences
from reconciler.desired.yaml_reader import Document, at
from reconciler.features.composition import FEATURES
from reconciler.model import Desired, Finding, SecretName, Table, Where, did_you_mean, error_at, paths_in, printable
from reconciler.model.errors import InvalidSource
from reconciler.postfix.table_parts import search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from reconciler.desired.described import AnyTable
    from reconciler.model import Allowance, Secret, Service, Tree

_SCHEMAS = {feature.SECTION: feature.Schema for feature in FEATURES if feature.SECTION not in layout.FILES_ALONE}
# An error of an earlier stage hides the later ones of its line.
_STAGES = (("unusual-character", "merge-marks"), ("unreadable-yaml",))
_ADAPTERS = {section: TypeAdapter[object](schema) for section, schema in _SCHEMAS.items()}


def section_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each section, as pydantic derives it from the validator."""
    return {section: adapter.json_schema() for section, adapter in _ADAPTERS.items()}


_Place = tuple[yaml_reader.Path, Where]


class PartlyRead(InvalidSource):
    """The author must fix the commit; *rest* is what could be read of it, and *lost* what could not.

    *whole* is True if a whole file of settings is lost.
    """

    def __init__(self, findings: Sequence[Finding], rest: Desired, lost: Sequence[str], *, whole: bool) -> None:
        super().__init__(findings)
        self.rest, self.lost, self.whole = rest, tuple(lost), whole


@dataclass(frozen=True, slots=True)
class _Commit:
    """What the sections of a commit are judged with: its secrets by name, and the services of master.d.

    *lost* receives the text of each entry that does not fit its schema.
    """

    sealed: list[str]
    own: list[Service]
    lost: list[str] = field(default_factory=list)


def load(files: Tree, host: str, secrets: Mapping[str, Secret], budget: Budget | None = None) -> Desired:
    """Return the desired state for *host*; *secrets* are those of the commit that could be decrypted."""
    budget = budget or Budget()
    files, faults = text_faults.clean(files)
    findings = BoundedFindings(budget, faults)
    ours = layout.of_sites(files)
    findings += layout.misplaced(files, host, ours)
    findings += deployed.faults(files, secrets)
    findings += layout.unsealed(files, secrets)
    read = partial(_read, files=files, findings=findings, budget=budget)
    base = _base(files, findings, read)
    hosts = {path: _indented(read(path), findings) for path in paths_in(files, "hosts/") if layout.host_in(path)}
    merged = base.copy()
    for path, above in hosts.items():
        if layout.host_in(path) == host:
            _overlay(merged, above)
    own = master_d.read(files, findings, budget, has_stock=master_d.has_stock(merged))
    commit = _Commit(_sealed(files), own)
    grafted = entries.graft(merged, ours.entries, files, findings, budget)
    before, odd, known = len(findings), _odd(merged), grafted.known
    sections = _judged(merged, odd, commit, findings)
    if len(findings) == before:
        valid = {key: sections.get(_SCHEMAS[key]) for key in layout.ENTRIES}
        known = grafted.keep(valid, {path[:2] for path, _ in odd})
    for path, above in hosts.items():
        if layout.host_in(path) != host:
            budget.take_merged(len(base.places) + len(above.places), Where(path))
            findings += _elsewhere(path, base, above, replace(commit, lost=[]))
    tables = list(table_files.read_tables(files, ours, findings, budget))
    findings += _unknown_secrets(described.secrets(tables), commit.sealed)
    tests = flows.read(files, host, findings, budget)
    if all(one.readable for one in (base, *hosts.values())):
        findings += table_files.unwired(tables, _values([base, *hosts.values()], commit.own))
    budget.look()
    told = [_printable(finding) for finding in without_consequences(dict.fromkeys(findings), _STAGES)]
    desired = Desired(
        sections={
            **sections,
            **layout.folders(files),
            **master_d.whole(files),
            **described.section(tables),
            **deployed.section(files, secrets),
            flows.Flows: tests,
        },
        tables=described.own(tables),
        services=tuple(commit.own),
        secrets=secrets,
        places=yaml_memory.EntryPlaces(merged.places, known),
        findings=tuple(told),
        allowances=(*_in_yaml([base, *hosts.values()], host), *grafted.allowances, *_in_text(tables, files)),
        needed=frozenset(name for _, name in (*_secret_names(merged, odd), *described.secrets(tables)))
        | deployed.sealed(files).keys(),
    )
    if any(finding.is_error for finding in told):
        whole = not all(
            one.readable for one in (base, *(read for path, read in hosts.items() if layout.host_in(path) == host))
        )
        raise PartlyRead(sorted(told, key=lambda finding: finding.where), desired, commit.lost, whole=whole)
    return desired


def _read(path: str, files: Tree, findings: list[Finding], budget: Budget) -> Document:
    return yaml_reader.read(path, files[path], findings, budget)


def _in_yaml(documents: Iterable[Document], host: str) -> Iterator[Allowance]:
    """Yield the allowances of documents, without those in the files of other hosts."""
    for read in documents:
        yield from (allowance for allowance in read.allowances if layout.host_in(allowance.where.file) in {None, host})


def _in_text(tables: Iterable[AnyTable], files: Tree) -> Iterator[Allowance]:
    """Yield the allowances of the tables and of master.d."""
    for table in tables:
        if isinstance(table, Table) and not search(table, MAY_HOLD):
            continue  # nor does any of its files, of which there may be thousands
        for path in described.files(table):
            yield from found_in(files[path].read(), path)
    for path in master_d.files_in(files):
        yield from found_in(files[path].read(), path)


def _printable(finding: Finding) -> Finding:
    """Return the same finding, safe to show on a terminal."""
    where = replace(finding.where, file=printable(finding.where.file))
    return replace(finding, where=where, text=printable(finding.text), subject=printable(finding.subject))


# ---- merging --------------------------------------------------------------------------------------------------------


def _base(files: Tree, findings: list[Finding], read: Callable[[str], Document]) -> Document:
    """Return mail.yaml, which must have at least one key."""
    if "mail.yaml" not in files:
        other = layout.misnamed_root(files)
        hint = f"; rename {other} to mail.yaml" if other else ""
        text = f"mail.yaml is missing: without it the desired state is empty{hint}"
        findings.append(error_at("empty-state", Where(other or "mail.yaml"), text))
        return Document({}, readable=False)
    base = _indented(read("mail.yaml"), findings)
    findings += _nulls(base)
    if not base.value and base.readable:
        text = "mail.yaml has no key; an empty desired state never means that everything is to be removed"
        findings.append(error_at("empty-state", Where("mail.yaml"), text))
    return base


def _indented(read: Document, findings: list[Finding]) -> Document:
    """Move keys that follow a section without a value into it, where their author forgot to indent them."""
    section, moved = "", dict[str, list[str]]()
    for key, value in read.value.items():
        if key in _SCHEMAS or key in layout.ENTRIES:
            section = key if value is None and (key,) in read.keys else ""
        elif section:
            moved.setdefault(section, []).append(key)
    for section, keys in moved.items():
        first, more = read.keys[(keys[0],)], f" and {len(keys) - 1} more keys" if len(keys) > 1 else ""
        line = read.keys[(section,)].line
        text = f'unknown key "{keys[0]}": {section} in line {line} has no value; indent this{more} below it'
        findings.append(error_at("unknown-key", first, text, keys[0]))
        read.value[section] = {key: read.value.pop(key) for key in keys}
        inside = set(keys)
        for places in (read.places, read.keys):
            for path in [path for path in places if path[0] in inside]:
                places[(section, *path)] = places.pop(path)
    return read


def _overlay(below: Document, above: Document, path: yaml_reader.Path = ()) -> None:
    """Merge mappings by key; lists and scalars replace the old value, and null removes it, at any depth."""
    target, source = at(below.value, path), at(above.value, path)
    for key, value in source.items():
        here, old = (*path, key), target.get(key)
        if value is None and not _holds_nulls(path):
            target.pop(key, None)
            below.forget(here, old)
        elif isinstance(value, dict):
            if not isinstance(old, dict):  # a mapping replaces a scalar as a whole, including its place
                below.forget(here, old)
                target[key] = {}
            below.adopt(above, here)
            _overlay(below, above, here)
            if value and not old and all(inner is None for inner in value.values()) and not target[key]:
                # The mapping only removes keys that do not exist.
                del target[key]
                below.forget(here)
        else:
            below.forget(here, old)
            target[key] = value
            below.adopt(above, here, value)


def _nulls(read: Document, odd: Iterable[_Place] | None = None) -> Iterator[Finding]:
    for path, where in _odd(read) if odd is None else odd:
        if at(read.value, path) is not None:
            continue
        in_list = isinstance(at(read.value, path[:-1]), list)  # where the schema reports the missing value
        if "=" in path[-1]:
            continue  # {name=value}, which is reported as a name
        if path[0] in _SCHEMAS and not in_list and not _holds_nulls(path[:-1]):
            yield error_at("null-value", where, schema_errors.no_value(path), ".".join(path))


def _holds_nulls(path: yaml_reader.Path) -> bool:
    """Return True if null is a value there, as under ``services``, where it removes a stock service."""
    return len(path) == 1 and path[0] in _SCHEMAS and _takes_null(path[0])


@cache
def _takes_null(section: str) -> bool:
    """Return True if the schema of a section accepts null for any of its keys."""
    keys = _ADAPTERS[section].json_schema().get("patternProperties", {})
    return any({"type": "null"} in schema.get("anyOf", ()) for schema in keys.values())


# ---- the schema ------------------------------------------------------------------------------------------------------


def _judged(merged: Document, odd: Iterable[_Place], commit: _Commit, findings: list[Finding]) -> dict[type, object]:
    """Return the sections of a merged document, whose *odd* values these are, without entries that fit no schema."""
    findings += _nulls(merged, odd)
    sections = _sections(merged, findings, commit.lost)
    findings += _unknown_secrets(_secret_names(merged, odd), commit.sealed)
    findings += master_d.without_command(merged, sections, commit.own)
    return sections


def _elsewhere(path: str, base: Document, read: Document, commit: _Commit) -> Iterator[Finding]:
    """Yield the errors in another host's file, merged as that host would merge it."""
    findings: list[Finding] = []
    merged = base.copy()
    _overlay(merged, read)
    entries.refuse(merged, findings)
    _judged(merged, _odd(merged), commit, findings)
    # The errors of mail.yaml have been found already, merged with this host's own file.
    return (finding for finding in findings if finding.where.file == path)


def _sections(merged: Document, findings: list[Finding], lost: list[str]) -> dict[type, object]:
    sections: dict[type, object] = {}
    null_places = {finding.where for finding in findings if finding.rule == "null-value"}
    for key, value in merged.value.items():
        if key not in _SCHEMAS:
            text = schema_errors.unknown_section(key, value, _SCHEMAS)
            findings.append(error_at("unknown-key", merged.keys[(key,)], text, key))
            continue
        try:
            sections[_SCHEMAS[key]] = _ADAPTERS[key].validate_python(value)
        except ValidationError as error:
            for problem in schema_errors.causes(error.errors(include_url=False), partial(_fields, key)):
                # The author of an unknown key may have meant one of its neighbours.
                level = problem["loc"][: -1 if problem["type"] == "extra_forbidden" else None]
                finding = schema_errors.invalid(key, problem, _fields(key, level), merged)
                # A null has been refused as such; do not report that it is not a text either.
                if problem["input"] is not None or finding.where not in null_places:
                    findings.append(finding)
            sections |= _valid_part(key, value, error, lost)
    return sections


def _valid_part(key: str, value: object, error: ValidationError, lost: list[str]) -> dict[type, object]:
    """Return a section without its invalid entries, or nothing if it can't be without them."""
    invalid = {str(problem["loc"][0]) for problem in error.errors(include_url=False) if problem["loc"]}
    if isinstance(value, dict) and invalid:
        rest = {name: inner for name, inner in value.items() if name not in invalid}
        try:
            part = {_SCHEMAS[key]: _ADAPTERS[key].validate_python(rest)}
        except ValidationError:
            pass
        else:
            lost += [f"{name} {value.get(name)}" for name in invalid]
            return part
    lost.append(f"{key} {value}")
    return {}


@cache
def _fields(section: str, level: tuple[str | int, ...]) -> list[str]:
    """Return the field names that a section has at that depth."""
    schema = _ADAPTERS[section].json_schema()
    nodes = _variants(schema, schema)
    for part in level:
        inner = [
            deeper
            for node in nodes
            for deeper in (
                node.get("properties", {}).get(str(part)), node.get("additionalProperties"), node.get("items"),
                *node.get("patternProperties", {}).values(),
            )
            if isinstance(deeper, dict)
        ]  # fmt: skip
        nodes = [variant for node in inner for variant in _variants(node, schema)]
    return list(dict.fromkeys(name for node in nodes for name in node.get("properties", {})))


def _variants(node: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Resolve a node of a JSON schema: to itself, to the node that it names, or to its alternatives."""
    if reference := node.get("$ref"):
        return _variants(schema["$defs"][reference.rpartition("/")[2]], schema)
    several = node.get("anyOf")
    return [node_variant for variant in several for node_variant in _variants(variant, schema)] if several else [node]


def _sealed(files: Tree) -> list[str]:
    paths = paths_in(files, "secrets/")
    return sorted(PurePosixPath(path).stem for path in paths if re.fullmatch(r"secrets/[^/]+\.age", path))


def _unknown_secrets(used: Iterable[tuple[Where, str]], names: list[str]) -> Iterator[Finding]:
    for where, name in used:
        if name and name not in names:
            plain = name.removesuffix(".age")
            if plain in names:
                text = f'!secret takes the name without its suffix, got "{name}"; write !secret {plain}'
                yield error_at("missing-secret", where, text, name)
                continue
            hint = did_you_mean(name, names) or (
                "" if plain == name else f"; write !secret {plain}, without its suffix"
            )
            command = f"reconciler secret set {plain}"
            text = f"there is no secrets/{plain}.age in this commit; create it with `{command}`{hint}"
            yield error_at("missing-secret", where, text, name)


def _secret_names(merged: Document, odd: Iterable[_Place]) -> Iterator[tuple[Where, str]]:
    for path, where in odd:
        if isinstance(value := at(merged.value, path), SecretName):
            yield where, value.name


def _odd(read: Document) -> list[_Place]:
    """Return the path and the place of each null and of each name of a secret, in the order of the places."""
    paths = set(yaml_reader.paths_of(read.value, NoneType | SecretName))
    return [(path, where) for path, where in read.places.items() if path in paths] if paths else []


def _values(documents: Iterable[Document], own: list[Service]) -> Iterator[str]:
    """Yield every text that could name a table."""
    for read in documents:
        yield from (value for path in read.places if isinstance(value := at(read.value, path), str))
    for service in own:
        yield from (override.value for override in service.overrides)
        yield from service.arguments


EXPLAINED = {
    "empty-state": (
        "The commit has no mail.yaml, or one without any key. reconciler never takes this as a request to remove "
        "everything. Restore the file; `reconciler init` creates a repository with a complete one."
    ),
    "null-value": (
        "A key has no value. In YAML that means null, which is neither an empty text nor Postfix's "
        'default. Write "" for an empty value, or remove the key; null removes a key in hosts/ and a service in '
        "services only."
    ),
    "unknown-key": (
        "mail.yaml or hosts/NAME.yaml has a key that no section defines. It would have no effect, and the intended"
        ' setting would be missing. Correct its spelling; parameters of Postfix belong under "parameters:".'
    ),
    "missing-secret": (
        "A value refers to !secret NAME, but the commit has no secrets/NAME.age. Without it Postfix could not log in. "
        "Create it with `reconciler secret set NAME`, and commit it."
    ),
}
