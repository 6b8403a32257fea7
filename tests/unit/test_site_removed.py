"""The hook of a hosting panel: whose state a request goes to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = Path(__file__).parents[2] / "hooks" / "site-removed"
ROOT = "os.geteuid() != 0"


def asked(root: Path, *arguments: str, **environment: str) -> tuple[int, str, list[str]]:
    """Run the hook with a root of its own; its exit status, what it says, and the requests on disk."""
    text = HOOK.read_text()
    assert ROOT in text
    text = text.replace(ROOT, "False")
    for place in ("/etc/reconciler", "/var/lib/reconciler", "/run/reconciler"):
        text = text.replace(f'"{place}', f'"{root}{place}')
    argv = (sys.executable, "-SEB", "-c", text, *arguments)
    env = {**os.environ, **{name: value.format(root=root) for name, value in environment.items()}}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env)
    found = root.rglob("removals/*")
    return done.returncode, done.stderr.replace(str(root), ""), [str(path.relative_to(root)) for path in found]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with the state of two instances, and that of a third elsewhere."""
    for folder in ("etc/reconciler", "var/lib/reconciler", "var/lib/reconciler-out", "srv/state"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/reconciler/out.toml").write_text('[probation]\ntime = "0s"\n')
    (tmp_path / "etc/reconciler/other.toml").write_text(f'[state]\ndirectory = "{tmp_path}/srv/state"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "environment", "state"),
    [
        ((), {}, "var/lib/reconciler"),
        ((), {"RECONCILER_INSTANCE": ""}, "var/lib/reconciler"),
        ((), {"RECONCILER_INSTANCE": "-"}, "var/lib/reconciler"),
        ((), {"RECONCILER_INSTANCE": "out"}, "var/lib/reconciler-out"),
        ((), {"RECONCILER_INSTANCE": "postfix-out"}, "var/lib/reconciler-out"),
        ((), {"RECONCILER_INSTANCE": "other"}, "srv/state"),
        ((), {"RECONCILER_SETTINGS": "{root}/etc/reconciler/out.toml"}, "var/lib/reconciler-out"),
        ((), {"RECONCILER_SETTINGS": "{root}/etc/reconciler/out.toml", "RECONCILER_INSTANCE": "other"},
         "var/lib/reconciler-out"),
        (("--instance", "out"), {"RECONCILER_INSTANCE": "other"}, "var/lib/reconciler-out"),
        (("--instance", "out"), {"RECONCILER_SETTINGS": "{root}/etc/reconciler/other.toml"}, "var/lib/reconciler-out"),
    ],
)  # fmt: skip
def test_a_request_goes_to_the_instance_that_is_chosen(
    root: Path, arguments: tuple[str, ...], environment: dict[str, str], state: str
) -> None:
    status, said, (request,) = asked(root, *arguments, "12", **environment)
    assert (status, said) == (0, "")
    assert request.startswith(f"{state}/removals/site12-")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--instance", "nosuch", "12"), 78, "/etc/reconciler/nosuch.toml: no such file"),
        (("--instance", "../out", "12"), 78, '"../out" is no name of an instance'),
        (("--instance", "out"), 64, "usage: "),
        (("--instance",), 64, "usage: "),
        (("--other", "12"), 64, "usage: "),
        (("x",), 64, "usage: "),
    ],
)
def test_a_wrong_request_is_written_nowhere(root: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = asked(root, *arguments)
    assert (done[0], done[2]) == (status, [])
    assert said in done[1]
