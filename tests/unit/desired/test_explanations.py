"""Every rule that can be emitted is explained, and nothing else is."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.desired.explanations import explanations
from reconciler.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
# Functions that take a rule's name as their first argument, and those that take it as another one.
MAKERS = {
    "_error", "_finding", "_invalid", "_malformed", "_odd", "_refused", "_traced", "_warning", "finding",
    "refused", "PydanticCustomError",
}  # fmt: skip
TOLD = {"_told": 2}
# Names that are the program's own, and those that a table of names holds.
OTHERS = {
    "postconf", "postmap", "postalias", "secret-not-opened", "invalid-table", "plain-text-secret", "invalid-value",
    "unknown-key", "missing-key", "unquoted-brackets", "cause-in-traffic", "not-confirmed",
}  # fmt: skip


def emitted() -> Iterator[str]:
    """The names that stand as literals where a finding is made."""
    for path in ROOT.glob("reconciler/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield from _literals(node)


def _literals(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = [keyword.value for keyword in call.keywords if keyword.arg == "rule" and name != "option"]
    if name in MAKERS:
        given += call.args[:1]
    if name in TOLD:
        given += call.args[TOLD[name] : TOLD[name] + 1]
    for value in given:
        for node in (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,):
            if isinstance(node, ast.Constant):
                yield str(node.value)


def test_what_is_emitted_is_explained_and_nothing_else_is() -> None:
    assert set(emitted()) | OTHERS == explanations().keys()


def test_an_explanation_says_what_it_means_and_how_to_mend_it() -> None:
    for name, text in explanations().items():
        assert 2 <= text.count(". ") + 1 <= 6, name
        assert text.endswith("."), name
        assert "  " not in text, name


def test_every_subject_explains_its_rules() -> None:
    assert all(subject.EXPLAINED for subject in RULES)
