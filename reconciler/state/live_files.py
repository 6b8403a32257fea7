"""Large files of the live generation, of which a stage takes a copy: the sources of tables, and their compiled maps.

Promises: a copy is made only of a file that is the one that was placed, to the byte, owner and mode, and of a map whose
source is the one which it was made of. Nothing live changes. Raises OSError as the kernel gives it.

Why it is a copy and no second name: postmap(1) writes a map in place, and an editor may write a text in place. A hand
edit would then be in the generation before as well, which a rollback needs as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.state.manifest import compiled_name
from reconciler.state.spares import is_as_recorded

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.model import File
    from reconciler.state.digests import Digests
    from reconciler.state.manifest import Generation
    from reconciler.state.spares import Spares


LARGE = 1 << 18
"""A file of fewer bytes is written as fast as it is copied."""


class LiveFiles(NamedTuple):
    """The files of the live generation."""

    live: Generation
    host: Host
    digests: Digests
    spares: Spares

    def copy(self, path: str, file: File, folder: Path) -> bool:
        """Copy a large live file that equals *file* into a folder; return False if there is none."""
        old = self.live.files.get(path)
        if old is None or (old.sha256, old.mode, old.owner) != (file.digest, file.mode, file.owner):
            return False
        live = self.live.root / path
        return live.is_file() and live.stat().st_size >= LARGE and self._copied(path, folder)

    def is_of(self, path: str, source: File) -> bool:
        """Return whether the live map of a table was made from the same bytes."""
        old = self.live.files.get(path)
        return old is not None and old.sha256 == source.digest and self._is_alike(path, source)

    def source_of(self, path: str, source: File) -> bytes | None:
        """Return what the live map of a table was made of; None if it is not there, or of another type or mode."""
        if not self._is_alike(path, source):
            return None
        return (self.live.root / path).read_bytes() if self._is_placed(path) else None

    def copy_map(self, path: str, source: File, folder: Path) -> bool:
        """Copy the live map of a table into a folder; return False, and leave nothing there, if it is not as placed."""
        return self._copied(compiled_name(path, source), folder)

    def _copied(self, path: str, folder: Path) -> bool:
        if not self._is_placed(path):
            return False
        if not self.spares.take(self.live.files[path], folder / path):
            self.host.copy(self.live.root / path, folder / path)
        if not self._is_placed(path):  # it was edited meanwhile
            self.host.remove(folder / path)
            return False
        self.digests.learn(folder / path, self.live.files[path].sha256)
        return True

    def _is_placed(self, path: str) -> bool:
        """Return whether a live file is the one that was placed."""
        return is_as_recorded(self.live.root / path, self.live.files[path], self.digests)

    def _is_alike(self, path: str, source: File) -> bool:
        """Return whether the live generation has a map for that table, of the same type and mode."""
        compiled = compiled_name(path, source)
        made, old = self.live.files.get(compiled), self.live.files.get(path)
        alike = made and old and (old.mode, old.compiled) == (source.mode, source.compiled)
        return bool(alike) and all((self.live.root / name).is_file() for name in (path, compiled))
