"""The check of a folder by the facts of another host, as on a machine without Postfix; e2e checks on a host."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from reconciler.commands.main import main
from reconciler.host.facts_file import as_text
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

MAIL = "hostname: mx.test.example\nparameters:\n  mydestination: mx.test.example, localhost\n"
TYPO = MAIL + "  smtpd_sender_restrictions: reject_unknown_sender_domian\n"


@pytest.fixture(autouse=True)
def _clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is a clone, on a machine where no program of Postfix can be found."""
    (tmp_path / "mx1.json").write_text(as_text(HOST))
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def check(mail: str, *arguments: str, tree: str = ".") -> Result:
    with open("mail.yaml", "w") as file:  # noqa: PTH123 - in the current folder
        file.write(mail)
    return CliRunner().invoke(main, ["check", "--tree", tree, "--facts", "../mx1.json", *arguments])


def test_a_healthy_clone_passes_and_the_limits_are_said() -> None:
    done = check(MAIL)

    assert (done.exit_code, done.stdout) == (0, "")
    limit, _, verdict = done.stderr.splitlines()
    assert limit.startswith(
        "limit: judged as mx.test.example by its facts: Postfix's own programs did not run, nothing"
    )
    assert verdict == ".: no errors"


def test_an_error_is_found_at_its_place() -> None:
    done = check(TYPO)

    assert done.exit_code == 1
    assert done.stdout.startswith('mail.yaml:4:30: unknown restriction "reject_unknown_sender_domian"')


def test_another_host_of_the_repository_can_be_judged(tmp_path: Path) -> None:
    (tmp_path / "clone/hosts").mkdir()
    (tmp_path / "clone/hosts/mx2.example.com.yaml").write_text("parameters: {nosuch_name: a}\n")

    assert check(MAIL).exit_code == 0
    done = check(MAIL, "--host", "mx2.example.com")
    assert (done.exit_code, done.stdout.partition(":")[0]) == (1, "hosts/mx2.example.com.yaml")
    assert "judged as mx2.example.com" in done.stderr


def test_what_the_facts_do_not_cover_is_said() -> None:
    done = check(MAIL + "  smtpd_tls_cert_file: /etc/ssl/new.pem\n")

    assert "limit: the facts of mx.test.example do not cover" in done.stderr
    assert "/etc/ssl/new.pem" in done.stderr


def test_flows_are_counted_and_not_played(tmp_path: Path) -> None:
    (tmp_path / "clone/flows").mkdir()
    (tmp_path / "clone/flows/a.yaml").write_text("a:\n  to: postmaster@mx.test.example\n  expect: accepted\n")

    assert check(MAIL).stderr.endswith(".: no errors; flows: 1 not run, there was no rehearsal\n")
    assert json.loads(check(MAIL, "--json").stdout)["flows"] == {"tests": 1, "played": False}


@pytest.mark.parametrize("option", ["--json", "--format=json"])
def test_json_has_the_findings_and_the_limits(option: str) -> None:
    shown = json.loads(check(TYPO, option).stdout)

    assert [finding["line"] for finding in shown["findings"] if finding["severity"] == "error"] == [4]
    assert "nothing was rehearsed" in shown["limits"][0]


def test_each_format_names_the_file_as_the_repository_does() -> None:
    assert check(TYPO, "--format", "github").stdout.startswith(
        "::error title=unknown-restriction,file=mail.yaml,line=4"
    )
    assert json.loads(check(TYPO, "--format", "gitlab").stdout)[0]["location"]["path"] == "mail.yaml"
    sarif = json.loads(check(TYPO, "--format", "sarif").stdout)
    assert sarif["runs"][0]["tool"]["driver"]["rules"][0]["fullDescription"]["text"]
    assert check(MAIL, "--format", "github").exit_code == 0


def test_a_clone_in_a_folder_of_the_repository_has_its_folder_in_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(TYPO)
    monkeypatch.chdir(tmp_path)
    arguments = ["check", "--tree", "clone", "--facts", "mx1.json", "--format", "github"]

    assert ",file=clone/mail.yaml," in CliRunner().invoke(main, arguments).stdout


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--facts", "../mx1.json"], "--facts needs --tree"),
        (["--tree", ".", "--host", "mx2.example.com"], "--host needs --facts"),
        (["main", "--tree", "."], "give a commit or --tree"),
        (["--format", "xml"], "'xml' is not one of"),
    ],
)
def test_options_that_make_no_sense_together_are_wrong_usage(arguments: list[str], what: str) -> None:
    done = CliRunner().invoke(main, ["check", *arguments])

    assert (done.exit_code, what in done.stderr) == (64, True), done.stderr


def test_a_file_that_holds_no_facts_is_78(tmp_path: Path) -> None:
    (tmp_path / "mx1.json").write_text("{}")

    done = check(MAIL)

    assert (done.exit_code, done.stderr.startswith("reconciler: ../mx1.json: not the facts of a host")) == (78, True)
