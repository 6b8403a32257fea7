"""The edges of a command: this host, the repository and the state, by its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.apply.edges import Edges
from reconciler.host.effects import Host
from reconciler.host.settings import shipped
from reconciler.repository.mirror import MirrorRepository
from reconciler.repository.repo import Repository
from reconciler.state.generations import Generations
from reconciler.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.host.settings import Settings


def edges_for(settings: Settings, state: Path, configuration: Path, backup: Path, say: Callable[[str], None]) -> Edges:
    """Return the edges whose state is in *state*, live main.cf in *configuration*, and second originals in *backup*."""
    host = Host()
    return Edges(
        settings=settings, host=host, repo=_repository(settings, host),
        generations=Generations(state, configuration, host, backup), journal=Journal(state / "private", host),
        templates=templates(), say=say,
    )  # fmt: skip


def _repository(settings: Settings, host: Host) -> Repository:
    """Return this host's own repository, or the mirror of the remote that it follows."""
    if settings.url is None:
        return Repository(settings.repository, settings.branch, host)
    return MirrorRepository(settings.repository, settings.branch, host, settings.url)


def templates() -> dict[str, str]:
    """Read the templates of Postfix's files, each by its name."""
    root = shipped("templates")
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*.j2"))}
