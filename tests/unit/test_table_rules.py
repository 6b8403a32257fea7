"""What tables hold, by what they are used for."""

from __future__ import annotations

import pytest

from tests.unit.states import VIRTUAL, desired, linted, the, told


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    text = the("duplicate-entry", files={"tables/virtual": VIRTUAL + "INFO@v.example  a@mx.test.example\n"})
    assert text.startswith("tables/virtual:2:1: table virtual: duplicate key")
    assert "line 1" in text


def test_the_same_line_twice_is_refused_as_well() -> None:
    (finding,) = told("duplicate-entry", files={"tables/virtual": VIRTUAL * 2})
    assert finding.is_error


def test_a_pattern_may_stand_twice() -> None:
    patterns = "if /^X-/\n/a/ WARN\nendif\n/a/ IGNORE\n/A/ IGNORE\n"
    assert not told("duplicate-entry", {"header_checks": "table:h"}, {"tables/h.pcre": patterns})


def test_a_line_without_a_value_is_refused() -> None:
    assert "info@v.example" in the("malformed-entry", files={"tables/virtual": "info@v.example\n"})
    assert not told("malformed-entry", files={"tables/virtual": VIRTUAL + "# a comment\n\n"})


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tables/sender_transport": "mydomain.com relaylim:\n"}, "@mydomain.com?"),
        ({"tables/transport": "@x.example relaylim:\n"}, "mean x.example?"),
        ({"tables/relay_domains": "@x.example OK\n"}, "mean x.example?"),
    ],
)
def test_a_key_that_is_never_looked_up_is_refused(files: dict[str, str], said: str) -> None:
    assert said in the("key-never-matches", files=files)


def test_keys_that_are_looked_up_are_fine() -> None:
    fine = {
        "tables/sender_transport": "@mydomain.com relaylim:\n<> smtp:\nroot smtp:\nu@x.example DUNNO\n",
        "tables/transport": "x.example relaylim:\n.y.example smtp:\nuser@z.example :\n* smtp:\n[192.0.2.1] smtp:\n",
        "tables/virtual": "info@v.example a@b.example\n@v.example c@b.example\nv.example anything\n",
        "tables/senders": "x.example OK\nuser@ REJECT\n.y.example OK\n",
    }
    restrictions = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    assert not told("key-never-matches", restrictions, fine)


def test_a_table_with_several_uses_is_judged_by_all_of_them() -> None:
    both = {"virtual_alias_domains": "$virtual_alias_maps"}
    assert not told("key-never-matches", both, {"tables/virtual": "v.example x\ninfo@v.example root\n"})


def test_what_was_said_of_a_table_is_said_again_and_only_while_it_is_used_the_same() -> None:
    table = {"tables/senders": "@v.example OK\n"}
    senders = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    clients = {"smtpd_client_restrictions": "check_client_access table:senders"}
    first = told("key-never-matches", senders, table)
    assert first
    assert not told("key-never-matches", clients, table)
    assert told("key-never-matches", senders, table) == first
    assert not told("key-never-matches", senders, {"tables/senders": "v.example OK\n"})


def test_networks_in_a_table_that_is_no_cidr_table_are_refused() -> None:
    client = {"smtpd_client_restrictions": "check_client_access table:clients"}
    assert "cidr" in the("key-never-matches", client, {"tables/clients": "10.0.0.0/8 OK\n"})
    assert not told("key-never-matches", client, {"tables/clients": "10.0 OK\n192.0.2.1 OK\n.example.com OK\n"})
    assert not told("key-never-matches", client, {"tables/clients.cidr": "10.0.0.0/8 OK\n"})


def test_a_sender_domain_without_a_dot_is_told_of() -> None:
    (finding,) = told("bare-sender-domain", files={"tables/sender_transport": "@mydomain relaylim:\n"})
    assert not finding.is_error


def test_a_network_that_a_cidr_table_cannot_hold_is_refused() -> None:
    broken = "10.0.0.1/8 OK\nhost.example OK\n"
    assert len(told("bad-network", files={"tables/nets.cidr": broken})) == 2
    assert not told("bad-network", files={"tables/nets.cidr": "10.0.0.0/8 OK\n2001:db8::/32 OK\n::1 OK\n1.2.3.4 OK\n"})


def test_a_transport_table_names_services_that_are_there() -> None:
    text = the("unknown-transport", files={"tables/transport": "slow.example  relaylm:\n"})
    assert text.startswith("tables/transport:1:1:")
    assert text.endswith("did you mean relaylim?")


@pytest.mark.parametrize(
    "result", ["BLOCKIT", "REJECTED", "600 no", "FILTER smtp", "FILTER nosuch:x", "REDIRECT root", "check_x lmdb:/y"]
)
def test_an_access_action_that_smtpd_does_not_know_is_refused(result: str) -> None:
    senders = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    text = the("unknown-action", senders, {"tables/senders": f"probe.example  {result}\n"})
    assert result.split(maxsplit=1)[0] in text


@pytest.mark.parametrize(
    "result",
    [
        "OK", "reject Go away", "550 5.7.1 No", "1234567890", "DUNNO", "defer_if_permit later", "HOLD", "WARN see http://x",
        "FILTER relaylim:[192.0.2.1]", "REDIRECT a@b.example", "PREPEND X-Seen: yes", "strict",
        "permit_mynetworks, reject_unverified_sender", "reject_rbl_client zen.spamhaus.org",
    ],
)  # fmt: skip
def test_an_access_action_that_smtpd_knows_is_fine(result: str) -> None:
    senders = {
        "smtpd_sender_restrictions": "check_sender_access table:senders",
        "smtpd_restriction_classes": "strict",
        "strict": "reject",
    }
    assert not told("unknown-action", senders, {"tables/senders": f"probe.example  {result}\n"})


def test_a_reply_code_without_text_is_told_of_for_it_permits() -> None:
    senders = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    (finding,) = told("number-permits", senders, {"tables/senders": "spam.example  550\n"})
    assert not finding.is_error
    assert not told("number-permits", senders, {"tables/senders": "spam.example  550 no\n"})


def test_a_header_check_that_cleanup_does_not_know_is_refused() -> None:
    checks = {"header_checks": "table:checks"}
    assert "BLOCK" in the("unknown-action", checks, {"tables/checks.regexp": "/^X-Spam/ BLOCK\n"})
    fine = "/^Subject: free (.*)/ WARN free $1\nif /^X/\n/^Y/ STRIP\nendif\n/^Z/ REPLACE Z: $1\n/^F/ FILTER smtp:[x]\n"
    assert not told("unknown-action", checks, {"tables/checks.regexp": fine})


def test_a_postscreen_list_knows_three_answers() -> None:
    screen = {"postscreen_access_list": "permit_mynetworks, table:screen"}
    assert "allow" in the("unknown-action", screen, {"tables/screen.cidr": "192.0.2.0/24 allow\n"})
    assert not told("unknown-action", screen, {"tables/screen.cidr": "192.0.2.0/24 permit\n0.0.0.0/0 dunno\n"})


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({}, {"tables/virtual": "# nobody\n"}),
        ({"virtual_mailbox_domains": "m.example", "virtual_mailbox_maps": "table:boxes"}, {"tables/boxes": ""}),
        ({"relay_domains": "r.example", "relay_recipient_maps": "table:known"}, {"tables/known": ""}),
        ({"local_recipient_maps": "table:known"}, {"tables/known": ""}),
    ],
)
def test_an_empty_table_that_recipients_depend_on_is_refused(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert "is empty" in the("empty-table", parameters, files)


def test_an_empty_table_that_no_recipient_depends_on_is_fine() -> None:
    assert not told("empty-table", {"virtual_alias_domains": ""}, {"tables/virtual": ""})
    assert not told("empty-table", {"virtual_alias_maps": "table:virtual, static:x"}, {"tables/virtual": ""})
    senders = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    assert not told("empty-table", senders, {"tables/senders": "# nobody yet\n"})


def test_aliases_that_lead_back_to_themselves_are_refused() -> None:
    loop = "a@v.example b@v.example\nb@v.example C@v.example\nc@v.example a@v.example\n"
    assert "a@v.example -> b@v.example -> c@v.example" in the("alias-loop", files={"tables/virtual": loop})


def test_an_alias_of_itself_is_fine() -> None:
    fine = "a@v.example a@v.example\nb@v.example a@v.example\nc@v.example b@v.example\n"
    assert not told("alias-loop", files={"tables/virtual": fine})


@pytest.mark.parametrize(
    ("table", "key", "meant"),
    [
        ("virtual", "*@v.example", "@v.example"),
        ("sender_transport", "*@v.example", "@v.example"),
        ("transport", "*.x.example", ".x.example"),
        ("relay_domains", "*.x.example", "x.example"),
        ("generic", "*@x.example", "@x.example"),
    ],
)
def test_a_star_in_a_key_is_refused(table: str, key: str, meant: str) -> None:
    rest = VIRTUAL if table == "virtual" else ""
    text = the("key-never-matches", files={f"tables/{table}": f"{rest}{key} smtp:\n"})
    assert text.endswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    ("table", "key", "meant"),
    [
        ("transport", "x.example.", "x.example"),
        ("transport", ".x.example.", ".x.example"),
        ("transport", "*.x.example.", ".x.example"),
        ("transport", "ada@x.example.", "ada@x.example"),
        ("transport", "@.x.example", "x.example"),
        ("transport", "ada@.x.example", "ada@x.example"),
        ("transport", "ada@", "ada@DOMAIN"),
        ("transport", "@*.x.example", ".x.example"),
        ("transport", "ada@*.x.example", "a table of type regexp"),
        ("sender_transport", "@*.x.example", "a table of type regexp"),
        ("sender_transport", "*", "default_transport"),
        ("transport", "<>", "a row of tables/sender_transport"),
        ("sender_transport", "x.example.", "@x.example"),
        ("sender_transport", "@x.example.", "@x.example"),
        ("sender_transport", ".x.example", "@x.example"),
        ("sender_transport", "*.x.example", "@x.example"),
        ("sender_transport", "@.x.example", "@x.example"),
        ("sender_transport", "ada@", "ada@DOMAIN"),
    ],
)
def test_a_key_of_the_form_of_another_table_is_refused_with_the_one_that_was_meant(
    table: str, key: str, meant: str
) -> None:
    text = the("key-never-matches", files={f"tables/{table}": f"{key} smtp:\n"})
    assert text.endswith(f"did you mean {meant}?")


def test_a_bare_domain_where_a_user_is_looked_up_is_told_of() -> None:
    relayed = {"relay_domains": "r.example", "relay_recipient_maps": "table:rcpts"}
    assert "@r.example" in the("key-never-matches", relayed, {"tables/rcpts": "r.example OK\n"})
    for table in ("generic", "sender_canonical"):
        (finding,) = told("bare-domain", files={f"tables/{table}": "r.example x.example\njohn.smith js@x.example\n"})
        assert not finding.is_error
        assert not told("bare-domain", files={f"tables/{table}": "@r.example @x.example\njohn.smith js\n"})


def test_a_byte_order_mark_is_refused() -> None:
    assert "byte order mark" in the("malformed-entry", files={"tables/virtual": "\ufeff" + VIRTUAL})


def test_blocks_in_a_table_of_networks_are_fine() -> None:
    blocks = "if 10.0.0.0/8\n10.1.0.0/16 OK\nENDIF\nif !192.0.2.0/24\n! 192.0.2.1 REJECT\nendif\n"
    for rule in ("malformed-entry", "bad-network"):
        assert not told(rule, files={"tables/nets.cidr": blocks})


def test_quoted_local_parts_are_keys() -> None:
    quoted = '"john smith"@v.example root@mx.test.example\n"a\\"b" root\n'
    assert not told("malformed-entry", files={"tables/virtual": VIRTUAL + quoted})
    assert told("duplicate-entry", files={"tables/virtual": VIRTUAL + quoted * 2})
    assert told("malformed-entry", files={"tables/virtual": VIRTUAL + '"john smith@v.example root\n'})


def test_a_prefix_of_an_address_may_end_in_a_colon() -> None:
    clients = {"smtpd_client_restrictions": "check_client_access table:clients"}
    assert not told("malformed-entry", clients, {"tables/clients": "2001:db8:: OK\n2001:db8:1: OK\n192.0.2 OK\n"})
    assert "colon" in the("malformed-entry", clients, {"tables/clients": "root: OK\n"})


@pytest.mark.parametrize("policy", ["mandatory", "encrypt protocol=x", "may match=x.example", "secure match"])
def test_a_tls_policy_that_smtp_does_not_know_is_refused(policy: str) -> None:
    assert "wait" in the("unknown-policy", files={"tables/tls_policy": f"x.example {policy}\n"})


@pytest.mark.parametrize(
    "policy",
    ["May", "none", "secure match=nexthop:.x.example ciphers=high", "encrypt protocols=>=TLSv1.2, exclude=aNULL"],
)
def test_a_tls_policy_that_smtp_knows_is_fine(policy: str) -> None:
    assert not told("unknown-policy", files={"tables/tls_policy": f"x.example {policy}\n"})


def test_a_loop_through_one_of_several_addresses_is_refused() -> None:
    first = "a@v.example root@mx.test.example, b@v.example\n"
    assert "a@v.example -> b@v.example" in the(
        "alias-loop", files={"tables/virtual": first + "b@v.example x, a@v.example\n"}
    )
    itself = "a@v.example a@v.example, root@mx.test.example\n"
    assert not told("alias-loop", files={"tables/virtual": itself + "b@v.example a@v.example, c@v.example\n"})


def test_empty_aliases_refuse_nobody() -> None:
    assert not told("empty-table", files={"tables/aliases": "# nobody\n"})
    assert told("empty-table", {"local_recipient_maps": "table:users"}, {"tables/users": "# nobody\n"})


def test_a_star_that_takes_mail_for_this_hosts_own_domains_is_told_of() -> None:
    own = {"mydestination": "mx.example.com, mail.b.test, localhost"}
    (finding,) = told("star-takes-own", own, {"tables/transport": "mx.example.com :\n* smtp:[192.0.2.9]\n"})
    assert not finding.is_error
    assert 'mail.b.test, localhost; did you mean to keep it with a row "mail.b.test :"?' in finding.text
    assert str(finding.where) == "tables/transport:2:1"
    for rows in (
        "mx.example.com :\n.b.test :\nlocalhost :\n* smtp:[192.0.2.9]\n",
        "* :\n",
        "x.test smtp:[192.0.2.9]\n",
    ):
        assert not told("star-takes-own", own, {"tables/transport": rows})


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("smtpd_client_restrictions", "check_client_access cidr:{{192.0.2.7 BLOKC}}", "unknown-action"),
        ("smtpd_client_restrictions", "check_client_access cidr:{{10.0.0.1/8 REJECT}, {10.0.0.0/8 OK}}", "bad-network"),
        ("smtpd_sender_restrictions", "check_sender_access inline:{{a.example = REJCT}, b.test=OK}", "unknown-action"),
        ("smtpd_sender_restrictions", "check_sender_access inline:{@a.example=REJECT}", "key-never-matches"),
        ("smtpd_sender_restrictions", "check_sender_access static:BLOCK", "unknown-action"),
        ("header_checks", "pcre:{{/^X:/ BLOCK}}", "unknown-action"),
        ("smtp_tls_policy_maps", "inline:{a.example=encryt}", "unknown-policy"),
    ],
)  # fmt: skip
def test_a_table_inside_a_setting_is_judged_like_a_file(name: str, value: str, rule: str) -> None:
    (finding,) = told(rule, {name: value})
    assert finding.is_error
    assert finding.where == desired({name: value}).places["parameters", name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtpd_client_restrictions", "check_client_access cidr:{{10.0.0.0/8 OK}, {192.0.2.5 REJECT go away}}"),
        ("smtpd_sender_restrictions", "check_sender_access inline:{{a.example = REJECT no}, b.example=DUNNO}"),
        ("smtpd_sender_restrictions", "check_sender_access static:{HOLD to be looked at}"),
        ("header_checks", "pcre:{{/^a{2}:/ IGNORE}, {/^X: (.)/ PREPEND Y: $$1}}"),
        ("smtp_tls_policy_maps", "inline:{{a.example = encrypt protocols=>=TLSv1.2}}"),
        ("virtual_uid_maps", "static:5000"),
    ],
)
def test_a_sound_table_inside_a_setting_is_fine(name: str, value: str) -> None:
    assert not [one for one in linted(desired({name: value})) if one.rule in {"unknown-action", "unknown-policy"}]
    assert not told("malformed-entry", {name: value})
