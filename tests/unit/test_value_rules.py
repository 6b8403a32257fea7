"""Values that do not fit their parameter's type."""

from __future__ import annotations

import pytest

from reconciler.model import Severity
from tests.unit.states import the, told

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
    ("inet_interfaces", "all, 127.0.0.1", "alone"),
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
    text = the("bad-value", {name: value})
    assert name in text
    assert said in text


@pytest.mark.parametrize(("name", "value"), FINE)
def test_a_value_that_fits_is_never_refused(name: str, value: str) -> None:
    assert not told("bad-value", {name: value})


def test_a_value_is_judged_in_the_options_of_a_service_too() -> None:
    service = "127.0.0.1:2525 inet n - n - - smtpd\n  -o smtpd_tls_auth_only=true\n"
    text = the("bad-value", files={"master.d/in.cf": service})
    assert text.startswith("master.d/in.cf:2:6: service 127.0.0.1:2525/inet: smtpd_tls_auth_only")


def test_an_empty_value_is_refused_where_postfix_demands_one() -> None:
    assert "myorigin" in the("empty-value", {"myorigin": ""})
    assert not told("empty-value", {"relayhost": "", "content_filter": "", "virtual_mailbox_base": ""})


def test_letters_after_the_unit_of_a_time_are_told_of() -> None:
    (finding,) = told("odd-time", {"smtpd_timeout": "5minutes"})
    assert finding.severity is Severity.WARNING
    assert not told("odd-time", {"smtpd_timeout": "5m"})


@pytest.mark.parametrize(
    ("network", "meant"),
    [("127.0.0.1/8", "127.0.0.0/8?"), ("192.168.1.1/24", "192.168.1.0/24?"), ("!10.1.1.1/8", "10.0.0.0/8?"),
     ("[fe80::1]/64", "[fe80::]/64?"), ("::1/128", "[::1]/128?"), ("10.0.0.0/33", ""), ("10.0.0/8", "")],
)  # fmt: skip
def test_a_network_that_postfix_cannot_parse_is_refused(network: str, meant: str) -> None:
    for name in ("mynetworks", "smtpd_authorized_xclient_hosts"):
        text = the("bad-network", {name: f"127.0.0.0/8, {network}"})
        assert network in text
        assert text.endswith(meant)


def test_networks_names_files_and_tables_are_fine() -> None:
    fine = (
        "127.0.0.0/8 [::1]/128 10.0.0.0/8, 192.0.2.1 !192.0.2.2 .example.com /etc/nets cidr:{10.0.0.0/8} [2001:db8::1]"
    )
    assert not told("bad-network", {"mynetworks": fine})


@pytest.mark.parametrize("networks", ["0.0.0.0/0", "[::]/0", "0.0.0.0/1 128.0.0.0/1", "127.0.0.0/8, static:all"])
def test_relaying_for_the_whole_internet_is_refused(networks: str) -> None:
    assert all(finding.is_error for finding in told("open-relay", {"mynetworks": networks}))
    assert told("open-relay", {"mynetworks": networks})


def test_relaying_to_every_domain_is_refused() -> None:
    assert "relay_domains" in the("open-relay", {"relay_domains": "static:all"})


def test_wide_networks_are_fine_where_they_may_not_relay() -> None:
    closed = {"mynetworks": "0.0.0.0/0", "smtpd_relay_restrictions": "reject_unauth_destination"}
    assert not told("open-relay", closed)
    assert not told("open-relay", {"mynetworks": "10.0.0.0/8 [fe80::]/10"})


@pytest.mark.parametrize("name", ["queue_minfree", "smtp_destination_concurrency_limit", "message_size_limit"])
def test_no_number_is_below_0(name: str) -> None:
    assert "0 or more" in the("bad-value", {name: "-1"})
