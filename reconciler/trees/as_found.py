"""Leave main.cf and master.cf as they were found where the desired state says the same, comments and blanks included.

Only for a desired state with ``base: none``, which describes what a host has. Pure; raises nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.postfix.syntax import one_line, read_main, read_master, show_service

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.model import File, Tree


def as_found(target: Tree, found: Mapping[str, File]) -> Tree:
    """Return *target* with the *found* main.cf and master.cf, each if both mean the same, and root's with its mode."""
    kept = {}
    for name, meaning in _MEANINGS.items():
        wanted, there = target.get(name), found.get(name)
        if wanted and there and (same := meaning(there)) is not None and same == meaning(wanted):
            is_roots = there.owner.startswith("root:")
            kept[name] = there if is_roots else replace(there, mode=wanted.mode, owner=wanted.owner)
    return {**target, **kept}


def _settings(file: File) -> object:
    """Return the value of each parameter; None if a line can't be read."""
    read, unreadable = read_main(_text(file), "main.cf")
    return None if unreadable else {name: one_line(parameter.value) for name, parameter in read.items()}


def _services(file: File) -> object:
    """Return the services in their order, of each name and type the last, which counts; None as above."""
    read, unreadable = read_master(_text(file), "master.cf")
    last = {service.key: service for service in read}
    return None if unreadable else [show_service(service) for service in read if service is last[service.key]]


def _text(file: File) -> str:
    return file.read().decode("utf-8", "surrogateescape")


_MEANINGS: dict[str, Callable[[File], object]] = {"main.cf": _settings, "master.cf": _services}
