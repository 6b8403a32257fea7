"""Servers of many kinds are imported, and Postfix's own programs say that nothing would change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.hosts import Host
from tests.e2e.move_in.shaped import TABLES, imported, lay_out
from tests.shapes import SHAPES

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNED = {
    "databases": {"extra_aliases.hash"},
    "docker-mailserver": {"mime_checks.regexp", "screened.cidr"},
    "folded": {"partners.cidr"},
    "forwarding": {"virtual.hash"},
    "inline": {"virtual.hash"},
    "latin-1": {"transport.hash"},
    "left-alone": {"virtual.hash", "clients.hash"},
    "several-senders": {"senders.hash"},
    "uucp": {"transport.hash", "relocated.hash"},
    "virtual-only": {"vmailbox.hash", "virtual.hash"},
}
OFFERED = {
    "caches": {"defaults", "example_pipes", "tls"},
    "databases": {"example_pipes", "tables"},
    "debian": {"defaults", "example_pipes", "tls"},
    "docker-mailserver": {"defaults", "compatibility_level"},
    "forwarding": {"tables"},
    "inline": {"tables"},
    "latin-1": {"tables"},
    "left-alone": {"tables"},
    "mail-programs": {"submission"},
    "postscreen-amavis": {"defaults"},
    "redhat": {"defaults", "compatibility_level", "tls"},
    "satellite": {"example_pipes", "tls"},  # a folder has no recipients to seal a password to
    "several-senders": {"tables", "sites", "transports"},
    "upstream": {"defaults", "compatibility_level"},
    "uucp": {"example_pipes", "compatibility_level", "tables"},
    "virtual-only": {"defaults", "example_pipes", "tables"},
}
"""The offers that Postfix's own programs prove to mean the same."""
NOT_OFFERED = {
    "docker-mailserver": {
        "submission": "submission/inet takes mail without TLS (smtpd_tls_security_level = may)",
        "dkim": "smtpd_milters asks opendkim, which may sign: its files are not known",
    },
    "forwarding": {
        "sender_rewriting": "the files of PostSRSd 1 on this host are not known, and tcp:localhost:10001 may be another"
        " program"
    },
}


@pytest.fixture(scope="module")
def copies() -> Iterator[Host]:
    """Return a host without a running Postfix, for copies of other hosts' files."""
    with Host() as made:
        yield made


@pytest.mark.parametrize("shape", SHAPES)
def test_a_copy_of_another_hosts_files_is_imported_and_equal(copies: Host, shape: str) -> None:
    lay_out(copies, shape, f"/root/{shape}")

    result = imported(copies, "--from", f"/root/{shape}", "--to", f"/root/out/{shape}")

    assert result.status == 0, result.said
    assert all(equal == total for equal, total in result.proof.values())
    assert {"settings", "services", "options", "files"} <= result.proof.keys()
    tables = copies.run("sh", "-c", f"ls /root/out/{shape}/tables 2>/dev/null || true").stdout.split()
    assert set(tables) == OWNED.get(shape, set())
    assert {one["name"] for one in result.said["offers"]} == OFFERED.get(shape, set())
    assert {one["name"]: one["why"] for one in result.said["not_offered"]} == NOT_OFFERED.get(shape, {})
    assert copies.run("sh", "-c", f"grep -rl geheim /root/out/{shape} || true").stdout == ""
    assert "geheim" not in str(result.said)


def test_what_can_not_be_owned_is_left_and_said_why(copies: Host) -> None:
    lay_out(copies, "left-alone", "/root/left")

    first, again = (imported(copies, "--from", "/root/left", "--to", "/root/out/left") for _ in range(2))

    assert (first.status, again.status, again.proof) == (0, 0, first.proof)
    assert (first.said["written"], again.said["written"]) == ("/root/out/left", "")
    left = first.left

    reasons = {what.rpartition("/")[2]: why for what, why in left.items()}
    assert set(reasons) == {
        "transport.map", "twice", "canonical", "unmade", "linked", "generic", "private_policy", "aliases",
        "relay_domains",
    }  # fmt: skip
    assert reasons["generic"] == "its source was edited and not compiled: 1 rows differ"
    assert reasons["unmade"] == "it has no compiled map, or the map can't be read"
    assert "link" in reasons["linked"]
    assert "0640" in reasons["private_policy"]
    assert reasons["relay_domains"] == "a commit's table of this name would set relay_domains"


LARGE_AND_ODD = r"""
mkdir -p /root/odd /srv/outside && cd /root/odd && cp /etc/postfix/master.cf .
cat >main.cf <<'END'
compatibility_level = 3.6
alias_maps = hash:/etc/postfix/aliases, nis:mail.aliases
virtual_alias_maps = lmdb:/etc/postfix/large, lmdb:/etc/postfix/folded, lmdb:/etc/postfix/latin
transport_maps = hash:/etc/postfix/out/transport, hash:/etc/postfix/linked
END
seq 1 120000 | sed 's/.*/u&@v.test root/' >large
printf 'J\303\226RG@v.test root\n' >folded
printf 'j\366rg@v.test root\n' >latin
printf '@: @\nYP_MASTER_NAME: mx\n+: x\nroot: ada\n' >aliases
echo 'a.test relay:' >/srv/outside/transport
ln -s /srv/outside out; ln -s /srv/outside/transport linked; ln -s nowhere dangling
postmap -c /root/odd lmdb:large lmdb:folded lmdb:latin hash:linked hash:out/transport 2>/dev/null
postalias -c /root/odd hash:aliases 2>/dev/null
ls -R /srv/outside | cksum >/root/outside
"""


def test_large_odd_and_linked_tables_are_owned_or_left_with_the_true_reason(copies: Host) -> None:
    copies.run("sh", "-c", LARGE_AND_ODD)

    result = imported(copies, "--from", "/root/odd", "--to", "/root/out/odd")

    assert (result.status, result.proof["rows"]) == (0, (120001, 120001))
    assert copies.run("sh", "-c", "ls /root/out/odd/tables").stdout.split() == ["folded", "large"]
    assert {what.rpartition("/")[2]: why for what, why in result.left.items() if "/out/" not in what} == {
        "aliases": "newaliases writes its map",
        "latin": "postmap complains about its source",
        "linked": "it is a link to /srv/outside/transport",
    }
    assert copies.run("sh", "-c", "ls -R /srv/outside | cksum").stdout == copies.read("/root/outside")


def test_files_that_are_no_tables_are_left_and_said_why(copies: Host) -> None:
    lay_out(copies, "virtual-only", "/root/lists")
    copies.run("sh", "-c", "cd /root/lists && postconf -c . -e bounce_template_file=/etc/mail/bounce.cf")

    left = imported(copies, "--from", "/root/lists", "--to", "/root/out/lists").left

    assert left["/etc/mail/bounce.cf"] == "read by bounce_template_file; it is not below /etc/postfix"
    assert left["/etc/postfix/virtual_domains"] == "read by virtual_mailbox_domains; it is no table"


def test_what_stands_in_the_way_is_said_first(copies: Host) -> None:
    lay_out(copies, "managed", "/root/managed-too")

    said = "\n".join(imported(copies, "--from", "/root/managed-too", "--to", "/root/out/managed-too").said["remarks"])

    assert "This file is managed by Puppet" in said
    assert "/etc/postfix-out" in said
    assert "the queue is in /srv/spool/postfix" in said


def test_every_compiled_table_is_one_of_a_shape() -> None:
    assert set(TABLES) <= set(SHAPES)
