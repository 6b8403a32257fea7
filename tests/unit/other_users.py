"""What it takes to let another user of this machine at the files of a test."""

from pathlib import Path

NOBODY = 65534


def open_to_others(path: Path) -> None:
    """Let every user reach a folder of a test: pytest keeps what it makes to the user who runs it."""
    path.chmod(path.stat().st_mode | 0o055)
    for folder in path.parents:
        mode = folder.stat().st_mode
        if mode & 0o011 != 0o011:
            folder.chmod(mode | 0o011)
