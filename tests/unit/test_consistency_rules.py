"""Settings that do not go together, commands of pipes, and passwords in plain text."""

from __future__ import annotations

import pytest

from tests.unit.facts import facts
from tests.unit.states import VIRTUAL, the, told

BOXES = {"virtual_mailbox_domains": "m.example", "virtual_mailbox_maps": "inline:{a@m.example=a/}"}


def test_a_mailbox_is_not_smaller_than_a_message() -> None:
    assert "mailbox_size_limit" in the("sizes-contradict", {"message_size_limit": "100000000"})
    assert "unlimited" in the("sizes-contradict", {"message_size_limit": "0"})
    assert "virtual_mailbox_limit" in the(
        "sizes-contradict", BOXES | {"message_size_limit": "60000000", "mailbox_size_limit": "0"}
    )
    fine = {"message_size_limit": "100000000", "mailbox_size_limit": "0"}
    assert not told("sizes-contradict", fine)
    assert not told("sizes-contradict", fine | {"mailbox_size_limit": "100000000"})
    assert not told("sizes-contradict", {"message_size_limit": "100000000", "mydestination": ""})


def test_who_insists_on_tls_has_a_certificate() -> None:
    wrapper = {"master.d/s.cf": "465 inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"}
    assert the("no-certificate", files=wrapper).startswith("master.d/s.cf:2:")
    for level in ("encrypt", "verify"):
        assert "refuse everybody" in the("no-certificate", {"smtpd_tls_security_level": level})
    assert "refused with 454" in the("no-certificate", {"smtpd_tls_security_level": "may"})
    for certificate in ("smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file"):
        assert not told(
            "no-certificate", {"smtpd_tls_security_level": "encrypt", certificate: "/etc/ssl/mx.pem"}, wrapper
        )
    assert not told("no-certificate", {"smtpd_tls_security_level": "encrypt", "smtpd_tls_cert_file": "none"})


def test_virtual_mailboxes_have_a_base() -> None:
    (finding,) = told("missing-mailbox-base", BOXES)
    assert finding.is_error
    (finding,) = told("missing-mailbox-base", BOXES, {"tables/transport": "m.example lmtp:unix:private/d\n"})
    assert not finding.is_error
    assert not told("missing-mailbox-base", BOXES | {"virtual_mailbox_base": "/srv/mail"})
    assert not told("missing-mailbox-base", BOXES | {"virtual_transport": "lmtp:unix:private/d"})


@pytest.mark.parametrize(
    ("name", "value", "fine"),
    [
        ("inet_protocols", "", "all"),
        ("inet_interfaces", "", "all"),
        ("unknown_client_reject_code", "250", "450"),
        ("unknown_client_reject_code", "1", "550"),
        ("postscreen_access_list", "permit_mynetwork", "permit_mynetworks, cidr:{{10.0.0.0/8 permit}}, dunno"),
        ("smtp_sasl_security_options", "noplaintxt", "noanonymous, noplaintext"),
    ],
)
def test_a_value_that_a_program_cannot_use_is_refused(name: str, value: str, fine: str) -> None:
    assert name in the("bad-value", {name: value})
    assert not told("bad-value", {name: fine, "unverified_recipient_reject_code": "250"})


@pytest.mark.parametrize("name", ["mynetworks", "mydestination", "relay_domains", "bounce_template_file"])
def test_a_plain_file_that_is_missing_is_refused_for_now(name: str) -> None:
    (finding,) = told("missing-file", {name: "/srv/list"}, facts=facts(files={"/srv/list": False}))
    assert not finding.lasting
    assert not told("missing-file", {name: "/srv/list"}, facts=facts(files={"/srv/list": True}))


def test_a_domain_of_two_classes_is_told_of() -> None:
    (finding,) = told("two-classes", {"virtual_alias_domains": "v.example Localhost"})
    assert (finding.is_error, "localhost" in finding.text) == (False, True)
    assert not told("two-classes", {"relay_domains": "$mydestination, r.example, table:virtual"})


def test_a_domain_of_two_classes_is_told_of_at_its_line_in_a_table() -> None:
    lines = {"tables/relay_domains": "r.example OK\nV.example OK\n"}
    (finding,) = told("two-classes", files=lines)
    assert str(finding).startswith("tables/relay_domains:2:1: warning:")
    assert "virtual_alias_domains" in finding.text
    below = {"tables/relay_domains": "r.example OK\nexample OK\nsub.v.example OK\n"}
    assert not told("two-classes", files=below)


def test_an_option_that_stands_twice_is_told_of() -> None:
    service = "x unix - - n - - smtp\n  -o smtp_helo_name=a.example\n  -o {other}=b.example\n"
    (finding,) = told("option-twice", files={"master.d/x.cf": service.format(other="smtp_helo_name")})
    assert (finding.is_error, finding.where.line) == (False, 2)
    assert not told("option-twice", files={"master.d/x.cf": service.format(other="lmtp_lhlo_name")})


@pytest.mark.parametrize("network", ["192.168.1.300", "192.168.1.1-192.168.1.5", "127.0.0.0/8;"])
def test_what_is_no_address_is_refused(network: str) -> None:
    assert "match nobody" in the("bad-network", {"mynetworks": network})


def test_a_network_has_a_prefix_length() -> None:
    text = the("bad-network", {"mynetworks": "192.168.1.0/255.255.255.0"})
    assert text.endswith("did you mean 192.168.1.0/24?")
    assert not told("bad-network", {"mynetworks": "192.168.1.0/24 192.168.1.1 [::1] host-1.example !10.0.0.1"})


# ---- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "attributes"),
    [
        ("unknown-attribute", "usr=vmail user=vmail argv=/x"),
        ("unknown-attribute", "flags=R x=y user=vmail argv=/x"),
        ("bad-value", "flags=RZ user=vmail argv=/x"),
        ("bad-value", "user=vmail size=big argv=/x"),
        ("bad-value", "user=vmail size=10k argv=/x"),
        ("privileged-user", "user=root argv=/x"),
        ("privileged-user", "user=postfix argv=/x"),
        ("privileged-user", "user=vmail:postdrop argv=/x"),
    ],
)
def test_what_pipe_would_die_of_is_refused(rule: str, attributes: str) -> None:
    (finding,) = told(rule, files={"master.d/x.cf": f"x unix - n n - - pipe {attributes}\n"})
    assert finding.is_error


def test_a_name_in_a_command_that_pipe_does_not_know_is_refused() -> None:
    line = "x unix - n n - - pipe user=vmail argv=/x ${recepient}\n"
    (finding,) = told("undefined-name", files={"master.d/x.cf": line})
    assert finding.is_error
    assert finding.text.endswith("did you mean recipient?")


def test_the_words_of_a_command_are_its_own() -> None:
    line = (
        "x unix - n n - - pipe flags=DRhu user=vmail:vmail null_sender= size=10000 directory=/tmp\n"
        "  argv=/usr/sbin/sendmail -G -i -oi -o x -f ${sender} $nexthop -- ${user}@${domain}\n"
    )
    for rule in ("malformed-service", "unknown-attribute", "bad-value", "undefined-name", "unknown-parameter"):
        assert not told(rule, files={"master.d/x.cf": line})


# ---- passwords -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["static:u:geheim", "inline:{h=u:geheim}", "table:pw", "proxy:lmdb:/etc/postfix/pw"])
def test_a_password_in_plain_text_is_refused_by_its_use(value: str) -> None:
    text = the("plain-text-secret", {"smtp_sasl_password_maps": value}, {"tables/pw": "h u:geheim\n"})
    assert "!secret" in text
    assert "geheim" not in text


def test_logins_that_are_kept_elsewhere_are_fine() -> None:
    empty = {"tables/pw": "# nobody yet\n", "tables/virtual": VIRTUAL}
    assert not told("plain-text-secret", {"smtp_sasl_password_maps": "table:pw, ldap:/etc/people.cf"}, empty)


@pytest.mark.parametrize(
    ("name", "value", "many"),
    [
        ("myorigin", "root@test.example", 1), ("myorigin", "a.example, b.example", 1), ("myorigin", "/etc/mailname", 0),
        ("myorigin", "$mydomain", 0), ("smtp_helo_name", "mx test", 1), ("smtp_helo_name", "[192.0.2.10]", 0),
    ],
)  # fmt: skip
def test_a_name_is_one_name(name: str, value: str, many: int) -> None:
    assert len(told("bad-value", {name: value})) == many


def test_port_25_begins_in_clear() -> None:
    tls = {"smtpd_tls_chain_files": "/etc/ssl/x.pem"}
    assert "port 25" in the("wrapped-port", {**tls, "smtpd_tls_wrappermode": "yes"})
    submissions = "465 inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
    assert not told("wrapped-port", tls, {"master.d/x.cf": submissions})
