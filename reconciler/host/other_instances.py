"""Find the other Postfix instances of this host: those that the default instance lists, and those of other settings.

Promises: reads only, and runs no program. A main.cf that can't be read describes nothing; settings of another instance
that can't be read name nothing. Raises nothing else.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.instances import DEFAULT_FILE, file_of, installed
from reconciler.host.programs.postfix import is_same
from reconciler.host.settings import read_settings
from reconciler.model import OtherInstance
from reconciler.model.errors import BadSettings
from reconciler.postfix.macros import MalformedMacro, expand
from reconciler.postfix.scopes import words
from reconciler.postfix.syntax import read_main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LIST = "multi_instance_directories"
_TOLD = ("multi_instance_name", "multi_instance_enable", "queue_directory", "data_directory", "syslog_name")


def others(directory: Path, defaults: Mapping[str, str]) -> tuple[OtherInstance, ...]:
    """Return the instances other than that of *directory*; *defaults* are those of this Postfix's parameters."""
    first = Path(defaults["config_directory"])
    listed = [first, *_listed(first, defaults)]
    unlisted = [one for one in of_settings() if not any(is_same(one, other) for other in listed)]
    return tuple(
        _described(one, values, listed=one in listed)
        for one in dict.fromkeys([*listed, *unlisted])
        if not is_same(one, directory) and (values := _values(one, defaults))
    )


def reserved() -> tuple[str, ...]:
    """Return the files and folders of other instances' daemons that only root may read."""
    found = []
    for file in (DEFAULT_FILE, *map(file_of, installed())) if installed() else ():
        with suppress(BadSettings):
            settings = read_settings(file)
            found += [str(settings.identity), str(settings.state / "private")]
    return tuple(found)


def is_listed(directory: Path, defaults: Mapping[str, str]) -> bool:
    """Return whether the default instance is, or lists, the one of *directory*."""
    first = Path(defaults["config_directory"])
    return any(is_same(directory, one) for one in (first, *_listed(first, defaults)))


def _listed(first: Path, defaults: Mapping[str, str]) -> list[Path]:
    return [*map(Path, words(_values(first, defaults).get(_LIST, "")))]


def of_settings() -> Iterator[Path]:
    """Yield the configuration directories of the instances that have settings of reconciler."""
    for name in installed():
        with suppress(BadSettings):
            yield read_settings(file_of(name)).config_directory


def _described(directory: Path, values: Mapping[str, str], *, listed: bool) -> OtherInstance:
    return OtherInstance(
        directory=str(directory),
        name=values["multi_instance_name"],
        queue=values["queue_directory"],
        data=values["data_directory"],
        tag=values["syslog_name"],
        enabled=values["multi_instance_enable"].lower() == "yes",
        listed=listed,
    )


def _values(directory: Path, defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the values that tell instances apart; none without a main.cf."""
    try:
        text = (directory / "main.cf").read_text("utf-8", "surrogateescape")
    except OSError:
        return {}
    written, _ = read_main(text, "main.cf")
    named = {**defaults, **{name: one.value for name, one in written.items()}, "config_directory": str(directory)}
    return {name: _expanded(named, name) for name in (*_TOLD, _LIST)}


def _expanded(named: Mapping[str, str], name: str) -> str:
    try:
        return expand(named.get(name, ""), named.get)
    except MalformedMacro:
        return ""
