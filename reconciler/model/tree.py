"""Files as values, and the plan that leads from one tree to another. Raises nothing."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import split_lines
from reconciler.model.finding import UNWRITTEN

if TYPE_CHECKING:
    from reconciler.model.finding import Where


OTHERS = 0o007  # the permission bits of users other than the owner and the group


@dataclass(slots=True, unsafe_hash=True)  # never changed; a frozen one takes five times as long to make, of thousands
class File:
    """A file as a value; two are equal if all but *read* and *in_plain* are. *read* returns its bytes when needed.

    *digest* is the sha256 in hexadecimal and *owner* is ``user:group``. For the source of a table, *compiled* is the
    compiler and the type, such as ``postmap lmdb``. A file is *in_plain* if a commit holds its bytes in plain text,
    although not every user may read it. *link* is the path outside of Postfix's folder where a link leads to it.
    """

    digest: str
    mode: int
    owner: str
    read: Callable[[], bytes] = field(compare=False, repr=False)
    compiled: str = ""
    in_plain: bool = field(default=False, compare=False)
    link: str = ""

    @classmethod
    def of(
        cls, content: bytes, mode: int = 0o644, owner: str = "root:root", compiled: str = "", *,
        in_plain: bool = False, link: str = "",
    ) -> File:  # fmt: skip
        """Return a file with the given content."""
        return cls(hashlib.sha256(content).hexdigest(), mode, owner, lambda: content, compiled, in_plain, link)

    @property
    def is_secret(self) -> bool:
        """Return whether only its owner and group may read it, as for files with passwords and keys."""
        return not self.mode & OTHERS

    def lines(self) -> list[str]:
        """Return the lines of its text; bytes that are not UTF-8 survive a round trip."""
        return split_lines(self.read().decode("utf-8", "surrogateescape"))


Tree = Mapping[str, File]
_AFTER_SLASH = chr(ord("/") + 1)


def paths_in(tree: Tree, folder: str) -> list[str]:
    """Return the paths below a folder, which ends in a slash, in their order."""
    paths = sorted(tree)  # nearly always they are in order, and then this looks at each once
    begin, end = (bisect_left(paths, bound) for bound in (folder, folder.removesuffix("/") + _AFTER_SLASH))
    return paths[begin:end]


BESIDE = "../"  # begins the path of a companion's file in a Tree, whose root is Postfix's folder


class Kind(StrEnum):
    """The kind of item that a change is about."""

    PARAMETER = "parameter"
    SERVICE = "service"
    ENTRY = "entry"
    TABLE = "table"
    FILE = "file"
    LINK = "link"


class Effect(StrEnum):
    """What a change does to mail: it is treated differently; or nothing, because the same is written differently.

    DEFAULT is the same as well: a value that holds anyway is written out, or left out.
    """

    DIFFERENT = "different"
    SAME = "same"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference in mail's terms; *before* is None for an added item, *after* for a removed one.

    *within* names the table of an entry; *where* is its origin in the desired state, if there is one. It is a line of
    the table for an entry that is there, and the table as a whole for one that is removed.
    """

    kind: Kind
    what: str
    before: str | None
    after: str | None
    within: str = ""
    where: Where | None = None
    effect: Effect = Effect.DIFFERENT


class Activation(StrEnum):
    """The ways to have a running Postfix use a new generation, from the weakest to the strongest."""

    NOTHING = "nothing"
    RELOAD = "reload"
    RESTART = "restart"
    START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The difference between two trees and the activations it needs, in order."""

    live: Tree
    target: Tree
    changes: tuple[Change, ...]
    steps: tuple[Activation, ...]

    @property
    def empty(self) -> bool:
        """Return whether live equals the target already."""
        return not self.changes

    @property
    def place(self) -> Where | None:
        """The only place in the desired state that differs; None if there are several, or it is written nowhere."""
        places = {change.where for change in self.changes}
        where = places.pop() if len(places) == 1 else None
        return None if where == UNWRITTEN else where
