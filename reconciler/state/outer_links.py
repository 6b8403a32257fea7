"""Manage the links outside of Postfix's folder that lead to files of the live generation, for other programs.

A link leads through live/postfix, so that the rename which makes a generation live changes what every program reads. A
link that comes or goes with a generation leads right into the one that has it while that rename is made: prepare() is
called before it, and settle() after it. What the host has in the place of a link is kept in rescue/outside/, and comes
back with mode and owner when the link goes.

Promises: each step is idempotent, so an interrupted step can be repeated. No reader finds a link that leads nowhere.
Raises OSError from the file system; settle() leaves what it can't do, and astray() returns it.

Known limits: a host's file whose folder was removed meanwhile does not come back. There is no second copy of these
files outside of the state.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.state.phases import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.host.effects import Host
    from reconciler.state.manifest import Generation

_RECORD = "links.json"


class OuterLinks:
    """The links of the host whose state is in the folder *state*, where the link *live* leads to Postfix's folder."""

    def __init__(self, state: Path, live: Path, host: Host) -> None:
        self._state, self._live, self._host = state, live, host
        self._rescue = state / "rescue" / "outside"

    # ---- looking -----------------------------------------------------------------------------------------------------

    def astray(self, generation: Generation) -> Iterator[str]:
        """Yield the links that are not as that live generation requires."""
        yield from (str(link) for link, path in generation.links.items() if not _leads(link, self._live / path))
        yield from (str(link) for link in sorted(self._kept() - generation.links.keys()))

    def is_ours(self, link: Path) -> bool:
        """Return whether that is a link into the generations of this state."""
        return link.is_symlink() and any(link.readlink().is_relative_to(one) for one in (self._live, self._generations))

    def brought(self, generation: Generation) -> list[str]:
        """Return the links of a generation in whose places the host had nothing."""
        return [str(link) for link in generation.links if not os.path.lexists(self._copy_of(link))]

    def returning(self, wanted: Collection[Path]) -> dict[str, str]:
        """Return where the copy of each file is that comes back, as its link is not *wanted* any more."""
        links = sorted(self._kept() - set(wanted))
        return {str(link): str(self._copy_of(link)) for link in links if os.path.lexists(self._copy_of(link))}

    @property
    def _generations(self) -> Path:
        return self._state / "generations"

    def _copy_of(self, link: Path) -> Path:
        return self._rescue / link.relative_to("/")

    def _kept(self) -> set[Path]:
        """Return the links whose places were taken; a damaged record is made anew by the next pass."""
        try:
            return set(map(Path, json.loads((self._rescue / _RECORD).read_bytes())))
        except (OSError, *DAMAGED):
            return set()

    # ---- changing ----------------------------------------------------------------------------------------------------

    def prepare(self, before: Generation, after: Generation) -> None:
        """Put the links in place that come with *after*, and have those that go lead right to the files of *before*."""
        for link, path in after.links.items():
            if before.links.get(link) != path:
                self._take(link)
                self._host.symlink(link, after.root / path)
        for link, path in before.links.items():
            if link not in after.links and _leads(link, self._live / path):
                self._host.symlink(link, before.root / path)

    def settle(self, live: Generation) -> None:
        """Have the links lead through the live link, and give the places of all others back, as far as possible."""
        for link, path in live.links.items():
            with suppress(OSError):
                self._take(link)
                if not _leads(link, self._live / path) or os.path.lexists(_beside(link)):
                    self._host.symlink(link, self._live / path)
        for link in sorted(self._kept() - live.links.keys()):
            with suppress(OSError):
                self._give_back(link)

    def bring_in(self, live: Generation) -> None:
        """Make of a file that took the place of a link an edit of the file that the link led to."""
        for link, path in live.links.items():
            if link in self._kept() and link.is_file() and not link.is_symlink():
                with suppress(OSError):  # a folder has the place of the file, which is drift like this
                    self._host.copy(link, live.root / path)
                    self._host.symlink(link, self._live / path)

    def keep_as_files(self, live: Generation) -> None:
        """Replace the links by copies of their files: reconciler leaves, and the other programs stay."""
        for link, path in live.links.items():
            if self.is_ours(link) and (live.root / path).is_file():
                self._place(live.root / path, link)
            elif self.is_ours(link):
                self._host.remove(link)
        self._host.remove(self._rescue)

    def _take(self, link: Path) -> None:
        """Keep what the host has in the place of a link, once."""
        known = self._kept()
        if link in known:
            return
        copy = self._copy_of(link)
        if not self.is_ours(link):
            self._host.make_directory(self._rescue, 0o700)
            self._host.remove(copy)
            if os.path.lexists(link):
                self._host.make_directory(copy.parent)
                self._copied(link, copy)
        self._record({*known, link})

    def _give_back(self, link: Path) -> None:
        copy = self._copy_of(link)
        if os.path.lexists(copy):
            self._place(copy, link)
        elif self.is_ours(link):
            self._host.remove(link)
        self._record(self._kept() - {link})
        self._host.remove(copy)

    def _record(self, links: set[Path]) -> None:
        if not links:
            self._host.remove(self._rescue)
            return
        self._host.make_directory(self._rescue, 0o700)
        self._host.replace(self._rescue / _RECORD, json.dumps(sorted(map(str, links))).encode())

    def _place(self, source: Path, link: Path) -> None:
        """Put a copy of a file or of a link in place by one rename."""
        beside = _beside(link)
        self._host.remove(beside)  # of a pass that was killed
        self._copied(source, beside)
        self._host.rename(beside, link)

    def _copied(self, source: Path, copy: Path) -> None:
        if source.is_symlink():
            self._host.link(copy, source.readlink(), source)
        else:
            self._host.copy(source, copy)
            self._host.sync(copy)


def _beside(link: Path) -> Path:
    """Return where effects.py has a new link, or a copy is, before it gets its name by one rename."""
    return link.with_name(f".{link.name}.new")


def _leads(link: Path, to: Path) -> bool:
    return link.is_symlink() and link.readlink() == to
