"""The watch over the branch and the live files: watchdog with an emitter of our own.

It watches names in folders, and computes this set again after every event and every swap:

* PUSH: the repository, its packed-refs, and each folder on the path to the branch's loose ref;
* DRIFT: each link on the path to the live configuration, by its name in its folder, and the real folder with all
  folders below it;
* CERTIFICATE, SECRET: the files that watch_files() names, with each link on their paths.

A name that is deleted and made again is found again, because its parent is watched too. Watches are set before wake()
is called, and of a watch that is removed, the events that are not read yet still count, so no change is missed. Reads
do not wake. A thread of the watcher calls wake() within milliseconds, and sleeps while nothing happens.

Raises nothing. If the kernel has no watches left, the watcher continues without them, and *limits* contains the reason.
If the kernel's event queue overflows, everything counts as changed, and *limits* contains that too.

Known limits: if a folder above the parent of the repository, of a link or of a file is replaced, the change is noticed
at the next resync. The repository must be bare.
"""

from __future__ import annotations

import errno
import os
import select
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver, EventEmitter, EventQueue, ObservedWatch

from reconciler.daemon.inotify import OF_FILE, Inotify, WatchEvent
from reconciler.model.phase import Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Names = frozenset[tuple[str, Wake]]

EVERYTHING = ""
_MOST_LINKS = 40  # as many as the kernel follows
_EXHAUSTED = {
    errno.ENOSPC: "no inotify watches are left (fs.inotify.max_user_watches)",
    errno.EMFILE: "no file descriptors or inotify instances are left (fs.inotify.max_user_instances)",
}
_OVERFLOW = "the kernel dropped events (fs.inotify.max_queued_events): everything was compared again"


@dataclass(unsafe_hash=True)
class FoldersChanged(FileSystemEvent):
    """Events that the kernel reported together."""

    changes: tuple[WatchEvent, ...] = ()


class PromptEmitter(EventEmitter):
    """Queues the events of one inotify instance at once, for all its folders.

    watchdog's own emitter delays the first half of a rename, and all later events, by half a second, and does not
    report that the kernel dropped events; its public interface can change neither.
    """

    def __init__(self, inotify: Inotify, events: EventQueue, watch: ObservedWatch, **options: float) -> None:
        super().__init__(events, watch, timeout=options["timeout"])
        self._inotify, self._bell = inotify, os.eventfd(0, os.EFD_CLOEXEC)

    def on_thread_stop(self) -> None:
        """End the wait of queue_events()."""
        os.eventfd_write(self._bell, 1)

    def queue_events(self, timeout: float) -> None:  # noqa: ARG002 - the kernel says when there is something to read
        """Wait for changes, and queue them."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        poll.register(self._inotify.number, select.POLLIN)
        poll.poll()
        if changes := self._inotify.read():
            self.queue_event(FoldersChanged(str(self.watch.path), changes=tuple(changes)))

    def close(self) -> None:
        """Close the descriptors after the thread has ended."""
        os.close(self._bell)
        self._inotify.close()


class _Handler(FileSystemEventHandler):
    def __init__(self, react: Callable[[Iterable[WatchEvent]], None]) -> None:
        self._react = react

    def dispatch(self, event: FileSystemEvent) -> None:
        if isinstance(event, FoldersChanged):
            self._react(event.changes)


class Watcher:
    """Calls *wake* with the reason whenever the branch or the live configuration may have changed."""

    def __init__(self, repository: Path, branch: str, links: Sequence[Path], wake: Callable[[Wake], None]) -> None:
        self._repository, self._branch, self._links, self._wake = repository, branch, tuple(links), wake
        self._lock = threading.Lock()
        self._inotify: Inotify | None = None
        self._observer: BaseObserver | None = None
        self._armed: dict[int, Names] = {}
        self._removed: dict[int, Names] = {}  # until their last event
        self._files: dict[Wake, tuple[Path, ...]] = {}
        self._overflowed = False
        self.limits: list[str] = []

    def start(self) -> None:
        """Start to watch."""
        self.rearm()

    def stop(self) -> None:
        """Stop watching; wake() is not called after this."""
        if self._observer:
            emitters = [emitter for emitter in self._observer.emitters if isinstance(emitter, PromptEmitter)]
            self._observer.stop()
            self._observer.join()
            for emitter in emitters:
                emitter.close()
        self._inotify, self._observer, self._armed, self._removed = None, None, {}, {}

    def watch_files(self, files: Mapping[Wake, Iterable[Path]]) -> None:
        """Wake for these files too, from the next rearm() on; they replace those of the last call."""
        with self._lock:
            self._files = {wake: tuple(sorted(paths)) for wake, paths in files.items()}

    def rearm(self) -> None:
        """Watch the files that exist now; call it after every swap. A thread that a bug ended is replaced."""
        with self._lock:
            if self._observer and not self._observer.is_alive():
                self.stop()
            limits = [_OVERFLOW] if self._overflowed else []
            try:
                inotify = self._inotify or self._open()
            except OSError as error:
                limits.append(f"nothing is watched; changes are noticed only at the next resync: {_why(error)}")
            else:
                limits += self._arm(inotify)
            self.limits = limits

    def _open(self) -> Inotify:
        inotify = Inotify()
        observer = BaseObserver(partial(PromptEmitter, inotify))  # type: ignore[arg-type] # it only calls it
        observer.schedule(_Handler(self._react), str(self._repository))
        observer.start()
        self._inotify, self._observer = inotify, observer
        return inotify

    def _arm(self, inotify: Inotify) -> list[str]:
        """Watch exactly the folders of now; return the limits for those that can't be watched.

        New watches are set before old ones are removed, and again until no folder is new, because no event reports a
        folder that was made before its parent was watched.
        """
        while True:
            before, limits = self._armed, list[str]()
            armed: dict[int, Names] = {}
            for folder, names in sorted(self._places().items()):
                try:
                    watch = inotify.add(folder)
                except (FileNotFoundError, NotADirectoryError):
                    continue  # the watch of its parent reports its creation
                except OSError as error:
                    where = f"{folder} is not watched; changes there are noticed only at the next resync"
                    limits.append(f"{where}: {_why(error)}")
                else:
                    armed[watch] = armed.get(watch, frozenset()) | names
            self._armed = armed
            for watch in before.keys() - armed.keys():
                self._removed[watch] = before[watch]
                inotify.remove(watch)
            if armed.keys() <= before.keys():
                return limits

    def _react(self, changes: Iterable[WatchEvent]) -> None:
        if reasons := self._reasons(changes):
            try:
                self.rearm()
            finally:  # whatever becomes of the watches, what changed is compared
                for reason in sorted(reasons):
                    self._wake(reason)

    def _reasons(self, changes: Iterable[WatchEvent]) -> set[Wake]:
        """Return the reasons of these changes; a change of a folder itself counts for all its names."""
        with self._lock:
            if any(change.overflow for change in changes):
                self._overflowed, self._removed = True, {}
                return {Wake.PUSH, Wake.DRIFT, *self._files}
            return {
                wake
                for change in dict.fromkeys(changes)
                for name, wake in self._names(change)
                if name in {EVERYTHING, change.name} or not change.name
            }

    def _names(self, change: WatchEvent) -> Names:
        """Return the names that are watched where something changed; the end of a watch is none if rearm() removed it.

        The others end with their folders.
        """
        if change.ended and self._removed.pop(change.watch, None) is not None:
            return frozenset()
        if change.ended:
            return self._armed.pop(change.watch, frozenset())
        return self._armed.get(change.watch) or self._removed.get(change.watch, frozenset())

    def _places(self) -> dict[str, Names]:
        """Return the names to watch now, by folder."""
        names: dict[str, set[tuple[str, Wake]]] = {}
        for folder, name, wake in (*self._push_places(), *self._drift_places(), *self._file_places()):
            names.setdefault(str(folder), set()).add((name, wake))
        return {folder: frozenset(each) for folder, each in names.items()}

    def _push_places(self) -> Iterator[tuple[Path, str, Wake]]:
        for holder, name in _hops(self._repository):
            yield holder, name, Wake.PUSH
        folder = _real(self._repository)
        yield folder, "packed-refs", Wake.PUSH
        for name in ("refs", "heads", *self._branch.split("/")):
            yield folder, name, Wake.PUSH
            folder /= name

    def _drift_places(self) -> Iterator[tuple[Path, str, Wake]]:
        for link in self._links:
            for holder, name in _hops(link):
                yield holder, name, Wake.DRIFT
            for folder, _, _ in os.walk(_real(link)):
                yield Path(folder), EVERYTHING, Wake.DRIFT

    def _file_places(self) -> Iterator[tuple[Path, str, Wake]]:
        for wake, paths in self._files.items():
            for path in paths:
                for holder, name in _hops(path):
                    yield holder, name, wake


def changes(paths: Iterable[Path]) -> int | None:
    """Return a descriptor that becomes readable when a file or folder changes; None if none can be watched."""
    inotify: Inotify | None = None
    try:
        inotify = Inotify()
        watches = [inotify.add(str(path), OF_FILE) for path in paths]
    except OSError:
        watches = []
    if inotify and watches:
        return inotify.number
    if inotify:
        inotify.close()
    return None


def _hops(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield each link on the way to the target of *path*, and the target, as a name in a real folder."""
    for _ in range(_MOST_LINKS):
        holder = _real(path.parent)
        yield holder, path.name
        try:
            path = holder / path.readlink()
        except OSError:  # no link, or gone
            return


def _real(path: Path) -> Path:
    """Follow all links of a path; realpath() raises where a link is removed between two looks, so it looks again."""
    for _ in range(_MOST_LINKS):
        with suppress(FileNotFoundError):
            return Path(os.path.realpath(path))
    return path


def _why(error: OSError) -> str:
    return _EXHAUSTED.get(error.errno or 0, error.strerror or str(error))
