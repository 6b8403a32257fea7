"""Pages and commands by their names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from reconciler.commands.main import COMMANDS, main
from reconciler.desired.explanations import explanations

PAGES = sorted(path.stem for path in Path(__file__).parents[3].glob("docs/*.md"))


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["help", *arguments])
    return result.exit_code, result.output


def test_alone_it_lists_every_page_with_its_title() -> None:
    status, text = run()
    listed = [line.split()[0] for line in text.splitlines() if line.startswith("  ")]

    assert (status, listed) == (0, PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_can_be_read(page: str) -> None:
    status, text = run(page)

    assert status == 0
    assert "===\n" in text


def test_a_command_and_a_command_of_a_group_have_their_help() -> None:
    assert run("plan")[1].startswith("Usage: ")
    assert "site remove [OPTIONS]" in run("site", "remove")[1]


def test_a_name_of_both_shows_the_command_and_then_the_page() -> None:
    for name in ("dns", "smart-host", "SMART_HOST"):
        text = run(name)[1]
        assert text.index("Usage: ") < text.index("=="), name


@pytest.mark.parametrize(
    ("wanted", "meant"), [("trouble", "troubles"), ("plann", "plan"), ("sender-rewritng", "sender_")]
)
def test_an_unknown_name_gets_the_near_one_and_64(wanted: str, meant: str) -> None:
    status, text = run(wanted)

    assert status == 64
    assert f'there is no page and no command "{wanted}"; did you mean {meant}' in text


def test_options_exclude_each_other() -> None:
    assert run("--man", "--completion")[0] == 64
    assert run("--man", "plan")[0] == 64


# ---- completion ------------------------------------------------------------------------------------------------------


def completions(*words: str) -> set[str]:
    """Return what the program offers bash for the last of *words*."""
    asked = {"_RECONCILER_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("reconciler", *words)),
             "COMP_CWORD": str(len(words))}  # fmt: skip
    argv = [sys.executable, "-c", "from reconciler.commands.main import main; main(prog_name='reconciler')"]
    done = subprocess.run(argv, env=os.environ | asked, capture_output=True, text=True, check=True)
    return {line.rpartition(",")[2] for line in done.stdout.splitlines()}


def test_bash_is_offered_commands_options_rules_and_pages() -> None:
    assert completions("") >= COMMANDS.keys()
    assert completions("st") == {"status"}
    assert "--facts" in completions("check", "--")
    assert completions("site", "re") == {"remove"}
    assert completions("explain", "alias-l") == {name for name in explanations() if name.startswith("alias-l")}
    assert completions("help", "troub") == {"troubles"}


def test_bash_accepts_what_it_reads() -> None:
    status, text = run("--completion")

    assert status == 0
    assert "_RECONCILER_COMPLETE=bash_complete" in text
    assert "complete -o nosort -F" in text
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)
