"""Passwords in plain text are refused; logins that are kept elsewhere are fine."""

from __future__ import annotations

import pytest

from reconciler.desired.lint import excused
from tests.unit.desired_states import VIRTUAL, desired, findings_of, linted, only_finding


@pytest.mark.parametrize("value", ["static:u:geheim", "inline:{h=u:geheim}", "table:pw", "proxy:lmdb:/etc/postfix/pw"])
def test_a_password_in_plain_text_is_refused_by_its_use(value: str) -> None:
    text = only_finding("plain-text-secret", {"smtp_sasl_password_maps": value}, {"tables/pw": "h u:geheim\n"})
    assert "!secret" in text
    assert "geheim" not in text


def test_logins_that_are_kept_elsewhere_are_fine() -> None:
    empty = {"tables/pw": "# nobody yet\n", "tables/virtual": VIRTUAL}
    assert not findings_of("plain-text-secret", {"smtp_sasl_password_maps": "table:pw, ldap:/etc/people.cf"}, empty)


LDAP = {"local_recipient_maps": "proxy:ldap:people", "people_server_host": "localhost", "people_search_base": "dc=test"}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({**LDAP, "people_bind_pw": "geheim"}, "tables/people.ldap, with bind_pw = !secret people"),
        ({"virtual_alias_maps": "mysql:sql", "sql_password": "geheim"}, "table:sql where mysql:sql is"),
        ({"virtual_alias_maps": "pgsql:sql", "sql_hosts": "postgresql://u:geheim@h/d"}, "tables/sql.pgsql"),
        ({"virtual_alias_maps": "mysql:sql", "sql_password": "/geheim"}, "tables/sql.mysql"),
        ({"vmail_password": "geheim"}, "files/PATH.age"),
        ({"people_bind_pw": "geheim"}, "!secret NAME"),
        ({"import_environment": "MAIL_CONFIG PGPASSWORD=geheim"}, "files/PATH.age"),
        ({"smtpd_milters": "inet:h:1, http://u:geheim@h/"}, "files/PATH.age"),
    ],
)
def test_a_password_in_main_cf_is_refused_with_what_to_do(parameters: dict[str, str], words: str) -> None:
    text = only_finding("plain-text-secret", parameters)
    assert words in text
    assert "geheim" not in text


@pytest.mark.parametrize(
    "parameters",
    [
        {**LDAP, "people_bind_dn": "cn=postfix", "people_bind": "yes", "people_bind_pw": ""},
        {**LDAP, "people_bind_pw": "$ldap_secret", "ldap_secret": "$x"},
        {"smtp_sasl_password_maps": "hash:/etc/sasl_passwd", "my_password_maps": "hash:/x"},
        {"smtpd_password_policy": "x", "passwd_file": "/etc/passwd", "compass": "north", "secret_file": "/x"},
        {"my_password": "/run/secrets/x"},
        {"import_environment": "MAIL_CONFIG PWD TZ=UTC PGPASSFILE=/x"},
    ],
)
def test_what_only_looks_like_a_password_is_fine(parameters: dict[str, str]) -> None:
    assert not findings_of("plain-text-secret", parameters)


@pytest.mark.parametrize("words", ["--password=geheim", "--db-password geheim", "TOKEN=geheim", "https://u:geheim@h/"])
def test_a_password_in_the_arguments_of_a_service_is_refused(words: str) -> None:
    line = f"x unix - n n - - pipe user=nobody argv=/bin/x {words}\n"
    text = only_finding("plain-text-secret", {}, {"master.d/x.cf": line})
    assert "files/PATH.age" in text
    assert "geheim" not in text


@pytest.mark.parametrize("words", ["--password-file=/x", "--password $x", "password", "--token /x", "--secret --x"])
def test_arguments_without_a_password_are_fine(words: str) -> None:
    line = f"x unix - n n - - pipe user=nobody argv=/bin/x {words}\n"
    assert not findings_of("plain-text-secret", {}, {"master.d/x.cf": line})


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("sasl/smtpd.conf", "pwcheck_method: auxprop\nsql_passwd: geheim\n", 2),
        ("tls/key.pem", "# key\n-----BEGIN RSA PRIVATE KEY-----\ngeheim\n", 2),
        ("policy.ini", "[db]\npassword = 'geheim'\n", 2),
        ("env", "URL=postgresql://u:geheim@h/d\n", 1),
        ("virtual.cf", "user = x\npassword = geheim\n", 2),
    ],
)
def test_a_password_in_a_deployed_file_is_refused_at_its_line(path: str, text: str, line: int) -> None:
    parameters = {"virtual_alias_maps": "mysql:$config_directory/virtual.cf", "x_files": f"$config_directory/{path}"}
    (found,) = findings_of("plain-text-secret", parameters, {f"files/{path}": text})

    assert (found.where.file, found.where.line) == (f"files/{path}", line)
    assert f"reconciler secret set files/{path}" in found.text
    assert "geheim" not in found.text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("sasl/smtpd.conf", "pwcheck_method: saslauthd\nmech_list: plain login\nauthdaemond_path: /x\n"),
        ("policy.ini", "password = $PASSWORD\npassword_query = SELECT 1\nuse_secret = yes\n; password = x\n"),
        ("policy.ini", "password = /run/secret\npassword =\n"),
        ("tls/ca.pem", "-----BEGIN CERTIFICATE-----\nMII\n"),
        ("bounce.txt", "password: ask the postmaster\n"),
    ],
)
def test_a_deployed_file_without_a_password_is_fine(path: str, text: str) -> None:
    assert not findings_of("plain-text-secret", {}, {f"files/{path}": text})


def test_logins_in_a_deployed_file_are_refused_by_their_use() -> None:
    parameters = {"smtp_sasl_password_maps": "texthash:$config_directory/relay"}
    text = only_finding("plain-text-secret", parameters, {"files/relay": "[h] u:geheim\n"})
    assert "the file files/relay holds a password" in text
    sealed = {"files/relay.age": "age-encryption.org/v1\n-> X25519 x\n"}
    assert not findings_of("plain-text-secret", parameters, sealed)


def test_a_password_that_is_live_already_is_a_warning() -> None:
    live = linted(desired({**LDAP, "people_bind_pw": "old"}))
    same, new = linted(desired({**LDAP, "people_bind_pw": "other"})), linted(desired({"vmail_password": "x"}))

    assert [one.is_error for one in excused(same, live) if one.rule == "plain-text-secret"] == [False]
    assert [one.is_error for one in excused(new, live) if one.rule == "plain-text-secret"] == [True]
