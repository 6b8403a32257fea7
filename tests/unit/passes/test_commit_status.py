"""Commit statuses: each forge's own words, and nothing but a commit's outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from reconciler.model.remote_url import read_url
from reconciler.passes.commit_status import Forge, status_request

if TYPE_CHECKING:
    from reconciler.host.settings import ForgeKind
    from reconciler.state.records import ConclusionLine

OID = "3f2a9c1" + "0" * 33
ERROR = {"severity": "error", "file": "mail.yaml", "line": 12, "column": 5, "text": "unknown restriction", "rule": "x"}


def line(outcome: str, **others: object) -> ConclusionLine:
    """Return a conclusion of the journal."""
    known: dict[str, Any] = {"outcome": outcome, "revision": OID, "findings": [], "generation": 7}
    return cast("ConclusionLine", known | others)


@pytest.mark.parametrize(
    ("kind", "remote", "url", "header"),
    [
        (
            "github",
            "git@github.com:mail/state.git",
            "https://api.github.com/repos/mail/state/statuses/",
            ("Authorization", "Bearer t0ken"),
        ),
        (
            "github",
            "ssh://git@ssh.github.com:443/mail/state.git",
            "https://api.github.com/repos/mail/state/statuses/",
            ("X-GitHub-Api-Version", "2022-11-28"),
        ),
        (
            "github",
            "https://github.example.com/mail/state",
            "https://github.example.com/api/v3/repos/mail/state/statuses/",
            ("Authorization", "Bearer t0ken"),
        ),
        (
            "gitlab",
            "git@gitlab.com:group/sub/state.git",
            "https://gitlab.com/api/v4/projects/group%2Fsub%2Fstate/statuses/",
            ("PRIVATE-TOKEN", "t0ken"),
        ),
        (
            "forgejo",
            "ssh://git@forge.example.com:2222/mail/state.git",
            "https://forge.example.com/api/v1/repos/mail/state/statuses/",
            ("Authorization", "token t0ken"),
        ),
        (
            "forgejo",
            "https://forge.example.com:3000/mail/state.git",
            "https://forge.example.com:3000/api/v1/repos/mail/state/statuses/",
            ("Authorization", "token t0ken"),
        ),
    ],
)
def test_each_forge_is_asked_in_its_own_words(kind: ForgeKind, remote: str, url: str, header: tuple[str, str]) -> None:
    request = status_request(Forge(kind, read_url(remote), token="t0ken"), "mx1", line("Applied"))
    assert request
    assert request.url == url + OID
    assert request.headers.items() >= {header}
    assert request.content == {
        "state": "success", "context": "reconciler/mx1", "description": "live as generation 7"
    }  # fmt: skip


def test_an_api_elsewhere_is_used_and_the_token_is_in_no_representation() -> None:
    forge = Forge("gitlab", read_url("git@gitlab.com:a/b.git"), "http://127.0.0.1:8080/api/v4/", "t0ken")
    request = status_request(forge, "mx1", line("Applied"))
    assert request
    assert request.url.startswith("http://127.0.0.1:8080/api/v4/projects/a%2Fb/")
    assert "t0ken" not in repr(forge)


@pytest.mark.parametrize(
    ("concluded", "state", "description"),
    [
        (line("Unchanged"), "success", "nothing to change on this host"),
        (line("Refused", findings=[ERROR] * 2), "failure", "Refused: mail.yaml:12: unknown restriction (and 1 more)"),
        (line("RolledBack", findings=[ERROR]), "failure", "RolledBack: mail.yaml:12: unknown restriction"),
        (line("Broken", reason="no answer"), "failure", "Broken: no answer"),
        (line("Postponed", reason="dpkg holds\nits lock"), "pending", "Postponed: dpkg holds its lock"),
        (line("Postponed", reason="x" * 200), "pending", f"Postponed: {'x' * 126}..."),
    ],
)
def test_an_outcome_is_told_in_a_few_words(concluded: ConclusionLine, state: str, description: str) -> None:
    request = status_request(Forge("github", read_url("git@github.com:a/b.git")), "mx1", concluded)
    assert request
    assert (request.content["state"], request.content["description"]) == (state, description)


def test_gitlab_says_failed() -> None:
    forge = Forge("gitlab", read_url("git@gitlab.com:a/b.git"))
    request = status_request(forge, "mx1", line("Refused", findings=[ERROR]))
    assert request
    assert request.content["state"] == "failed"


@pytest.mark.parametrize("concluded", [line("Superseded", by="b" * 40), line("Unchanged", revision="")])
def test_what_says_nothing_about_a_commit_is_no_status(concluded: ConclusionLine) -> None:
    assert status_request(Forge("github", read_url("git@github.com:a/b.git")), "mx1", concluded) is None
