"""The list of rules: every module of rules/ is in GRAPH, or is called by one that is."""

from __future__ import annotations

from pathlib import Path

from reconciler import rules
from reconciler.rules import GRAPH

CALLED_BY_TABLES = {"alias_loops", "shadowed", "table_entries"}
"""They judge one table at a time, for rules/tables.py."""


def test_every_subject_is_in_the_list() -> None:
    assert rules.__file__
    files = {path.stem for path in Path(rules.__file__).parent.glob("*.py")} - {"__init__"}
    listed = [subject.__name__.rpartition(".")[2] for subject in GRAPH]  # type: ignore[attr-defined] # a module

    assert len(listed) == len(set(listed))
    assert {*listed} | CALLED_BY_TABLES == files
