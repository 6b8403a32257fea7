"""The compiled maps of the live generation, of which a stage takes a copy.

Promises: a copy is made only of a map that is, byte for byte, the one that was placed, and of a source that is the one
which it was made of. Nothing live changes. Raises OSError as the kernel gives it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reconciler.state.manifest import compiled_name

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.model import File
    from reconciler.state.digests import Digests
    from reconciler.state.manifest import Generation


class LiveMaps(NamedTuple):
    """The compiled maps of a generation."""

    live: Generation
    host: Host
    digests: Digests

    def is_of(self, path: str, source: File) -> bool:
        """Return whether the live map of a table was made from the same bytes."""
        old = self.live.files.get(path)
        return old is not None and old.sha256 == source.digest and self._is_alike(path, source)

    def source_of(self, path: str, source: File) -> bytes | None:
        """Return what the live map of a table was made of; None if it is not there, or of another type or mode."""
        if not self._is_alike(path, source):
            return None
        return (self.live.root / path).read_bytes() if self._is_placed(path) else None

    def copy(self, path: str, source: File, folder: Path) -> bool:
        """Copy the live map of a table into a folder; return False, and leave nothing there, if it is not as placed."""
        compiled = compiled_name(path, source)
        if not self._is_placed(compiled):
            return False
        self.host.copy(self.live.root / compiled, folder / compiled)
        if not self._is_placed(compiled):  # it was edited meanwhile
            self.host.remove(folder / compiled)
            return False
        self.digests.learn(folder / compiled, self.live.files[compiled].sha256)
        return True

    def _is_placed(self, path: str) -> bool:
        """Return whether a live file is the one that was placed."""
        return self.digests.of(self.live.root / path) == self.live.files[path].sha256

    def _is_alike(self, path: str, source: File) -> bool:
        """Return whether the live generation has a map for that table, of the same type and mode."""
        compiled = compiled_name(path, source)
        made, old = self.live.files.get(compiled), self.live.files.get(path)
        alike = made and old and (old.mode, old.compiled) == (source.mode, source.compiled)
        return bool(alike) and all((self.live.root / name).is_file() for name in (path, compiled))
