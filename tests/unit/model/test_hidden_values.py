"""Which values and which parts of a text are hidden, and which stay."""

from __future__ import annotations

import pytest

from reconciler.model.hidden_values import in_a_finding, names_password, shown, without_login, without_passwords


@pytest.mark.parametrize(
    "name",
    ["people_bind_pw", "password", "relay_pass", "smtppass", "my_secret", "api_token", "PGPASSWORD", "x_passwd",
     "apikey", "private_key", "sasl_passwd", "db.password", "credentials", "MYSQL_PWD", "passwords"],
)  # fmt: skip
def test_a_name_for_a_password_is_known(name: str) -> None:
    assert names_password(name)


@pytest.mark.parametrize(
    "name",
    ["smtp_sasl_password_maps", "header_address_token_limit", "bypass", "compass", "password_file", "secretary",
     "passive", "myhostname", "tokenizer", "smtpd_tls_key_file", "_pwc"],
)  # fmt: skip
def test_a_name_for_something_else_is_none(name: str) -> None:
    assert not names_password(name)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("relay_pass", "geheim", "(secret)"),
        ("relay_pass", "two words", "(secret)"),
        ("relay_pass", "", ""),
        ("relay_pass", "$other", "$other"),
        ("relay_pass", "/etc/relay.secret", "/etc/relay.secret"),
        ("smtp_sasl_password_maps", "hash:/etc/postfix/sasl_passwd", "hash:/etc/postfix/sasl_passwd"),
        ("smtp_sasl_password_maps", "static:u:geheim", "static:(secret)"),
        ("smtp_sasl_password_maps", "inline:{ {h = u:geheim} }, cdb:/x", "inline:(secret), cdb:/x"),
        ("virtual_alias_maps", "inline:{a=b}", "inline:{a=b}"),
        ("mydestination", "a.test, b.test", "a.test, b.test"),
    ],
)
def test_a_value_is_shown_unless_its_name_says_that_it_is_a_password(name: str, value: str, said: str) -> None:
    assert shown(name, value) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("argv=/p --password=geheim -v", "argv=/p --password=(secret) -v"),
        ("argv=/p --password geheim", "argv=/p --password (secret)"),
        ("argv=/p --api-key=geheim", "argv=/p --api-key=(secret)"),
        ("password = 'ganz; geheim' port=1", "password = '(secret)' port=1"),
        ('"password": "ganz geheim", "user": "x"', '"password": "(secret)", "user": "x"'),
        ("argv=/p --password -v", "argv=/p --password -v"),
        ("PGPASSWORD=geheim TZ=UTC", "PGPASSWORD=(secret) TZ=UTC"),
        ("password = !secret mail_db", "password = !secret mail_db"),
        ("password: /etc/x", "password: /etc/x"),
        ("mongodb+srv://u:geheim@h/d", "mongodb+srv://u:(secret)@h/d"),
        ("mysql://u:ge@heim@h/d", "mysql://u:(secret)@h/d"),
        ("http://u:geheim@h/x http://v:auch@i", "http://u:(secret)@h/x http://v:(secret)@i"),
        ("ldap://h:389/", "ldap://h:389/"),
        ("mysql://u:$pw@h", "mysql://u:$pw@h"),
        ("hostname: a.b", "hostname: a.b"),
    ],
)
def test_a_text_keeps_all_but_its_passwords(text: str, said: str) -> None:
    assert without_passwords(text) == said


def test_a_finding_keeps_its_own_words() -> None:
    text = (
        "parameters.db_token: YAML reads brackets as a list; run `reconciler secret set x`, write password: !secret x"
    )
    assert in_a_finding(text) == text
    assert in_a_finding('did you mean password? got "pasword"') == 'did you mean password? got "pasword"'


def test_a_login_in_a_next_hop_loses_its_password() -> None:
    assert without_login('"u:geheim@[h]:25": no host') == '"u:(secret)@[h]:25": no host'
    assert without_login("relay:u:ge@heim@h") == "relay:u:(secret)@h"
    assert without_login("[2001:db8::1]:25, a@b.test") == "[2001:db8::1]:25, a@b.test"
