"""Postfix in three nouns: a parameter, a service, a table."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.model.finding import Finding, Severity, Where
from reconciler.model.tree import OTHERS


@dataclass(frozen=True, slots=True)
class Parameter:
    """One main.cf parameter: its value as the text Postfix reads, and who said so (*section* of the desired state)."""

    name: str
    value: str
    where: Where
    section: str = "parameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One master.cf entry, in master(5)'s own fields; ``-`` stands for Postfix's default of a field.

    *overrides* are its ``-o name=value`` options; *arguments* everything else after the command.
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
    overrides: tuple[Parameter, ...] = ()
    where: Where

    @property
    def key(self) -> str:
        """How Postfix tells services apart, and how ``postconf -M`` names one: ``smtp/inet``."""
        return f"{self.name}/{self.type}"

    def finding(self, rule: str, text: str, *, lasting: bool = True) -> Finding:
        """An error about the service as such."""
        text = f'service "{self.name}" of type {self.type}: {text}'
        return Finding(rule=rule, where=self.where, text=text, subject=self.key, lasting=lasting)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A Postfix table as source text; parsed only by those who need its entries.

    *compiler* (``postmap``, ``postalias``) is empty for types that Postfix reads as text; *mode* is the map's too.
    *pieces* are the first line and the file of each of several that made it.
    """

    name: str
    type: str
    source: bytes
    file: str
    compiler: str = ""
    mode: int = 0o644
    pieces: tuple[tuple[int, str], ...] = ()

    @property
    def is_secret(self) -> bool:
        """Whether its file is kept from all users but its owner and group: it holds logins."""
        return not self.mode & OTHERS

    @property
    def where(self) -> Where:
        """The table as a whole."""
        return Where(self.file)

    def at(self, line: int) -> Where:
        """Where a line of its source was written."""
        first, file = next((piece for piece in reversed(self.pieces) if piece[0] <= line), (1, self.file))
        return Where(file, line - first + 1)

    def finding(
        self, rule: str, line: int, text: str, about: str = "",
        *, severity: Severity = Severity.ERROR, lasting: bool = True,
    ) -> Finding:  # fmt: skip
        """A finding about a line of it; *about* is what stands there and is wrong."""
        subject = f"{self.name} {about}".rstrip()
        text = f"table {self.name}: {text}"
        return Finding(rule=rule, where=self.at(line), text=text, subject=subject, severity=severity, lasting=lasting)

    @property
    def reference(self) -> str:
        """How a parameter names this table: the same bytes hold in staging and live."""
        return f"{self.type}:$config_directory/{self.name}"
