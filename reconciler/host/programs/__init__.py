"""The programs that reconciler manages or asks: each command as argv, and a pure parser of what it prints.

PROGRAMS are the companions, the programs beside Postfix that are managed with it. To add one, write its file, which
holds what Program says, and add it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from reconciler.host.programs import nftables, postsrsd, rspamd

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from reconciler.host.effects import Host
    from reconciler.host.programs.service import Was
    from reconciler.model import Finding


class Program(Protocol):
    """What the module of a companion holds; *folder* is where its files of one generation are."""

    NAME: str
    """As its folder and its Companion are called."""
    PACKAGE: str
    """Debian's, which brings it."""
    TITLE: str
    """As people call it."""
    COPIED: frozenset[str]
    """The places that must hold a file of their own instead of a link; root's."""

    IS_SERVICE: bool
    """Whether it is processes, which can die."""

    @property
    def PLACES(self) -> Mapping[str, str]:  # noqa: N802 - modules name it as the constant it is
        """Where on the host each file is looked for; a symbolic link is put there while the companion has the file."""

    def check(self, host: Host, folder: Path) -> list[Finding]:
        """What its own checker says of a stage."""

    def look(self, host: Host) -> Was:
        """How it is now; asked before it is managed for the first time."""

    def activate(self, host: Host, folder: Path) -> None:
        """Start it, or have it take its changed files over; CommandFailed when that fails."""

    def answers(self, host: Host, folder: Path) -> str:
        """Why it does not work as *folder* says; empty when it does."""

    def processes(self) -> list[int]:
        """The processes whose end must be noticed; none for what needs none."""

    def stop(self, host: Host) -> None:
        """Stop it and wait for its end."""

    def leave(self, host: Host, was: Was) -> None:
        """Make of it, stopped and with its own files back, what look() saw."""


PROGRAMS: Mapping[str, Program] = {one.NAME: one for one in (postsrsd, rspamd, nftables)}
