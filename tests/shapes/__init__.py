"""The configurations of servers of many kinds, each a folder with the files of its /etc/postfix."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
SHAPES = sorted(path.name for path in FOLDER.iterdir() if (path / "main.cf").is_file())


def files_of(shape: str) -> dict[str, bytes]:
    """Return the files of a configuration by their paths."""
    root = FOLDER / shape
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
