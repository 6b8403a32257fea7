"""Tables on servers that answer no look-up, and tables that proxymap can't read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.desired.lint import lint, mentioned
from reconciler.features.composition import compose
from reconciler.model import Access, AccessKind, Facts, Lookup
from tests.unit.desired_states import desired, findings_of
from tests.unit.host_facts import HOST

DATABASES = replace(HOST, map_types=HOST.map_types | {"mysql", "ldap"})
MYSQL = "mysql:/etc/postfix/users.cf"


def asked(parameters: dict[str, str]) -> set[Lookup]:
    return set(mentioned(compose(desired(parameters), DATABASES), DATABASES).lookups)


def failing(table: str, reason: str | None = "no server answers") -> Facts:
    return replace(DATABASES, lookups={Lookup(table, "postmaster@mx.test.example", "postfix"): reason})


@pytest.mark.parametrize(
    ("parameters", "table"),
    [
        ({"virtual_mailbox_maps": MYSQL}, MYSQL),
        ({"virtual_mailbox_maps": f"proxy:{MYSQL}"}, MYSQL),
        ({"relay_domains": "ldap:$config_directory/d.cf"}, "ldap:/etc/postfix/d.cf"),
        ({"smtpd_sender_restrictions": f"check_sender_access {MYSQL}"}, MYSQL),
        ({"smtp_tls_policy_maps": "socketmap:inet:127.0.0.1:8461:postfix"}, "socketmap:inet:127.0.0.1:8461:postfix"),
        ({"virtual_alias_maps": "tcp:127.0.0.1:7777"}, "tcp:127.0.0.1:7777"),
    ],
)
def test_each_server_is_asked_for_a_key_as_postfix(parameters: dict[str, str], table: str) -> None:
    assert asked(parameters) == {Lookup(table, "postmaster@mx.test.example", "postfix")}


def jails(
    parameters: dict[str, str], services: dict[str, object] | None = None, files: dict[str, str] | None = None
) -> set[str]:
    state = desired(parameters, files, services=services or {})
    return {lookup.jail for lookup in mentioned(compose(state, DATABASES), DATABASES).lookups}


JAILED: dict[str, object] = {"chroot": "y"}


def test_a_server_is_asked_from_the_chroot_of_the_program_that_asks() -> None:
    mailboxes = {"virtual_mailbox_maps": MYSQL}
    assert jails(mailboxes) == {""}
    assert jails(mailboxes, {"smtp/inet": JAILED}) == {"/var/spool/postfix"}
    assert jails(mailboxes, {"qmgr/unix": JAILED}) == {""}  # it does not read the setting
    assert jails({"virtual_mailbox_maps": f"proxy:{MYSQL}"}, {"smtp/inet": JAILED}) == {""}
    proxied: dict[str, object] = {"smtp/inet": {"chroot": "n"}, "proxymap/unix": JAILED}
    assert jails({"virtual_mailbox_maps": f"proxy:{MYSQL}"}, proxied) == {"/var/spool/postfix"}
    options = {"master.d/x.cf": f"2525 inet n - y - - smtpd -o virtual_mailbox_maps={MYSQL}\n"}
    assert jails({}, files=options) == {"/var/spool/postfix"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"virtual_mailbox_maps": "table:virtual"},
        {"address_verify_map": "memcache:/etc/postfix/verify.cf"},  # Postfix writes it
        {"virtual_mailbox_maps": "pgsql:/etc/postfix/users.cf"},  # its type is not installed: another rule's
        {"virtual_mailbox_maps": "mysql:users"},  # its settings are in main.cf
    ],
)
def test_what_is_kept_by_no_server_is_not_asked(parameters: dict[str, str]) -> None:
    assert asked(parameters) == set()


def test_a_table_that_answers_no_look_up_is_refused_for_now() -> None:
    (finding,) = findings_of("failing-lookup", {"virtual_mailbox_maps": MYSQL}, facts=failing(MYSQL))
    assert (finding.is_error, finding.lasting) == (True, False)
    assert f'"{MYSQL}" answers no look-up (no server answers)' in finding.text
    assert f"postmap -q postmaster@mx.test.example {MYSQL}" in finding.text
    for healthy in ("", None):
        assert not findings_of("failing-lookup", {"virtual_mailbox_maps": MYSQL}, facts=failing(MYSQL, healthy))
    (finding,) = findings_of(
        "failing-lookup", {"virtual_mailbox_maps": MYSQL}, facts=failing(MYSQL, "no answer within 2 s")
    )
    assert not finding.is_error


def test_a_socket_that_is_silent_has_the_finding_of_its_server_alone() -> None:
    table = "socketmap:inet:127.0.0.1:8461:postfix"
    parameters = {"smtp_tls_policy_maps": table}
    assert not findings_of("failing-lookup", parameters, facts=failing(table))
    (finding,) = findings_of("failing-lookup", parameters, facts=failing(table, "the query fails"))
    assert finding.is_error


# ---- proxymap --------------------------------------------------------------------------------------------------------


def test_proxymap_reads_as_postfix() -> None:
    path = "/srv/panel/users.db"
    parameters = {"virtual_alias_maps": "proxy:hash:/srv/panel/users"}
    use = Access(path, "postfix", AccessKind.READ)
    assert use in mentioned(compose(desired(parameters), HOST), HOST).accesses
    files = {**HOST.files, path: True}
    closed = replace(HOST, files=files, accesses={use: "permission denied"})
    (finding,) = findings_of("unreadable-by-proxymap", parameters, facts=closed)
    assert f"{path}: permission denied for the user postfix" in finding.text
    assert (finding.is_error, finding.lasting) == (True, False)
    assert not findings_of("unreadable-by-proxymap", parameters, facts=replace(closed, accesses={use: ""}))
    # Other programs open their tables as root.
    direct = {"virtual_alias_maps": "hash:/srv/panel/users"}
    assert not findings_of("unreadable-by-proxymap", direct, facts=closed)
    assert use not in mentioned(compose(desired(direct), HOST), HOST).accesses


def test_a_table_of_the_commit_can_be_read_by_proxymap() -> None:
    assert not findings_of("unreadable-by-proxymap", {"virtual_alias_maps": "proxy:table:virtual"})


def test_a_table_that_the_commit_describes_is_asked_by_its_description() -> None:
    text = "hosts = db.test\ndbname = m\nquery = SELECT 1\n"
    state = desired({}, {"tables/relay_domains.mysql": text})
    merged = compose(state, DATABASES)

    (lookup,) = mentioned(merged, DATABASES).lookups

    assert (lookup.table, lookup.user) == ("mysql:/etc/postfix/relay_domains", "postfix")
    assert lookup.description
    assert lookup.description.value == text
    assert "db.test" not in repr(lookup)
    failing = replace(DATABASES, lookups={lookup: "no server answers: db.test"})
    (found,) = [one for one in lint(state, failing, merged) if one.rule == "failing-lookup"]
    assert (found.where.file, found.is_error) == ("tables/relay_domains.mysql", True)
    assert "correct tables/relay_domains.mysql, or its server" in found.text


@pytest.mark.parametrize(
    "text",
    [
        "dbname = m\nquery = DELETE FROM x\n",  # a check changes nothing
        "dbname = m\nquery = SELECT 1\npassword = !secret db\n",  # it could not be opened
        "nonsense\n",
    ],
)
def test_a_description_that_is_not_to_be_tried_is_not_asked(text: str) -> None:
    sealed = {"secrets/db.age": "age-encryption.org/v1\n-> X25519 x\n"}
    merged = compose(desired({}, {"tables/relay_domains.mysql": text, **sealed}), DATABASES)

    assert not mentioned(merged, DATABASES).lookups


def test_a_description_in_a_file_of_the_commit_is_asked_too_and_read_by_proxymap() -> None:
    parameters = {"virtual_alias_maps": "proxy:mysql:/etc/postfix/mysql/virtual.cf"}
    files = {"files/mysql/virtual.cf": "dbname = m\nquery = SELECT 1\n"}
    merged = compose(desired(parameters, files), DATABASES)
    asked_now = mentioned(merged, DATABASES)

    assert [one.description is not None for one in asked_now.lookups] == [True]
    missing = dict.fromkeys(asked_now.accesses, "no such file or directory")
    facts = replace(DATABASES, accesses=missing, files=dict.fromkeys(asked_now.paths, False))
    assert not findings_of("unreadable-by-proxymap", parameters, files, facts)
    assert not findings_of("missing-file", parameters, files, facts)
