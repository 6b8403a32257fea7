"""The house rules: linters are tests, so that pytest is the one command."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("reconciler/**/*.py"))
TESTS = sorted(ROOT.glob("tests/**/*.py"))
HOOKS = [ROOT / "hooks" / name for name in ("pre-receive", "post-receive", "conversation.py", "site-removed")]
MAX_FILE, MAX_FUNCTION, MEDIAN = 400, 60, 10
DOORS = {
    "click": {"commands/"},
    "cryptography": {"host/certificates.py"},
    "dns": {"host/dns/nameserver.py", "host/dns/resolver.py"},
    "jinja2": {"features/dns/template.py", "trees/render.py"},
    "psutil": {"host/facts.py"},
    "pydantic": {"desired/flows.py", "desired/load.py", "features/"},
    "pydantic_core": {"desired/flows.py", "features/"},
    "pygit2": {"repository/create.py", "repository/repo.py"},
    "pyrage": {"repository/secrets.py"},
    "structlog": {"host/log.py"},
    "subprocess": {"host/effects.py", "rehearsal/inside/play.py", "rehearsal/inside/world.py"},
    "watchdog": {"daemon/watch.py"},
    "yaml": {"desired/yaml_reader.py"},
}
"""The files that import a package; a folder where every file of a kind does."""
FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "common", "base", "core", "manager"}


def run(*argv: str, cwd: Path = ROOT) -> str:
    """Run a program of this environment; its output, and the test fails with it when it complains."""
    completed = subprocess.run((sys.executable, "-m", *argv), cwd=cwd, capture_output=True, text=True, check=False)
    if completed.returncode:
        pytest.fail(f"{' '.join(argv)}\n{completed.stdout}{completed.stderr}")
    return completed.stdout


def functions() -> list[tuple[str, int]]:
    return [
        (f"{path.name}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", ".", *map(str, HOOKS))


def test_every_file_is_formatted() -> None:
    run("ruff", "format", "--check", ".", *map(str, HOOKS))


def test_mypy_finds_nothing() -> None:
    run("mypy")


def test_hooks_are_typed_as_well() -> None:
    for hook in ("pre-receive", "post-receive", "site-removed"):
        run("mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache"), hook, cwd=ROOT / "hooks")


def test_imports_flow_in_one_direction() -> None:
    completed = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert completed.returncode == 0, completed.stdout + completed.stderr


@pytest.mark.parametrize("package", sorted(DOORS))
def test_each_outside_thing_has_one_door(package: str) -> None:
    users = {str(path.relative_to(ROOT / "reconciler")) for path in SOURCES if package in imports(path)}
    folders = tuple(door for door in DOORS[package] if door.endswith("/"))

    assert {next(filter(user.startswith, folders), user) for user in users} == DOORS[package]


def test_git_hooks_import_only_the_standard_library() -> None:
    for hook in HOOKS:
        assert imports(hook) <= sys.stdlib_module_names | {"conversation"}, hook


def test_files_are_short() -> None:
    long = {str(path): count for path in (*SOURCES, *TESTS) if (count := len(path.read_text().splitlines())) > MAX_FILE}

    assert long == {}


def test_functions_are_short() -> None:
    sizes = functions()

    assert [name for name, size in sizes if size > MAX_FUNCTION] == []
    assert statistics.median(size for _, size in sizes) <= MEDIAN


def test_every_module_says_what_it_promises() -> None:
    silent = [str(path) for path in (*SOURCES, *TESTS) if not ast.get_docstring(ast.parse(path.read_text()))]

    assert silent == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path in (*SOURCES, *TESTS) if path.stem in FORBIDDEN_NAMES] == []


def test_only_the_agreed_names_stand_at_the_top_level() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    top = {line.partition("/")[0] for line in listed if line}

    assert top <= {
        ".ci", ".gitattributes", ".gitignore", ".pre-commit-hooks.yaml", "ARCHITECTURE.md", "CHANGELOG.md",
        "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "deploy", "desired-state", "docs", "hooks",
        "pyproject.toml", "reconciler", "templates", "tests",
    }  # fmt: skip
