"""A parameter, a service and a table of Postfix as values. Raises nothing."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import SPACE
from reconciler.model.finding import Finding, Severity, Where
from reconciler.model.tree import OTHERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Parameter:
    """One main.cf parameter: its value as Postfix reads it, and the *section* of the desired state that sets it."""

    name: str
    value: str
    where: Where
    section: str = "parameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One master.cf entry with the fields of master(5); ``-`` stands for a field's default.

    *overrides* are its ``-o name=value`` options; *arguments* are all other words after the command.
    """

    name: str
    type: str
    private: str = "-"
    unprivileged: str = "-"
    chroot: str = "n"
    wakeup: str = "-"
    maxproc: str = "-"
    command: str
    arguments: tuple[str, ...] = ()
    overrides: Sequence[Parameter] = ()
    where: Where

    @property
    def key(self) -> str:
        """Return the unique key of the service, such as ``smtp/inet``, as ``postconf -M`` prints it."""
        return f"{self.name}/{self.type}"

    @property
    def options(self) -> dict[str, str]:
        """Return the values of its options by their names; Postfix takes the last of those with one name."""
        return {option.name: option.value for option in self.overrides}

    def finding(self, rule: str, text: str, *, lasting: bool = True) -> Finding:
        """Return an error about the service as a whole."""
        text = f'service "{self.name}" of type {self.type}: {text}'
        return Finding(rule=rule, where=self.where, text=text, subject=self.key, lasting=lasting)


class Unread:
    """The bytes of a table that are read when they are needed first; their *length* and their sha256 are known."""

    def __init__(self, read: Callable[[], bytes], length: int, digest: str) -> None:
        self._read, self.length, self.digest = read, length, digest

    @cached_property
    def content(self) -> bytes:
        """Return the bytes."""
        return self._read()


class _Source:
    """The field of a table for its source, which is bytes or Unread, and is bytes for who asks."""

    def __get__(self, table: Table | None, owner: type[Table]) -> bytes:
        if table is None:
            raise AttributeError  # which tells dataclass() that the field has no default
        held = _held_by(table)
        return held.content if isinstance(held, Unread) else held

    def __set__(self, table: Table, value: bytes | Unread) -> None:
        vars(table)["source"] = value


def _held_by(table: Table) -> bytes | Unread:
    """Return the source of a table as it is held, without reading it."""
    held: bytes | Unread = vars(table)["source"]
    return held


@dataclass(frozen=True, kw_only=True)
class Table:
    """A Postfix table as source text; only code that needs its entries parses it.

    *source* may be given as Unread bytes: who needs its *size* and its *digest* alone does not read it.

    *compiler* is ``postmap`` or ``postalias``, and empty for types that Postfix reads as text. *mode* also applies to
    the compiled map. If several files make the table, *pieces* gives the first line and the name of each. If a feature
    makes it, *origins* gives the place of each of its lines.
    """

    name: str
    type: str
    source: _Source = _Source()
    file: str
    compiler: str = ""
    mode: int = 0o644
    pieces: tuple[tuple[int, str], ...] = ()
    origins: tuple[Where, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Return the sha256 of its source in hexadecimal, as in File; a large table is read for it once."""
        held = _held_by(self)
        return held.digest if isinstance(held, Unread) else hashlib.sha256(held).hexdigest()

    @property
    def size(self) -> int:
        """Return the number of bytes of its source."""
        held = _held_by(self)
        return held.length if isinstance(held, Unread) else len(held)

    @property
    def is_secret(self) -> bool:
        """Return whether only its owner and group may read the file, because it holds passwords."""
        return not self.mode & OTHERS

    @property
    def where(self) -> Where:
        """Return the place of the table as a whole."""
        return self.origins[0] if self.origins else Where(self.file)

    def at(self, line: int) -> Where:
        """Return the place in the desired state of a line of its source."""
        if self.origins:
            return self.origins[min(line, len(self.origins)) - 1]
        place = bisect_right(self.pieces, line, key=itemgetter(0))
        first, file = self.pieces[place - 1] if place else (1, self.file)
        return Where(file, line - first + 1)

    def finding(
        self, rule: str, line: int, text: str, about: str = "",
        *, severity: Severity = Severity.ERROR, lasting: bool = True,
    ) -> Finding:  # fmt: skip
        """Return a finding about a line of the table; *about* is the wrong text there."""
        subject = f"{self.name} {about}".rstrip(SPACE)
        text = f"table {self.name}: {text}"
        return Finding(rule=rule, where=self.at(line), text=text, subject=subject, severity=severity, lasting=lasting)

    @property
    def reference(self) -> str:
        """Return the reference for use in a parameter; it is valid both in the stage and live."""
        return f"{self.type}:$config_directory/{self.name}"
