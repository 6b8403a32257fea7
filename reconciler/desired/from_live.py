"""A hand edit as a change of the desired state: what was edited live, said in the words of the repository.

express() answers files that load and render to exactly what the host had after the edit, and tells what it could not
say. Every single change is proven by loading and rendering; what fails that, or may hold a password, is only told.
Pure; raises InvalidSource when the commit that it builds upon can't be read.

Where a change goes: a repository with a hosts/ folder serves several hosts, and merging one host's edit must not change
the others, so it goes to hosts/HOST.yaml; else to mail.yaml and master.d. Tables are the same for all hosts.

Known limits: comments and the order of lines in main.cf and master.cf have no place in the repository. A service's
option that is taken away has none either, where the stock brings it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from reconciler.desired.layout import host_in
from reconciler.desired.load import load
from reconciler.desired.yaml_editor import drop, put, scalar, scalars
from reconciler.features import compose, parameters, services
from reconciler.model import Change, File, Kind, Parameter, Service, printable
from reconciler.model.errors import InvalidSource
from reconciler.postfix.syntax import logical_lines, one_line, read_main, read_master, show_service, write_override
from reconciler.rules import passwords
from reconciler.trees.plan import MAIN, MASTER, diff
from reconciler.trees.render import render
from reconciler.trees.report import change_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from reconciler.model import Contribution, Facts, Secret, Tree

BY_HAND = "master.d/by-hand.cf"
MOST_SAID = 300  # each takes some milliseconds to prove
MOST_DIFFERENT = 200  # lines of a raw diff
_TELLING = re.compile(r"passw|secret|credential|\b(?:static|inline):", re.IGNORECASE)
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
    """What a commit needs besides its files to be this host's configuration."""

    facts: Facts
    templates: Mapping[str, str]
    secrets: Mapping[str, Secret]

    def rendered(self, files: Tree) -> tuple[Tree, Contribution]:
        """The host's files, and who asked for what; raises InvalidSource, also for a password in plain text."""
        desired = load(files, self.facts.host, self.secrets)
        merged = compose(desired, self.facts)
        if leaks := list(passwords.rules(desired, self.facts, merged)):
            raise InvalidSource(leaks)
        return render(merged, self.templates), merged


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryEdit:
    """A hand edit as *files* of the commit that change, its *changes*, and the lines of what stays *unexpressed*."""

    files: Mapping[str, bytes | None]
    changes: tuple[Change, ...]
    unexpressed: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """What was edited, for a subject line."""
        return list(dict.fromkeys(change.within or change.what for change in self.changes))


def express(base: Tree, edited: Tree, files: Tree, inputs: HostInputs, without: Collection[str] = ()) -> RepositoryEdit:
    """Say what was done to *base* as changes of *files*; *without* are names that are left alone (ignore rules)."""
    gone = [path for path in (MAIN, MASTER) if path in base and path not in edited]
    base = {path: file for path, file in base.items() if path not in gone}
    edits = [
        change for change in diff(base, edited).changes if not {_name(_item(change)), _path(_item(change))} & {*without}
    ]
    changes = (*edits, *(Change(kind=Kind.FILE, what=path, before="", after=None) for path in gone))
    editor = _Editor(files, inputs)
    before, after = state(base), state(edited)
    unsaid = {Item(Kind.FILE, path): None for path in (MAIN, MASTER) if _has_more(path, base, edited)}
    editor.say_at_once({item: after[item] for item in map(_item, changes) if item in after})
    for count, item in enumerate(sorted({_item(change) for change in changes}, key=_in_order)):
        sayable = count < MOST_SAID and (item in before or item in after)
        if not sayable or not editor.say(item, before.get(item), after.get(item), edited):
            unsaid[item] = None
    unexpressed = tuple(
        line for path in dict.fromkeys(map(_path, unsaid)) for line in _raw_diff(path, base, edited, unsaid)
    )
    return RepositoryEdit(files=editor.changed(), changes=changes, unexpressed=unexpressed)


def _has_more(path: str, base: Tree, edited: Tree) -> bool:
    """Whether there are lines that no parameter and no service stands for: comments, and what nobody understands."""
    old, new = _text(base.get(path)), _text(edited.get(path))
    known = set(old.splitlines())
    comments = any(line.lstrip().startswith("#") and line not in known for line in new.splitlines())
    return comments or bool((read_main if path == MAIN else read_master)(new, path)[1])


def state(tree: Tree) -> State:
    """What a tree means, thing by thing: equal where Postfix would do the same."""
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
    """The service in one line, where the order of its options, which means nothing, is always the same."""
    options = {option.name: option for option in service.overrides}
    return show_service(replace(service, overrides=tuple(options[name] for name in sorted(options))))


def _item(change: Change) -> Item:
    """The thing that a change is about; what only differs in layout or mode is no parameter and no service."""
    kind = change.kind if change.kind in {Kind.PARAMETER, Kind.SERVICE} else Kind.FILE
    return Item(kind, change.within or change.what)


def _in_order(item: Item) -> tuple[bool, Item]:
    """Services first: parameters are named after them."""
    return item.kind is not Kind.SERVICE, item


def _path(item: Item) -> str:
    return {Kind.PARAMETER: MAIN, Kind.SERVICE: MASTER}.get(item.kind, item.name)


def _name(item: Item) -> str:
    """As an ignore rule names it."""
    return f"{MAIN}:{item.name}" if item.kind is Kind.PARAMETER else _path(item)


def is_secret(path: str, *trees: Tree) -> bool:
    """Whether that file is a secret in any of these trees."""
    return any(tree[path].is_secret for tree in trees if path in tree)


def _may_hold_password(*texts: str | None) -> bool:
    """Whether a password may be in it."""
    return any(_TELLING.search(text or "") for text in texts)


def _raw_diff(path: str, base: Tree, edited: Tree, unsaid: Collection[Item]) -> Iterator[str]:
    """What the repository has no words for, as a diff, unless a password may be in it."""
    names = sorted({item.name for item in unsaid if _path(item) == path} - {path})
    yield f"{path}: {', '.join(names)}" if names else path
    old, new = base.get(path), edited.get(path)
    if new is None:
        yield "  (gone, or no regular file)"
        return
    if old and new and (old.mode, old.owner) != (new.mode, new.owner):
        yield f"  it was mode {new.mode:04o}, {new.owner} instead of mode {old.mode:04o}, {old.owner}"
    if is_secret(path, base, edited):
        yield "  (secret: not shown)"
        return
    was, is_ = (_text(file).splitlines() for file in (old, new))
    lines = list(difflib.unified_diff(was, is_, lineterm="", n=0))[2:]
    if _may_hold_password(*lines):
        yield "  (it may hold a password: not shown)"
        return
    yield from (f"  {printable(line)}" for line in lines[:MOST_DIFFERENT])
    if len(lines) > MOST_DIFFERENT:
        yield f"  ... and {len(lines) - MOST_DIFFERENT} more lines"


# ---- one change after another ----------------------------------------------------------------------------------------


class _Editor:
    """The files of a commit, changed step by step; each step is proven before it counts."""

    def __init__(self, files: Tree, inputs: HostInputs) -> None:
        self._before, self._files, self._inputs = files, dict(files), inputs
        tree, self._origin = inputs.rendered(files)
        self._state = state(tree)

    def changed(self) -> dict[str, bytes | None]:
        """The files that differ by now."""
        paths = self._before.keys() | self._files.keys()
        return {
            path: self._files[path].read() if path in self._files else None
            for path in paths
            if self._files.get(path) is not self._before.get(path)
        }

    def say_at_once(self, wanted: State) -> None:
        """Have the commit say all parameters that were set, if that needs no second thought: one proof for all."""
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
            self._prove(changed, lambda became: became == {**self._state, **values})

    def say(self, item: Item, before: str | None, after: str | None, edited: Tree) -> bool:
        """Have the commit say so, if there is a way that changes nothing else."""
        if self._holds(self._state, item, after):
            return True
        if is_secret(item.name, edited) or _may_hold_password(item.name, before, after):
            return False
        return any(self._try(item, after, changed) for changed in self._ways(item, after, edited))

    def _try(self, item: Item, after: str | None, changed: Mapping[str, bytes | None] | None) -> bool:
        def as_edited(became: State) -> bool:
            others = ({key: value for key, value in side.items() if key != item} for side in (self._state, became))
            return self._holds(became, item, after) and next(others) == next(others)

        return changed is not None and self._prove(changed, as_edited)

    def _prove(self, changed: Mapping[str, bytes | None], right: Callable[[State], bool]) -> bool:
        """Take the change over, if what it renders to is right."""
        files = {path: file for path, file in self._files.items() if path not in changed}
        files |= {path: File.of(content) for path, content in changed.items() if content is not None}
        try:
            tree, origin = self._inputs.rendered(files)
            became = state(tree)
        except (InvalidSource, ValueError):
            return False
        if not right(became):
            return False
        self._files, self._state, self._origin = files, became, origin
        return True

    def _holds(self, became: State, item: Item, after: str | None) -> bool:
        """Whether it is as it was edited; a parameter that was taken away may as well be written as its default."""
        value = became.get(item)
        default = self._inputs.facts.parameters.get(item.name) if item.kind is Kind.PARAMETER else None
        return value == after or (after is None and default is not None and value == one_line(default))

    # ---- ways to say it ----

    @property
    def _shared(self) -> bool:
        """Whether other hosts read mail.yaml and master.d as well."""
        return any(host_in(path) for path in self._files)

    @property
    def _own(self) -> str:
        """The YAML file that is this host's alone."""
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

    def _yaml(self, *values: tuple[tuple[str, ...], str | None]) -> Mapping[str, bytes | None] | None:
        """The host's own YAML file with these values, None for a key that goes; None when there is no such way."""
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
        """The value as people write it: ``table:NAME`` for a table of the commit."""
        for table in self._origin.tables.values():
            if table.file.startswith("tables/"):
                value = re.sub(rf"(?<![\w:]){re.escape(table.reference)}(?![\w.-])", f"table:{table.name}", value)
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
        """A file of master.d with that service changed, added or removed."""
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
        return {path: left.encode("utf-8", "surrogateescape") if left.strip() else None}


def _fields(known: Service | None, after: Service) -> Iterator[tuple[tuple[str, ...], str]]:
    """What ``services`` has to say for *known* to become *after*, as paths below the service and YAML."""
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
    """The lines of a master.cf entry, one for each option."""
    alone = replace(service, overrides=(), arguments=())
    options = [f"    {write_override(Parameter(one.name, one.value, one.where))}" for one in service.overrides]
    return [show_service(alone), *options, *([f"    {' '.join(service.arguments)}"] if service.arguments else [])]


# ---- the message -----------------------------------------------------------------------------------------------------


def message(subject: str, edit: RepositoryEdit, about: Collection[str], trailers: Collection[str]) -> str:
    """The commit's message: what changed, when and by whom, and what is not in the commit."""
    shown = [change for change in edit.changes if not _may_hold_password(change.what, change.before, change.after)]
    hidden = len(edit.changes) - len(shown)
    more = [f"  and {hidden} that may hold a password: not shown"] if hidden else []
    parts = ["\n".join([*change_lines(shown), *more])]
    parts.append("\n".join(about))
    if edit.unexpressed:
        parts.append("\n".join(["Not in this commit, for the repository has no words for it:", "", *edit.unexpressed]))
    parts.append("\n".join(trailers))
    return "\n\n".join([subject, *(part for part in parts if part)]) + "\n"
