"""A rule is one file and one line in rules/__init__.py; a feature is one file and one line in features/__init__.py."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType

import pytest

import reconciler.features
import reconciler.rules
from reconciler.desired import lint
from reconciler.features.composition import FEATURES, Feature
from reconciler.model import Contribution, Mentioned, Rules
from reconciler.rules import RULES
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

PARTS = {part.__name__: part for part in (*RULES, *FEATURES) if isinstance(part, ModuleType)}
LINT_AND_LOAD = [Path(inspect.getfile(lint)).with_name(name) for name in ("lint.py", "load.py")]


def modules(package: ModuleType) -> set[str]:
    """Every module below a package."""
    return {found.name for found in walk_packages(package.__path__, f"{package.__name__}.") if not found.ispkg}


def members(protocol: type) -> set[str]:
    """What a Protocol asks for, by name."""
    own = {name for part in protocol.__mro__ if part.__module__.startswith("reconciler.") for name in vars(part)}
    annotated = {name for part in protocol.__mro__ for name in getattr(part, "__annotations__", {})}
    return {name for name in own | annotated if not name.startswith("_")}


def imported(path: Path) -> set[str]:
    """Every module that a file imports, and every name that it takes from one, in full."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_every_module_of_rules_is_in_the_list_once() -> None:
    assert sorted(modules(reconciler.rules)) == sorted(part.__name__ for part in RULES if isinstance(part, ModuleType))


def test_every_module_that_contributes_is_in_the_list_of_features_once() -> None:
    contributing = [name for name in modules(reconciler.features) if hasattr(import_module(name), "contribute")]

    assert sorted(contributing) == sorted(part.__name__ for part in FEATURES if isinstance(part, ModuleType))


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_module_states_what_its_protocol_asks_for(name: str) -> None:
    protocol = Feature if name.startswith("reconciler.features.") else Rules

    assert {member for member in members(protocol) if not hasattr(PARTS[name], member)} == set()


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_module_with_rules_takes_the_arguments_of_its_protocol(name: str) -> None:
    part = PARTS[name]

    assert list(inspect.signature(part.rules).parameters) == ["desired", "facts", "merged"]
    assert isinstance(part.mentioned(Contribution(), HOST), Mentioned)
    assert all(finding.rule for finding in part.rules(desired(), HOST, Contribution()))


@pytest.mark.parametrize("name", sorted(PARTS))
def test_what_comes_and_goes_with_the_host_is_explained_somewhere(name: str) -> None:
    assert set(PARTS[name].PASSING) <= lint.EXPLAINED.keys()


def test_no_rule_is_explained_twice() -> None:
    explained = [rule for part in (*RULES, *FEATURES) for rule in part.EXPLAINED]

    assert sorted(explained) == sorted(set(explained))


def test_a_module_of_rules_names_no_other() -> None:
    for path in Path(reconciler.rules.__path__[0]).glob("*.py"):
        if path.name != "__init__.py":
            assert not {name for name in imported(path) if name.startswith("reconciler.rules")}, path


@pytest.mark.parametrize("path", LINT_AND_LOAD, ids=lambda path: path.name)
def test_lint_and_load_name_no_rule_and_no_feature(path: Path) -> None:
    lists = {
        "reconciler.rules",
        "reconciler.rules.RULES",
        "reconciler.features.composition",
        "reconciler.features.composition.FEATURES",
    }
    named = {name for name in imported(path) if name.startswith(("reconciler.rules", "reconciler.features"))}

    assert named <= lists
    text = path.read_text("utf-8")
    assert not [feature.SECTION for feature in FEATURES if f'"{feature.SECTION}"' in text]
