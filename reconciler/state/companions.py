"""Companions on disk and running: the steps of the apply protocol for the programs beside Postfix.

provide() comes before Postfix's own rename and release() after Postfix has taken over, so that a provider is there
before its user and outlives it. What the host had at a companion's places, and how its service was, is kept in
rescue/NAME/ from the first provide() to release(), which puts it back and leaves no trace.

Promises: each step is idempotent, so that one which was cut short is done again whole. A companion whose files are the
same and which answers is left alone; only its link moves. *touch* is told its name before a companion is touched.

Raises OSError from the file system; a program that does not come up is a finding. Known limit: what somebody puts in
place of one of the links is not kept.
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
from reconciler.model.errors import CommandFailed
from reconciler.state.manifest import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from reconciler.host.effects import Host
    from reconciler.state.manifest import FileRecord, Generation

PATIENCE = 5.0
_WAS = "was.json"
_WHERE = Where("mail.yaml")


class Companions:
    """The companions of the host whose state is in the folder *state*."""

    def __init__(self, state: Path, host: Host) -> None:
        self._state, self._host = state, host
        self._mourned: set[str] = set()

    def folder(self, name: str) -> Path:
        """Where its files are now: the link live/NAME."""
        return self._state / "live" / name

    def _kept(self, name: str) -> Path:
        return self._state / "rescue" / name

    # ---- looking -----------------------------------------------------------------------------------------------------

    def astray(self, generation: Generation) -> Iterator[str]:
        """Links and places that are not as they must be while that generation is live."""
        for name in _known(generation):
            link = self.folder(name)
            if not link.is_symlink() or link.readlink() != self._target(generation, name):
                yield f"live/{name}"
            yield from (place for place, source in self._places(generation, name) if not self._is_put(place, source))

    def silent(self, generation: Generation | None) -> dict[str, str]:
        """Its companions that don't work now, and why."""
        told = {name: self.answers(name) for name in _known(generation)} if generation else {}
        return {name: why for name, why in told.items() if why}

    def fell_silent(self, generation: Generation | None) -> bool:
        """Whether one stopped working since this was asked last; one that can't be started is reported once."""
        before, self._mourned = self._mourned, set(self.silent(generation))
        return bool(self._mourned - before)

    def answers(self, name: str) -> str:
        """Why that companion does not work; empty when it does."""
        try:
            return PROGRAMS[name].answers(self._host, self.folder(name))
        except (CommandFailed, OSError) as error:
            return str(error)

    def watched(self, generation: Generation) -> set[Path]:
        """The files and links whose change is drift."""
        names = _known(generation)
        files = {self.folder(name) / path for name in names for path in _files(generation, name)}
        places = {Path(place) for name in names for place, _ in self._places(generation, name)}
        return files | places | {self.folder(name) for name in names}

    def processes(self) -> list[int]:
        """The processes whose end must be noticed."""
        return [pid for name in self._managed() for pid in PROGRAMS[name].processes()]

    def _managed(self) -> set[str]:
        return {name for name in PROGRAMS if self.folder(name).is_symlink() or self._kept(name).exists()}

    def _target(self, generation: Generation, name: str) -> Path:
        return Path("..") / generation.path.relative_to(self._state) / name

    def _places(self, generation: Generation, name: str) -> Iterator[tuple[str, Path]]:
        """The places that this generation fills, and what with."""
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
        """Have every companion of *after* work with its files; those in *anew* are started whatever they look like."""
        # Four cases: recovery does not trust what a killed pass has touched (*anew*); what works with these very files
        # keeps running, and only its link moves; what has other files now is started with them, and a failure refuses
        # the commit; what has the same files and yet does not work was edited or died, and a failure only warns.
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
        """Whether it works with the very files of *after*: what is there may have been edited since it was started."""
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
        severity = Severity.ERROR if changed else Severity.WARNING  # it is no commit's fault when nothing changed
        return [_silent(name, f"does not come up: {why}", severity)]

    def _switch(self, name: str, generation: Generation) -> None:
        self._host.symlink(self.folder(name), self._target(generation, name))

    def _start(self, name: str) -> str:
        """Start it, and wait until it works; why it does not."""
        try:
            PROGRAMS[name].activate(self._host, self.folder(name))
        except (CommandFailed, OSError) as error:
            return str(error)
        deadline = time.monotonic() + PATIENCE
        while (why := self.answers(name)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return why

    def revive(self, generation: Generation, *, paused: bool) -> tuple[list[str], str]:
        """Start what should work and does not: the names of what was started, and why another could not be.

        A hand edit is for the policy of drift to judge, and not put into force here; while an operator has
        *paused* us nothing is but processes that have died, which come back with the files that are there.
        """
        started, trouble = [], ""
        for name in self.silent(generation):
            died = PROGRAMS[name].IS_SERVICE and not PROGRAMS[name].processes()
            if not died and (paused or not self._holds(name, generation)):
                continue
            if why := self._start(name):
                trouble = f"{PROGRAMS[name].TITLE} died and does not start: {why}"
            else:
                started.append(name)
        return started, trouble

    # ---- what is no longer wanted ------------------------------------------------------------------------------------

    def unwanted(self, wanted: Generation) -> set[str]:
        """The companions that are still there and of no use to that generation."""
        return self._managed() - wanted.companions

    def may_be_asked(self, names: Iterable[str]) -> bool:
        """Whether one of them has processes, which clients may be connected to."""
        return any(PROGRAMS[name].processes() for name in names)

    def release(self, wanted: Generation, touch: Callable[[str], None]) -> list[Finding]:
        """Stop what *wanted* has no use for, and leave the host as it was before we managed it."""
        found = []
        for name in sorted(self.unwanted(wanted)):
            try:
                touch(name)
                self._release(name)
            except (CommandFailed, OSError) as error:  # a later pass does it again
                found.append(_silent(name, f"does not stop: {error}", Severity.WARNING))
        return found

    def _release(self, name: str) -> None:
        program, kept = PROGRAMS[name], self._kept(name)
        was = Was(**json.loads((kept / _WAS).read_text())) if kept.exists() else program.look(self._host)
        program.stop(self._host)
        if kept.exists():
            for place in program.PLACES:
                self._give_back(name, place)
        program.leave(self._host, was)
        self._forget(name)

    def keep_as_files(self, generation: Generation) -> None:
        """Turn the links at the places into files that hold the same: reconciler goes, and the companions stay."""
        for name in _known(generation):
            for place, source in self._places(generation, name):
                if Path(place).is_symlink():
                    self._place(source, Path(place))
            self._forget(name)

    def _forget(self, name: str) -> None:
        """From now on it is not managed, and what is at its places is the host's own."""
        self._host.remove(self.folder(name))
        self._host.remove(self._kept(name))

    # ---- the places --------------------------------------------------------------------------------------------------

    def _take(self, name: str) -> None:
        """Keep what the host has at the places and how the service is, once."""
        kept, program = self._kept(name), PROGRAMS[name]
        if kept.exists():
            return
        stage = self._state / "private" / "stage" / f"rescue-{name}"
        self._host.remove(stage)
        self._host.make_directory(stage, 0o700)
        for place in map(Path, program.PLACES):
            if (place.is_file() or place.is_symlink()) and not self._is_ours(name, place):
                copy = stage / place.relative_to("/")
                self._host.make_directory(copy.parent)
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
        if original.is_symlink():
            self._host.link(path, original.readlink(), original)
        elif original.is_file():
            self._place(original, path)
        elif os.path.lexists(path):
            self._host.remove(path)

    def _place(self, source: Path, path: Path) -> None:
        """Put a copy of a file there by one rename."""
        beside = path.with_name(f".{path.name}.new")
        self._host.copy(source, beside)
        self._host.rename(beside, path)


def check(host: Host, folder: Path) -> list[Finding]:
    """What the companions' own checkers say of a staged generation."""
    return [
        finding
        for name, program in PROGRAMS.items()
        if (folder / name).is_dir()
        for finding in program.check(host, folder / name)
    ]


def _silent(name: str, what: str, severity: Severity) -> Finding:
    text = f"{PROGRAMS[name].TITLE} {what}"
    return Finding(rule="silent-companion", where=_WHERE, text=text, subject=name, severity=severity, lasting=False)


def _known(generation: Generation) -> list[str]:
    return sorted(generation.companions & PROGRAMS.keys())


def _files(generation: Generation, name: str) -> dict[str, FileRecord]:
    start = f"{BESIDE}{name}/"
    return {path.removeprefix(start): one for path, one in generation.files.items() if path.startswith(start)}


def _is_copied(place: str) -> bool:
    return any(place in program.COPIED for program in PROGRAMS.values())
