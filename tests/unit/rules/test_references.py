"""Tables, files and transports that values name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.features.composition import compose
from reconciler.model import Severity
from reconciler.postfix.references import named_tables
from tests.unit.desired_states import desired, findings_of, only_finding
from tests.unit.host_facts import HOST, facts


@pytest.mark.parametrize("name", ["mynetworks", "mydestination", "relay_domains", "bounce_template_file"])
def test_a_plain_file_that_is_missing_is_refused_for_now(name: str) -> None:
    (finding,) = findings_of("missing-file", {name: "/srv/list"}, facts=facts(files={"/srv/list": False}))
    assert not finding.lasting
    assert not findings_of("missing-file", {name: "/srv/list"}, facts=facts(files={"/srv/list": True}))


MAPS = "virtual_alias_maps"


def test_a_table_that_is_not_in_the_commit_is_refused_with_the_likely_name() -> None:
    for value in ("table:virtal", "lmdb:$config_directory/virtal", "pipemap:{static:x,lmdb:/etc/postfix/virtal}"):
        text = only_finding("unknown-table", {MAPS: value})
        assert "virtal" in text
        assert text.endswith("did you mean virtual?")


def test_a_table_named_by_another_type_than_its_own_is_refused() -> None:
    assert only_finding("unknown-table", {MAPS: "hash:$config_directory/virtual"}).endswith("which is of type lmdb?")


def test_a_table_without_an_absolute_path_is_refused() -> None:
    assert only_finding("unknown-table", {MAPS: "lmdb:virtual"}).endswith("did you mean table:virtual?")


@pytest.mark.parametrize(
    "value",
    [
        "table:virtual",
        "lmdb:${config_directory}/virtual, static:x",
        "proxy:lmdb:/etc/postfix/virtual",
        "inline:{ {a@v.example = b}, c=d }, tcp:127.0.0.1:10001, socketmap:unix:/run/x:name",
        "pcre:{{/x/ y}}, unionmap:{static:a,static:b}, proxy:unix:passwd.byname",
        "hash:/srv/unknown",
    ],
)
def test_tables_that_can_be_opened_are_fine(value: str) -> None:
    for rule in ("unknown-table", "unknown-table-type", "missing-file"):
        assert not findings_of(rule, {MAPS: value})


def test_a_table_that_somebody_else_keeps_beside_ours_is_fine() -> None:
    with_theirs = facts(files={"/etc/postfix/theirs.lmdb": True})
    assert not findings_of("unknown-table", {MAPS: "lmdb:$config_directory/theirs"}, facts=with_theirs)


def test_a_compiled_table_whose_file_is_missing_is_refused_for_now() -> None:
    (finding,) = findings_of("missing-file", {MAPS: "hash:/srv/boxes"}, facts=facts(files={"/srv/boxes.db": False}))
    assert "/srv/boxes.db" in finding.text
    assert not finding.lasting


def test_a_cache_that_postfix_makes_itself_may_be_missing() -> None:
    gone = facts(files={"/var/lib/postfix/verify.db": False})
    assert not findings_of("missing-file", {"address_verify_map": "btree:$data_directory/verify"}, facts=gone)


def test_a_table_type_that_is_not_installed_is_refused_with_its_package() -> None:
    (finding,) = findings_of("unknown-table-type", {MAPS: "proxy:mysql:/etc/boxes.cf"})
    assert "postfix-mysql" in finding.text
    assert finding.lasting
    without = facts(map_types=HOST.map_types - {"pcre"})
    assert "postfix-pcre" in only_finding("unknown-table-type", {"header_checks": "pcre:/x"}, facts=without)


def test_a_misspelt_table_type_is_refused() -> None:
    assert only_finding("unknown-table-type", {MAPS: "lmbd:$config_directory/virtual"}).endswith("did you mean lmdb?")


def test_a_missing_certificate_is_refused_once_tls_is_offered() -> None:
    gone = facts(files={"/etc/ssl/mx.pem": False})
    certificate = {"smtpd_tls_cert_file": "/etc/ssl/mx.pem"}
    (finding,) = findings_of("missing-file", certificate | {"smtpd_tls_security_level": "may"}, facts=gone)
    assert (finding.is_error, finding.lasting) == (True, False)
    (finding,) = findings_of("missing-file", certificate, facts=gone)
    assert finding.severity is Severity.WARNING
    assert not findings_of("missing-file", {"smtpd_tls_chain_files": "none", "smtp_tls_CAfile": "/etc/ssl/all.crt"})


@pytest.mark.parametrize(
    ("name", "value", "starts"),
    [
        (
            "smtpd_client_restrictions",
            "check_client_access regexp:/srv/r",
            {"smtp/inet taking mail with regexp:/srv/r"},
        ),
        ("virtual_alias_maps", "regexp:/srv/r", {"smtp/inet taking mail with regexp:/srv/r"}),
        ("mynetworks", "/srv/r", {"smtp/inet taking mail with /srv/r"}),
        ("smtp_generic_maps", "regexp:/srv/r", {"smtp with regexp:/srv/r"}),
        ("smtp_tls_policy_maps", "regexp:/srv/r", {"smtp with regexp:/srv/r"}),
        ("header_checks", "regexp:/srv/r", {"cleanup with regexp:/srv/r"}),
        ("header_checks", "proxy:regexp:/srv/r", {"cleanup with regexp:/srv/r", "proxymap with regexp:/srv/r"}),
        ("mailbox_command_maps", "regexp:/srv/r", {"local with regexp:/srv/r"}),
        ("sender_dependent_relayhost_maps", "regexp:/srv/r", {"trivial-rewrite with regexp:/srv/r"}),
        ("virtual_uid_maps", "regexp:/srv/r", {"virtual with regexp:/srv/r"}),
        ("smtp_tls_cert_file", "/srv/r", {"smtp with /srv/r"}),
        ("bounce_template_file", "/srv/r", {"bounce with /srv/r"}),
        ("fast_flush_domains", "regexp:/srv/r", set()),
        ("postscreen_access_list", "cidr:/srv/r", set()),
    ],
)
def test_a_table_acts_when_a_program_that_reads_it_starts(name: str, value: str, starts: set[str]) -> None:
    (finding,) = findings_of("missing-file", {name: value}, facts=facts(files={"/srv/r": False}))
    assert finding.starts == starts


def test_a_type_that_is_not_installed_any_more_acts_at_a_start_too() -> None:
    (finding,) = findings_of("unknown-table-type", {MAPS: "nisplus:x"})
    assert finding.starts == {"smtp/inet taking mail with nisplus:x"}


def test_the_lists_of_postscreen_act_when_it_starts() -> None:
    screened = {"master.d/x.cf": "10025 inet n - y - 1 postscreen\n"}
    gone = facts(files={"/srv/r": False})
    (finding,) = findings_of("missing-file", {"postscreen_access_list": "cidr:/srv/r"}, screened, facts=gone)
    assert finding.starts == {"postscreen with cidr:/srv/r"}


def test_a_chroot_has_a_list_of_name_servers_among_the_files_that_are_read_at_a_start() -> None:
    inside = ("/var/spool/postfix/etc/resolv.conf",) * 2
    jailed = compose(desired(files={"master.d/x.cf": "out unix - - y - - smtp\n"}), HOST)
    assert (inside[0], inside[1:]) in named_tables(jailed, HOST)
    free = replace(jailed, services={one.key: replace(one, chroot="n") for one in jailed.entries})
    assert (inside[0], inside[1:]) not in named_tables(free, HOST)
