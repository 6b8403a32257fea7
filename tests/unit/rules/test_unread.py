"""A setting that no program reads where it stands is reported; one that is read in a roundabout way is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.postfix.vocabulary import ServiceLimits
from reconciler.rules import unread
from tests.unit.desired_states import VIRTUAL, findings_of
from tests.unit.host_facts import facts

if TYPE_CHECKING:
    from collections.abc import Iterator


def options(line: str, *settings: str, parameters: dict[str, str] | None = None) -> list[str]:
    """What is said of the options of one service."""
    text = f"{line}\n" + "".join(f"  -o {setting}\n" for setting in settings)
    found = findings_of("unread-option", parameters, {"tables/virtual": VIRTUAL, "master.d/x.cf": text})
    assert not any(finding.is_error for finding in found)
    return [finding.text for finding in found]


SMTPD, SMTP, LMTP = "2525 inet n - n - - smtpd", "out unix - - n - - smtp", "in unix - - n - - lmtp"
SCREEN, CLEANUP, LOCAL = "2526 inet n - n - 1 postscreen", "own unix n - n - 0 cleanup", "loc unix - n n - - local"


@pytest.mark.parametrize(
    ("line", "setting", "instead"),
    [
        (SMTPD, "header_checks=", "give it a cleanup of its own"),
        (SMTPD, "always_bcc=root@mx.test.example", "cleanup would"),
        (SMTPD, "non_smtpd_milters=", "did you mean smtpd_milters?"),
        (SMTPD, "smtp_tls_security_level=may", "did you mean smtpd_tls_security_level?"),
        (SMTPD, "transport_maps=", "trivial-rewrite would"),
        (SMTP, "smtpd_tls_security_level=may", "did you mean smtp_tls_security_level?"),
        (SMTP, "lmtp_tls_security_level=may", "did you mean smtp_tls_security_level?"),
        (SMTP, "header_checks=", "did you mean smtp_header_checks?"),
        (LMTP, "smtp_host_lookup=native", "did you mean lmtp_host_lookup?"),
        (SCREEN, "smtpd_recipient_restrictions=reject", "smtpd would"),
        (SCREEN, "smtpd_tls_cert_file=/x", "smtpd"),
        (CLEANUP, "smtpd_milters=", "did you mean non_smtpd_milters?"),
        (LOCAL, "virtual_mailbox_limit=0", "did you mean mailbox_size_limit?"),
        ("pickup2 unix n - n 60 1 pickup", "header_checks=", "give it a cleanup of its own"),
    ],
)
def test_an_option_that_the_program_does_not_read_has_no_effect(line: str, setting: str, instead: str) -> None:
    (text,) = options(line, setting)
    assert f"does not read {setting.partition('=')[0]}" in text
    assert instead in text or "limit" in setting


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        (SMTPD, ["mynetworks=127.0.0.0/8", "content_filter=", "smtpd_milters=", "local_recipient_maps=", "max_use=9"]),
        (SMTPD, ["smtpd_client_restrictions=$mine", "mine=permit_mynetworks,reject"]),
        (SMTPD, ["smtpd_tls_chain_files=$smtp_tls_chain_files", "smtp_tls_chain_files="]),
        (SMTP, ["smtp_helo_name=a.example", "smtp_bind_address=192.0.2.10", "disable_dns_lookups=yes"]),
        (LMTP, ["lmtp_tls_security_level=may", "lmtp_host_lookup=native"]),
        (SCREEN, ["smtpd_banner=$myhostname", "smtpd_reject_footer=no", "smtpd_tls_security_level=may"]),
        (CLEANUP, ["header_checks=", "nested_header_checks=", "always_bcc="]),
        ("p unix - n n - - pipe user=nobody argv=/bin/cat", []),
        ("/x/own-program unix - n n - - own-program", ["header_checks="]),
    ],
)
def test_an_option_that_the_program_reads_is_fine(line: str, settings: list[str]) -> None:
    assert options(line, *settings) == []


def test_a_delivery_limit_is_reported_once() -> None:
    assert options(SMTP, "out_destination_rate_delay=1s") == []


def test_without_the_programs_nothing_is_said() -> None:
    state = {"tables/virtual": VIRTUAL, "master.d/x.cf": f"{SMTPD}\n  -o header_checks=\n"}
    assert not findings_of("unread-option", files=state, facts=facts(reads={}))
    assert not findings_of("unread-setting", {"postscreen_dnsbl_sites": "bl.example"}, facts=facts(reads={}))


def test_settings_of_a_program_that_no_service_runs_are_one_warning() -> None:
    screen = {"postscreen_dnsbl_sites": "bl.example", "postscreen_greet_action": "enforce"}
    (finding,) = findings_of("unread-setting", screen)
    assert "postscreen_dnsbl_sites, postscreen_greet_action: only postscreen reads this" in finding.text
    assert finding.where.line > 1
    running = {"tables/virtual": VIRTUAL, "master.d/x.cf": f"{SCREEN}\nsmtpd pass - - n - - smtpd\n"}
    assert not findings_of("unread-setting", screen, running)


def test_what_master_and_the_commands_read_is_read() -> None:
    assert not findings_of("unread-setting", {"service_throttle_time": "30s", "sendmail_fix_line_endings": "never"})


def test_a_setting_that_another_refers_to_is_read() -> None:
    assert not findings_of(
        "unread-setting", {"postscreen_greet_banner": "hi", "smtpd_banner": "$postscreen_greet_banner"}
    )


BASE = {"virtual_alias_domains": "", "virtual_mailbox_domains": "v.example", "virtual_mailbox_base": "/var/mail"}


def test_settings_of_an_agent_that_no_route_leads_to_have_no_effect() -> None:
    mailboxes = {"tables/virtual_mailbox": "ada@v.example ada/\n", "tables/virtual": "x@v.example ada@v.example\n"}
    elsewhere = BASE | {"virtual_transport": "lmtp:unix:/run/lmtp"}
    (finding,) = findings_of("unread-setting", elsewhere, mailboxes)
    assert "virtual_mailbox_base: only virtual reads this, and no route leads to it" in finding.text
    assert not findings_of("unread-setting", BASE, mailboxes)
    assert not findings_of("unread-setting", elsewhere, mailboxes | {"tables/transport": "v.example virtual:\n"})
    assert not findings_of("unread-setting", elsewhere | {"transport_maps": "ldap:/etc/x.cf"}, mailboxes)
    (finding,) = findings_of("unread-setting", {"local_transport": "error:none", "home_mailbox": "Maildir/"})
    assert "home_mailbox: only local reads this" in finding.text


def test_the_limits_of_all_services_are_not_listed_for_each_option(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(ServiceLimits):
        listed = 0

        def __iter__(self) -> Iterator[str]:
            Counted.listed += 1
            return super().__iter__()

    monkeypatch.setattr(unread, "ServiceLimits", Counted)
    lines = "".join(f"x{number} unix - - n - - smtp -o smtp_helo_name=a -o syslog_name=b\n" for number in range(50))
    assert not findings_of("unread-option", files={"tables/virtual": VIRTUAL, "master.d/x.cf": lines})
    assert Counted.listed == 0
