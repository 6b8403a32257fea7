"""The edits of `set` and `smart-host`: they write a parameter, or the smart host, into a commit's YAML text.

Each function returns the complete text of each file that changes, and keeps its comments and layout. It returns nothing
if the text already has the value. A value goes to the file that has it now: hosts/HOST.yaml, else mail.yaml. The module
is pure. It reads back every change, and raises CannotRevise if no small change of the text can express the value.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from reconciler.desired import yaml_editor, yaml_reader
from reconciler.desired.layout import host_in
from reconciler.desired.yaml_reader import at, spans
from reconciler.features import parameters, smart_host
from reconciler.model import File, SecretName
from reconciler.model.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.desired.yaml_reader import Path
    from reconciler.model import Tree

SHARED = "mail.yaml"
SECRET = "smart_host"  # noqa: S105 - its name
_LOGIN = ("username", "password")


class CannotRevise(ReconcilerError):  # noqa: N818 - as in errors.py
    """Raised when the author must write the value by hand; the text says where."""


def set_parameter(files: Tree, host: str, name: str, value: str) -> dict[str, bytes]:
    """Set a parameter in ``parameters``."""
    key = (parameters.SECTION, name)
    text = _home(files, host, key)
    if text.value(key) != value:
        text.put(key, yaml_editor.scalars(value), value)
    return text.changed()


def unset_parameter(files: Tree, host: str, name: str) -> dict[str, bytes]:
    """Remove a parameter from ``parameters`` on this host."""
    return _without(files, host, (parameters.SECTION, name), "null", None)


def set_smart_host(files: Tree, host: str, where: Mapping[str, str], username: str | None) -> dict[str, bytes]:
    """Set the ``nexthop`` or the ``preset`` of ``smart_host``, with a login if there is a *username*, else without."""
    key = (smart_host.SECTION,)
    text = _home(files, host, key)
    old = text.value(key)
    known = old if isinstance(old, dict) else {}
    wanted: dict[str, Any] = dict(where)
    if username:
        password = known.get("password")
        wanted |= {"username": username, "password": _sealed(files, password or SecretName(SECRET))}
    below = _Text(files, SHARED).value(key) if text.path != SHARED else None
    if isinstance(below, dict):
        wanted |= dict.fromkeys((name for name in _LOGIN if name in below and not username), None)
    if not text.has(key) or (known and not text.is_flow(key)):
        for name, value in wanted.items():
            if name not in known or known[name] != value:
                text.put((*key, name), _raws(value), value)
        for name in known.keys() - wanted.keys():
            text.drop((*key, name))
    elif old != wanted:
        raw = ", ".join(f"{name}: {_raws(value)[-1]}" for name, value in wanted.items())
        text.put(key, [f"{{{raw}}}"], wanted)
    return text.changed()


def _sealed(files: Tree, secret: SecretName) -> SecretName:
    """Return the secret; raise CannotRevise if the commit does not have it."""
    path = f"secrets/{secret.name}.age"
    if path not in files:
        how = f"in a clone, run `reconciler secret set {secret.name}`, commit and push the file, then try again"
        raise CannotRevise(f"there is no {path} on the branch, so no login would be possible; {how}")
    return secret


def drop_smart_host(files: Tree, host: str) -> dict[str, bytes]:
    """Remove the smart host of this host."""
    return _without(files, host, (smart_host.SECTION,), "off", "no")


def _without(files: Tree, host: str, key: Path, raw: str, value: Any) -> dict[str, bytes]:  # noqa: ANN401 - YAML's values
    """Remove a key; write *raw* instead if mail.yaml sets the key too, or if the file would be empty without it."""
    text = _home(files, host, key)
    if not text.has(key) or text.value(key) == value:
        return {}
    instead = (text.path != SHARED and _Text(files, SHARED).has(key)) or (len(key) == 1 and text.keys() == {*key})
    try:
        if not instead or isinstance(text.value(key), dict):
            text.drop(key)
    except CannotRevise:  # as in braces, where it can replace a value but not remove a key
        if raw == "null":
            raise
        instead = True
    if instead:
        text.put(key, [raw], value)
    return text.changed()


def set_values(files: Tree, host: str, section: str, wanted: Mapping[str, Any]) -> dict[str, bytes]:
    """Write all of *wanted* into a section, in order; None removes a key, and a mapping replaces the old one."""
    text = _home(files, host, (section,))
    for name, value in wanted.items():
        key = (section, name)
        if value is not None and text.value(key) != value:
            text.put(key, [_flow(value)], value)
        elif value is None and text.has(key):
            if text.is_flow((section,)):  # a key in braces can't be removed, but the braces can be replaced
                rest = {other: kept for other, kept in text.value((section,)).items() if other != name}
                text.put((section,), [_flow(rest)], rest)
            else:
                text.drop(key)
    return text.changed()


def _flow(value: Any) -> str:  # noqa: ANN401 - YAML's values
    """Return a value as it is written inside braces."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return f"!secret {value.name}" if isinstance(value, SecretName) else yaml_editor.scalar(value)


def _raws(value: str | SecretName | None) -> list[str]:
    if isinstance(value, SecretName):
        return [f"!secret {value.name}"]
    try:
        return ["null"] if value is None else [*yaml_editor.scalars(value), yaml_editor.scalar(value)]
    except ValueError:
        return []


def _home(files: Tree, host: str, key: Path) -> _Text:
    own = [_Text(files, path) for path in files if host_in(path) == host]
    return next((text for text in own if text.has(key)), _Text(files, SHARED))


class _Text:
    """One YAML file that is changed step by step; each step is read back, and must have the intended effect only."""

    def __init__(self, files: Tree, path: str) -> None:
        self.path = path
        self._before = self._now = files[path].read().decode("utf-8") if path in files else ""
        self._value = _value(self._now)

    def keys(self) -> set[str]:
        """Return the sections that the file has."""
        return set(self._value)

    def has(self, key: Path) -> bool:
        """Return True if the file has that key."""
        try:
            at(self._value, key)
        except (KeyError, TypeError, ValueError, IndexError):
            return False
        return True

    def value(self, key: Path) -> Any:  # noqa: ANN401 - YAML's values
        """Return the value of a key, or None if the file does not have the key."""
        return at(self._value, key) if self.has(key) else None

    def is_flow(self, key: Path) -> bool:
        """Return True if that mapping is written in braces."""
        return spans(self._now)[key].flow

    def put(self, key: Path, raws: Iterable[str], value: Any) -> None:  # noqa: ANN401 - YAML's values
        """Write the first of *raws* that reads back as *value*."""
        wanted = deepcopy(self._value)
        inside = wanted
        for name in key[:-1]:
            inside = inside.setdefault(name, {}) if isinstance(inside, dict) else {}
        if isinstance(inside, dict):
            inside[key[-1]] = value
        self._take((lambda raw=raw: yaml_editor.put(self._now, key, raw) for raw in raws), wanted, key)

    def drop(self, key: Path) -> None:
        """Remove a key, and each mapping that becomes empty."""
        wanted = deepcopy(self._value)
        for length in range(len(key), 0, -1):
            del at(wanted, key[: length - 1])[key[length - 1]]
            if at(wanted, key[: length - 1]):
                break
        self._take([lambda: yaml_editor.drop(self._now, key)], wanted, key)

    def _take(self, ways: Iterable[Any], wanted: Any, key: Path) -> None:  # noqa: ANN401 - YAML's values
        for way in ways:
            try:
                text: str = way()
                value = _value(text)
            except ValueError:
                continue
            if value == wanted:
                self._now, self._value = text, value
                return
        line = _line(self._now, key)
        what = f'"{".".join(key)}" can\'t be changed there without changing other text; edit the file by hand, and push'
        raise CannotRevise(f"{self.path}:{line}:1: {what}")

    def changed(self) -> dict[str, bytes]:
        """Return the file if it has changed."""
        return {self.path: self._now.encode("utf-8")} if self._now != self._before else {}


def _value(text: str) -> Mapping[str, Any]:
    """Return the values of a YAML text; raise ValueError for a text that can't be read."""
    findings: list[Any] = []
    read = yaml_reader.read(SHARED, File.of(text.encode("utf-8")), findings)
    if findings:
        raise ValueError(str(findings[0]))
    return dict(read.value)


def _line(text: str, key: Path) -> int:
    """Return the line of that key, or of the mapping that would contain it."""
    known = spans(text)
    for length in range(len(key), 0, -1):
        if key[:length] in known:
            return text.count("\n", 0, known[key[:length]].key) + 1
    return 1
