"""The house rules: linters are tests, so that pytest is the one command."""

from __future__ import annotations

import ast
import functools
import re
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("reconciler/**/*.py"))
TESTS = sorted(ROOT.glob("tests/**/*.py"))
HOOKS = [ROOT / "hooks" / name for name in ("pre-receive", "post-receive", "conversation.py", "site-removed")]
MAX_FILE, MAX_FUNCTION, MEDIAN = 450, 60, 10
DOORS = {
    "click": {"commands/"},
    "cryptography": {"host/pem.py"},
    "dns": {"features/dns/rdata.py", "host/dns/"},
    "jinja2": {"features/dns/template.py", "trees/render.py"},
    "pydantic": {"desired/flows.py", "desired/load.py", "features/", "host/facts_file.py"},
    "pydantic_core": {"desired/flows.py", "features/"},
    "pygit2": {"repository/libgit2.py"},
    "pyrage": {"repository/secrets.py"},
    "structlog": {"host/log.py"},
    "subprocess": {"host/effects.py", "rehearsal/inside/master.py", "rehearsal/inside/network.py"},
    "watchdog": {"daemon/watch.py"},
    "yaml": {"desired/yaml_reader.py"},
}
"""The files that import a package; a folder where every file of a kind does."""
PROVEN_END_TO_END = {
    "apply/companions.py": "e2e/mail/test_companions.py",
    "apply/edges.py": "e2e/push/test_push.py",
    "apply/protocol.py": "e2e/recovery/test_errors_anywhere.py",
    "apply/recover.py": "e2e/recovery/test_killed_anywhere.py",
    "apply/stage.py": "e2e/push/test_push.py",
    "commands/commit.py": "e2e/push/test_set.py",
    "commands/console.py": "e2e/operator/test_operator.py",
    "commands/diff.py": "e2e/operator/test_plans.py",
    "commands/dkim.py": "e2e/mail/test_dkim.py",
    "commands/dns.py": "e2e/mail/test_dns.py",
    "commands/edges.py": "e2e/operator/test_operator.py",
    "commands/facts.py": "e2e/operator/test_pages.py",
    "commands/generations.py": "e2e/operator/test_plans.py",
    "commands/fetch.py": "e2e/push/test_remote.py",
    "commands/finish.py": "e2e/push/test_push.py",
    "commands/follow.py": "e2e/push/test_set.py",
    "commands/init.py": "e2e/deploy/test_deploy.py",
    "commands/move_in.py": "e2e/move_in/test_import.py",
    "commands/offers.py": "e2e/move_in/test_offers.py",
    "commands/once.py": "e2e/push/test_push.py",
    "commands/options.py": "e2e/operator/test_operator.py",
    "commands/plan.py": "e2e/operator/test_plans.py",
    "commands/probe/command.py": "e2e/operator/test_probe.py",
    "commands/rollback.py": "e2e/operator/test_operator.py",
    "commands/run.py": "e2e/operator/test_operator.py",
    "commands/schema.py": "e2e/operator/test_pages.py",
    "commands/set.py": "e2e/push/test_set.py",
    "commands/site.py": "e2e/mail/test_sites.py",
    "commands/smart_host.py": "e2e/push/test_set.py",
    "commands/suspend.py": "e2e/operator/test_operator.py",
    "commands/why.py": "e2e/operator/test_why.py",
    "daemon/answers.py": "e2e/push/test_push.py",
    "daemon/loop.py": "e2e/push/test_daemon_wakes.py",
    "daemon/malloc.py": "load/test_soak.py",
    "daemon/master.py": "e2e/drift/test_drift.py",
    "daemon/progress.py": "e2e/push/test_push.py",
    "host/dns/nameserver.py": "e2e/mail/test_dns.py",
    "host/programs/daemons.py": "e2e/drift/test_drift.py",
    "host/programs/service.py": "e2e/mail/test_companions.py",
    "host/programs/vocabulary.py": "e2e/rehearsal/test_shown.py",
    "passes/branch.py": "e2e/operator/test_status.py",
    "passes/choice.py": "e2e/operator/test_operator.py",
    "passes/due.py": "e2e/operator/test_status.py",
    "passes/move_in.py": "e2e/move_in/test_shapes.py",
    "passes/move_in_offers.py": "e2e/move_in/test_offers.py",
    "passes/named_files.py": "e2e/push/test_daemon_wakes.py",
    "passes/offer_proof.py": "e2e/move_in/test_offers.py",
    "passes/operator.py": "e2e/operator/test_operator.py",
    "passes/placed.py": "e2e/push/test_probation.py",
    "passes/probation.py": "e2e/push/test_probation.py",
    "passes/probation_now.py": "e2e/push/test_probation.py",
    "passes/proof.py": "e2e/move_in/test_shapes.py",
    "passes/propose.py": "e2e/drift/test_drift_commit.py",
    "passes/site_requests.py": "e2e/mail/test_sites.py",
    "passes/survey.py": "e2e/move_in/test_shapes.py",
    "passes/status_value.py": "unit/passes/test_verdict.py",
    "passes/unowned.py": "e2e/move_in/test_import.py",
    "rehearsal/inside/limits.py": "e2e/rehearsal/test_isolation.py",
    "rehearsal/inside/master.py": "e2e/rehearsal/test_isolation.py",
    "rehearsal/inside/messages.py": "e2e/rehearsal/test_flows.py",
    "rehearsal/inside/room.py": "e2e/rehearsal/test_isolation.py",
    "rehearsal/inside/spool.py": "e2e/rehearsal/test_shown.py",
    "rehearsal/inside/stand_ins.py": "e2e/rehearsal/test_rehearsal.py",
    "rehearsal/inside/talk.py": "e2e/rehearsal/test_flows.py",
    "rehearsal/inside/network.py": "e2e/rehearsal/test_flows.py",
    "rehearsal/inside/world.py": "e2e/rehearsal/test_flows.py",
    "rehearsal/possible.py": "e2e/rehearsal/test_isolation.py",
    "rehearsal/rehearse.py": "e2e/rehearsal/test_rehearsal.py",
}
"""The modules, or a folder of them, without a unit test, each with the file below tests/ that proves it.

A unit test of one of these would test a stand-in: they consist of effects on a host, of programs, or of the command
line. A new module that is not one of these has its unit test at the mirrored path.
"""
FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "common", "base", "core", "manager"}


def run(*argv: str, cwd: Path = ROOT) -> str:
    """Run a program of this environment; its output, and the test fails with it when it complains."""
    completed = subprocess.run((sys.executable, "-m", *argv), cwd=cwd, capture_output=True, text=True, check=False)
    if completed.returncode:
        pytest.fail(f"{' '.join(argv)}\n{completed.stdout}{completed.stderr}")
    return completed.stdout


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file, which several tests look at."""
    return ast.parse(path.read_text())


def unit_test_of(path: Path) -> Path:
    """The place of a module's unit test; what a package itself defines is tested in a file of the package's name."""
    folder, name = path.relative_to(ROOT / "reconciler").parent, path.stem
    return ROOT / "tests" / "unit" / folder / f"test_{folder.name if name == '__init__' else name}.py"


def proof_of(path: Path) -> str:
    """The key of PROVEN_END_TO_END that names a module; empty when none does."""
    module = str(path.relative_to(ROOT / "reconciler"))
    return next((key for key in PROVEN_END_TO_END if module == key or (key[-1] == "/" and module.startswith(key))), "")


def functions() -> list[tuple[str, int]]:
    return [
        (f"{path.name}:{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for path in SOURCES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef)
    ]


@functools.cache
def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
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
    hooks = ("pre-receive", "post-receive", "site-removed")
    cache = str(ROOT / ".mypy_cache")
    run("mypy", "--strict", "--scripts-are-modules", "--cache-dir", cache, *hooks, cwd=ROOT / "hooks")


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
    silent = [str(path) for path in (*SOURCES, *TESTS) if not ast.get_docstring(parsed(path))]

    assert silent == []


def test_every_module_has_a_unit_test_at_its_mirrored_path_or_is_proven_end_to_end() -> None:
    defining = [
        path for path in SOURCES if any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in parsed(path).body)
    ]
    without = {path for path in defining if not unit_test_of(path).exists()}

    assert [str(path) for path in without if not proof_of(path)] == []
    assert [key for key in PROVEN_END_TO_END if unit_test_of(ROOT / "reconciler" / key).is_file()] == []
    assert PROVEN_END_TO_END.keys() == {proof_of(path) for path in without} - {""}
    assert [proof for proof in PROVEN_END_TO_END.values() if not (ROOT / "tests" / proof).exists()] == []


def test_every_unit_test_of_a_folder_mirrors_a_module() -> None:
    mirrored = {unit_test_of(path) for path in SOURCES}

    assert [str(path) for path in (ROOT / "tests" / "unit").glob("*/**/test_*.py") if path not in mirrored] == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [path for path in (*SOURCES, *TESTS) if path.stem in FORBIDDEN_NAMES] == []


def test_no_two_classes_have_one_name() -> None:
    names = Counter(
        node.name
        for path in SOURCES
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert [name for name, count in names.items() if count > 1 and name != "Schema"] == [], "Schema: one a feature"


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


# ---- text is read as Postfix reads it --------------------------------------------------------------------------------

UNICODE_METHODS = {"isalnum", "isalpha", "isdecimal", "isdigit", "isnumeric", "isspace", "splitlines"}
SPACE_METHODS = {"lstrip", "rsplit", "rstrip", "split", "strip"}
REGEX_FUNCTIONS = {"compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn"}
UNICODE_CLASS = re.compile(r"(?<!\\)(?:\\\\)*\\[dDsSwWbB]")


def is_unicode_method(call: ast.Call) -> bool:
    """Tell whether a call follows Unicode: str.isdigit(), or str.split() and str.strip() without an argument."""
    if not isinstance(call.func, ast.Attribute):
        return False
    first = call.args[0] if call.args else None
    unsaid = first is None or (isinstance(first, ast.Constant) and first.value is None)
    return call.func.attr in UNICODE_METHODS or (call.func.attr in SPACE_METHODS and unsaid and not call.keywords)


def is_unicode_pattern(call: ast.Call) -> bool:
    r"""Tell whether a call makes a regular expression with \d, \s, \w, \b or letters without case of Unicode."""
    name = call.func
    if not (isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "re"):
        return False
    parts = [part.value for part in ast.walk(call.args[0]) if isinstance(part, ast.Constant)] if call.args else []
    texts = [part for part in parts if isinstance(part, str)]
    said = ast.unparse(call)
    of_unicode = any(map(UNICODE_CLASS.search, texts)) or ("re.IGNORECASE" in said and texts)
    return name.attr in REGEX_FUNCTIONS and bool(of_unicode) and "re.ASCII" not in said


def test_no_text_of_others_is_read_by_unicode() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:60]}"
        for path in (*SOURCES, *map(Path, HOOKS))
        if path.name != "ascii_text.py"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and (is_unicode_method(node) or is_unicode_pattern(node))
    ]
    assert found == [], "reconciler/model/ascii_text.py has what to use instead"


def test_the_place_of_what_is_written_nowhere_has_one_name() -> None:
    """A finding at mail.yaml:1:1 helps nobody: UNWRITTEN is replaced, and a whole file is at fault in these alone."""
    whole = {"model/finding.py", "desired/load.py", "desired/budget.py"}
    literal = re.compile(r"""\bWhere\(\s*f?["'](?:mail\.yaml|main\.cf|master\.cf)["']\s*[,)]""")
    found = {str(path.relative_to(ROOT / "reconciler")) for path in SOURCES if literal.search(path.read_text())}
    assert found - {"rehearsal/master_cf.py"} == whole  # there it is a service of the rehearsal alone


def test_what_no_line_causes_is_replaced_by_every_stage_that_finds_it() -> None:
    """UNWRITTEN leaves a stage only through Desired.at_home or SourcePlaces."""
    named = {str(path.relative_to(ROOT / "reconciler")) for path in SOURCES if "where=UNWRITTEN" in path.read_text()}
    replaced_by = {
        "apply/other_queue.py": "apply/stage.py",
        "features/services.py": "desired/lint.py",
        "host/programs/nftables.py": "apply/stage.py",
        "host/programs/postmap.py": "apply/stage.py",
        "host/programs/rspamd.py": "apply/stage.py",
        "passes/look.py": "passes/placed.py",
        "passes/probation.py": "passes/placed.py",
    }
    assert named == replaced_by.keys()
    for place in replaced_by.values():
        assert re.search(r"places\.of|at_home", (ROOT / "reconciler" / place).read_text()), place
