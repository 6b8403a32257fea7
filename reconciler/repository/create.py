"""Create a new repository by one rename, or a branch for one more instance in a repository that is there.

Raises NotCreated, and leaves what is there as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.effects import Host
from reconciler.host.settings import shipped
from reconciler.model.errors import ReconcilerError
from reconciler.repository.libgit2 import FileMode, pygit2
from reconciler.repository.repo import Repository, revision_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reconciler.host.settings import Settings
    from reconciler.model import Revision

# What git itself refuses in a push, before it is asked of a hook: damaged objects, a size that only fills the disk, and
# a rewind, which needs `git config reconciler.allowRewind true`, then a push that turns this off, and another one.
MAX_PUSH = 256 << 20  # bytes; four times the largest file that a commit may hold
RECEIVE = {
    "receive.fsckObjects": "true", "receive.maxInputSize": str(MAX_PUSH),
    "receive.denyNonFastForwards": "true", "receive.denyDeleteCurrent": "refuse",
}  # fmt: skip
HOOKS = {"pre-receive": 0o755, "post-receive": 0o755, "conversation.py": 0o644}
_OURS = b"reconciler"
_MOST_LOOSE = 100  # as of transfer.unpackLimit in git-config(1)
PLACEHOLDER = b"mx1.example.com"
_QUALIFIED = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9][A-Za-z0-9-]*)+")


class NotCreated(ReconcilerError):  # noqa: N818
    """No repository can be made at the path that the operator gave."""


# ---- a new repository ------------------------------------------------------------------------------------------------


def create(
    path: Path, settings: Settings, *, settings_file: Path, recipient: str, source: Path | None = None,
    message: str = "Initial desired state\n",
) -> Revision:  # fmt: skip
    """Make the bare repository *path* with its first commit, the hooks, and their address of this host's daemon.

    The commit holds *source* unchanged, or the starter state with this host's name and its *recipient* in secrets/.
    The repository has the owner of its parent folder, and appears complete and durable, by one rename. One that is
    there gets the branch, if it has none of that name.
    """
    if settings.url is not None and path == settings.repository:
        how = "write a folder with `reconciler import --to FOLDER`, push it there, and run `reconciler fetch`"
        raise NotCreated(f"{path}: this host follows {settings.url}; {how}")
    if (path / "HEAD").is_file():
        seed = _Seed.collected(settings.host, recipient, source)
        return _add(path, settings, settings_file, seed, _hooks(), message)
    if path.is_symlink() or (path.exists() and not (path.is_dir() and not any(path.iterdir()))):
        raise NotCreated(f"{path}: already exists and is not an empty folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        seed, hooks = _Seed.collected(settings.host, recipient, source), _hooks()
        with _acting_as(path.parent.stat()):
            beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
            try:
                revision = _make(beside, settings, settings_file, seed, hooks, message)
                beside.chmod(0o755)
                Host().sync(beside)
                Host().rename(beside, path)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise NotCreated(f"{error.filename or path}: {error.strerror}") from error
    except pygit2.GitError as error:
        raise NotCreated(f"{path}: {error}") from error
    return revision


@contextmanager
def _acting_as(parent: os.stat_result) -> Iterator[None]:
    """Make everything as the owner of the parent folder, who may replace names in it by links meanwhile."""
    groups, owner = os.getgroups(), (parent.st_uid, parent.st_gid)
    if os.geteuid() or owner == (0, 0):
        yield
        return
    os.setgroups([owner[1]])
    os.setegid(owner[1])
    os.seteuid(owner[0])
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(os.getgid())
        os.setgroups(groups)


def _make(
    beside: Path, settings: Settings, settings_file: Path, seed: _Seed, hooks: Mapping[str, bytes], message: str
) -> Revision:
    handle = pygit2.init_repository(str(beside), bare=True, initial_head=settings.branch)
    for name, text in RECEIVE.items():
        handle.config[name] = text
    revision = _begin(handle, settings, settings_file, seed, hooks, message)
    _pack(handle)
    return revision


def _pack(handle: pygit2.Repository) -> None:
    """Put the objects of a fresh repository into a pack if git would do so: of thousands of sites, each push reads all.

    git checks at a push whether all trees are there, which takes ten times longer for a file each.
    """
    loose = list(Path(handle.path, "objects").glob("[0-9a-f][0-9a-f]/*"))
    if len(loose) >= _MOST_LOOSE and handle.pack() == len(loose):
        for folder in {path.parent for path in loose}:
            shutil.rmtree(folder)


def _add(
    path: Path, settings: Settings, settings_file: Path, seed: _Seed, hooks: Mapping[str, bytes], message: str
) -> Revision:
    """Add the branch to a repository that is there, as its owner."""
    repository = Repository(path, settings.branch, Host())
    if repository.tip() is not None:
        raise NotCreated(f"{path}: already exists, and has a branch {settings.branch}")
    for why in (*repository.limits, *_hooks_of_others(path)):
        raise NotCreated(why)
    try:
        with _acting_as(path.stat()):
            revision = _begin(pygit2.Repository(str(path)), settings, settings_file, seed, hooks, message)
            Host().sync(path)
    except OSError as error:
        raise NotCreated(f"{error.filename or path}: {error.strerror}") from error
    except pygit2.GitError as error:
        raise NotCreated(f"{path}: {error}") from error
    return revision


def _hooks() -> dict[str, bytes]:
    """Read the hooks, as root: the owner of the repository may not reach the folder that they are in."""
    return {name: (shipped("hooks") / name).read_bytes() for name in HOOKS}


def _hooks_of_others(path: Path) -> Iterator[str]:
    """Yield why the hooks can't be written: a file of that name that is not reconciler's."""
    for name in HOOKS:
        file = path / "hooks" / name
        if file.is_symlink() or (file.exists() and _OURS not in file.read_bytes()):
            yield f"{file}: is not reconciler's; move it away"


def _begin(
    handle: pygit2.Repository, settings: Settings, settings_file: Path, seed: _Seed, hooks: Mapping[str, bytes],
    message: str,
) -> Revision:  # fmt: skip
    """Write the hooks, their address of this host's daemon, and the first commit of the branch."""
    start = f"reconciler.{settings.instance}." if settings.instance else "reconciler."
    for name, value in (("settings", settings_file), ("socket", settings.socket), ("branch", settings.branch)):
        handle.config[f"{start}{name}"] = str(value)
    (folder := Path(handle.path, "hooks")).mkdir(exist_ok=True)
    for name, mode in HOOKS.items():
        Host().replace(folder / name, hooks[name], mode)  # a push may run the old one now
    author = pygit2.Signature("reconciler", f"reconciler@{settings.host}")
    tree = seed.write(handle)
    oid = handle.create_commit(f"refs/heads/{settings.branch}", author, author, message, tree, [])
    return revision_of(handle[oid].peel(pygit2.Commit))


@dataclass(frozen=True, slots=True)
class _Seed:
    """The files of the first commit: name to mode and content, and name to what is in a folder."""

    files: Mapping[str, tuple[FileMode, bytes]]
    folders: Mapping[str, _Seed]

    @classmethod
    def collected(cls, host: str, recipient: str, source: Path | None) -> _Seed:
        """Read a folder as it is, or the starter state for this host."""

        def content(name: str, text: bytes) -> bytes:
            if source is None and name == "mail.yaml":
                qualified = _QUALIFIED.fullmatch(host)
                named = b"hostname: " + host.encode() if qualified else b"# hostname: " + PLACEHOLDER
                return text.replace(b"hostname: " + PLACEHOLDER, named, 1)
            if source is None and name == "secrets/recipients":
                return text + f"\n# {host}\n{recipient}\n".encode()
            return text

        return cls._read(source or shipped("desired-state"), "", content)

    @classmethod
    def _read(cls, folder: Path, prefix: str, content: Callable[[str, bytes], bytes]) -> _Seed:
        files, folders = {}, {}
        for path in sorted(path for path in folder.iterdir() if path.name != ".git"):
            name = prefix + path.name
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise NotCreated(f"{path}: is neither a file nor a folder")
            if path.is_dir():
                folders[path.name] = cls._read(path, f"{name}/", content)
            else:
                mode = FileMode.BLOB_EXECUTABLE if path.stat().st_mode & 0o100 else FileMode.BLOB
                files[path.name] = mode, content(name, path.read_bytes())
        return cls(files, folders)

    def write(self, handle: pygit2.Repository) -> pygit2.Oid:
        """Write the files as a git tree."""
        tree = handle.TreeBuilder()
        for name, (mode, content) in self.files.items():
            tree.insert(name, handle.create_blob(content), mode)
        for name, folder in self.folders.items():
            tree.insert(name, folder.write(handle), FileMode.TREE)
        return tree.write()
