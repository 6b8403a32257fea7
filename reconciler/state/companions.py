"""Manage companions on disk and as processes: the apply protocol's steps for the programs beside Postfix.

provide() runs before Postfix's own rename and release() after Postfix has taken over, so that a companion starts before
Postfix needs it and stops after. The host's own files at a companion's places and its service's state are kept in
rescue/NAME/ from the first provide() to release(), which restores them completely.

Promises: each step is idempotent, so an interrupted step can be repeated. A companion with unchanged files that answers
is not restarted; only its link moves. *touch* is called with a companion's name before the companion is changed.

Raises OSError from the file system; a program that does not start is a finding. Known limit: a file that replaces one
of the links by hand is not kept.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.programs import PROGRAMS
from reconciler.host.programs.service import Was
from reconciler.model import BESIDE, Finding, Severity, Where
from reconciler.model.errors import CommandFailed, ReconcilerError
from reconciler.state.manifest import digest
from reconciler.state.phases import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from reconciler.host.effects import Host
    from reconciler.state.manifest import FileRecord, Generation

PATIENCE = 5.0
_WAS = "was.json"


class Companions:
    """The companions of the host whose state is in the folder *state*."""

    def __init__(self, state: Path, host: Host) -> None:
        self._state, self._host = state, host
        self._mourned: set[tuple[str, bool]] = set()

    def folder(self, name: str) -> Path:
        """Return the link live/NAME to its current files."""
        return self._state / "live" / name

    def _kept(self, name: str) -> Path:
        return self._state / "rescue" / name

    # ---- looking -----------------------------------------------------------------------------------------------------

    def astray(self, generation: Generation) -> Iterator[str]:
        """Return the links and places that differ from what that live generation requires."""
        for name in _known(generation):
            link = self.folder(name)
            if not link.is_symlink() or link.readlink() != self._target(generation, name):
                yield f"live/{name}"
            yield from (place for place, source in self._places(generation, name) if not self._is_put(place, source))

    def silent(self, generation: Generation | None) -> dict[str, str]:
        """Return the generation's companions that do not work now, with the reasons."""
        told = {name: self.answers(name) for name in _known(generation)} if generation else {}
        return {name: why for name, why in told.items() if why}

    def fell_silent(self, generation: Generation | None) -> bool:
        """Return whether one stopped working, or its processes ended, since the last call or the last revive().

        One that can't be started is reported once.
        """
        before, self._mourned = self._mourned, self._seen_silent(generation)
        return bool(self._mourned - before)

    def _seen_silent(self, generation: Generation | None) -> set[tuple[str, bool]]:
        """Return those that do not work, each with whether it has processes."""
        return {(name, bool(PROGRAMS[name].processes())) for name in self.silent(generation)}

    def answers(self, name: str) -> str:
        """Return why that companion does not work; empty when it does."""
        try:
            return PROGRAMS[name].answers(self._host, self.folder(name))
        except (ReconcilerError, OSError) as error:
            return str(error)

    def watched(self, generation: Generation) -> set[Path]:
        """Return the files and links whose change is drift."""
        names = _known(generation)
        files = {self.folder(name) / path for name in names for path in _files(generation, name)}
        places = {Path(place) for name in names for place, _ in self._places(generation, name)}
        return files | places | {self.folder(name) for name in names}

    def processes(self) -> list[int]:
        """Return the processes whose end must be noticed."""
        return [pid for name in self._managed() for pid in PROGRAMS[name].processes()]

    def _managed(self) -> set[str]:
        return {name for name in PROGRAMS if self.folder(name).is_symlink() or self._kept(name).exists()}

    def _target(self, generation: Generation, name: str) -> Path:
        return Path("..") / generation.path.relative_to(self._state) / name

    def _places(self, generation: Generation, name: str) -> Iterator[tuple[str, Path]]:
        """Return the places that this generation fills, each with its content."""
        files = _files(generation, name)
        for place, path in PROGRAMS[name].PLACES.items():
            if path in files:
                yield place, self.folder(name) / path

    def _is_put(self, place: str, source: Path) -> bool:
        path = Path(place)
        if path.is_symlink() or not _is_copied(place):
            return path.is_symlink() and path.readlink() == source
        try:
            status, wanted = path.stat(), source.stat()
            return status.st_mode == wanted.st_mode and path.read_bytes() == source.read_bytes()
        except FileNotFoundError:
            return False

    # ---- providers before their users --------------------------------------------------------------------------------

    def provide(
        self,
        before: Generation | None,
        after: Generation,
        touch: Callable[[str], None],
        anew: Collection[str] = (),
    ) -> list[Finding]:
        """Start every companion of *after* with its files; those in *anew* are started in any case."""
        # Four cases. A companion that a killed pass touched is started (*anew*). One that works with the same files
        # keeps running, and only its link moves. One with changed files is started, and a failure refuses the commit.
        # One with the same files that does not work was edited or died, and a failure only warns.
        found = []
        for name in _known(after):
            changed = before is None or _files(before, name) != _files(after, name)
            if name in anew or not self._is_well(name, after):
                touch(name)
                self._take(name)
                found += self._bring(name, after, changed=changed)
            else:
                self._switch(name, after)
        return found

    def _is_well(self, name: str, after: Generation) -> bool:
        """Return whether it works with the exact files of *after*: its files may have been edited since its start."""
        put = all(self._is_put(place, source) for place, source in self._places(after, name))
        return put and self._holds(name, after) and not self.answers(name)

    def _holds(self, name: str, after: Generation) -> bool:
        try:
            found = {path: digest(self.folder(name) / path) for path in _files(after, name)}
        except OSError:
            return False
        there = {str(path.relative_to(self.folder(name))) for path in self.folder(name).rglob("*") if path.is_file()}
        return found == {path: one.sha256 for path, one in _files(after, name).items()} and there == found.keys()

    def _bring(self, name: str, after: Generation, *, changed: bool) -> list[Finding]:
        self._switch(name, after)
        self._put(name, after)
        why = self._start(name)
        if not why:
            return []
        severity = Severity.ERROR if changed else Severity.WARNING  # without a change, no commit is at fault
        return [self._silent(name, f"does not start: {why}", severity)]

    def _switch(self, name: str, generation: Generation) -> None:
        self._host.symlink(self.folder(name), self._target(generation, name))

    def _start(self, name: str) -> str:
        """Start it and wait until it works; return why it does not."""
        try:
            PROGRAMS[name].activate(self._host, self.folder(name))
        except (CommandFailed, OSError) as error:
            return str(error)
        deadline = time.monotonic() + PATIENCE
        while (why := self.answers(name)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return why

    def revive(self, generation: Generation, *, paused: bool) -> tuple[list[str], str]:
        """Start the companions that should work and do not; return their names, and why another could not start.

        A hand edit takes no effect here, because the drift policy decides about it. While an operator has *paused*
        reconciler, only processes that died are started again, with the files that are in place.
        """
        started, trouble = [], ""
        self._mourned = self._seen_silent(generation)
        for name, runs in sorted(self._mourned):
            died = PROGRAMS[name].IS_SERVICE and not runs
            if not died and (paused or not self._holds(name, generation)):
                continue
            if why := self._start(name):
                trouble = f"{PROGRAMS[name].TITLE} died and does not start: {why}"
            else:
                started.append(name)
        return started, trouble

    # ---- what is no longer wanted ------------------------------------------------------------------------------------

    def unwanted(self, wanted: Generation) -> set[str]:
        """Return the installed companions that the generation does not use."""
        return self._managed() - wanted.companions

    def may_be_asked(self, names: Iterable[str]) -> bool:
        """Return whether one of them has processes that clients may be connected to."""
        return any(PROGRAMS[name].processes() for name in names)

    def release(self, wanted: Generation, touch: Callable[[str], None]) -> list[Finding]:
        """Stop the companions that *wanted* does not use, and restore the host's state from before them."""
        found = []
        for name in sorted(self.unwanted(wanted)):
            try:
                touch(name)
                self._release(name)
            except (CommandFailed, OSError) as error:  # a later pass repeats it
                found.append(self._silent(name, f"does not stop: {error}", Severity.WARNING))
        return found

    def _release(self, name: str) -> None:
        program, kept = PROGRAMS[name], self._kept(name)
        was = _was(kept) or program.look(self._host)
        program.stop(self._host)
        if kept.exists():
            for place in program.PLACES:
                self._give_back(name, place)
        program.leave(self._host, was)
        self._forget(name)

    def keep_as_files(self, generation: Generation) -> None:
        """Replace the links at the places with copies of their files: reconciler leaves, and the companions stay."""
        for name in _known(generation):
            for place, source in self._places(generation, name):
                if Path(place).is_symlink():
                    self._place(source, Path(place))
            self._forget(name)

    def _forget(self, name: str) -> None:
        """Stop managing it; the files at its places belong to the host from now on."""
        self._host.remove(self.folder(name))
        self._host.remove(self._kept(name))

    # ---- the places --------------------------------------------------------------------------------------------------

    def _take(self, name: str) -> None:
        """Save the host's files at the places and the state of the service, once."""
        kept, program = self._kept(name), PROGRAMS[name]
        if kept.exists():
            return
        stage = self._state / "private" / "stage" / f"rescue-{name}"
        self._host.remove(stage)
        self._host.make_directory(stage, 0o700, lasting=False)
        for place in map(Path, program.PLACES):
            if (place.is_file() or place.is_symlink()) and not self._is_ours(name, place):
                copy = stage / place.relative_to("/")
                self._host.make_directory(copy.parent, lasting=False)
                if place.is_symlink():
                    self._host.link(copy, place.readlink(), place)
                else:
                    self._host.copy(place, copy)
        self._host.write(stage / _WAS, json.dumps(asdict(program.look(self._host))).encode())
        self._host.sync(stage)
        self._host.rename(stage, kept)

    def _put(self, name: str, generation: Generation) -> None:
        filled = dict(self._places(generation, name))
        for place, source in filled.items():
            path = Path(place)
            if self._is_put(place, source):
                continue
            if not path.parent.is_dir():
                self._host.make_directory(path.parent)
            if _is_copied(place):
                self._host.replace(path, source.read_bytes(), source.stat().st_mode & 0o7777)
            else:
                self._host.symlink(path, source)
        for place in PROGRAMS[name].PLACES.keys() - filled.keys():
            if self._is_ours(name, Path(place)):
                self._give_back(name, place)

    def _is_ours(self, name: str, place: Path) -> bool:
        return place.is_symlink() and place.readlink().is_relative_to(self.folder(name))

    def _give_back(self, name: str, place: str) -> None:
        original, path = self._kept(name) / place.lstrip("/"), Path(place)
        if original.is_symlink() or original.is_file():
            self._place(original, path)
        elif os.path.lexists(path):
            self._host.remove(path)

    def _silent(self, name: str, what: str, severity: Severity) -> Finding:
        text, where = f"{PROGRAMS[name].TITLE} {what}", Where(str(self.folder(name)))
        return Finding(rule="silent-companion", where=where, text=text, subject=name, severity=severity, lasting=False)

    def _place(self, source: Path, path: Path) -> None:
        """Put a copy of a file or of a link in place by one rename."""
        beside = path.with_name(f".{path.name}.new")
        if source.is_symlink():
            self._host.link(beside, source.readlink(), source)
        else:
            self._host.copy(source, beside)
            self._host.sync(beside)
        self._host.rename(beside, path)


def check(host: Host, folder: Path) -> list[Finding]:
    """Return the findings of the companions' own checkers about a staged generation."""
    return [
        finding
        for name, program in PROGRAMS.items()
        if (folder / name).is_dir()
        for finding in program.check(host, folder / name)
    ]


def _was(kept: Path) -> Was | None:
    """Return the recorded state of a service from before it was managed; None if it is missing or can't be read."""
    try:
        said = json.loads((kept / _WAS).read_bytes())
        return Was(running=bool(said["running"]), enabled=bool(said["enabled"]))
    except (OSError, *DAMAGED):
        return None


def _known(generation: Generation) -> list[str]:
    return sorted(generation.companions & PROGRAMS.keys())


def _files(generation: Generation, name: str) -> dict[str, FileRecord]:
    start = f"{BESIDE}{name}/"
    return {path.removeprefix(start): one for path, one in generation.files.items() if path.startswith(start)}


def _is_copied(place: str) -> bool:
    return any(place in program.COPIED for program in PROGRAMS.values())
