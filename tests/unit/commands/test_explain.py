"""The command that explains rules, to people and to programs."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from reconciler.commands.explain import as_markdown
from reconciler.commands.main import main
from reconciler.desired.explanations import explanations
from reconciler.host.effects import Host
from reconciler.model import Refused, Where, error_at
from reconciler.state.journal import Journal
from reconciler.state.records import Conclusion

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
    status, text = run("--all")
    assert status == 0
    assert [line.split()[0] for line in text.splitlines()] == sorted(explanations())


def test_an_unknown_name_gets_what_was_meant_and_64() -> None:
    status, text = run("alis-loop")
    assert status == 64
    assert 'there is no rule "alis-loop"; did you mean alias-loop?' in text
    assert run("--markdown", "alias-loop")[0] == 64
    assert run("--all", "alias-loop")[0] == 64


def test_alone_it_explains_what_the_last_pass_found(tmp_path: Path) -> None:
    settings = tmp_path / "reconciler.toml"
    settings.write_text(f'[state]\ndirectory = "{tmp_path}"\n')

    def alone() -> str:
        return CliRunner().invoke(main, ["--settings", str(settings), "explain"]).output

    assert [line.split()[0] for line in alone().splitlines()] == sorted(explanations()), "there was no pass"
    (tmp_path / "private").mkdir()
    loop = error_at("alias-loop", Where("tables/virtual", 3), "a loop")
    Journal(tmp_path / "private", Host()).conclude(Conclusion(outcome=Refused((loop, loop)), revision="a" * 40))
    text = alone()
    assert text.startswith("alias-loop\n\n  tables/virtual:3:1: a loop\n  tables/virtual:3:1: a loop\n\n  ")
    assert text.count("Break the circle") == 1
    assert text.endswith("\n`reconciler explain --all` lists all rules.\n")
    Journal(tmp_path / "private", Host()).conclude(Conclusion(outcome=Refused((loop,) * 12), revision="a" * 40))
    text = alone()
    assert text.count("a loop") == 10
    assert "  and 2 more; `reconciler log -v` shows them all\n" in text


def test_programs_read_json() -> None:
    (one,) = json.loads(run("alias-loop", "--json")[1])
    assert one == {"rule": "alias-loop", "text": explanations()["alias-loop"]}
    assert len(json.loads(run("--json")[1])) == len(explanations())


def test_the_page_of_rules_is_what_the_command_prints() -> None:
    assert (ROOT / "docs/rules.md").read_text("utf-8") == as_markdown(), (
        "run: reconciler explain --markdown >docs/rules.md"
    )
