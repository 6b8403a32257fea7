"""What deploy/package builds for, and what the package says that it needs."""

from __future__ import annotations

import re
import subprocess
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


def test_what_is_done_for_each_instance_leaves_other_files_alone_and_ends_with_the_first_failure(
    tmp_path: Path,
) -> None:
    script = 'set -euo pipefail; source "$0/places.bash"; source "$0/debian/packaged.bash"; folder=$1; shift'
    script += "; told() { echo ${instance:-default} ${settings##*/}; [[ ! ${1:-} || $instance != $1 ]]; }"
    script += '; for_each_instance told "$@"'

    def asked(*options: str) -> tuple[int, str]:
        argv: list[str | Path] = ["bash", "-c", script, DEPLOY, tmp_path, *options]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert asked() == (0, "default reconciler.toml\n")
    for name in ("in.toml", "out.toml", "out.old.toml", "identity.age"):
        (tmp_path / name).touch()
    assert asked() == (0, "in in.toml\nout out.toml\ndefault reconciler.toml\n")
    assert asked("out") == (1, "in in.toml\nout out.toml\n")
