"""Waking up when the branch moved or somebody touched the live configuration; the door to watchdog.

What is watched is a set of names in folders, worked out anew after every event and every swap: the repository, its
packed-refs and each folder on the way to the branch's loose ref (PUSH); each link on the way to the live configuration
by its name in the folder that holds it, and the real folder behind with all that is below (DRIFT). Whatever is deleted
and made again is found again, for its parent is watched too. Watches are set before wake() is called, so that nothing
falls between. Reads never wake anybody: the kernel is not even asked for them. wake() is called from a thread of the
watcher's own, and nothing here runs while nothing happens.

Raises nothing. Where the kernel has no watches left it goes on without, and *limits* says so.

Known limits: a folder above the repository's or the links' own parent that is replaced as a whole is noticed at the
next resync only, and so is what happens while the kernel's event queue overflows. The repository is a bare one.
"""

from __future__ import annotations

import errno
import os
import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog import events
from watchdog.observers.inotify import InotifyObserver
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

from reconciler.model import Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from watchdog.observers.api import BaseObserver, ObservedWatch

EVERYTHING = ""
_MOST_LINKS = 40  # as many as the kernel follows
_EXHAUSTED = {
    errno.ENOSPC: "no inotify watches are left (fs.inotify.max_user_watches)",
    errno.EMFILE: "no file descriptors or inotify instances are left (fs.inotify.max_user_instances)",
}
_CHANGES: list[type[events.FileSystemEvent]] = [
    events.FileCreatedEvent, events.FileModifiedEvent, events.FileClosedEvent, events.FileAttribEvent,
    events.FileMovedEvent, events.FileDeletedEvent,
    events.DirCreatedEvent, events.DirAttribEvent, events.DirMovedEvent, events.DirDeletedEvent,
]  # fmt: skip

# watchdog holds the first half of a rename back for half a second, and all that follows it, hoping for the other half.
InotifyMoveEventGrouper.delay = 0.0


@dataclass(frozen=True, slots=True)
class _Spot:
    """A folder as it is on disk now, and whom which of its names wakes; EVERYTHING stands for all that is below."""

    folder: str
    inode: tuple[int, int]
    names: tuple[tuple[str, Wake], ...]

    @property
    def recursive(self) -> bool:
        return any(name == EVERYTHING for name, _ in self.names)

    def reasons(self, path: str) -> Iterator[Wake]:
        """Whom a change of *path* wakes; the folder itself wakes all, for it is gone."""
        first = path.removeprefix(self.folder).strip("/").partition("/")[0]
        return (wake for name, wake in self.names if not first or name in (EVERYTHING, first))


class _Handler(events.FileSystemEventHandler):
    def __init__(self, spot: _Spot, tell: Callable[[Wake], None]) -> None:
        self._spot, self._tell = spot, tell

    def dispatch(self, event: events.FileSystemEvent) -> None:
        for path in filter(None, (event.src_path, event.dest_path)):
            for reason in self._spot.reasons(str(path)):
                self._tell(reason)


class Watcher:
    """Calls *wake* with the reason whenever the branch or the live configuration may have changed."""

    def __init__(self, repository: Path, branch: str, links: Sequence[Path], wake: Callable[[Wake], None]) -> None:
        self._repository, self._branch, self._links, self._wake = repository, branch, tuple(links), wake
        self._lock = threading.Lock()
        self._told: queue.SimpleQueue[Wake | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen, name="watch", daemon=True)
        self._observer: BaseObserver | None = None
        self._armed: dict[_Spot, ObservedWatch] = {}
        self.limits: list[str] = []

    def start(self) -> None:
        """Watch from now on."""
        self.rearm()
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; wake() is not called after this."""
        self._told.put(None)
        self._thread.join()
        with self._lock:
            if self._observer:
                self._observer.stop()
                self._observer.join()
            self._observer, self._armed = None, {}

    def rearm(self) -> None:
        """Watch what is there now: to be called after every swap."""
        with self._lock:
            self.limits = []
            try:
                self._observer = self._observer or _observer()
            except OSError as error:
                self.limits.append(f"nothing is watched, changes are noticed at the next resync only: {_why(error)}")
            else:
                self._arm(self._observer, set(self._spots()))

    def _arm(self, observer: BaseObserver, wanted: set[_Spot]) -> None:
        alive = {emitter.watch for emitter in observer.emitters if emitter.should_keep_running()}
        for spot, watch in list(self._armed.items()):
            if spot not in wanted or watch not in alive:
                observer.unschedule(self._armed.pop(spot))
        for spot in sorted(wanted - self._armed.keys(), key=lambda spot: spot.folder):
            try:
                handler = _Handler(spot, self._told.put)
                watch = observer.schedule(handler, spot.folder, recursive=spot.recursive, event_filter=_CHANGES)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone again meanwhile: its parent's watch tells
            except OSError as error:
                where = f"{spot.folder} is not watched, changes there are noticed at the next resync only"
                self.limits.append(f"{where}: {_why(error)}")
            else:
                self._armed[spot] = watch

    def _listen(self) -> None:
        while (reason := self._told.get()) is not None:
            reasons = {reason}
            while not self._told.empty():
                if (further := self._told.get()) is None:
                    return
                reasons.add(further)
            self.rearm()
            for each in sorted(reasons):
                self._wake(each)

    def _spots(self) -> Iterator[_Spot]:
        """Everything there is to watch now, by folder."""
        names: dict[Path, set[tuple[str, Wake]]] = {}
        for folder, name, wake in (*self._push_places(), *self._drift_places()):
            names.setdefault(folder, set()).add((name, wake))
        for folder, wakes in names.items():
            try:
                status = folder.stat()
            except OSError:
                continue
            if folder.is_dir():
                yield _Spot(str(folder), (status.st_dev, status.st_ino), tuple(sorted(wakes)))

    def _push_places(self) -> Iterator[tuple[Path, str, Wake]]:
        for holder, name in _hops(self._repository):
            yield holder, name, Wake.PUSH
        folder = Path(os.path.realpath(self._repository))
        yield folder, "packed-refs", Wake.PUSH
        for name in ("refs", "heads", *self._branch.split("/")):
            yield folder, name, Wake.PUSH
            folder /= name

    def _drift_places(self) -> Iterator[tuple[Path, str, Wake]]:
        for link in self._links:
            for holder, name in _hops(link):
                yield holder, name, Wake.DRIFT
            yield Path(os.path.realpath(link)), EVERYTHING, Wake.DRIFT


def _hops(path: Path) -> Iterator[tuple[Path, str]]:
    """Each link on the way to what *path* stands for, and that itself, as a name in a real folder."""
    for _ in range(_MOST_LINKS):
        holder = Path(os.path.realpath(path.parent))
        yield holder, path.name
        if not path.is_symlink():
            return
        path = holder / path.readlink()


def _why(error: OSError) -> str:
    return _EXHAUSTED.get(error.errno or 0, error.strerror or str(error))


def _observer() -> BaseObserver:
    observer = InotifyObserver()
    observer.start()
    return observer
