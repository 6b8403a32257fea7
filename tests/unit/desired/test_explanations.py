"""Every rule that can be emitted is explained, and nothing else is."""

from __future__ import annotations

import ast
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.desired.explanations import explanations
from reconciler.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
# Names that are the program's own, and those that a table of names holds.
OTHERS = {
    "postconf", "postmap", "postalias", "secret-not-opened", "invalid-file", "invalid-table", "plain-text-secret",
    "invalid-value", "unknown-key", "missing-key", "unquoted-brackets", "cause-in-traffic", "not-confirmed",
    "site-left-out",
    "service-dies", "warning-in-rehearsal",
}  # fmt: skip


@functools.cache
def parsed(path: Path) -> tuple[list[ast.FunctionDef], list[ast.Call]]:
    """The functions and the calls in a source file."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    return [node for node in nodes if isinstance(node, ast.FunctionDef)], [
        node for node in nodes if isinstance(node, ast.Call)
    ]


def sources(folder: str = "reconciler") -> list[Path]:
    return sorted(ROOT.glob(f"{folder}/**/*.py"))


@functools.cache
def makers() -> dict[str, int]:
    """Every function that takes a rule's name, and as which of its arguments: those with a parameter ``rule: str``."""
    places = {"PydanticCustomError": 0}
    for node in (node for path in sources() for node in parsed(path)[0]):
        arguments = [argument for argument in node.args.args if argument.arg != "self"]
        for place, argument in enumerate(arguments):
            if argument.arg == "rule" and argument.annotation and ast.unparse(argument.annotation) == "str":
                assert places.setdefault(node.name, place) == place, node.name
    return places


def emitted(folder: str = "reconciler") -> Iterator[str]:
    """The names that stand as literals where a finding is made, in the files of a folder."""
    places = makers()
    for node in (node for path in sources(folder) for node in parsed(path)[1]):
        yield from _literals(node, places)


def _literals(call: ast.Call, places: dict[str, int]) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = [keyword.value for keyword in call.keywords if keyword.arg == "rule" and name != "option"]
    if name in places:
        given += call.args[places[name] : places[name] + 1]
    for value in given:
        for node in (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,):
            if isinstance(node, ast.Constant):
                yield str(node.value)


def test_the_functions_that_make_findings_are_found() -> None:
    assert makers().keys() >= {"error_at", "warning_at", "finding", "warning", "refused"}


def test_what_is_emitted_is_explained_and_nothing_else_is() -> None:
    assert set(emitted()) | OTHERS == explanations().keys()


def test_an_explanation_says_what_it_means_and_how_to_mend_it() -> None:
    for name, text in explanations().items():
        assert 2 <= text.count(". ") + 1 <= 6, name
        assert text.endswith("."), name
        assert "  " not in text, name


def test_every_subject_explains_its_rules() -> None:
    assert all(subject.EXPLAINED for subject in RULES)
