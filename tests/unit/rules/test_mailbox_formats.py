"""A mailbox that is named as a folder, without the slash, is reported."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of

MAILBOXES = {
    "virtual_alias_domains": "", "virtual_mailbox_domains": "v.example", "virtual_mailbox_base": "/var/mail",
    "virtual_uid_maps": "static:8", "virtual_gid_maps": "static:8", "virtual_minimum_uid": "8",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("home_mailbox", "Maildir", True),
        ("home_mailbox", "mail/.maildir", True),
        ("home_mailbox", "Maildir/", False),
        ("home_mailbox", "Mailbox", False),
        ("home_mailbox", "", False),
        ("mail_spool_directory", "/var/maildirs", True),
        ("mail_spool_directory", "/var/maildirs/", False),
        ("mail_spool_directory", "/var/mail", False),
    ],
)
def test_a_setting_without_its_slash(name: str, value: str, *, found: bool) -> None:
    findings = findings_of("mailbox-is-a-file", {name: value})
    assert bool(findings) == found
    assert not any(finding.is_error for finding in findings)


@pytest.mark.parametrize(
    ("rows", "keys"),
    [
        ("ada@v.example ada/\nbob@v.example bob/\neve@v.example eve\n", ["eve@v.example"]),
        ("ada@v.example ada/Maildir\n", ["ada@v.example"]),
        ("ada@v.example ada\nbob@v.example bob\neve@v.example eve/\n", []),
        ("ada@v.example ada/\n", []),
    ],
)
def test_a_row_among_folders_without_its_slash(rows: str, keys: list[str]) -> None:
    files = {"tables/virtual_mailbox": rows, "tables/virtual": "x@v.example ada@v.example\n"}
    found = findings_of("mailbox-is-a-file", MAILBOXES, files)
    assert [finding.subject.split()[1] for finding in found] == keys
    elsewhere = MAILBOXES | {"virtual_transport": "lmtp:unix:/run/lmtp"}  # the values are nothing to Dovecot
    assert not findings_of("mailbox-is-a-file", elsewhere, files)


def test_an_alias_to_a_folder_without_its_slash() -> None:
    rows = "ada: /srv/ada/Maildir\nbob: /srv/bob/Maildir/, root\neve: |/usr/bin/maildir\nmaildir: root\n"
    (finding,) = findings_of("mailbox-is-a-file", files={"tables/aliases": rows})
    assert (finding.where.line, "did you mean /srv/ada/Maildir/?" in finding.text) == (1, True)
