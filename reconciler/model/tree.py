"""Files as values, the difference between two trees, and what it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.model.finding import Where


OTHERS = 0o007  # the permissions of all users but a file's owner and group


@dataclass(frozen=True, slots=True)
class File:
    """A file as a value: equal when digest, mode, owner and compiler are; *read* fetches its bytes when needed.

    *digest* is sha256 in hexadecimal, *owner* ``user:group``, *compiled* ``postmap lmdb`` or the like for a source.
    """

    digest: str
    mode: int
    owner: str
    read: Callable[[], bytes] = field(compare=False, repr=False)
    compiled: str = ""

    @classmethod
    def of(cls, content: bytes, mode: int = 0o644, owner: str = "root:root", compiled: str = "") -> File:
        """The file with that content."""
        return cls(hashlib.sha256(content).hexdigest(), mode, owner, lambda: content, compiled)

    @property
    def is_secret(self) -> bool:
        """Whether it is kept from all users but its owner and group, as files with passwords and keys are."""
        return not self.mode & OTHERS

    def lines(self) -> list[str]:
        """Its text by lines; bytes that are not UTF-8 survive a round trip."""
        return self.read().decode("utf-8", "surrogateescape").splitlines()


Tree = Mapping[str, File]
BESIDE = "../"  # what the path of a companion's file begins with in a Tree, whose root is Postfix's folder


class Kind(StrEnum):
    """What a change is about."""

    PARAMETER = "parameter"
    SERVICE = "service"
    ENTRY = "entry"
    TABLE = "table"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference in the words of mail: *before* or *after* is None for what comes or goes.

    *within* names the table of an entry; *where* is its origin in the desired state, if it has one.
    """

    kind: Kind
    what: str
    before: str | None
    after: str | None
    within: str = ""
    where: Where | None = None


class Activation(StrEnum):
    """What a running Postfix needs to take over a new generation, weakest first."""

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
        """Whether live is the target already."""
        return not self.changes
