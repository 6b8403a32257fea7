"""Waking up when the branch moved or a file that is live was touched: watchdog over an emitter of our own.

What is watched is a set of names in folders, worked out anew after every event and every swap: the repository, its
packed-refs and each folder on the way to the branch's loose ref (PUSH); each link on the way to the live configuration
by its name in the folder that holds it, and the real folder behind with all folders below (DRIFT); and in the same way
the files that watch_files() names, by each link on the way (CERTIFICATE, SECRET). What is deleted and made again is
found again, for its parent is watched too. Watches are set before wake() is called, so that nothing falls between.
Reads do not wake: the kernel is not even asked for them. wake() is called from a thread of the watcher's own, within
milliseconds, and nothing here runs while nothing happens.

Raises nothing. Where the kernel has no watches left it goes on without, and *limits* says so. When its event queue
overflows everything is taken for changed, and *limits* says that as well.

Known limits: a folder above the repository's, the links' or the files' own parent that is replaced as a whole is
noticed at the next resync only. The repository is a bare one.
"""

from __future__ import annotations

import errno
import os
import select
import threading
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
_OVERFLOW = "the kernel dropped events (fs.inotify.max_queued_events): everything was compared anew"


@dataclass(unsafe_hash=True)
class FoldersChanged(FileSystemEvent):
    """What the kernel reported at once."""

    changes: tuple[WatchEvent, ...] = ()


class PromptEmitter(EventEmitter):
    """Queues what one inotify instance reports, at once, whichever folders it has under watch.

    watchdog's own emitter holds the first half of a rename back for half a second, and all that follows it, and does
    not report that the kernel dropped events; neither can be changed through its public interface.
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
        """Give the descriptors back, once the thread has ended."""
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
        self._files: dict[Wake, tuple[Path, ...]] = {}
        self._overflowed = False
        self.limits: list[str] = []

    def start(self) -> None:
        """Watch from now on."""
        self.rearm()

    def stop(self) -> None:
        """Watch no longer; wake() is not called after this."""
        if self._observer:
            emitters = [emitter for emitter in self._observer.emitters if isinstance(emitter, PromptEmitter)]
            self._observer.stop()
            self._observer.join()
            for emitter in emitters:
                emitter.close()
        self._inotify, self._observer, self._armed = None, None, {}

    def watch_files(self, files: Mapping[Wake, Iterable[Path]]) -> None:
        """Wake for these files as well from the next rearm() on, in place of those that were named before."""
        with self._lock:
            self._files = {wake: tuple(sorted(paths)) for wake, paths in files.items()}

    def rearm(self) -> None:
        """Watch what is there now: to be called after every swap."""
        with self._lock:
            limits = [_OVERFLOW] if self._overflowed else []
            try:
                inotify = self._inotify or self._open()
            except OSError as error:
                limits.append(f"nothing is watched, changes are noticed at the next resync only: {_why(error)}")
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
        """Watch all folders of now and no others; what can't be watched.

        New watches are set before old ones are removed, and until no folder is new: one that was made while its parent
        was not yet watched is reported by no event.
        """
        while True:
            before, limits = self._armed, list[str]()
            armed: dict[int, Names] = {}
            for folder, names in sorted(self._places().items()):
                try:
                    watch = inotify.add(folder)
                except (FileNotFoundError, NotADirectoryError):
                    continue  # its parent's watch reports when it comes
                except OSError as error:
                    where = f"{folder} is not watched, changes there are noticed at the next resync only"
                    limits.append(f"{where}: {_why(error)}")
                else:
                    armed[watch] = armed.get(watch, frozenset()) | names
            self._armed = armed
            for watch in before.keys() - armed.keys():
                inotify.remove(watch)
            if armed.keys() <= before.keys():
                return limits

    def _react(self, changes: Iterable[WatchEvent]) -> None:
        if reasons := self._reasons(changes):
            self.rearm()
            for reason in sorted(reasons):
                self._wake(reason)

    def _reasons(self, changes: Iterable[WatchEvent]) -> set[Wake]:
        """Whom these changes wake; that of a folder itself wakes for all its names."""
        with self._lock:
            if any(change.overflow for change in changes):
                self._overflowed = True
                return {Wake.PUSH, Wake.DRIFT, *self._files}
            return {
                wake
                for change in set(changes)
                for name, wake in self._armed.get(change.watch, ())
                if name in {EVERYTHING, change.name} or not change.name
            }

    def _places(self) -> dict[str, Names]:
        """Everything there is to watch now, by folder."""
        names: dict[str, set[tuple[str, Wake]]] = {}
        for folder, name, wake in (*self._push_places(), *self._drift_places(), *self._file_places()):
            names.setdefault(str(folder), set()).add((name, wake))
        return {folder: frozenset(each) for folder, each in names.items()}

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
            for folder, _, _ in os.walk(os.path.realpath(link)):
                yield Path(folder), EVERYTHING, Wake.DRIFT

    def _file_places(self) -> Iterator[tuple[Path, str, Wake]]:
        for wake, paths in self._files.items():
            for path in paths:
                for holder, name in _hops(path):
                    yield holder, name, wake


def changes(paths: Iterable[Path]) -> int | None:
    """A descriptor that can be read once one of these files or folders changes; None where nothing can be watched."""
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
    """Each link on the way to what *path* stands for, and that itself, as a name in a real folder."""
    for _ in range(_MOST_LINKS):
        holder = Path(os.path.realpath(path.parent))
        yield holder, path.name
        try:
            path = holder / path.readlink()
        except OSError:  # no link, or gone
            return


def _why(error: OSError) -> str:
    return _EXHAUSTED.get(error.errno or 0, error.strerror or str(error))
