"""Collect everything outside the program that a pass works with in one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.host.programs import postfix
from reconciler.host.reverse_names import ReverseNames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.host.effects import Host
    from reconciler.host.settings import Settings
    from reconciler.repository.repo import Repository
    from reconciler.state.generations import Generations
    from reconciler.state.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Everything outside the program that a pass works with, and *say*, which reports each step as it begins.

    *activated* is called for each reload and restart of Postfix; *revived* says whether Postfix died and was started
    beside the pass; *lived* is the last time at which its master is known to have run, zero if that is not known.
    *names* are the reverse names of a while ago.
    """

    settings: Settings
    host: Host
    repo: Repository
    generations: Generations
    journal: Journal
    templates: Mapping[str, str]
    say: Callable[[str], None] = field(default=lambda _: None)
    activated: Callable[[], None] = field(default=lambda: None)
    revived: Callable[[], bool] = field(default=lambda: False)
    lived: Callable[[], float] = field(default=lambda: 0.0)
    names: ReverseNames = field(default_factory=ReverseNames)

    def postfix(self) -> postfix.Instance:
        """Return the managed Postfix as its live main.cf describes it now."""
        return postfix.live(self.host, self.settings.config_directory)
