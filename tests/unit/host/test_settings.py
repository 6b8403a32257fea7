"""The settings file: what it may hold, and what is said when it holds something else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.host.settings import FIELDS, Settings, read_settings, settings_file, shipped
from reconciler.model.errors import BadSettings
from reconciler.model.remote_url import read_url
from reconciler.trees.ignore import Rule

DEPLOYED = Path(__file__).parents[3] / "deploy/etc/reconciler.toml"


def written(tmp_path: Path, text: str) -> Path:
    """A settings file with that text."""
    file = tmp_path / "reconciler.toml"
    file.write_text(text)
    return file


def test_the_documented_file_names_every_key_and_its_default(tmp_path: Path) -> None:
    text = DEPLOYED.read_text()
    documented = set()
    section = ""
    for line in text.splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
        elif match := re.match(r"(?:# )?(\w+) = ", line):
            documented.add(f"{section}.{match[1]}")
    assert documented == set(FIELDS)
    assert read_settings(DEPLOYED) == read_settings(written(tmp_path, "")) == Settings()


def test_every_key_reaches_its_field(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        host.name = "mx1.example.com"
        repository = {path = "/r.git", branch = "mail/main"}
        state.directory = "/s"
        postfix.config_directory = "/p"
        files.folders = ["/etc/policyd", "/opt/lists"]
        drift.policy = "report"
        drift.ignore = [{what = "main.cf:mail_name", until = 2026-12-31T12:00:00Z, why = "a trial"}]
        secrets.identity = "/i"
        daemon = {socket = "/k", group = "git", settle = "250ms", resync = "2h", memory = "1G"}
        log.format = "json"
        """,
    )
    assert read_settings(file) == Settings(
        host="mx1.example.com",
        repository=Path("/r.git"),
        branch="mail/main",
        state=Path("/s"),
        config_directory=Path("/p"),
        folders=(Path("/etc/policyd"), Path("/opt/lists")),
        drift_policy="report",
        drift_ignore=(Rule("main.cf", "mail_name", datetime(2026, 12, 31, 12, tzinfo=UTC), "a trial"),),
        identity=Path("/i"),
        socket=Path("/k"),
        group="git",
        settle=0.25,
        resync=7200,
        memory=1 << 30,
        log_format="json",
    )


def test_all_mistakes_are_named_at_once_with_the_likely_intent(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'stray = 1\n[repository]\npath = "srv/x"\nbranhc = "main"\n[drift]\npolicy = "revrt"\n'
        "[daemon]\nsettle = 1.5\ngroup = 5\nmemory = \"64 MB\"\n[host]\nname = ''\n",
    )
    with pytest.raises(BadSettings) as caught:
        read_settings(file)
    assert str(caught.value).splitlines() == [
        f'{file}: unknown key "stray"',
        f'{file}: repository.path: expected an absolute path, got "srv/x"',
        f'{file}: unknown key "repository.branhc"; did you mean repository.branch?',
        f'{file}: drift.policy: expected one of "revert", "commit", "report", got "revrt"; did you mean revert?',
        f'{file}: daemon.settle: expected a time such as "1.5s", "30m", "2h" or "1d", got 1.5',
        f"{file}: daemon.group: expected text in quotes, got 5",
        f'{file}: daemon.memory: expected a size such as "256M" or "1G", got "64 MB"',
        f'{file}: host.name: expected text in quotes, got ""',
    ]


EXAMPLE = '{what = "main.cf:smtpd_banner", until = 2026-12-31, why = "..."}'


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('"transport"', "expected a list of rules such as " + EXAMPLE),
        ('["transport"]', "expected rules such as " + EXAMPLE),
        ('[{what = "transport"}]', "expected rules such as " + EXAMPLE),
        ('[{what = "a", untill = 2026-12-31, why = "x"}]', 'unknown key "untill"; did you mean until?'),
        (
            '[{what = "a", until = "2026-12-31", why = "x"}]',
            'expected "until" to be a date without quotes, such as 2026-12-31',
        ),
        ('[{what = "a", until = 2026-12-31, why = ""}]', "expected text in quotes"),
        ('[{what = "master.cf:smtp/inet", until = 2026-12-31, why = "x"}]', '"main.cf:PARAMETER"'),
        ('[{what = "transport.lmdb", until = 2026-12-31, why = "x"}]', "did you mean transport?"),
        ('[{what = "/etc/postfix/main.cf", until = 2026-12-31, why = "x"}]', "did you mean main.cf?"),
    ],
)
def test_a_bad_ignore_rule_is_explained(tmp_path: Path, rules: str, said: str) -> None:
    with pytest.raises(BadSettings) as caught:
        read_settings(written(tmp_path, f"[drift]\nignore = {rules}\n"))
    assert "drift.ignore: " in str(caught.value)
    assert said in str(caught.value)


def test_the_day_on_which_an_ignore_rule_ends_is_part_of_it(tmp_path: Path) -> None:
    rule = '{what = "transport", until = 2026-12-31, why = "x"}'
    (read,) = read_settings(written(tmp_path, f"[drift]\nignore = [{rule}]\n")).drift_ignore
    assert read.until == datetime(2027, 1, 1).astimezone()
    assert read.what == "transport"


@pytest.mark.parametrize("content", [b"a = [", b"\xff = 1"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    with pytest.raises(BadSettings, match=re.escape(str(file))):
        read_settings(file)


def test_a_file_that_was_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings, match="no such file"):
        read_settings(tmp_path / "none.toml")
    monkeypatch.setenv("RECONCILER_SETTINGS", str(tmp_path / "other.toml"))
    assert settings_file() == tmp_path / "other.toml"
    with pytest.raises(BadSettings, match=r"other\.toml: no such file"):
        read_settings()


def test_a_folder_in_the_files_place_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="Is a directory"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "member"), [("templates", "postfix"), ("hooks", "pre-receive"), ("desired-state", "mail.yaml")]
)
def test_what_ships_with_reconciler_is_found(name: str, member: str) -> None:
    assert (shipped(name) / member).exists()  # type: ignore[arg-type] # the parameters are the literals


def test_a_host_follows_a_remote_through_a_mirror_below_its_state(tmp_path: Path) -> None:
    text = '[repository]\nurl = "git@forge.example.com:x.git"\npoll = "0s"\n[state]\ndirectory = "/s"\n'
    settings = read_settings(written(tmp_path, text))
    assert settings.url == read_url("git@forge.example.com:x.git")
    assert (settings.repository, settings.poll) == (Path("/s/remote/mirror.git"), 0)


def test_a_host_follows_either_a_remote_or_its_own_repository(tmp_path: Path) -> None:
    file = written(tmp_path, '[repository]\npath = "/r.git"\nurl = "git@forge.example.com:x.git"\n')
    with pytest.raises(BadSettings, match=r"repository\.path: .* either repository\.url or repository\.path"):
        read_settings(file)


def test_an_address_with_a_password_is_not_repeated(tmp_path: Path) -> None:
    file = written(tmp_path, '[repository]\nurl = "https://ada:hunter2@forge.example.com/x.git"\n')
    with pytest.raises(BadSettings, match=r"repository\.key") as caught:
        read_settings(file)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("api", "good"),
    [
        ("https://forge.example.com/api/v1", True),
        ("http://127.0.0.1:8080/api", True),
        ("http://localhost", True),
        ("http://forge.example.com/api/v1", False),
        ("http://localhost.example.com", False),
        ("forge.example.com", False),
    ],
)
def test_a_token_is_sent_where_nobody_else_can_read_it(tmp_path: Path, api: str, *, good: bool) -> None:
    text = f'[repository]\nurl = "git@forge.example.com:x.git"\n[statuses]\nforge = "forgejo"\napi = "{api}"\n'
    if good:
        assert read_settings(written(tmp_path, text)).api == api
        return
    with pytest.raises(BadSettings, match=r"statuses\.api: expected an address such as"):
        read_settings(written(tmp_path, text))


def test_a_forge_needs_a_remote(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"statuses\.forge: .*repository\.url"):
        read_settings(written(tmp_path, '[statuses]\nforge = "github"\n'))


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ('"/etc/policyd"', "expected a list of folders"),
        ("[5]", "expected text in quotes"),
        ('["/etc/policyd", "/etc/cron.d"]', "root acts on what is in /etc/cron.d"),
        ('["/srv/mail-state.git/x"]', "because of /srv/mail-state.git, which is reconciler's"),
    ],
)
def test_a_folder_that_no_commit_may_write_to_is_refused(tmp_path: Path, folders: str, said: str) -> None:
    file = written(tmp_path, f"files.folders = {folders}\n")
    with pytest.raises(BadSettings, match=re.escape(said)) as caught:
        read_settings(file)
    assert str(caught.value).startswith(f"{file}: files.folders: ")
