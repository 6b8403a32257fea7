"""Tables, files and transports that values name."""

from __future__ import annotations

import pytest

from reconciler.model import Severity
from tests.unit.facts import HOST, facts
from tests.unit.states import the, told

MAPS = "virtual_alias_maps"


def test_a_table_that_is_not_in_the_commit_is_refused_with_the_likely_name() -> None:
    for value in ("table:virtal", "lmdb:$config_directory/virtal", "pipemap:{static:x,lmdb:/etc/postfix/virtal}"):
        text = the("unknown-table", {MAPS: value})
        assert "virtal" in text
        assert text.endswith("did you mean virtual?")


def test_a_table_named_by_another_type_than_its_own_is_refused() -> None:
    assert the("unknown-table", {MAPS: "hash:$config_directory/virtual"}).endswith("which is of type lmdb?")


def test_a_table_without_an_absolute_path_is_refused() -> None:
    assert the("unknown-table", {MAPS: "lmdb:virtual"}).endswith("did you mean table:virtual?")


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
        assert not told(rule, {MAPS: value})


def test_a_table_that_somebody_else_keeps_beside_ours_is_fine() -> None:
    with_theirs = facts(files={"/etc/postfix/theirs.lmdb": True})
    assert not told("unknown-table", {MAPS: "lmdb:$config_directory/theirs"}, facts=with_theirs)


def test_a_compiled_table_whose_file_is_missing_is_refused_for_now() -> None:
    (finding,) = told("missing-file", {MAPS: "hash:/srv/boxes"}, facts=facts(files={"/srv/boxes.db": False}))
    assert "/srv/boxes.db" in finding.text
    assert not finding.lasting


def test_a_cache_that_postfix_makes_itself_may_be_missing() -> None:
    gone = facts(files={"/var/lib/postfix/verify.db": False})
    assert not told("missing-file", {"address_verify_map": "btree:$data_directory/verify"}, facts=gone)


def test_a_table_type_that_is_not_installed_is_refused_with_its_package() -> None:
    (finding,) = told("unknown-table-type", {MAPS: "proxy:mysql:/etc/boxes.cf"})
    assert "postfix-mysql" in finding.text
    assert finding.lasting
    without = facts(map_types=HOST.map_types - {"pcre"})
    assert "postfix-pcre" in the("unknown-table-type", {"header_checks": "pcre:/x"}, facts=without)


def test_a_misspelt_table_type_is_refused() -> None:
    assert the("unknown-table-type", {MAPS: "lmbd:$config_directory/virtual"}).endswith("did you mean lmdb?")


def test_a_missing_certificate_is_refused_once_tls_is_offered() -> None:
    gone = facts(files={"/etc/ssl/mx.pem": False})
    certificate = {"smtpd_tls_cert_file": "/etc/ssl/mx.pem"}
    (finding,) = told("missing-file", certificate | {"smtpd_tls_security_level": "may"}, facts=gone)
    assert (finding.is_error, finding.lasting) == (True, False)
    (finding,) = told("missing-file", certificate, facts=gone)
    assert finding.severity is Severity.WARNING
    assert not told("missing-file", {"smtpd_tls_chain_files": "none", "smtp_tls_CAfile": "/etc/ssl/all.crt"})


@pytest.mark.parametrize(
    "setting",
    [
        {"default_transport": "smpt"},
        {"relay_transport": "nosuch:[192.0.2.1]"},
        {"content_filter": "amavis:[127.0.0.1]:10024"},
        {"virtual_transport": "dovecot"},
        {"transport_maps": "static:nosuch:"},
    ],
)
def test_a_transport_that_is_no_service_is_refused(setting: dict[str, str]) -> None:
    (value,) = setting.values()
    assert value.removeprefix("static:").split(":")[0] in the("unknown-transport", setting)


def test_a_service_that_is_not_private_is_no_transport() -> None:
    public = {"master.d/out.cf": "out unix n - n - - smtp\n"}
    assert "out" in the("unknown-transport", {"default_transport": "out"}, public)


def test_transports_that_are_services_are_fine() -> None:
    fine = {
        "default_transport": "relaylim:[192.0.2.1]:25",
        "local_transport": "error:no mailboxes here",
        "virtual_transport": "lmtp:unix:private/dovecot-lmtp",
        "mailbox_transport": "",
        "content_filter": "",
        "transport_maps": "table:transport, static:relay:",
    }
    table = "a.example  relaylim:\nb.example  :[192.0.2.1]\nc.example  error:Bad domain!\nd.example  retry\n"
    assert not told("unknown-transport", fine, {"tables/transport": table})


def test_a_service_that_a_parameter_names_must_be_there() -> None:
    option = "127.0.0.1:2525 inet n - n - - smtpd\n  -o cleanup_service_name=subcleanup\n"
    assert "subcleanup" in the("unknown-service", files={"master.d/in.cf": option})
    service = "subcleanup unix n - n - 0 cleanup\n"
    assert not told("unknown-service", files={"master.d/in.cf": option + service})


def test_a_deferred_transport_that_is_not_there_is_told_of() -> None:
    (finding,) = told("unknown-transport", {"defer_transports": "smtp, relaylm"})
    assert (finding.is_error, "relaylm" in finding.text) == (False, True)
