"""The command that explains rules, to people and to programs."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from reconciler.commands.explain import as_markdown
from reconciler.commands.main import main
from reconciler.desired.explanations import explanations

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["explain", *arguments])
    return result.exit_code, result.output


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
