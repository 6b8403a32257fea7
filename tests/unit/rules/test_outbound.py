"""What holds for all mail that leaves, and for programs on this host."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import findings_of, only_finding

ENCRYPT = {"smtp_tls_security_level": "encrypt"}
SCAN = {"content_filter": "scan:[127.0.0.1]:10024"}
LINE = {"master.d/s.cf": "scan unix - - n - 2 smtp\n  -o smtp_send_xforward_command=yes\n"}


@pytest.mark.parametrize("off", [{"disable_dns_lookups": "yes"}, {"smtp_dns_support_level": "disabled"}])
def test_mail_without_mx_look_ups_is_told_of(off: dict[str, str]) -> None:
    (finding,) = findings_of("no-mx", off)
    assert not finding.is_error
    relays: tuple[dict[str, str], ...] = (
        {"relayhost": "[mail.relay.example]"},
        {"default_transport": "error:none"},
        {"transport_maps": "inline:{{*=smtp:[mail.relay.example]}}"},
    )
    for relay in relays:
        assert not findings_of("no-mx", off | relay)


def test_a_filter_may_do_without_mx_look_ups() -> None:
    line = {"master.d/s.cf": LINE["master.d/s.cf"] + "  -o disable_dns_lookups=yes\n"}
    assert not findings_of("no-mx", SCAN, line)
    own = {"smtp/unix": {"options": {"disable_dns_lookups": "yes"}}}
    assert findings_of("no-mx", services=own)


def test_tls_from_the_first_byte_for_all_is_refused() -> None:
    wrapped = ENCRYPT | {"smtp_tls_wrappermode": "yes"}
    assert "mail servers expect" in only_finding("wrapped-client", wrapped)
    assert "[mail.relay.example]:587" in only_finding(
        "wrapped-client", wrapped | {"relayhost": "[mail.relay.example]:587"}
    )
    for port in ("465", "smtps", "submissions", "4650"):
        assert not findings_of("wrapped-client", wrapped | {"relayhost": f"[mail.relay.example]:{port}"})
    service = {"master.d/w.cf": "wrapped unix - - n - - smtp\n  -o smtp_tls_wrappermode=yes\n"}
    assert not findings_of("wrapped-client", ENCRYPT, service)


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        (SCAN, {}),
        ({"content_filter": "scan:localhost:10024"}, {}),
        ({"content_filter": "scan:[192.0.2.10]:10024"}, {}),
        ({}, {"tables/transport": "m.example scan:[127.0.0.1]:10024\n"}),
        ({"mailbox_transport": "lmtp:inet:[::1]:24", "lmtp_tls_security_level": "encrypt"}, {}),
    ],
)
def test_a_level_that_holds_for_a_program_on_this_host_is_told_of(
    parameters: dict[str, str], files: dict[str, str]
) -> None:
    (finding,) = findings_of("local-tls", ENCRYPT | parameters, LINE | files)
    assert not finding.is_error


@pytest.mark.parametrize(
    ("parameters", "line", "files"),
    [
        (SCAN, "  -o smtp_tls_security_level=none\n", {}),
        (SCAN | {"smtp_tls_security_level": "may"}, "", {}),
        (SCAN, "", {"tables/tls_policy": "[127.0.0.1]:10024 none\n"}),
        ({"content_filter": "scan:[192.0.2.77]:10024"}, "", {}),
        ({"mailbox_transport": "lmtp:unix:private/dovecot"}, "", {}),
        ({"relayhost": "[127.0.0.1]:10025"}, "", {}),
        (SCAN, "", {"master.d/t.cf": "10024 inet n - n - - smtpd\n  -o smtpd_tls_security_level=may\n"}),
    ],
)
def test_a_program_with_a_level_of_its_own_or_elsewhere_is_fine(
    parameters: dict[str, str], line: str, files: dict[str, str]
) -> None:
    rows = {"master.d/s.cf": LINE["master.d/s.cf"] + line}
    assert not findings_of("local-tls", ENCRYPT | parameters, rows | files)


def test_a_host_that_is_not_local_to_itself_is_told_of() -> None:
    without = {"mydestination": "localhost"}
    assert "add $myhostname" in only_finding("host-not-local", without)
    fine: tuple[dict[str, str], ...] = (
        {"relayhost": "[mail.relay.example]"},
        {"myorigin": "example.com"},
        {"relay_domains": "mx.test.example"},
        {"virtual_mailbox_domains": "mx.test.example"},
        {"mydestination": "$myhostname"},
        {"transport_maps": "inline:{{mx.test.example=local:}}"},
        {"mydestination": "hash:/etc/domains"},
    )
    for parameters in fine:
        assert not findings_of("host-not-local", without | parameters)
    assert not findings_of("host-not-local", without, {"tables/virtual": "@mx.test.example ada@far.example\n"})
