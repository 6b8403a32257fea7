"""Files and folders that mail is written to, asked as the users that write."""

from __future__ import annotations

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.model import Access, AccessKind
from tests.unit.desired_states import desired, findings_of
from tests.unit.host_facts import HOST, facts

GONE = "no such file or directory"
VIRTUAL = {
    "virtual_mailbox_domains": "m.example", "virtual_mailbox_base": "/srv/mail", "virtual_minimum_uid": "100",
    "virtual_uid_maps": "static:5000", "virtual_gid_maps": "static:5001",
}  # fmt: skip
ROWS = {"tables/virtual_mailbox": "ada@m.example m.example/ada/\nbob@m.example bob\n@m.example all/\n"}


def accesses(parameters: dict[str, str], files: dict[str, str] | None = None) -> set[Access]:
    found = mentioned(compose(desired(parameters, files), HOST), HOST).accesses
    return {use for use in found if use.kind in {AccessKind.APPEND, AccessKind.MAKE}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/srv/archive/all", {Access("/srv/archive/all", "nobody:", AccessKind.APPEND)}),
        ("root, /srv/archive/all", {Access("/srv/archive/all", "nobody:", AccessKind.APPEND)}),
        ('"/srv/the archive/"', {Access("/srv/the archive/", "nobody:", AccessKind.MAKE)}),
        (
            "/srv/a, /srv/b/",
            {Access("/srv/a", "nobody:", AccessKind.APPEND), Access("/srv/b/", "nobody:", AccessKind.MAKE)},
        ),
        ("/dev/null", {Access("/dev/null", "nobody:", AccessKind.APPEND)}),
        ('"|/usr/bin/tee /srv/a, /srv/b"', set()),
        ("|/usr/bin/tee /srv/a", set()),
        ("root /srv/a", {Access("/srv/a", "nobody:", AccessKind.APPEND)}),
        (":include:/srv/list", set()),
        ("user/tag@example.com", set()),
    ],
)
def test_files_of_aliases_are_written_as_default_privs(value: str, expected: set[Access]) -> None:
    assert accesses({}, {"tables/aliases": f"postmaster: root\narchive: {value}\n"}) == expected


def test_an_alias_to_a_folder_that_is_missing_is_refused_at_its_line() -> None:
    files = {"tables/aliases": "postmaster: root\narchive: /srv/archive/all\n"}
    use = Access("/srv/archive/all", "nobody:", AccessKind.APPEND)
    (finding,) = findings_of("no-place-for-mail", files=files, facts=facts(accesses={use: GONE}))
    assert str(finding).startswith("tables/aliases:2:")
    assert f'"archive": the user nobody can\'t write to the file /srv/archive/all ({GONE})' in finding.text
    assert (finding.is_error, finding.lasting) == (True, False)
    for healthy in ("", None):
        assert findings_of("no-place-for-mail", files=files, facts=facts(accesses={use: healthy})) == []


def test_mailboxes_of_virtual_are_written_by_their_owners() -> None:
    ada, bob = (
        Access("/srv/mail/m.example/ada/", "5000:5001", AccessKind.MAKE),
        Access("/srv/mail/bob", "5000:5001", AccessKind.APPEND),
    )
    assert accesses(VIRTUAL, ROWS) == {ada, bob}
    (finding,) = findings_of("no-place-for-mail", VIRTUAL, ROWS, facts(accesses={ada: "permission denied", bob: ""}))
    assert str(finding).startswith("tables/virtual_mailbox:1:")
    assert "the user 5000:5001 can't make or use the folder /srv/mail/m.example/ada/" in finding.text
    owned = VIRTUAL | {"virtual_uid_maps": "table:uids"}
    assert accesses(owned, ROWS | {"tables/uids": "bob@m.example 6000\n"}) == {
        Access("/srv/mail/bob", "6000:5001", AccessKind.APPEND)
    }


@pytest.mark.parametrize(
    "other",
    [
        {"virtual_transport": "lmtp:unix:private/dovecot"},
        {"virtual_mailbox_domains": ""},
        {"virtual_uid_maps": "mysql:/etc/postfix/uids.cf"},
        {"virtual_uid_maps": "static:vmail"},
    ],
)
def test_mailboxes_of_others_are_not_tested(other: dict[str, str]) -> None:
    assert accesses(VIRTUAL | other, ROWS) == set()


def test_of_a_large_table_the_first_rows_are_tested() -> None:
    rows = "".join(f"u{number}@m.example m/u{number}/\n" for number in range(1000))
    assert len(accesses(VIRTUAL, {"tables/virtual_mailbox": rows})) == 64


def test_the_spool_of_local_must_be_there() -> None:
    use = Access("/srv/spool/postmaster", "root:", AccessKind.APPEND)
    assert accesses({"mail_spool_directory": "/srv/spool"}) == {use}
    gone = facts(accesses={use: GONE})
    (finding,) = findings_of("no-place-for-mail", {"mail_spool_directory": "/srv/spool"}, facts=gone)
    assert finding.is_error
    folder = {"mail_spool_directory": "/var/mail/"}
    use = Access("/var/mail/postmaster/", "nobody:", AccessKind.MAKE)
    assert accesses(folder) == {use}
    (finding,) = findings_of("no-place-for-mail", folder, facts=facts(accesses={use: "permission denied"}))
    assert not finding.is_error
    for unused in ({"home_mailbox": "Maildir/"}, {"mydestination": ""}, {"mailbox_transport": "lmtp:unix:private/d"}):
        assert accesses(folder | unused) == set()
