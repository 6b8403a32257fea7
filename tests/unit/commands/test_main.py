"""The group of all commands, and what the start of one imports."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from reconciler.commands.main import COMMANDS, PURPOSES, main
from reconciler.daemon.control import Control
from tests.unit.well_status import WELL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = {"cryptography", "dns", "jinja2", "pydantic", "pygit2", "pyrage", "structlog", "watchdog", "yaml"}
UNUSED = {"reconciler.host.log", "reconciler.model.facts", "reconciler.model.outcome", "reconciler.postfix.syntax"}
JUDGING = ("reconciler.desired", "reconciler.features.composition", "reconciler.passes.judge", "reconciler.rules")
REPORTED = """
import sys
from reconciler.commands.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print("exit status", end.code)
print("imported", *sys.modules)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The settings of a host whose state and socket are in a temporary folder."""
    file = tmp_path / "reconciler.toml"
    socket, state = tmp_path / "control.sock", tmp_path / "state"
    file.write_text(f'[state]\ndirectory = "{state}"\n[daemon]\nsocket = "{socket}"\n')
    return file


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[None]:
    """A daemon's socket that answers requests for its status."""
    control = Control(tmp_path / "control.sock", None, {"status": lambda _: iter([{"done": WELL}])}, tmp_path)
    control.start()
    yield
    control.stop()


def started(*arguments: str) -> tuple[str, set[str]]:
    """Return what a command prints, and the modules that its process has imported at its end."""
    argv = [sys.executable, "-c", REPORTED, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    printed, _, packages = done.stdout.rpartition("imported ")
    return printed, set(packages.split())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--instance", "out", "--settings", "/x"), "give either --settings or --instance"),
        (("--instance", "../out"), "no name of an instance"),
        (("--instance", "gone-for-good"), "/etc/reconciler/gone-for-good.toml: no such file"),
    ],
)
def test_an_instance_is_chosen_by_its_name(options: tuple[str, ...], says: str) -> None:
    argv = [sys.executable, "-c", REPORTED, *options, "get", "myhostname"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert says in done.stderr
    assert f"exit status {78 if 'gone' in says else 64}" in done.stdout


def test_each_command_is_at_its_place() -> None:
    with click.Context(main) as context:
        commands = {name: main.get_command(context, name) for name in main.list_commands(context)}

    assert {name: command.name for name, command in commands.items() if command} == {name: name for name in COMMANDS}


def test_the_help_lists_every_command_with_its_first_sentence() -> None:
    text, packages = started("--help")

    purposes = text.partition("Show this message and exit.\n")[2].split("\n\n")
    assert [one.strip("\n").partition(":\n")[0] for one in purposes] == [*PURPOSES]
    listed = [line.split(maxsplit=1) for one in purposes for line in one.partition(":\n")[2].splitlines()]
    assert dict(listed) == {name: place.does for name, place in COMMANDS.items()}
    assert max(map(len, text.splitlines())) <= 80
    assert packages & HEAVY == set()


def test_reconciler_alone_shows_its_help() -> None:
    assert started()[0].removesuffix("exit status 0\n") == started("--help")[0].removesuffix("exit status 0\n")


def test_examples_are_printed_line_by_line() -> None:
    text, _ = started("log", "--help")
    assert "\n    reconciler log -5              the last five passes\n" in text


def test_the_status_of_a_running_daemon_imports_no_library_of_a_pass(settings: Path, daemon: None) -> None:  # noqa: ARG001 - it answers
    text, packages = started("--settings", str(settings), "status")

    assert text.startswith("mx1.example.com   OK: generation 12 is live\n")
    assert packages & (HEAVY | UNUSED) == set()


def test_the_status_without_a_daemon_judges_nothing(settings: Path) -> None:
    text, packages = started("--settings", str(settings), "status")

    assert "exit status" in text
    assert "reconciler.passes.status" in packages
    assert packages & (HEAVY - {"pygit2"}) == set(), "it looks at the branch"
    assert [name for name in packages if name.startswith(JUDGING)] == []


@pytest.mark.parametrize("command", ["--version", "log"])
def test_a_command_that_makes_no_pass_imports_no_library_of_one(command: str, settings: Path) -> None:
    text, packages = started("--settings", str(settings), command)

    assert "exit status" not in text or "exit status 77" in text, "only root may read the log"
    assert packages & HEAVY == set()


def test_no_command_imports_dnspython_before_it_asks() -> None:
    assert "dns" not in started("--help")[1]
