"""The documents say what the code says: the code map, the listing in README, its examples, links and the floor."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from reconciler.desired.load import load
from reconciler.model import Applied, Change, File, Finding, Kind, Where
from reconciler.trees.changes import change_lines
from reconciler.trees.fold import GIT, fold
from reconciler.trees.report import outcome_lines
from tests.unit.desired_states import linted

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
ENTRY = re.compile(r"\*\*(\w+)/\*\* .*?\*(Invariant: .*?)\*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
README = (ROOT / "README.md").read_text()
ATTACKS = (ROOT / "docs/attacks.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def in_one_line(text: str) -> str:
    """Return a text without its line breaks and the indentation after them."""
    return " ".join(text.split())


def code_map() -> dict[str, str]:
    """Return the invariant of each folder in ARCHITECTURE.md, in the order of the page."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    return {name: in_one_line(invariant) for name, invariant in ENTRY.findall(text)}


def layers() -> str:
    """Return the layers of the import contract, from the outermost to the innermost."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return " > ".join(next(contract["layers"] for contract in contracts if contract["type"] == "layers"))


def mail_yaml() -> str:
    """Return the mail.yaml that README shows."""
    return README.split("```yaml\n")[1].split("```")[0]


def defences() -> list[tuple[str, str]]:
    """Return the attack and the tests of each row in docs/attacks.md, without heads and rules."""
    rows = [line.strip("| ").split(" | ") for line in ATTACKS.splitlines() if line.startswith("| ")]
    return [(cells[0], cells[-1]) for cells in rows if cells[-1] != "Tests"]


def defined_in(path: str) -> set[str]:
    """Return the names of the tests in a file; none if there is no such file."""
    file = ROOT / path
    return set(re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)) if file.exists() else set()


def findings(mail: str) -> list[Finding]:
    """Return everything that the rules find in a repository with this mail.yaml."""
    return linted(load({"mail.yaml": File.of(mail.encode())}, "mx1.example.com", {}))


def test_the_code_map_has_the_folders_in_the_order_of_the_layers() -> None:
    folders = re.findall(r"\w+", layers())

    assert list(code_map()) == folders
    assert layers() in in_one_line((ROOT / "ARCHITECTURE.md").read_text())
    assert set(folders) == {path.parent.name for path in ROOT.glob("reconciler/*/__init__.py")}


@pytest.mark.parametrize("folder", sorted(code_map()))
def test_a_folders_docstring_states_the_invariant_of_the_code_map(folder: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / "reconciler" / folder / "__init__.py").read_text())) or ""

    assert in_one_line(docstring).endswith(code_map()[folder])


def test_readme_lists_what_is_there() -> None:
    listing = README.split("## Where things are")[1]
    listed = re.findall(r"^ +([\w-]+)/ ", listing, re.MULTILINE)
    top = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}

    assert set(listed) - set(code_map()) <= top
    assert set(code_map()) <= set(listed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]

    assert missing == []


def test_every_page_is_linked_from_readme() -> None:
    linked = {(ROOT / target).resolve() for target in LINK.findall(README)}

    assert set(ROOT.glob("docs/*.md")) <= linked


def test_the_mail_yaml_of_readme_has_twelve_lines_and_no_error() -> None:
    assert len(mail_yaml().splitlines()) == 12
    assert [str(finding) for finding in findings(mail_yaml()) if finding.is_error] == []


def test_the_refusal_in_readme_is_what_the_rule_says() -> None:
    typo = "  smtpd_sender_restrictions: reject_unknown_sender_domian\n"
    (error,) = [finding for finding in findings(mail_yaml() + typo) if finding.is_error]

    assert str(error) in in_one_line(README.replace("remote:", ""))


def test_the_plan_and_the_outcome_in_readme_are_what_a_push_shows() -> None:
    size, row = Where("mail.yaml", 12), Where("tables/transport", 2)
    changes = (
        Change(kind=Kind.PARAMETER, what="message_size_limit", before="20971520", after="41943040", where=size),
        Change(kind=Kind.ENTRY, what="yahoo.com", before="relaylim:", after="slow:", within="transport", where=row),
    )

    outcome = outcome_lines(Applied((), verified="1 listener, 3 kinds of recipient, sendmail"), 1.5, 3, "322a6ed")
    for line in fold([*change_lines(changes), *outcome], GIT):
        assert f"remote: {line}\n" in README, line


def test_the_floor_in_the_page_on_performance_is_the_script_of_the_benchmark() -> None:
    assert (ROOT / "tests/benchmarks/floor.sh").read_text() in (ROOT / "docs/performance.md").read_text()


def test_every_defence_on_the_page_of_attacks_has_tests_that_exist() -> None:
    assert len(defences()) > 90
    for attack, tests in defences():
        named = TEST.findall(tests)
        assert named, attack
        assert TEST.sub("", tests).replace("<br>", "") == "", attack
        assert [f"{path}::{name}" for path, name in named if name not in defined_in(path)] == [], attack


def test_the_pages_for_users_say_that_sites_are_no_security_boundary() -> None:
    said = "change the mail of the whole host"
    silent = [
        name
        for name in ("README.md", "SECURITY.md", "docs/sites.md", "docs/attacks.md")
        if said not in in_one_line((ROOT / name).read_text())
    ]

    assert silent == []
