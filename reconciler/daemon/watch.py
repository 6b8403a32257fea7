"""Waking up when the branch moved or somebody touched what is live; inotify's one door, through watchdog and itself.

What is watched is a set of names in folders, worked out anew after every event and every swap: the repository, its
packed-refs and each folder on the way to the branch's loose ref (PUSH); each link on the way to the live configuration
by its name in the folder that holds it, and the real folder behind with all that is below (DRIFT); and in the same way
the files that watch_files() names, by each link on the way (CERTIFICATE, SECRET). Whatever is deleted
and made again is found again, for its parent is watched too. Watches are set before wake() is called, so that nothing
falls between. Reads never wake anybody: the kernel is not even asked for them. wake() is called from a thread of the
watcher's own, and nothing here runs while nothing happens.

Raises nothing. Where the kernel has no watches left it goes on without, and *limits* says so. When its event queue
overflows everything is taken for changed, and *limits* says that as well.

Known limits: a folder above the repository's, the links' or the files' own parent that is replaced as a whole is
noticed at the next resync only. The repository is a bare one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import queue
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog import events
from watchdog.observers.inotify import InotifyObserver, InotifyWatchGroup
from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

from reconciler.model.phase import Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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
_OVERFLOW = "the kernel dropped events (fs.inotify.max_queued_events): everything was compared anew"
_MODIFIED, _ATTRIBUTES, _MOVED, _CREATED, _DELETED, _DELETED_SELF, _MOVED_SELF = 2, 4, 128, 256, 512, 1024, 2048
_LOGGED = _MODIFIED | _ATTRIBUTES | _MOVED | _CREATED | _DELETED | _DELETED_SELF | _MOVED_SELF  # inotify(7)


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
        self._files: dict[Wake, tuple[Path, ...]] = {}
        self._overflowed = False
        self.limits: list[str] = []

    def start(self) -> None:
        """Watch from now on."""
        _WATCHERS.add(self)
        self.rearm()
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; wake() is not called after this."""
        _WATCHERS.discard(self)
        self._told.put(None)
        self._thread.join()
        with self._lock:
            if self._observer:
                self._observer.stop()
                self._observer.join()
            self._observer, self._armed = None, {}

    def watch_files(self, files: Mapping[Wake, Iterable[Path]]) -> None:
        """Wake for these files as well from the next rearm() on, in place of those that were named before."""
        with self._lock:
            self._files = {wake: tuple(sorted(paths)) for wake, paths in files.items()}

    def overflow(self) -> None:
        """Take everything for changed: the kernel has dropped events."""
        self._overflowed = True
        for reason in (Wake.PUSH, Wake.DRIFT, *self._files):
            self._told.put(reason)

    def rearm(self) -> None:
        """Watch what is there now: to be called after every swap."""
        with self._lock:
            self.limits = [_OVERFLOW] if self._overflowed else []
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
        for folder, name, wake in (*self._push_places(), *self._drift_places(), *self._file_places()):
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

    def _file_places(self) -> Iterator[tuple[Path, str, Wake]]:
        for wake, paths in self._files.items():
            for path in paths:
                for holder, name in _hops(path):
                    yield holder, name, wake


_WATCHERS: weakref.WeakSet[Watcher] = weakref.WeakSet()
_discard = InotifyWatchGroup.on_queue_overflow


def _overflow(group: InotifyWatchGroup) -> None:
    """What watchdog does when events were dropped, which tells nobody."""
    _discard(group)
    for watcher in list(_WATCHERS):
        watcher.overflow()


InotifyWatchGroup.on_queue_overflow = _overflow  # type: ignore[method-assign, assignment]


def changes(paths: Iterable[Path]) -> int | None:
    """A descriptor that can be read once one of these files or folders changes; None where nothing can be watched."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0:
        return None
    added = [libc.inotify_add_watch(descriptor, bytes(path), ctypes.c_uint32(_LOGGED)) for path in paths]
    if added and min(added) >= 0:
        return descriptor
    os.close(descriptor)
    return None


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
