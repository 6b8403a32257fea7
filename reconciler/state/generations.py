"""Manage generations: complete trees on disk, each with a manifest, and the two links that select the live one.

Promises: a generation is placed whole by one rename and reconciler never changes it again; another generation becomes
live by one rename of a link; foreign files, which neither the manifest nor the target names, are carried unchanged.
Files and folders that other users may change stay the same ones in all generations (others.py).

Raises OSError from the file system, and Unavailable while another process keeps changing files.
Known limits: sockets and pipes in the configuration directory are not carried. A file is hashed again only when its
identity, size, mode, owner or times changed.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.host.effects import named
from reconciler.host.ownership import is_folder_of_others, is_of_others
from reconciler.model import BESIDE, File
from reconciler.model.errors import Unavailable
from reconciler.state.companions import Companions
from reconciler.state.digests import Digests
from reconciler.state.foreign import identities
from reconciler.state.live_files import LiveFiles
from reconciler.state.locks import Locks
from reconciler.state.manifest import NAME as MANIFEST
from reconciler.state.manifest import (
    NONE,
    PENDING,
    PROGRAM,
    UNREADABLE,
    Deviations,
    FileRecord,
    Generation,
    Signature,
    Stage,
    compiled_name,
    folders_of,
    intact,
    kept_link,
    read_manifest,
    signature,
    written,
)
from reconciler.state.old_maps import as_file, superseded, with_maps
from reconciler.state.others import Others, walk
from reconciler.state.outer_links import OuterLinks
from reconciler.state.place import LinkPlace
from reconciler.state.source import Source, SourceKind
from reconciler.state.spares import Spares

if TYPE_CHECKING:
    from reconciler.host.effects import Host
    from reconciler.model import Tree

KEEP = 20
ADOPTED_FILES = ("main.cf", "master.cf")
_NAME = re.compile(r"(\d+)-([0-9a-z]+)\Z", re.ASCII)
NOT_A_FILE = "not a regular file"


class Generations:
    """The generations below *state*, and *config_directory*, which is a link to them once adopted.

    *backup* holds a second copy of the files from before adoption: without *state*, a rescue takes them from there.
    """

    def __init__(self, state: Path, config_directory: Path, host: Host, backup: Path) -> None:
        self.state, self.config_directory, self.host = state, config_directory, host
        self.folder, self.link = state / "generations", state / "live" / PROGRAM
        self.rescue, self.backup = state / "rescue" / PROGRAM, backup / PROGRAM
        self.private = state / "private"
        self.locks = Locks(self.private, self.prepare)
        self.place_of_link = LinkPlace(config_directory, self.link, self.private, host)
        self.companions = Companions(state, host)
        self.outer_links = OuterLinks(state, self.link, host)
        self.others = Others(state, config_directory, host)
        self.digests = Digests()
        self.spares = Spares(self.private / "spares", host, self.digests)
        self._manifests: dict[Path, tuple[Signature, Generation]] = {}

    # ---- looking -----------------------------------------------------------------------------------------------------

    @property
    def adopted(self) -> bool:
        """Whether Postfix's configuration directory is our link."""
        return self.place_of_link.is_ours

    @property
    def beside(self) -> Path:
        """The path of adoption's link before the exchange, and of the old directory after it."""
        return self.config_directory.with_name(f".{self.config_directory.name}.reconciler")

    def live(self) -> Generation | None:
        """Return the generation that Postfix reads; None before adoption, or if the link or its target is missing."""
        if not self.adopted or not self.link.is_symlink():
            return None
        path = Path(os.path.normpath(self.link.parent / self.link.readlink())).parent
        return self.get(path) if path.is_dir() and _NAME.match(path.name) else None

    @property
    def lost(self) -> str:
        """What to do if the adopted directory leads to no generation; empty if it leads to one."""
        if not self.adopted or self.live() is not None:
            return ""
        what = f"{self.config_directory} leads to {self.link}, where no generation is left"
        if not self.original:
            return f"{what}, and there is no copy of the files from before adoption in {self.backup}"
        return f"{what}; run `reconciler rescue` to restore the files from before adoption, from {self.original}"

    @property
    def original(self) -> Path | None:
        """The folder with the host's files from before adoption: the one in the state, else the backup."""
        return next((one for one in (self.rescue, self.backup) if (one / ADOPTED_FILES[0]).is_file()), None)

    def holds(self, path: Path) -> bool:
        """Return whether that is the folder of a generation of this host."""
        return path.parent == self.folder and bool(_NAME.match(path.name)) and path.is_dir()

    def limits(self) -> list[str]:
        """Return what is damaged or missing: the live manifest, or a copy of the files from before adoption."""
        live = self.live()
        told = []
        if live and live.source == UNREADABLE:
            told.append(f"{live.path / MANIFEST} can't be read; hand edits are not noticed until a pass writes it anew")
        if self.adopted:
            missing = [one for one in (self.rescue, self.backup) if not one.is_dir()]
            told += [f"{one} is missing; it should hold the files from before adoption" for one in missing]
        return told

    def get(self, path: Path) -> Generation:
        """Return the generation in a folder; its manifest is read again only if it changed."""
        try:
            now = signature(path / MANIFEST)
        except OSError:
            return read_manifest(path)
        known = self._manifests.get(path)
        if known is None or known[0] != now:
            self._manifests[path] = known = now, read_manifest(path)
        return known[1]

    def all(self) -> list[Generation]:
        """Return every generation on disk, newest first."""
        if not self.folder.is_dir():
            return []
        paths = [path for path in self.folder.iterdir() if _NAME.match(path.name)]
        return [self.get(path) for path in sorted(paths, key=lambda path: -int(path.name.partition("-")[0]))]

    def read(self, target: Tree | None = None) -> Tree:
        """Return the live tree: the live manifest's files as they are now, and those that *target* takes the place of.

        Without a *target*, these are main.cf and master.cf.
        """
        live = self.live()
        known = live.files if live else {}
        also = {*ADOPTED_FILES} if target is None else {*target, *superseded(target, self.config_directory, known)}
        records = {path: record for path, record in live.files.items() if not record.made_from} if live else {}
        tree = {}
        for path in {*records, *also}:
            if (live or not path.startswith(BESIDE)) and (file := self._file(path, records.get(path))):
                tree[path] = file
        return tree

    def drift(self) -> tuple[str, ...]:
        """Return what differs from the live manifest, including links and places outside, but no foreign files."""
        if (one := self.live()) is None:
            return ()
        return (*self.edited(one, self.config_directory), *self.companions.astray(one), *self.outer_links.astray(one))

    def edited(self, generation: Generation, root: Path | None = None) -> tuple[str, ...]:
        """Return the files of a generation that differ from its manifest."""
        where = root or generation.root
        return tuple(path for path, record in generation.files.items() if not self._matches(path, record, where))

    def content(self, generation: Generation) -> Tree:
        """Return the current files of a generation that its manifest names, without compiled maps."""
        return {
            path: file
            for path, record in generation.files.items()
            if not record.made_from and (file := self._file(path, record, generation.root))
        }

    def _matches(self, path: str, record: FileRecord, root: Path) -> bool:
        file = self._file(path, record, root)
        return file is not None and (file.digest, file.mode, file.owner) == (record.sha256, record.mode, record.owner)

    def _file(self, path: str, record: FileRecord | None = None, root: Path | None = None) -> File | None:
        full = (root or self.config_directory) / path
        try:
            status = full.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        is_file = full.is_file() and not full.is_symlink()
        found = (self.digests.of(full), full.read_bytes) if is_file else (NOT_A_FILE, bytes)
        compiled, link = (record.compiled, record.link) if record else ("", "")
        mode, owner = status.st_mode & 0o7777, named(status.st_uid, status.st_gid)
        return File(found[0], mode, owner, found[1], compiled, link=link)

    # ---- making ------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make the folders, each with its mode: all but private/ can be traversed by every user."""
        public = ((path, 0o755) for path in (self.folder, self.link.parent, self.rescue.parent))
        for path, mode in ((self.state, 0o711), (self.private, 0o700), *public):
            if not path.is_dir() or path.stat().st_mode & 0o7777 != mode:
                self.host.make_directory(path, mode)

    def stage_folder(self, name: str) -> Path:
        """Return the folder for a stage of that name."""
        return self.private / "stage" / name

    def live_files(self) -> LiveFiles | None:
        """Return the large files of the live generation, of which a stage takes copies; None before adoption."""
        return LiveFiles(live, self.host, self.digests, self.spares) if (live := self.live()) else None

    def stage(self, target: Tree, name: str, mtime: float) -> Stage:
        """Write *target* and the foreign files into a new folder; a large file that is live is copied, and not read.

        A foreign file that others may edit is the same file in every generation, for their edits must not be lost.
        """
        if self.adopted:
            self.others.set_apart(self.config_directory.resolve())
        root = self.stage_folder(name) / PROGRAM
        self.host.remove(root.parent)
        for folder in sorted({root, *((root / path).parent for path in target if path.startswith(BESIDE))}):
            self.host.make_directory(folder, lasting=False)
        carried = self._foreign(target)
        for path in carried:
            self._carry(path, root, share=self.adopted)
        for below in folders_of(target):
            self._make_folder(root, below)
        live = self.live_files()
        for path, file in target.items():
            if not (live and live.copy(path, file, root)):
                self.host.write(root / path, file.read(), file.mode, file.owner, mtime)
        return Stage(root, carried)

    def _make_folder(self, root: Path, folder: str) -> None:
        """Make a folder of the target, unless a foreign one was carried."""
        if (root / folder).is_symlink() or (root / folder).is_file():
            raise Unavailable(f"{self.config_directory / folder} has the place of a folder; move it away")
        if not (root / folder).is_dir():
            self.host.make_directory(root / folder, lasting=False)

    def _foreign(self, target: Tree) -> dict[str, Signature]:
        """Return the foreign files of the live directory and their identities, each folder before its contents."""
        live = self.live()
        return identities(self.config_directory, target, live.files if live else (), self.original)

    def foreign_changed(self, stage: Stage, target: Tree) -> bool:
        """Return whether a foreign file was added, removed or changed since it was carried."""
        return self._foreign(target) != stage.foreign

    def place(
        self, stage: Stage, target: Tree, revision: str, source: Source, deviations: Deviations = NONE
    ) -> Generation:
        """Write the manifest, make everything durable, and give the stage its number by one rename."""
        number = max((generation.number for generation in self.all()), default=-1) + 1
        files = {path: FileRecord.of(file) for path, file in target.items()}
        for path, file in target.items():
            if made := compiled_name(path, file):
                status = (stage.root / made).stat()
                owner, content = named(status.st_uid, status.st_gid), self.digests.of(stage.root / made)
                files[made] = FileRecord(status.st_mode & 0o7777, owner, content, made_from=path)
        new = Generation(number, stage.folder, revision, source, files)
        self._write(stage.folder, replace(new, carried=deviations.carried, kept=deviations.kept))
        self.host.make_directory(stage.folder, lasting=False)
        self.host.sync(stage.folder)
        place = self.folder / f"{number}-{revision[:7] or source.kind.value}"
        self.host.rename(stage.folder, place)
        return self.get(place)

    def rescue_tree(self) -> Tree:
        """Return the host's files from before adoption: main.cf, master.cf, and the files that ours replaced."""
        live, original = self.live(), self.original
        if original is None:
            return {}
        owned = {name for one in self.all() for name in one.files}
        replaced = {name for name in owned if not os.path.lexists(self.config_directory / name)}
        names = {*ADOPTED_FILES, *(live.files if live else ()), *replaced}
        paths = {name: original / name for name in sorted(names) if not name.startswith(BESIDE)}
        return self.with_maps({name: as_file(path) for name, path in paths.items() if path.is_file()}, original)

    def with_maps(self, target: Tree, root: Path) -> Tree:
        """Return *target* with the foreign maps in *root* that it names, and that would not be carried to it."""
        live = self.live()
        return with_maps(target, root, self.config_directory, live.files if live else ())

    def _write(self, folder: Path, generation: Generation) -> None:
        self.host.replace(folder / MANIFEST, written(generation))

    def taint(self, generation: Generation) -> None:
        """Mark a generation as edited while it was live: it is kept as evidence, and no rollback uses it."""
        self._write(generation.path, replace(generation, tainted=True))

    def mark(self, generation: Generation, edit: str) -> None:
        """Mark a generation with the state of its hand edit: PENDING, or the commit that holds the edit."""
        self._write(generation.path, replace(generation, edit=edit))

    def switch(self, generation: Generation) -> None:
        """Make a generation live by one rename of one link, through which those outside of Postfix's folder lead."""
        self.host.symlink(self.link, Path("..") / generation.path.relative_to(self.state) / PROGRAM)
        self.outer_links.settle(generation)

    def prune(self, keep: int = KEEP) -> None:
        """Remove all but the last *keep* generations, but never the live one or one with an uncommitted edit."""
        live = self.live()
        for generation in self.all()[keep:]:
            if (not live or generation.path != live.path) and generation.edit != PENDING:
                with suppress(OSError):  # something is mounted in it; the disk that it takes shows
                    self.host.remove(generation.path)
        if live:
            self.digests.keep(live.root / path for path in live.files)

    def sweep(self) -> None:
        """Remove the leftovers of an interrupted pass."""
        self.host.remove(self.private / "stage")
        self.host.remove(self.rescue.with_name(f".{PROGRAM}.new"))
        if self.adopted or self.beside.is_symlink():
            # After the exchange, generation and rescue hold copies of it; before the exchange, it is only our link.
            self.host.remove(self.beside)

    # ---- adopting ----------------------------------------------------------------------------------------------------

    def adopt(self, target: Tree | None = None, revision: str = "") -> Generation:
        """Replace the configuration directory with a link to a generation of the same bytes, in one exchange.

        It owns main.cf and master.cf, or all files of *target*, of a commit that would change none. Raises Unavailable
        if the directory is edited meanwhile, or can't be exchanged; then nothing has changed.
        """
        self.place_of_link.require_adoptable()
        self.others.set_apart(self.config_directory)
        try:
            return self._adopted(target, revision)
        except (Unavailable, OSError):
            self.unadopt()
            raise

    def unadopt(self) -> None:
        """Give the folders of others back after an adoption that did not come about."""
        if not self.config_directory.is_symlink():
            self.others.give_back(self.config_directory)

    def _adopted(self, owned: Tree | None, revision: str) -> Generation:
        seen = {path: signature(self.config_directory / path) for path in walk(self.config_directory)}
        if not self.rescue.exists():
            self._copy_whole(self.rescue)
            self.host.remove(self.backup)  # of an earlier adoption
        self.keep_originals()
        stage = Stage(self.private / "stage" / "adopted" / PROGRAM, {})
        self._copy_whole(stage.root)
        target = owned or {path: file for path in ADOPTED_FILES if (file := self._file(path))}
        source = Source(SourceKind.COMMIT, name=revision[:7]) if revision else Source(SourceKind.ADOPTED)
        self.switch(self.place(stage, target, revision, source))
        self.host.remove(self.beside)
        self.host.symlink(self.beside, self.link)
        if seen != {path: signature(self.config_directory / path) for path in walk(self.config_directory)}:
            raise Unavailable(f"{self.config_directory} was edited while it was being adopted")
        self.host.exchange(self.config_directory, self.beside)
        self.host.remove(self.beside)
        live = self.live()
        if not live:
            raise Unavailable(f"{self.link}: the live link is missing")
        return live

    def keep_originals(self) -> None:
        """Have the files from before adoption in the state and outside of it; make the missing copy from the other."""
        original = self.original
        if original and not self.backup.is_dir():
            self.host.make_directory(self.backup.parent, 0o700)
            self._copy_whole(self.backup, original)
        if original and not self.rescue.is_dir():
            self._copy_whole(self.rescue, original)

    def restore(self) -> Generation:
        """Make a generation of the files from before adoption live, when no other one is left."""
        if self.original is None:
            raise Unavailable(self.lost)
        stage = Stage(self.private / "stage" / "rescue" / PROGRAM, {})
        self._copy_whole(stage.root, self.original)
        target = {path: as_file(stage.root / path) for path in ADOPTED_FILES if (stage.root / path).is_file()}
        placed = self.place(stage, target, "", Source(SourceKind.RESCUE))
        self._point_at(placed)
        return placed

    def release(self) -> None:
        """Replace the link with a directory of the live files, in one exchange; the state does not change."""
        if self.lost:
            raise Unavailable(self.lost)
        if live := self.live():
            self.companions.keep_as_files(live)
            self.outer_links.keep_as_files(live)
        if self.adopted:
            self.others.set_apart(self.config_directory.resolve())
            self._copy_whole(self.beside)
            self.host.exchange(self.config_directory, self.beside)
            self.host.remove(self.beside)
        self.place_of_link.forget()
        self.others.give_back(self.config_directory)

    def _carry(self, path: str, root: Path, origin: Path | None = None, *, share: bool = False) -> None:
        """Copy an entry of *origin*, the live directory if none; a link that points out of it keeps its target."""
        origin = origin or self.config_directory
        source = origin / path
        if source.is_symlink():
            self.host.link(root / path, kept_link(origin, path), source)
        elif is_folder_of_others(source):  # before adoption, for a check
            self.host.copy_whole(source, root / path)
        elif share and source.is_file() and is_of_others(source):
            self.host.share(source, root / path)
        elif os.path.lexists(source):  # a program may have it for a moment only, as `postconf -e` has main.cf.tmp
            self.host.copy(source, root / path)

    def heal(self) -> Generation | None:
        """If the live link or its target is missing, point it at the newest generation that can be trusted.

        A folder in its place is kept beside it: an administrator's work may be in it.
        """
        if not self.adopted or self.live() is not None:
            return None
        known = [one for one in self.all() if not one.tainted]
        trusted = next((one for one in known if intact(one)), known[0] if known else None)
        if trusted:
            self._point_at(trusted)
        return trusted

    def _point_at(self, generation: Generation) -> None:
        self.host.make_directory(self.link.parent)
        if self.link.is_dir() and not self.link.is_symlink():
            free = (self.link.with_name(f"{PROGRAM}.found-{number}") for number in count(1))
            self.host.rename(self.link, next(path for path in free if not path.exists()))
        self.switch(generation)

    def _copy_whole(self, target: Path, origin: Path | None = None) -> None:
        new = target.with_name(f".{target.name}.new")
        self.host.remove(new)
        self.host.make_directory(new, lasting=False)
        for path in walk(origin or self.config_directory):
            self._carry(path, new, origin)
        self.host.sync(new)
        self.host.remove(target)
        self.host.rename(new, target)
