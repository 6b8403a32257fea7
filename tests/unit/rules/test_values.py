"""Values that do not fit their parameter's type."""

from __future__ import annotations

import pytest

from reconciler.model import Severity
from tests.unit.desired_states import findings_of, only_finding
from tests.unit.host_facts import facts


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
    assert name in only_finding("bad-value", {name: value})
    assert not findings_of("bad-value", {name: fine, "unverified_recipient_reject_code": "250"})


@pytest.mark.parametrize(
    ("name", "value", "many"),
    [
        ("myorigin", "root@test.example", 1), ("myorigin", "a.example, b.example", 1), ("myorigin", "/etc/mailname", 0),
        ("myorigin", "$mydomain", 0), ("smtp_helo_name", "mx test", 1), ("smtp_helo_name", "[192.0.2.10]", 0),
    ],
)  # fmt: skip
def test_a_name_is_one_name(name: str, value: str, many: int) -> None:
    assert len(findings_of("bad-value", {name: value})) == many


BROKEN = [
    ("disable_vrfy_command", "true", "yes"), ("smtpd_helo_required", "1", "yes"), ("smtputf8_enable", "off", "no"),
    ("message_size_limit", "50M", "bytes"), ("default_process_limit", "many", "number"), ("max_use", "0", "above 0"),
    ("default_process_limit", "99999999999", "2147483647"), ("relaylim_destination_concurrency_limit", "two", "number"),
    ("smtpd_timeout", "300x", "300s"), ("smtpd_timeout", "5 minutes", "5m"), ("queue_run_delay", "5M", "5m"),
    ("bounce_queue_lifetime", "-1d", "time"), ("smtpd_timeout", "0", "above 0"), ("daemon_timeout", "", "time"),
    ("smtp_tls_security_level", "mandatory", "encrypt"), ("smtpd_tls_security_level", "dane", "encrypt"),
    ("lmtp_tls_security_level", "encrpyt", "encrypt?"), ("inet_protocols", "ipv4, ipv5", "ipv5"),
    ("milter_default_action", "ignore", "tempfail"), ("notify_classes", "all", "resource"),
    ("mynetworks_style", "network", "subnet"), ("postscreen_greet_action", "block", "enforce"),
    ("smtp_address_preference", "ip6", "ipv6?"), ("compatibility_level", "latest", "3.6"),
    ("smtpd_tls_protocols", ">=TLS1.2", "TLSv1.2?"), ("receive_override_options", "no_milter", "no_milters?"),
    ("inet_interfaces", "all, 127.0.0.1", "the only word"),
]  # fmt: skip
FINE = [
    ("disable_vrfy_command", "YES"), ("smtputf8_enable", "no"), ("message_size_limit", "50000000000"),
    ("mailbox_size_limit", "0"), ("postscreen_dnsbl_allowlist_threshold", "-1"), ("bounce_queue_lifetime", "0"),
    ("smtpd_timeout", "5m"), ("smtpd_timeout", "${stress?{10}:{300}}s"), ("delay_warning_time", "4h"),
    ("smtpd_soft_error_limit", "${stress?2}${stress:5}"), ("default_destination_rate_delay", "0"),
    ("relaylim_destination_concurrency_positive_feedback", "1/concurrency"), ("smtp_tls_security_level", "dane-only"),
    ("smtpd_tls_security_level", "Encrypt"), ("inet_protocols", "ipv6, ipv4"), ("smtp_tls_loglevel", "1"),
    ("smtp_tls_mandatory_protocols", "!SSLv2, !SSLv3"), ("smtpd_tls_protocols", ">=TLSv1.2, <=TLSv1.3"),
    ("notify_classes", ""), ("compatibility_level", "3.6"), ("lmtp_tcp_port", "lmtp"), ("inet_interfaces", "all"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "said"), BROKEN)
def test_a_value_that_does_not_fit_is_refused(name: str, value: str, said: str) -> None:
    text = only_finding("bad-value", {name: value})
    assert name in text
    assert said in text


@pytest.mark.parametrize(("name", "value"), FINE)
def test_a_value_that_fits_is_never_refused(name: str, value: str) -> None:
    assert not findings_of("bad-value", {name: value})


def test_a_value_is_judged_in_the_options_of_a_service_too() -> None:
    service = "127.0.0.1:2525 inet n - n - - smtpd\n  -o smtpd_tls_auth_only=true\n"
    text = only_finding("bad-value", files={"master.d/in.cf": service})
    assert text.startswith("master.d/in.cf:2:6: service 127.0.0.1:2525/inet: smtpd_tls_auth_only")


def test_an_empty_value_is_refused_where_postfix_demands_one() -> None:
    assert "myorigin" in only_finding("empty-value", {"myorigin": ""})
    assert not findings_of("empty-value", {"relayhost": "", "content_filter": "", "virtual_mailbox_base": ""})


def test_letters_after_the_unit_of_a_time_are_told_of() -> None:
    (finding,) = findings_of("odd-time", {"smtpd_timeout": "5minutes"})
    assert finding.severity is Severity.WARNING
    assert not findings_of("odd-time", {"smtpd_timeout": "5m"})


@pytest.mark.parametrize("name", ["queue_minfree", "smtp_destination_concurrency_limit", "message_size_limit"])
def test_no_number_is_below_0(name: str) -> None:
    assert "0 or more" in only_finding("bad-value", {name: "-1"})


def test_a_word_that_only_another_version_knows_is_refused() -> None:
    newer = {"smtpd_forbid_bare_newline": "note"}
    assert findings_of("bad-value", newer)
    assert not findings_of("bad-value", newer, facts=facts(unsaid=frozenset()))
    bounds = {"smtp_tls_protocols": ">=TLSv1.2"}
    assert "in Postfix 3.5.25" in only_finding("bad-value", bounds, facts=facts(version="3.5.25"))
    assert not findings_of("bad-value", bounds)
