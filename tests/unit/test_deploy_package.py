"""What deploy/package builds for, and what the package says that it needs."""

from __future__ import annotations

import re
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_package_depends_on_the_versions_of_python_that_it_has_modules_for() -> None:
    found = re.search(r"^pythons=\((.+?)\)", (DEPLOY / "package").read_text(), re.MULTILINE)
    assert found
    first, last = found[1].split()
    after = {one: f"{one.partition('.')[0]}.{int(one.partition('.')[2]) + 1}" for one in (first, last)}
    needed = (
        f"python3 (>= {first}~), python3 (<< {after[first]}~) | python3 (>= {last}~), python3 (<< {after[last]}~)\n"
    )
    assert needed in (DEPLOY / "debian/control").read_text()
