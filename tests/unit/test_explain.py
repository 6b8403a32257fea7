"""Every rule that can be emitted is explained, and nothing else is; the command says it to people and programs."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from reconciler.commands.explain import as_markdown
from reconciler.commands.main import main
from reconciler.desired.explanations import explanations
from reconciler.rules import GRAPH

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
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


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["explain", *arguments])
    return result.exit_code, result.output


def test_what_is_emitted_is_explained_and_nothing_else_is() -> None:
    assert set(emitted()) | OTHERS == explanations().keys()


def test_an_explanation_says_what_it_means_and_how_to_mend_it() -> None:
    for name, text in explanations().items():
        assert 2 <= text.count(". ") + 1 <= 6, name
        assert text.endswith("."), name
        assert "  " not in text, name


def test_every_subject_explains_its_rules() -> None:
    assert all(subject.EXPLAINED for subject in GRAPH)


def test_a_rule_is_explained_by_its_name() -> None:
    status, text = run("alias-loop")
    assert (status, text.splitlines()[0]) == (0, "alias-loop")
    assert "Break the circle" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_without_a_name_all_are_listed_one_a_line() -> None:
    status, text = run()
    assert status == 0
    assert [line.split()[0] for line in text.splitlines()] == sorted(explanations())


def test_an_unknown_name_gets_what_was_meant_and_64() -> None:
    status, text = run("alis-loop")
    assert status == 64
    assert 'there is no rule "alis-loop"; did you mean alias-loop?' in text
    assert run("--markdown", "alias-loop")[0] == 64


def test_programs_read_json() -> None:
    (one,) = json.loads(run("alias-loop", "--json")[1])
    assert one == {"rule": "alias-loop", "text": explanations()["alias-loop"]}
    assert len(json.loads(run("--json")[1])) == len(explanations())


def test_the_page_of_rules_is_what_the_command_prints() -> None:
    assert (ROOT / "docs/rules.md").read_text("utf-8") == as_markdown(), (
        "run: reconciler explain --markdown >docs/rules.md"
    )
