"""The command or the advice for a trouble, from the sentence that tells of it, as it is written where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.host import disk
from reconciler.passes.advice import advice, advice_for_repository, bare, repeats

if TYPE_CHECKING:
    from pathlib import Path

REPOSITORY = "/srv/mail-state.git"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            (
                'mail.yaml:5:18: smtpd_milters: no server answers at "inet:127.0.0.1:8891" (connection refused): all'
                " mail would be refused with 451 (milter_default_action is tempfail)  [silent-server]"
            ),
            "start the server at inet:127.0.0.1:8891",
        ),
        ("[Errno 28] No space left on device", "df -h; df -i, and make room on the file system that is full"),
        (
            "no server answers at /var/spool/postfix/private/auth (there is no such socket)",
            "start the server at /var/spool/postfix/private/auth",
        ),
        (
            (
                "the configuration can't be made completely on this host: secret pw can't be opened: no identity in"
                " /etc/reconciler/identity.age: No such file or directory; restore /etc/reconciler/identity.age; if it"
                " is lost, make one with `deploy/install` and seal every secret again with `reconciler secret set`"
            ),
            "restore /etc/reconciler/identity.age",
        ),
        (
            (
                'mail.yaml:5:26: smtpd_tls_chain_files: "/etc/ssl/mx.pem" holds neither a certificate nor a key, and'
                " smtpd would answer STARTTLS with 454  [unreadable-certificate]"
            ),
            "restore /etc/ssl/mx.pem",
        ),
        (
            (
                "Postfix works and stays untouched, because processes that start now would fail: missing file"
                ' "/etc/x.pem" in smtpd_tls_cert_file: it does not exist, and STARTTLS would fail'
            ),
            "restore /etc/x.pem",
        ),
        (
            'missing table "regexp:/srv/a" in header_checks: /srv/a does not exist, and lookups fail',
            "restore /srv/a",
        ),
        (
            "no pass can be made now: packages are being installed or removed: dpkg holds its lock",
            "wait for dpkg: the pass follows by itself",
        ),
        ("it is intended; run `reconciler plan`, then `reconciler once 123`", "reconciler once 123"),
        ("mail.yaml:1:1: something new  [some-rule]", "reconciler explain some-rule"),
        ("something else", "reconciler log -1"),
    ],
)
def test_a_sentence_tells_what_to_do(text: str, told: str) -> None:
    assert advice(text) == told


def test_what_no_sentence_tells_is_the_callers_own() -> None:
    assert advice("something else", "reconciler log -1 -v") == "reconciler log -1 -v"


class _Room:
    """What statvfs(3) says of a file system on which nothing can be written."""

    f_frsize, f_files = 4096, 1000

    def __init__(self, *, flag: int = 0, free: int = 1000, inodes: int = 1000) -> None:
        self.f_flag, self.f_bfree, self.f_ffree = flag, free, inodes


@pytest.mark.parametrize(
    ("room", "command"),
    [(_Room(free=0), "df -h "), (_Room(inodes=0), "df -i "), (_Room(flag=1), "findmnt -T ")],
)
def test_a_disk_has_the_command_that_shows_it(
    room: _Room, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.statvfs", lambda _: room)
    assert advice(disk.trouble(tmp_path)).startswith(f"{command}{tmp_path}, ")


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        ("No such file or directory", f"restore it from a backup, or reconciler init {REPOSITORY} --from CLONE"),
        ("there is no branch main", f"git -C {REPOSITORY} branch -a, and push the branch"),
        ("/srv/x: a pipe, socket or device is never opened; remove it", "remove it"),
        ("object 1234567 is missing", f"git -C {REPOSITORY} fsck"),
    ],
)
def test_a_repository_has_a_command_that_can_help(problem: str, told: str) -> None:
    assert advice_for_repository(f"repository {REPOSITORY}: {problem}", REPOSITORY) == told


def test_a_sentence_repeats_another_if_it_ends_with_what_that_says() -> None:
    found = "mail.yaml:5:18: x: no server  [silent-server]"
    assert bare(found) == "x: no server"
    assert bare("/srv/a:5 is bare") == "/srv/a:5 is bare"
    assert repeats("it can't be made: x: no server", found)
    assert repeats(found, found)
    assert not repeats("x: no server answers", found)
