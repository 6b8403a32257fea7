"""Keys and values of tables, by what the tables are used for."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import VIRTUAL, desired, findings_of, linted, only_finding


@pytest.mark.parametrize(
    ("row", "many"),
    [
        ("encrypt ciphers=hgih", 1), ("encrypt protocols=TLSv9", 1), ("encrypt protocols=>=TLSv1.2", 0),
        ("encrypt protocols=!SSLv2:!SSLv3 ciphers=medium", 0),
    ],
)  # fmt: skip
def test_a_policy_that_smtp_cannot_read_is_refused(row: str, many: int) -> None:
    assert len(findings_of("unknown-policy", files={"tables/tls_policy": f"a.example {row}\n"})) == many


RULE = "malformed-nexthop"


@pytest.mark.parametrize(
    "route",
    ["smtp:[host", "smtp:[127.0.0.1]:99999", "relaylim:[h]:0", "smtp:[h]:smpt", "lmtp:h:unix", "smtp:unix:/run/x"],
)
def test_a_next_hop_of_a_table_or_a_parameter_is_read_as_well(route: str) -> None:
    assert only_finding(RULE, files={"tables/transport": f"slow.example {route}\n"}).startswith("tables/transport:1:1:")
    assert "default_transport" in only_finding(RULE, {"default_transport": route})
    filtering = {"smtpd_sender_restrictions": "check_sender_access table:s"}
    assert "FILTER" in only_finding("unknown-action", filtering, {"tables/s": f"x.example FILTER {route}\n"})


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tables/sender_transport": "mydomain.com relaylim:\n"}, "@mydomain.com?"),
        ({"tables/transport": "@x.example relaylim:\n"}, "mean x.example?"),
        ({"tables/relay_domains": "@x.example OK\n"}, "mean x.example?"),
    ],
)
def test_a_key_that_is_never_looked_up_is_refused(files: dict[str, str], said: str) -> None:
    assert said in only_finding("key-never-matches", files=files)


def test_keys_that_are_looked_up_are_fine() -> None:
    fine = {
        "tables/sender_transport": "@mydomain.com relaylim:\n<> smtp:\nroot smtp:\nu@x.example DUNNO\n",
        "tables/transport": "x.example relaylim:\n.y.example smtp:\nuser@z.example :\n* smtp:\n[192.0.2.1] smtp:\n",
        "tables/virtual": "info@v.example a@b.example\n@v.example c@b.example\nv.example anything\n",
        "tables/senders": "x.example OK\nuser@ REJECT\n.x.example OK\n",
    }
    restrictions = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    assert not findings_of("key-never-matches", restrictions, fine)


def test_a_table_with_several_uses_is_judged_by_all_of_them() -> None:
    both = {"virtual_alias_domains": "$virtual_alias_maps"}
    assert not findings_of("key-never-matches", both, {"tables/virtual": "v.example x\ninfo@v.example root\n"})


def test_what_was_said_of_a_table_is_said_again_and_only_while_it_is_used_the_same() -> None:
    table = {"tables/senders": "user@v.example OK\n.v.example OK\n"}
    senders = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    clients = {"smtpd_client_restrictions": "check_client_access table:senders"}
    first = findings_of("key-never-matches", senders, table)
    assert [finding.where.line for finding in first] == [2]
    exact = {"parent_domain_matches_subdomains": "relay_domains"}
    assert not findings_of("key-never-matches", senders | exact, table)
    assert len(findings_of("key-never-matches", clients, table)) == 2
    assert findings_of("key-never-matches", senders, table) == first
    assert not findings_of("key-never-matches", senders, {"tables/senders": "v.example OK\n"})


def test_networks_in_a_table_that_is_no_cidr_table_are_refused() -> None:
    client = {"smtpd_client_restrictions": "check_client_access table:clients"}
    assert "cidr" in only_finding("key-never-matches", client, {"tables/clients": "10.0.0.0/8 OK\n"})
    assert not findings_of("key-never-matches", client, {"tables/clients": "10.0 OK\n192.0.2.1 OK\nexample.com OK\n"})
    assert not findings_of("key-never-matches", client, {"tables/clients.cidr": "10.0.0.0/8 OK\n"})


@pytest.mark.parametrize(
    ("use", "key", "meant"),
    [
        ("smtpd_client_restrictions=check_client_access table:t", ".spam.example", "did you mean spam.example?"),
        ("smtpd_client_restrictions=check_client_access table:t", "@spam.example", "did you mean spam.example?"),
        ("smtpd_helo_restrictions=check_helo_access table:t", "*.spam.example", "did you mean spam.example?"),
        ("smtpd_helo_restrictions=check_helo_mx_access table:t", "192.0.2.0/24", "did you mean a table of type cidr?"),
        ("smtpd_sender_restrictions=check_sender_access table:t", ".spam.example", "did you mean spam.example?"),
        ("mydestination=table:t", ".spam.example", "did you mean spam.example?"),
        ("relay_domains=table:t", ".spam.example", "did you mean spam.example?"),
        ("smtp_tls_policy_maps=table:t", "*.far.example", "did you mean .far.example?"),
        ("smtp_tls_policy_maps=table:t", "@far.example", "did you mean far.example?"),
    ],
)
def test_a_key_in_the_form_that_another_table_has_is_refused(use: str, key: str, meant: str) -> None:
    name, _, value = use.partition("=")
    files = {"tables/virtual": VIRTUAL, "tables/t": f"{key} encrypt\n"}
    assert meant in only_finding("key-never-matches", {name: value}, files)


def test_a_dot_in_front_is_right_where_parents_do_not_match() -> None:
    use = {"smtpd_client_restrictions": "check_client_access table:t"}
    files = {"tables/virtual": VIRTUAL, "tables/t": ".spam.example REJECT\n"}
    assert not findings_of("key-never-matches", use | {"parent_domain_matches_subdomains": "relay_domains"}, files)
    both = {"tables/virtual": VIRTUAL, "tables/t": ".spam.example REJECT\nspam.example REJECT\n"}
    assert not findings_of("key-never-matches", use, both)
    other = {"tables/virtual": VIRTUAL, "tables/t": ".spam.example REJECT\nspam.example OK\n"}
    assert findings_of("key-never-matches", use, other)
    routes = {"tables/virtual": VIRTUAL, "tables/transport": ".spam.example relaylim:\n"}
    assert not findings_of("key-never-matches", {}, routes)
    assert findings_of("key-never-matches", {"parent_domain_matches_subdomains": "transport_maps"}, routes)


def test_an_alias_is_looked_up_without_its_domain() -> None:
    rows = {"tables/aliases": "info@v.example: root\nabuse: root\nowner-list: root\n"}
    assert "did you mean info?" in only_finding("key-never-matches", files=rows)


def test_a_sender_domain_without_a_dot_is_told_of() -> None:
    (finding,) = findings_of("bare-sender-domain", files={"tables/sender_transport": "@mydomain relaylim:\n"})
    assert not finding.is_error


@pytest.mark.parametrize(
    "result", ["BLOCKIT", "REJECTED", "600 no", "FILTER smtp", "FILTER nosuch:x", "REDIRECT root", "check_x lmdb:/y"]
)
def test_an_access_action_that_smtpd_does_not_know_is_refused(result: str) -> None:
    senders = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    text = only_finding("unknown-action", senders, {"tables/senders": f"probe.example  {result}\n"})
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
    assert not findings_of("unknown-action", senders, {"tables/senders": f"probe.example  {result}\n"})


def test_a_reply_code_without_text_is_told_of_for_it_permits() -> None:
    senders = {"smtpd_sender_restrictions": "check_sender_access table:senders"}
    (finding,) = findings_of("number-permits", senders, {"tables/senders": "spam.example  550\n"})
    assert not finding.is_error
    assert not findings_of("number-permits", senders, {"tables/senders": "spam.example  550 no\n"})


def test_a_header_check_that_cleanup_does_not_know_is_refused() -> None:
    checks = {"header_checks": "table:checks"}
    assert "BLOCK" in only_finding("unknown-action", checks, {"tables/checks.regexp": "/^X-Spam/ BLOCK\n"})
    fine = "/^Subject: free (.*)/ WARN free $1\nif /^X/\n/^Y/ STRIP\nendif\n/^Z/ REPLACE Z: $1\n/^F/ FILTER smtp:[x]\n"
    assert not findings_of("unknown-action", checks, {"tables/checks.regexp": fine})


def test_a_postscreen_list_knows_three_answers() -> None:
    screen = {"postscreen_access_list": "permit_mynetworks, table:screen"}
    assert "allow" in only_finding("unknown-action", screen, {"tables/screen.cidr": "192.0.2.0/24 allow\n"})
    assert not findings_of("unknown-action", screen, {"tables/screen.cidr": "192.0.2.0/24 permit\n0.0.0.0/0 dunno\n"})


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
    text = only_finding("key-never-matches", files={f"tables/{table}": f"{rest}{key} smtp:\n"})
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
    text = only_finding("key-never-matches", files={f"tables/{table}": f"{key} smtp:\n"})
    assert text.endswith(f"did you mean {meant}?")


def test_a_bare_domain_where_a_user_is_looked_up_is_told_of() -> None:
    relayed = {"relay_domains": "r.example", "relay_recipient_maps": "table:rcpts"}
    assert "@r.example" in only_finding("key-never-matches", relayed, {"tables/rcpts": "r.example OK\n"})
    for table in ("generic", "sender_canonical"):
        (finding,) = findings_of(
            "bare-domain", files={f"tables/{table}": "r.example x.example\njohn.smith js@x.example\n"}
        )
        assert not finding.is_error
        assert not findings_of("bare-domain", files={f"tables/{table}": "@r.example @x.example\njohn.smith js\n"})


@pytest.mark.parametrize("policy", ["mandatory", "encrypt protocol=x", "may match=x.example", "secure match"])
def test_a_tls_policy_that_smtp_does_not_know_is_refused(policy: str) -> None:
    assert "wait" in only_finding("unknown-policy", files={"tables/tls_policy": f"x.example {policy}\n"})


@pytest.mark.parametrize(
    "policy",
    ["May", "none", "secure match=nexthop:.x.example ciphers=high", "encrypt protocols=>=TLSv1.2, exclude=aNULL"],
)
def test_a_tls_policy_that_smtp_knows_is_fine(policy: str) -> None:
    assert not findings_of("unknown-policy", files={"tables/tls_policy": f"x.example {policy}\n"})


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
    (finding,) = findings_of(rule, {name: value})
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
    assert not findings_of("malformed-entry", {name: value})
