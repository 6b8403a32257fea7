"""Whether bounce(8) can use the templates of a commit, in words that postconf said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.features.composition import compose
from reconciler.host.effects import Completed, Host
from reconciler.host.programs import bounce
from reconciler.model import DeployedFile
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

STAGE = Path("/var/lib/reconciler/private/stage/postfix")
PATH = f"{STAGE}/templates/bounce.cf"
TEXT = "failure_template = <<END\nSubjct: x\n\nhello ${x\nEND\n"
FILES = {"files/templates/bounce.cf": TEXT, "files/other.cf": "x\n"}
NAMED = {"bounce_template_file": "$config_directory/templates/bounce.cf"}


class Postconf(Host):
    """A host on which postconf says this on standard error."""

    def __init__(self, said: str) -> None:
        self._said = said

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer as postconf -b does."""
        assert argv == ("postconf", "-c", str(STAGE), "-b", PATH)
        return Completed(tuple(argv), 0, "expanded_failure_text = <<END\n", self._said)


@pytest.mark.parametrize(
    ("said", "line", "is_error", "text"),
    [
        (f"postfix/bounce: warning: {PATH}, line 6: unknown template name: x -- ignoring this template", 5, False,
         "unknown template name: x -- ignoring this template"),
        (f'postfix/bounce: fatal: {PATH}, line 2: missing \'=\' after attribute name: "nonsense"', 2, True,
         "missing '=' after attribute name: \"nonsense\""),
        (f"postfix/bounce: fatal: {PATH}: bad $name syntax in failure template: hello ${{x", 4, True,
         "bad $name syntax in failure template: hello ${x"),
        ('postfix/bounce: warning: truncated macro reference: "hello ${x"', 4, False,
         'truncated macro reference: "hello ${x"'),
    ],
)  # fmt: skip
def test_a_complaint_is_at_its_line_of_the_commit(said: str, line: int, is_error: bool, text: str) -> None:
    origin = compose(desired(NAMED, FILES), HOST)

    (found,) = bounce.check(Postconf(f"{said}\n{said}\n"), STAGE, bounce.templates(origin, HOST))

    assert (found.where.file, found.where.line, found.is_error) == ("files/templates/bounce.cf", line, is_error)
    assert found.text == text


def test_of_a_file_that_not_every_user_may_read_nothing_is_quoted() -> None:
    made = DeployedFile(path="templates/bounce.cf", content=TEXT.encode(), source="files/x.age", mode=0o640)
    said = f"postfix/bounce: fatal: {PATH}: bad $name syntax in failure template: hello ${{x\n"

    (found,) = bounce.check(Postconf(said), STAGE, [made])

    assert (found.is_error, found.where.line) == (True, 1)
    assert "hello" not in found.text


def test_a_template_without_a_complaint_is_fine_and_another_file_is_none() -> None:
    assert bounce.check(Postconf(""), STAGE, bounce.templates(compose(desired(NAMED, FILES), HOST), HOST)) == []
    service = {"bounce/unix": {"options": {"bounce_template_file": "/etc/postfix/other.cf"}}}
    assert _templates({}, FILES, services=service) == ["other.cf"]
    named = {"bounce_template_file": "$config_directory/$mail_name/bounce.cf", "mail_name": "templates"}
    assert _templates({}, FILES, services={"bounce/unix": {"options": named}}) == ["templates/bounce.cf"]
    assert _templates({}, FILES) == []


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("$config_directory/templates/bounce.cf", ["templates/bounce.cf"]),
        ("/etc/postfix/bounce.cf", ["bounce.cf"]),
        ("$config_directory/$mail_name/bounce.cf", ["templates/bounce.cf"]),
        ("$config_directory/$default_transport/bounce.cf", ["smtp/bounce.cf"]),
        ("${config_directory}//templates/./bounce.cf", ["templates/bounce.cf"]),
        ("/srv/templates/bounce.cf", []),
        ("${config_directory/bounce.cf", []),
        ("", []),
    ],
)
def test_only_the_very_file_that_is_named_is_read(value: str, read: list[str]) -> None:
    files = {f"files/{folder}bounce.cf": "x\n" for folder in ("", "templates/", "a/templates/", "smtp/")}

    assert _templates({"bounce_template_file": value, "mail_name": "templates"}, files) == read


def _templates(parameters: dict[str, str], files: dict[str, str], **sections: object) -> list[str]:
    origin = compose(desired(parameters, files, **sections), HOST)
    return [one.path for one in bounce.templates(origin, HOST)]
