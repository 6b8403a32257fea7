"""Judge a commit as a push does, without a host: read, compose, ask, judge, render, and write its rehearsal."""

from __future__ import annotations

import time
from pathlib import Path

from reconciler.desired.lint import lint, mentioned
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import File, errors_in
from reconciler.model.errors import InvalidSource
from reconciler.rehearsal.script import write
from reconciler.trees.render import render
from reconciler.trees.report import finding_lines
from tests.fuzz.grammar import commit
from tests.unit.host_facts import HOST

ROOT = Path(__file__).parents[2]
TEMPLATES = {
    str(path.relative_to(ROOT / "templates")): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "templates").rglob("*.j2"))
}


def judged(number: int) -> str:
    """Judge one commit; return how it ended. An exception that is not a refusal is a fault of ours."""
    files = {path: File.of(content) for path, content in commit(number).items()}
    try:
        desired = load(files, HOST.host, {})
        merged = compose(desired, HOST)
        mentioned(merged, HOST)
        findings = lint(desired, HOST, merged)
    except InvalidSource as error:
        list(finding_lines(error.findings))
        return "unreadable"
    list(finding_lines(findings))
    render(merged, TEMPLATES)
    if errors_in(findings):
        return "refused"
    write(desired, HOST, merged)
    return "permitted"


def timed(number: int) -> tuple[str, float]:
    """Judge one commit; return how it ended and the processor time."""
    began = time.thread_time()
    return judged(number), time.thread_time() - began
