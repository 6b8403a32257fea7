"""Create a new repository by one rename."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import FileMode

from reconciler.host.effects import Host
from reconciler.host.settings import shipped
from reconciler.model.errors import ReconcilerError
from reconciler.repository.repo import revision_of

if TYPE_CHECKING:
    from reconciler.host.settings import Settings
    from reconciler.model import Revision

# What git itself refuses in a push, before it is asked of a hook: damaged objects, a size that only fills the disk, and
# a rewind, which needs `git config reconciler.allowRewind true`, then a push that turns this off, and another one.
MAX_PUSH = 256 << 20  # bytes; a whole history with tables of a million rows takes a tenth of it
RECEIVE = {
    "receive.fsckObjects": "true", "transfer.fsckObjects": "true", "receive.maxInputSize": str(MAX_PUSH),
    "receive.denyNonFastForwards": "true", "receive.denyDeleteCurrent": "refuse",
}  # fmt: skip
HOOKS = {"pre-receive": 0o755, "post-receive": 0o755, "conversation.py": 0o644}
PLACEHOLDER = b"mx1.example.com"
_QUALIFIED = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*)+")


class NotCreated(ReconcilerError):  # noqa: N818
    """No repository can be made at the path that the operator gave."""


# ---- a new repository ------------------------------------------------------------------------------------------------


def create(
    path: Path, settings: Settings, *, settings_file: Path, recipient: str, source: Path | None = None
) -> Revision:
    """Make the bare repository *path* with its first commit, the hooks, and their address of this host's daemon.

    The commit holds *source* unchanged, or the starter state with this host's name and its *recipient* in secrets/.
    The repository has the owner of its parent folder, and appears complete and durable, by one rename.
    """
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise NotCreated(f"{path}: already exists and is not an empty folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            revision = _seed(beside, settings, settings_file, _Seed(settings.host, recipient, source))
            _give(beside, path.parent.stat())
            Host().sync(beside)
            Host().rename(beside, path)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise NotCreated(f"{error.filename or path}: {error.strerror}") from error
    return revision


def _seed(beside: Path, settings: Settings, settings_file: Path, seed: _Seed) -> Revision:
    handle = pygit2.init_repository(str(beside), bare=True, initial_head=settings.branch)
    for name, value in (("settings", settings_file), ("socket", settings.socket), ("branch", settings.branch)):
        handle.config[f"reconciler.{name}"] = str(value)
    for name, text in RECEIVE.items():
        handle.config[name] = text
    (hooks := beside / "hooks").mkdir(exist_ok=True)
    for name, mode in HOOKS.items():
        shutil.copyfile(shipped("hooks") / name, hooks / name)
        (hooks / name).chmod(mode)
    author = pygit2.Signature("reconciler", f"reconciler@{settings.host}")
    tree = seed.write(handle, seed.source, "")
    oid = handle.create_commit(f"refs/heads/{settings.branch}", author, author, "Initial desired state\n", tree, [])
    return revision_of(handle[oid].peel(pygit2.Commit))


class _Seed:
    """Return the files of the first commit."""

    def __init__(self, host: str, recipient: str, source: Path | None) -> None:
        self._host, self._recipient, self._starter = host, recipient, source is None
        self.source = source or shipped("desired-state")

    def write(self, handle: pygit2.Repository, folder: Path, prefix: str) -> pygit2.Oid:
        """Write a folder as a git tree."""
        tree = handle.TreeBuilder()
        for path in sorted(path for path in folder.iterdir() if path.name != ".git"):
            name = prefix + path.name
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise NotCreated(f"{path}: is neither a file nor a folder")
            if path.is_dir():
                tree.insert(path.name, self.write(handle, path, f"{name}/"), FileMode.TREE)
            else:
                mode = FileMode.BLOB_EXECUTABLE if path.stat().st_mode & 0o100 else FileMode.BLOB
                tree.insert(path.name, handle.create_blob(self._content(name, path.read_bytes())), mode)
        return tree.write()

    def _content(self, name: str, content: bytes) -> bytes:
        if self._starter and name == "mail.yaml":
            qualified = _QUALIFIED.fullmatch(self._host)
            named = b"hostname: " + self._host.encode() if qualified else b"# hostname: " + PLACEHOLDER
            return content.replace(b"hostname: " + PLACEHOLDER, named, 1)
        if self._starter and name == "secrets/recipients":
            return content + f"\n# {self._host}\n{self._recipient}\n".encode()
        return content


def _give(folder: Path, parent: os.stat_result) -> None:
    """Give a new repository to its owner, with the permissions of the umask and at least readable by that owner."""
    folder.chmod(0o755)
    if os.geteuid() == 0 and (parent.st_uid, parent.st_gid) != (0, 0):
        for path in (folder, *folder.rglob("*")):
            os.chown(path, parent.st_uid, parent.st_gid, follow_symlinks=False)
