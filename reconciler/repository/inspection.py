"""Look at the files of a repository before libgit2 or git opens them.

libgit2 opens a pipe and waits, while no other thread of this process runs. It reads every file that the repository's
configuration includes, and git runs programs that it names. A user who may write to the repository chooses both.

Promises: nothing is opened that could wait, and no include is followed. Reading only. Raises ValueError with the path
and the reason for a file that must not be opened, and OSError for a repository that is not there.

Known limit: a file that its owner replaces right after the look is opened. systemd's watchdog then starts the daemon
again.
"""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.ownership import is_of_others, rights
from reconciler.host.regular_files import start_of
from reconciler.model.ascii_text import SPACE

if TYPE_CHECKING:
    from collections.abc import Iterable

_SYMBOLIC = b"ref:"
_ALTERNATES = Path("info", "alternates")
_INCOMING = "tmp_objdir-"  # the objects of another push: git reads them, and not this process
_PACKED = ("info", "pack")
_FORMS = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}", "refs/remotes/{}/HEAD")
FILES = ("HEAD", "config", "config.worktree", "packed-refs", "shallow")
CONFIGURATIONS = ("config", "config.worktree")
_FOLDERS = (
    "", "hooks", "info", "logs", "logs/refs", "logs/refs/notes", "objects", "objects/info", "objects/pack", "refs",
    "refs/heads", "refs/notes", "refs/tags",
)  # fmt: skip
_LARGEST = 1 << 20  # of a configuration, and of a list of alternates
_REF = 1024
_MOST_STEPS = 5  # as libgit2 follows from one name to another
_SETTLED = 1.0  # seconds: a folder that changed just now may change again within one tick of its time
_INCLUDE = re.compile(rb"\[\s*include(if)?\b", re.IGNORECASE)
_COMMENT = re.compile(rb"\s*[#;]")


class Inspection:
    """Looks at the repository *path*; a folder of objects is read again only when it has changed."""

    def __init__(self, path: Path, quarantine: Path | None = None) -> None:
        self._path = path / ".git" if (path / ".git").is_dir() else path
        self.quarantine = quarantine
        self._clean: dict[str, tuple[int, int]] = {}

    def with_quarantine(self, quarantine: Path) -> Inspection:
        """Return the same with the objects of a push beside it; what was looked at counts for both."""
        other = Inspection(self._path, quarantine)
        other._clean = self._clean
        return other

    def look(self, refs: Iterable[str], *, deep: bool = True) -> None:
        """Look at everything that is opened to read the commits that these *refs* name, and their history.

        If not *deep*, loose objects are left out: who reads one alone looks at it alone.
        """
        self._path.stat()
        if os.path.lexists(self._path / "commondir"):
            raise ValueError(f"{self._path / 'commondir'}: a linked worktree can't be followed, only its repository")
        for name in FILES:
            is_regular(self._path / name)
        for name in CONFIGURATIONS:
            _without_include(self._path / name)
        for ref in refs:
            self._look_at_ref(ref)
        self._look_at_objects(self._path / "objects", _MOST_STEPS, deep=deep)
        if self.quarantine:
            self._look_at_objects(self.quarantine, 0)

    def open_to_others(self) -> str:
        """Return the first file or folder of a repository of root's that another user may change; empty if none is."""
        if self._path.stat().st_uid not in {0, os.geteuid()} or os.geteuid():
            return ""
        below = (self._path / name for name in (*_FOLDERS, *FILES))
        paths = (*below, *(Path(entry.path) for entry in os.scandir(self._path / "objects") if entry.is_dir()))
        for path in paths:
            with suppress(FileNotFoundError):
                if is_of_others(path):
                    return f"{path} ({rights(path)})"
        return ""

    def _look_at_ref(self, ref: str) -> None:
        for _ in range(_MOST_STEPS):
            if not is_regular(self._path / ref):
                return
            content = start_of(self._path / ref, _REF)
            ref = os.fsdecode(content[len(_SYMBOLIC) :].strip(SPACE.encode()))
            if not content.startswith(_SYMBOLIC) or not _is_name(ref):
                return

    def _look_at_objects(self, folder: Path, steps: int, *, deep: bool = True) -> None:
        """Look at a folder of objects, and at those that it borrows from."""
        for entry in list(os.scandir(folder)):
            if not entry.is_dir():
                if not entry.is_file():
                    is_regular(Path(entry.path))
            elif entry.name in _PACKED or (deep and not entry.name.startswith(_INCOMING)):
                self._look_into(entry)
        if steps and is_regular(folder / _ALTERNATES):
            for line in start_of(folder / _ALTERNATES, _LARGEST).split(b"\n"):
                other = folder / os.fsdecode(line)
                if line and not line.startswith(b"#") and b"\0" not in line and other.is_dir():
                    self._look_at_objects(other, steps - 1)

    def _look_into(self, folder: os.DirEntry[str]) -> None:
        try:
            status = folder.stat()
            now = status.st_ino, status.st_ctime_ns
            if self._clean.get(folder.path) == now:
                return
            entries = list(os.scandir(folder.path))
        except FileNotFoundError:  # gc removed it
            return
        folders = [entry for entry in entries if entry.is_dir()]
        for entry in entries:
            if not entry.is_file() and not entry.is_dir():
                is_regular(Path(entry.path))
        for each in folders:
            self._look_into(each)
        lasts = _INCOMING not in folder.path  # a quarantine goes with its push
        if lasts and not folders and time.time() - status.st_ctime > _SETTLED:
            self._clean[folder.path] = now


def candidates(name: str) -> list[str]:
    """Return the refs that git may take *name* for (gitrevisions(7)), and their logs."""
    bare = re.split(r"[\^~:@{]", name, maxsplit=1)[0]
    refs = [form.format(bare) for form in _FORMS] if _is_name(bare) else []
    return ["logs/HEAD", *refs, *(f"logs/{ref}" for ref in refs)]


def is_regular(path: Path | str) -> bool:
    """Return whether the file is there; raise ValueError for a pipe, a socket or a device."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - thousands of objects are looked at, and a Path takes longer than that
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ValueError(f"{path}: a pipe, socket or device is never opened; remove it")
    return stat.S_ISREG(mode)


def _is_name(ref: str) -> bool:
    return bool(ref) and not ref.startswith("/") and ".." not in ref and "\0" not in ref


def _without_include(path: Path) -> None:
    """Raise ValueError for a configuration that includes another file; one that is a link could be any file."""
    if path.is_symlink():
        raise ValueError(f"{path}: is a symbolic link, which is never followed; replace it by the file itself")
    if not is_regular(path):
        return
    content = start_of(path, _LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"{path}: larger than {_LARGEST >> 20} MiB")
    for number, line in enumerate(content.split(b"\n"), 1):
        if _INCLUDE.search(line) and not _COMMENT.match(line):
            raise ValueError(f"{path}:{number}: includes another file, which is never read; remove [include]")
