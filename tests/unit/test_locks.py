"""The lock files pin what pyproject.toml asks for: one version of each package, by the SHA-256 of its files."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DEPLOY, *TESTS = LOCKS = [
    ROOT / name for name in ("deploy/requirements.lock", "tests/requirements.lock", "tests/sources.lock")
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN, BUILD = PROJECT["project"]["dependencies"], PROJECT["build-system"]["requires"]
TEST = PROJECT["project"]["optional-dependencies"]["test"]
ENTRY = re.compile(r"(?P<requirement>\S+==[^\\\n]+?)(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")


def entries(lock: Path) -> dict[str, str]:
    """Return the version that a lock file pins, by the name of the package."""
    found: dict[str, str] = {}
    for entry in ENTRY.finditer(lock.read_text()):
        requirement = Requirement(entry["requirement"])
        (pin,) = requirement.specifier
        found[canonicalize_name(requirement.name)] = pin.version
    return found


def unfit(wanted: list[str], *locks: Path) -> list[str]:
    """Return the requirements that no pin of these lock files meets."""
    pins = dict(chain.from_iterable(entries(lock).items() for lock in locks))
    found = []
    for text in wanted:
        requirement = Requirement(text)
        version = pins.get(canonicalize_name(requirement.name))
        if version is None or not requirement.specifier.contains(version):
            found.append(f"{text}, pinned: {version}")
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_a_lock_file_holds_versions_with_sums_and_nothing_else(lock: Path) -> None:
    rest = ENTRY.sub("", lock.read_text())

    assert [line for line in rest.splitlines() if not line.startswith("#")] == []
    assert "//" not in lock.read_text()
    assert entries(lock)


def test_no_package_is_pinned_twice() -> None:
    names = [name for lock in LOCKS for name in entries(lock)]

    assert sorted(names) == sorted(set(names))


def test_the_pins_are_what_pyproject_allows() -> None:
    assert unfit([*RUN, *BUILD], DEPLOY) == [], "run deploy/lock"
    assert unfit(TEST, *LOCKS) == [], "run deploy/lock"


def test_a_pin_that_pyproject_does_not_allow_is_found() -> None:
    assert unfit(["click<8", "pyyaml>=6.0", "absent"], DEPLOY) == [
        f"click<8, pinned: {entries(DEPLOY)['click']}",
        "absent, pinned: None",
    ]


def test_what_a_dependency_needs_is_pinned_too() -> None:
    needed = [text for name in RUN for text in requires(Requirement(name).name) or []]
    here = [text for text in needed if (marker := Requirement(text).marker) is None or marker.evaluate({"extra": ""})]

    assert unfit(here, DEPLOY) == []
    assert any("cffi" in text for text in here)
