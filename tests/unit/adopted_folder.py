"""A folder that stands in for an adopted host: what a pass decides about it before Postfix is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.apply.edges import Edges
from reconciler.host.effects import Host
from reconciler.host.settings import Settings, shipped
from reconciler.state.generations import Generations
from reconciler.state.journal import Journal
from reconciler.state.manifest import compiled_name
from tests.unit.repositories import bare, commit

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from reconciler.model import Facts, Revision
    from reconciler.passes.judge import Judged
    from reconciler.state.manifest import Generation

MAIL = "hostname: mx.test.example\n"


@dataclass(frozen=True, slots=True)
class Adopted:
    """The edges of a pass over it, and what happens around one."""

    edges: Edges

    @classmethod
    def made_in(cls, folder: Path, **settings: object) -> Adopted:
        """Adopt a configuration directory in that folder."""
        configuration = folder / "etc" / "postfix"
        configuration.mkdir(parents=True)
        (configuration / "main.cf").write_text("old = 1\n")
        (configuration / "master.cf").write_text("")
        host = Host()
        generations = Generations(folder / "state", configuration, host, folder / "backup")
        generations.prepare()
        generations.adopt()
        templates = shipped("templates")
        return cls(
            Edges(
                settings=Settings(host="mx.test.example", config_directory=configuration, **settings),  # type: ignore[arg-type] # by name, as the tests write them
                host=host,
                repo=bare(folder / "mail.git"),
                generations=generations,
                journal=Journal(generations.private, host),
                templates={str(path.relative_to(templates)): path.read_text() for path in templates.rglob("*.j2")},
            )
        )

    def commit(self, mail: str = MAIL) -> Revision:
        """Put a commit with that mail.yaml on the branch."""
        return self.edges.repo.revision(commit(self.edges.repo.path, {"mail.yaml": mail}))

    def go_live(self, judged: Judged) -> Generation:
        """Make it live as apply() does, but for Postfix and postmap."""
        target, generations = judged.plan.target, self.edges.generations
        stage = generations.stage(target, "pass", 1_000_000_000.0)
        for path, file in target.items():
            if compiled := compiled_name(path, file):
                (stage.root / compiled).touch()
        placed = generations.place(stage, target, judged.revision.oid, judged.order.source, judged.order.deviations)
        generations.switch(placed)
        return placed


def facts_are(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the host find these facts."""
    for name in ("host.facts.gather", "passes.understand.gather", "passes.drift.postfix_facts"):
        monkeypatch.setattr(f"reconciler.{name}", lambda *_: facts)
