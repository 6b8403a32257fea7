"""Rehearses a desired state as a pass would, but asks no rule first; runs inside a throw-away host.

    rehearse.py <REQUEST        {"files": {path: text}, "namespaces": [...], "program": text, "timeout": seconds,
                               "closed": [names], "changed": [services]}

preloaded.py holds a rehearsal of its own in the same way, after the imports.

Promises: everything is the real thing but the order: load, compose, render, stage, compile, write, rehearse. Prints
{"findings": [text, ...], "report": {...}, "script": {...}}, or {"trouble": text} when no rehearsal could be held.
*namespaces* and *program* replace those of a real rehearsal, for tests that take one of its walls away. Those files of
the candidate that *closed* names are root's alone. Without *changed*, everything counts as changed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from reconciler.desired.lint import mentioned
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.host.effects import Host
from reconciler.host.facts import gather
from reconciler.host.programs import postmap
from reconciler.host.programs.vocabulary import says
from reconciler.host.settings import Settings, shipped
from reconciler.model import File
from reconciler.model.errors import ReconcilerError
from reconciler.rehearsal import rehearse
from reconciler.rehearsal.kinds import Changed
from reconciler.rehearsal.script import write
from reconciler.rehearsal.verdict import findings_of
from reconciler.state.generations import Generations
from reconciler.trees.render import render


def main(asked: dict[str, Any]) -> dict[str, Any]:
    """One rehearsal."""
    host, settings = Host(), Settings(host="mx1.example.com")
    desired = load({path: File.of(text.encode()) for path, text in asked["files"].items()}, settings.host, {})
    if desired.findings:
        raise SystemExit("\n".join(map(str, desired.findings)))
    facts = gather(host, settings)
    merged = compose(desired, facts)
    facts = gather(host, settings, mentioned(merged, facts))
    root = shipped("templates")
    templates = {str(path.relative_to(root)): path.read_text() for path in root.rglob("*.j2")}
    generations = Generations(settings.state, settings.config_directory, host, settings.backup)
    generations.prepare()
    stage = generations.stage(render(merged, templates), f"tested-{time.monotonic_ns()}", time.time() - 60)
    compiled = [table for table in merged.tables.values() if table.compiler]
    if findings := postmap.compile_tables(host, stage.root, compiled):
        raise SystemExit("\n".join(map(str, findings)))
    for path in stage.root.iterdir():
        if path.name in asked.get("closed", ()):
            path.chmod(0o600)
    rehearse.TIMEOUT = asked.get("timeout", rehearse.TIMEOUT)
    changed = Changed(frozenset(asked["changed"])) if "changed" in asked else None
    script = write(desired, facts, merged, changed)
    replaced = {name: asked[name] for name in ("namespaces", "program") if name in asked}
    try:
        report = rehearse.play(script, Path(stage.root), settings.config_directory, host, **replaced)
    except ReconcilerError as error:
        return {"trouble": str(error)}
    return {
        "findings": [str(one) for one in findings_of(script, report, says)],
        "report": report,
        "script": script.play,
    }


def answer() -> None:
    """Read a request from standard input, and print what came of it."""
    print(json.dumps(main(json.load(sys.stdin))))


if __name__ == "__main__":
    answer()
