"""Settings that do not go together."""

from __future__ import annotations

from tests.unit.desired_states import findings_of, only_finding

BOXES = {"virtual_mailbox_domains": "m.example", "virtual_mailbox_maps": "inline:{a@m.example=a/}"}


def test_a_mailbox_is_not_smaller_than_a_message() -> None:
    assert "mailbox_size_limit" in only_finding("sizes-contradict", {"message_size_limit": "100000000"})
    assert "unlimited" in only_finding("sizes-contradict", {"message_size_limit": "0"})
    assert "virtual_mailbox_limit" in only_finding(
        "sizes-contradict", BOXES | {"message_size_limit": "60000000", "mailbox_size_limit": "0"}
    )
    fine = {"message_size_limit": "100000000", "mailbox_size_limit": "0"}
    assert not findings_of("sizes-contradict", fine)
    assert not findings_of("sizes-contradict", fine | {"mailbox_size_limit": "100000000"})
    assert not findings_of("sizes-contradict", {"message_size_limit": "100000000", "mydestination": ""})


def test_who_insists_on_tls_has_a_certificate() -> None:
    wrapper = {"master.d/s.cf": "465 inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"}
    assert only_finding("no-certificate", files=wrapper).startswith("master.d/s.cf:2:")
    for level in ("encrypt", "verify"):
        assert "refuse every client" in only_finding("no-certificate", {"smtpd_tls_security_level": level})
    assert "refuse it with 454" in only_finding("no-certificate", {"smtpd_tls_security_level": "may"})
    for certificate in ("smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file"):
        assert not findings_of(
            "no-certificate", {"smtpd_tls_security_level": "encrypt", certificate: "/etc/ssl/mx.pem"}, wrapper
        )
    assert not findings_of("no-certificate", {"smtpd_tls_security_level": "encrypt", "smtpd_tls_cert_file": "none"})


def test_virtual_mailboxes_have_a_base() -> None:
    (finding,) = findings_of("missing-mailbox-base", BOXES)
    assert finding.is_error
    (finding,) = findings_of("missing-mailbox-base", BOXES, {"tables/transport": "a@m.example lmtp:unix:private/d\n"})
    assert not finding.is_error
    assert not findings_of("missing-mailbox-base", BOXES, {"tables/transport": "m.example lmtp:unix:private/d\n"})
    assert not findings_of("missing-mailbox-base", BOXES | {"virtual_mailbox_base": "/srv/mail"})
    assert not findings_of("missing-mailbox-base", BOXES | {"virtual_transport": "lmtp:unix:private/d"})


def test_an_option_that_stands_twice_is_told_of() -> None:
    service = "x unix - - n - - smtp\n  -o smtp_helo_name=a.example\n  -o {other}=b.example\n"
    (finding,) = findings_of("option-twice", files={"master.d/x.cf": service.format(other="smtp_helo_name")})
    assert (finding.is_error, finding.where.line) == (False, 2)
    assert not findings_of("option-twice", files={"master.d/x.cf": service.format(other="lmtp_lhlo_name")})


def test_an_option_of_a_service_that_is_commented_out_is_no_second_one() -> None:
    above = "127.0.0.1:5587 inet n - n - - smtpd\n  -o syslog_name=a\n{twice}#127.0.0.1:5588 inet n - n - - smtpd\n"
    below = "  -o smtpd_helo_required=yes\n  -o syslog_name=b\n"
    assert not findings_of("option-twice", files={"master.d/x.cf": above.format(twice="") + below})
    twice = {"master.d/x.cf": above.format(twice="  -o syslog_name=c\n") + "  -o smtpd_helo_required=yes\n"}
    assert len(findings_of("option-twice", files=twice)) == 1


def test_port_25_begins_in_clear() -> None:
    tls = {"smtpd_tls_chain_files": "/etc/ssl/x.pem"}
    assert "port 25" in only_finding("wrapped-port", {**tls, "smtpd_tls_wrappermode": "yes"})
    submissions = "465 inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
    assert not findings_of("wrapped-port", tls, {"master.d/x.cf": submissions})
