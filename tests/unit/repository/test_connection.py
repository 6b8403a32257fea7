"""A connection to a remote: which keys it needs, and what is said of one that fails."""

from __future__ import annotations

import base64
import os
import pwd
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.host.settings import Settings
from reconciler.model.remote_url import read_url
from reconciler.repository.connection import Connection, RemoteFailed, explained
from tests.unit.certificates import certificate, key
from tests.unit.other_users import NOBODY
from tests.unit.repositories import bare, git
from tests.unit.web_recorder import recorder

if TYPE_CHECKING:
    from pathlib import Path

ME = pwd.getpwuid(NOBODY if os.geteuid() == 0 else os.geteuid())
WORDS = {
    "host": "forge.example.com", "port": "-p 2222 ", "key": "/etc/k", "known_hosts": "/etc/h", "branch": "main",
    "mirror": "/m",
}  # fmt: skip


def test_keys_that_are_missing_are_named_with_the_command_that_makes_them(tmp_path: Path) -> None:
    url = read_url("ssh://git@forge.example.com:2222/x.git")
    settings = Settings(url=url, user=ME.pw_name, key=tmp_path / "key.file", known_hosts=tmp_path / "hosts")
    connection = Connection(url, tmp_path / "mirror.git", settings, Host())
    with pytest.raises(RemoteFailed, match=r"key\.file: No such file") as caught:
        connection.talk("it failed", "fetch")
    assert caught.value.advice.startswith("ssh-keygen ")
    settings.key.write_text("not a key\n")
    with pytest.raises(RemoteFailed, match="hosts: No such file") as caught:
        connection.talk("it failed", "fetch")
    assert caught.value.advice.startswith("ssh-keyscan -p 2222 forge.example.com >> ")
    assert [*tmp_path.glob("key")] == []


def test_the_key_is_lent_for_a_connection_only(tmp_path: Path) -> None:
    url, me = read_url("ssh://git@127.0.0.1:1/x.git"), pwd.getpwuid(os.geteuid()).pw_name
    settings = Settings(url=url, user=me, key=tmp_path / "key.file", known_hosts=tmp_path / "hosts")
    settings.key.write_text("not a key\n")
    settings.known_hosts.touch()
    mirror = bare(tmp_path / "mirror.git").path
    done = Connection(url, mirror, settings, Host()).talk("it failed", "ls-remote", url.text)
    assert "Connection refused" in done.stderr
    assert [*tmp_path.glob("key")] == []


@pytest.mark.parametrize(
    ("said", "why", "advice"),
    [
        (
            "Host key verification failed.\nfatal: Could not read from remote repository.\n",
            "the key of forge.example.com is not in /etc/h",
            "ssh-keyscan -p 2222 forge.example.com >> /etc/h",
        ),
        (
            "git@forge.example.com: Permission denied (publickey).\nfatal: Could not read from remote repository.\n",
            "forge.example.com does not accept the key /etc/k",
            "add /etc/k.pub",
        ),
        (
            "remote: HTTP Basic: Access denied\nfatal: Authentication failed for 'https://forge.example.com/x.git/'\n",
            "forge.example.com does not accept the token in /etc/k",
            "write a valid token to /etc/k",
        ),
        (
            "fatal: could not read Username for 'https://forge.example.com': terminal prompts disabled\n",
            "does not accept the token",
            "write a valid token",
        ),
        ("fatal: couldn't find remote ref refs/heads/main\n", "it has no branch main", "push main there"),
        ("error: unpack-objects died of signal 25\n", "more than 256 MiB at once", "remove what is large"),
        ("fatal: fetch-pack: invalid index-pack output\n", "more than 256 MiB at once", "remove what is large"),
        (
            "error: object ab12: missingEmail: invalid author\nfatal: fetch-pack: invalid index-pack output\n",
            "error: object ab12: missingEmail",
            "reconciler fetch",
        ),
        ("error: cannot run ssh: No such file or directory\n", "ssh is missing", "apt-get install openssh-client"),
        (
            "ssh: connect to host forge.example.com port 2222: Connection refused\nfatal: Could not read\n",
            "ssh: connect to host forge.example.com port 2222: Connection refused",
            "when forge.example.com answers again",
        ),
        ("\n  ERROR: Repository \x1b[31mnot found.\n", "ERROR: Repository", "reconciler fetch, when"),
        ("", "git gave no reason", "reconciler fetch"),
    ],
)
def test_what_git_prints_is_explained(said: str, why: str, advice: str) -> None:
    told = explained(said, WORDS)
    assert why in told[0]
    assert advice in told[1]
    assert told[0].isprintable()


def test_a_token_goes_to_the_remote_by_https_and_nowhere_else(tmp_path: Path) -> None:
    pem, mirror = tmp_path / "pem", bare(tmp_path / "mirror.git").path
    pem.write_bytes(certificate("localhost") + key())
    git(mirror, "config", "http.sslCAInfo", str(pem))
    with recorder(pem) as server:
        url = read_url(f"https://localhost:{server.server_port}/mail/state.git")
        me = pwd.getpwuid(os.geteuid()).pw_name
        settings = Settings(url=url, user=me, key=tmp_path / "token")
        connection, server.answers = Connection(url, mirror, settings, Host()), [403, 302, 401]
        told = [connection.talk("it failed", "ls-remote", url.text)]
        settings.key.write_text("t0ken\n")
        told += [connection.talk("it failed", "ls-remote", url.text) for _ in range(2)]
    sent = [headers.get("Authorization") for _, headers, _ in server.got]
    assert sent[:2] == [None, "Basic " + base64.b64encode(b"reconciler:t0ken").decode()]
    assert all(path.startswith("/mail/state.git/info/refs?service=git-upload-pack") for path, _, _ in server.got)
    assert [done.status != 0 for done in told] == [True] * 3
    assert "does not accept the token" in str(connection.failed("it failed", told[0].stderr))
    assert "does not accept the token" in str(connection.failed("it failed", told[2].stderr))
    assert not any("t0ken" in done.stderr + done.stdout for done in told)
