"""A hand edit as a change of the desired state: express() translates the live edit into the files of the repository.

express() returns files that load and render to exactly the files of the host after the edit, and lists what it could
not express. It proves each change by loading and rendering it. A change that fails the proof, or that may contain a
password, is only listed. Pure; raises InvalidSource if the commit that it builds upon can't be read.

The file for a change: a repository with a hosts/ folder serves several hosts, and merging one host's edit must not
change the others, so the change goes to hosts/HOST.yaml; else to mail.yaml and master.d. Tables are the same for all
hosts.

Known limits: the repository has no place for comments and for the order of lines in main.cf and master.cf, or for the
removal of an option from a stock service.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from reconciler.desired.layout import host_in
from reconciler.desired.load import load
from reconciler.desired.yaml_editor import drop, put, scalar, scalars
from reconciler.features import parameters, services
from reconciler.features.composition import compose
from reconciler.model import Change, File, Kind, Parameter, Service, printable
from reconciler.model.ascii_text import SPACE, split_lines
from reconciler.model.errors import InvalidSource
from reconciler.postfix.syntax import (
    is_comment,
    logical_lines,
    one_line,
    read_main,
    read_master,
    show_service,
    write_override,
)
from reconciler.rules import passwords
from reconciler.trees.changes import change_lines
from reconciler.trees.plan import MAIN, MASTER, diff
from reconciler.trees.render import render

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from reconciler.model import Contribution, DeployedFile, Facts, Secret, Tree

BY_HAND = "master.d/by-hand.cf"
MOST_EXPRESSED = 300  # each takes some milliseconds to prove
MOST_DIFFERENT = 200  # lines of a raw diff
_PASSWORD_HINT = re.compile(r"passw|secret|credential|private key|_pw\b|\b(?:static|inline):", re.IGNORECASE | re.ASCII)
_RUNNABLE = 0o111
_FIELDS = {
    "private": "private", "unpriv": "unprivileged", "chroot": "chroot", "wakeup": "wakeup", "maxproc": "maxproc",
    "command": "command",
}  # fmt: skip


class Item(NamedTuple):
    """One thing that can be edited: a parameter, a service, or a whole file."""

    kind: Kind
    name: str


State = dict[Item, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostInputs:
    """The inputs besides the commit's files from which this host's configuration is rendered."""

    facts: Facts
    templates: Mapping[str, str]
    secrets: Mapping[str, Secret]

    def rendered(self, files: Tree) -> tuple[Tree, Contribution, frozenset[str]]:
        """Return the host's files, their origin, and where passwords are in plain text; raise InvalidSource."""
        desired = load(files, self.facts.host, self.secrets)
        merged = compose(desired, self.facts)
        leaks = passwords.rules(desired, self.facts, merged)
        return render(merged, self.templates), merged, frozenset(leak.subject for leak in leaks)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryEdit:
    """A hand edit: the *files* of the commit that change, its *changes*, and the *unexpressed* rest as lines."""

    files: Mapping[str, bytes | None]
    changes: tuple[Change, ...]
    unexpressed: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Return the names of the edited settings, for a subject line."""
        return list(dict.fromkeys(change.within or change.what for change in self.changes))


def express(base: Tree, edited: Tree, files: Tree, inputs: HostInputs, without: Collection[str] = ()) -> RepositoryEdit:
    """Express the edit of *base* as changes of *files*; *without* are the names that ignore rules leave in place."""
    gone = [path for path in (MAIN, MASTER) if path in base and path not in edited]
    base = {path: file for path, file in base.items() if path not in gone}
    edits = [
        change for change in diff(base, edited).changes if not {_name(_item(change)), _path(_item(change))} & {*without}
    ]
    changes = (*edits, *(Change(kind=Kind.FILE, what=path, before="", after=None) for path in gone))
    editor = _Editor(files, inputs)
    before, after = state(base), state(edited)
    remaining = {Item(Kind.FILE, path): None for path in (MAIN, MASTER) if _has_more(path, base, edited)}
    editor.express_at_once({item: after[item] for item in map(_item, changes) if item in after})
    for count, item in enumerate(sorted({_item(change) for change in changes}, key=_in_order)):
        expressible = count < MOST_EXPRESSED and (item in before or item in after)
        if not expressible or not editor.express(item, before.get(item), after.get(item), edited):
            remaining[item] = None
    unexpressed = tuple(
        line for path in dict.fromkeys(map(_path, remaining)) for line in _raw_diff(path, base, edited, remaining)
    )
    return RepositoryEdit(files=editor.changed(), changes=changes, unexpressed=unexpressed)


def _has_more(path: str, base: Tree, edited: Tree) -> bool:
    """Return True if there are new comments, or lines that can't be read as a parameter or a service."""
    old, new = _text(base.get(path)), _text(edited.get(path))
    known = set(split_lines(old))
    comments = any(is_comment(line) and line not in known for line in split_lines(new))
    return comments or bool((read_main if path == MAIN else read_master)(new, path)[1])


def state(tree: Tree) -> State:
    """Return the meaning of each item of a tree: two states are equal if Postfix would behave the same."""
    items: State = {}
    for path, file in tree.items():
        if path == MAIN:
            read = read_main(_text(file), MAIN)[0].values()
            items |= {Item(Kind.PARAMETER, entry.name): one_line(entry.value) for entry in read}
        elif path == MASTER:
            items |= {Item(Kind.SERVICE, entry.key): _meaning(entry) for entry in read_master(_text(file), MASTER)[0]}
        else:
            items[Item(Kind.FILE, path)] = file.digest
    return items


def _text(file: File | None) -> str:
    return file.read().decode("utf-8", "surrogateescape") if file else ""


def _meaning(service: Service) -> str:
    """Return the service in one line, with its options sorted, because their order has no meaning."""
    options = {option.name: option for option in service.overrides}
    return show_service(replace(service, overrides=tuple(options[name] for name in sorted(options))))


def _item(change: Change) -> Item:
    """Return the item of a change; a difference in layout or mode belongs to the file, not to a setting in it."""
    kind = change.kind if change.kind in {Kind.PARAMETER, Kind.SERVICE} else Kind.FILE
    return Item(kind, change.within or change.what)


def _in_order(item: Item) -> tuple[bool, Item]:
    """Sort services first, because parameters are named after them."""
    return item.kind is not Kind.SERVICE, item


def _path(item: Item) -> str:
    return {Kind.PARAMETER: MAIN, Kind.SERVICE: MASTER}.get(item.kind, item.name)


def _name(item: Item) -> str:
    """Return the name that an ignore rule uses."""
    return f"{MAIN}:{item.name}" if item.kind is Kind.PARAMETER else _path(item)


def is_secret(path: str, *trees: Tree) -> bool:
    """Return True if that file is a secret in any of these trees."""
    return any(tree[path].is_secret for tree in trees if path in tree)


def _may_hold_password(*texts: str | None) -> bool:
    """Return True if any text may contain a password."""
    return any(_PASSWORD_HINT.search(text or "") for text in texts)


def _raw_diff(path: str, base: Tree, edited: Tree, remaining: Collection[Item]) -> Iterator[str]:
    """Yield what the repository can't express as a diff, unless it may contain a password."""
    names = sorted({item.name for item in remaining if _path(item) == path} - {path})
    yield f"{path}: {', '.join(names)}" if names else path
    old, new = base.get(path), edited.get(path)
    if new is None:
        yield "  (the file is gone, or is not a regular file)"
        return
    if old and new and (old.mode, old.owner) != (new.mode, new.owner):
        yield f"  mode {new.mode:04o}, {new.owner} instead of mode {old.mode:04o}, {old.owner}"
    if is_secret(path, base, edited):
        yield "  (not shown: secret)"
        return
    was, is_ = (split_lines(_text(file)) for file in (old, new))
    lines = list(difflib.unified_diff(was, is_, lineterm="", n=0))[2:]
    if _may_hold_password(*lines):
        yield "  (not shown: it may contain a password)"
        return
    yield from (f"  {printable(line)}" for line in lines[:MOST_DIFFERENT])
    if len(lines) > MOST_DIFFERENT:
        yield f"  ... and {len(lines) - MOST_DIFFERENT} more lines"


# ---- one change after another ----------------------------------------------------------------------------------------


class _Editor:
    """The files of a commit, changed step by step; each step is proven before it is accepted."""

    def __init__(self, files: Tree, inputs: HostInputs) -> None:
        self._before, self._files, self._inputs = files, dict(files), inputs
        tree, self._origin, self._leaks = inputs.rendered(files)
        self._state = state(tree)

    def changed(self) -> dict[str, bytes | None]:
        """Return the files that have changed."""
        paths = self._before.keys() | self._files.keys()
        return {
            path: self._files[path].read() if path in self._files else None
            for path in paths
            if self._files.get(path) is not self._before.get(path)
        }

    def express_at_once(self, wanted: State) -> None:
        """Express all parameters that were set in one step, because one proof is fast; change nothing if it fails."""
        values = {
            item: after
            for item, after in wanted.items()
            if item.kind is Kind.PARAMETER
            and self._state.get(item) != after
            and not _may_hold_password(item.name, after)
            and scalars(after)
        }
        keys = (((parameters.SECTION, item.name), scalars(self._named(after))[0]) for item, after in values.items())
        if values and (changed := self._yaml(*keys)):
            self._prove(changed, lambda result: result == {**self._state, **values})

    def express(self, item: Item, before: str | None, after: str | None, edited: Tree) -> bool:
        """Express the edit of one item, and return True, if there is a way that changes nothing else."""
        if self._holds(self._state, item, after):
            return True
        if is_secret(item.name, edited) or _may_hold_password(item.name, before, after):
            return False
        return any(self._try(item, after, changed) for changed in self._ways(item, after, edited))

    def _try(self, item: Item, after: str | None, changed: Mapping[str, bytes | None] | None) -> bool:
        def as_edited(result: State) -> bool:
            others = ({key: value for key, value in side.items() if key != item} for side in (self._state, result))
            return self._holds(result, item, after) and next(others) == next(others)

        return changed is not None and self._prove(changed, as_edited)

    def _prove(self, changed: Mapping[str, bytes | None], right: Callable[[State], bool]) -> bool:
        """Accept the change if it renders to the right state."""
        files = {path: file for path, file in self._files.items() if path not in changed}
        files |= {path: File.of(content) for path, content in changed.items() if content is not None}
        try:
            tree, origin, leaks = self._inputs.rendered(files)
            result = state(tree)
        except (InvalidSource, ValueError):
            return False
        if not right(result) or not leaks <= self._leaks:
            return False
        self._files, self._state, self._origin = files, result, origin
        return True

    def _holds(self, result: State, item: Item, after: str | None) -> bool:
        """Return True if the item is as edited; a removed parameter may also be written with its default value."""
        value = result.get(item)
        default = self._inputs.facts.parameters.get(item.name) if item.kind is Kind.PARAMETER else None
        return value == after or (after is None and default is not None and value == one_line(default))

    # ---- ways to express it ----

    @property
    def _shared(self) -> bool:
        """True if other hosts read mail.yaml and master.d as well."""
        return any(host_in(path) for path in self._files)

    @property
    def _own(self) -> str:
        """Return the YAML file that only this host reads."""
        mine = (path for path in self._files if host_in(path) == self._inputs.facts.host)
        return next(mine, f"hosts/{self._inputs.facts.host}.yaml") if self._shared else "mail.yaml"

    def _ways(self, item: Item, after: str | None, edited: Tree) -> Iterator[Mapping[str, bytes | None] | None]:
        if item.kind is Kind.PARAMETER:
            yield from self._parameter(item.name, after)
        elif item.kind is Kind.SERVICE:
            read = read_master(_text(edited.get(MASTER)), MASTER)[0]
            service = {service.key: service for service in read}.get(item.name)
            yield from self._service(item.name, service)
        elif (table := self._origin.tables.get(item.name)) and table.file.startswith("tables/") and not table.pieces:
            yield {table.file: edited[item.name].read() if item.name in edited else None}
        elif (made := self._origin.files.get(item.name)) and self._is_written_back(made):
            yield {made.source: edited[item.name].read() if item.name in edited else None}

    def _is_written_back(self, made: DeployedFile) -> bool:
        """Return True if the file's bytes are those of the commit; a commit made here has no programs."""
        source = self._files.get(made.source)
        return source is not None and not source.mode & _RUNNABLE and source.read() == made.content

    def _yaml(self, *values: tuple[tuple[str, ...], str | None]) -> Mapping[str, bytes | None] | None:
        """Return the host's own YAML file with these values, where None removes a key; None if that is impossible."""
        try:
            text = _text(self._files.get(self._own))
            for path, raw in values:
                text = drop(text, path) if raw is None else put(text, path, raw)
            return {self._own: text.encode("utf-8", "surrogateescape")}
        except ValueError:
            return None

    def _parameter(self, name: str, after: str | None) -> Iterator[Mapping[str, bytes | None] | None]:
        key = (parameters.SECTION, name)
        default = self._inputs.facts.parameters.get(name)
        if after is None:
            yield self._yaml((key, None))
            if self._shared:
                yield self._yaml((key, "null"))
        value = default if after is None else after
        for text in dict.fromkeys((self._named(value), value) if value is not None else ()):
            yield from (self._yaml((key, raw)) for raw in scalars(text))

    def _named(self, value: str) -> str:
        """Return the value with ``table:NAME`` for each table of the commit, as people write it."""
        for table in self._origin.tables.values():
            if table.file.startswith("tables/"):
                value = re.sub(
                    rf"(?<![\w:]){re.escape(table.reference)}(?![\w.-])", f"table:{table.name}", value, flags=re.ASCII
                )
        return value

    def _service(self, key: str, after: Service | None) -> Iterator[Mapping[str, bytes | None] | None]:
        known = self._origin.services.get(key)
        written = known.where.file if known and known.where.file.startswith("master.d/") else ""
        try:
            if not self._shared and (written or not known):
                yield self._master(key, written or BY_HAND, after)
            if after is None:
                yield self._yaml(((services.SECTION, key), "null"))
                return
            yield self._yaml(*(((services.SECTION, key, *path), raw) for path, raw in _fields(known, after)))
        except ValueError:
            return

    def _master(self, key: str, path: str, after: Service | None) -> Mapping[str, bytes | None] | None:
        """Return a file of master.d with that service changed, added or removed."""
        text = _text(self._files.get(path))
        lines = text.split("\n")
        new = _entry(after) if after else []
        there = {service.key: service.where.line for service in read_master(text, path)[0]}
        ends = {logical.line: logical.parts[-1][0] for logical in logical_lines(text)}
        if start := there.get(key):
            lines[start - 1 : ends[start]] = new
        else:
            lines[-1:] = [*([lines[-1]] if lines[-1] else []), *new, ""]
        left = "\n".join(lines)
        return {path: left.encode("utf-8", "surrogateescape") if left.strip(SPACE) else None}


def _fields(known: Service | None, after: Service) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the values of ``services`` that turn *known* into *after*, as paths below the service and YAML."""
    private = "n" if after.type == "inet" else "-"
    before = known or Service(name=after.name, type=after.type, private=private, command="", where=after.where)
    for name, field in _FIELDS.items():
        if getattr(before, field) != getattr(after, field):
            yield (name,), scalar(getattr(after, field))
    old = {option.name: one_line(option.value) for option in before.overrides}
    for option in after.overrides:
        if old.get(option.name) != one_line(option.value):
            yield ("options", option.name), scalar(one_line(option.value))
    if before.arguments != after.arguments:
        yield ("arguments",), f"[{', '.join(map(_quoted, after.arguments))}]"


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def _entry(service: Service) -> list[str]:
    """Return the lines of a master.cf entry, one for each option."""
    alone = replace(service, overrides=(), arguments=())
    options = (Parameter(option.name, option.value, option.where) for option in service.overrides)
    lines = [f"    {write_override(option)}" for option in options]
    return [show_service(alone), *lines, *([f"    {' '.join(service.arguments)}"] if service.arguments else [])]


# ---- the message -----------------------------------------------------------------------------------------------------


def message(subject: str, edit: RepositoryEdit, about: Collection[str], trailers: Collection[str]) -> str:
    """Return the commit's message: what changed, when and by whom, and what is not in the commit."""
    shown = [change for change in edit.changes if not _may_hold_password(change.what, change.before, change.after)]
    hidden = len(edit.changes) - len(shown)
    more = [f"  and {hidden} more, not shown because they may contain a password"] if hidden else []
    parts = ["\n".join([*change_lines(shown), *more])]
    parts.append("\n".join(about))
    if edit.unexpressed:
        parts.append("\n".join(["Not in this commit, because the repository can't express it:", "", *edit.unexpressed]))
    parts.append("\n".join(trailers))
    return "\n\n".join([subject, *(part for part in parts if part)]) + "\n"
