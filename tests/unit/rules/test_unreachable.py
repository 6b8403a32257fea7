"""A setting that another one hides is reported where it is written; one that can count is not."""

from __future__ import annotations

import pytest

from tests.unit.desired_states import VIRTUAL, findings_of

LISTENER = "2525 inet n - n - - smtpd\n"
ROUTES = {"tables/transport": "* smtp:[b.example]\n"}
CHAIN = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": "/etc/ssl/all.pem"}


def hidden(parameters: dict[str, str], files: dict[str, str] | None = None) -> list[str]:
    """The names of the settings that have no effect."""
    found = findings_of("unreachable-setting", parameters, {"tables/virtual": VIRTUAL} | (files or {}))
    assert not any(finding.is_error for finding in found)
    return sorted(finding.subject.split()[-1] for finding in found)


@pytest.mark.parametrize(
    ("parameters", "files", "names"),
    [
        ({"luser_relay": "root"}, {}, ["luser_relay"]),
        ({"luser_relay": "root", "local_recipient_maps": "", "fallback_transport": "relay"}, {}, ["luser_relay"]),
        ({"home_mailbox": "Maildir/", "mailbox_command": "/bin/cat"}, {}, ["home_mailbox"]),
        (
            {"home_mailbox": "Maildir/", "fallback_transport": "relay", "mailbox_transport": "lmtp:unix:/x"},
            {},
            ["fallback_transport", "home_mailbox"],
        ),
        ({"mail_spool_directory": "/srv/", "home_mailbox": "Maildir/"}, {}, ["mail_spool_directory"]),
        ({"relayhost": "[a.example]", "default_transport": "smtp:[b.example]"}, {}, ["relayhost"]),
        ({"relayhost": "[a.example]"}, ROUTES, ["relayhost"]),
        ({"mynetworks_style": "class"}, {}, ["mynetworks_style"]),
        ({"relay_recipient_maps": "static:x", "relay_domains": ""}, {}, ["relay_recipient_maps"]),
        ({"masquerade_exceptions": "root"}, {}, ["masquerade_exceptions"]),
        ({"smtpd_sender_login_maps": "static:x"}, {}, ["smtpd_sender_login_maps"]),
        ({"smtp_sasl_password_maps": "static:u:p"}, {}, ["smtp_sasl_password_maps"]),
        ({"smtp_bind_address6": "2001:db8::10", "inet_protocols": "ipv4"}, {}, ["smtp_bind_address6"]),
        ({"smtp_enforce_tls": "yes", "smtp_tls_security_level": "may"}, {}, ["smtp_enforce_tls"]),
        (CHAIN | {"smtpd_tls_cert_file": "/etc/ssl/one.pem"}, {}, ["smtpd_tls_cert_file"]),
    ],
)
def test_a_setting_behind_another_has_no_effect(
    parameters: dict[str, str], files: dict[str, str], names: list[str]
) -> None:
    assert hidden(parameters, files) == names


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({"luser_relay": "root", "local_recipient_maps": ""}, {}),
        ({"luser_relay": "root", "smtpd_reject_unlisted_recipient": "no"}, {}),
        ({"luser_relay": "root", "local_recipient_maps": "static:all"}, {}),
        ({"luser_relay": "root"}, {"master.d/x.cf": f"{LISTENER}  -o local_recipient_maps=\n"}),
        ({"luser_relay": ""}, {}),
        ({"home_mailbox": "Maildir/", "mailbox_command": ""}, {}),
        ({"home_mailbox": "Maildir/", "mailbox_command_maps": "static:/bin/cat"}, {}),
        ({"mailbox_transport": "lmtp:unix:/x"}, {"master.d/x.cf": "loc unix - n n - - local\n  -o home_mailbox=\n"}),
        ({"relayhost": "[a.example]", "default_transport": "smtp"}, {}),
        ({"relayhost": "[a.example]"}, {"tables/transport": "* smtp:\nb.example smtp:[b.example]\n"}),
        ({"relay_recipient_maps": "static:x", "relay_domains": "r.example"}, {}),
        (
            {
                "smtpd_sender_login_maps": "static:x",
                "smtpd_sender_restrictions": "reject_authenticated_sender_login_mismatch",
            },
            {},
        ),
        ({"smtp_sasl_password_maps": "static:u:p", "smtp_sasl_auth_enable": "yes"}, {}),
        (
            {"smtp_sasl_password_maps": "static:u:p"},
            {"master.d/x.cf": "out unix - - n - - smtp\n  -o smtp_sasl_auth_enable=yes\n"},
        ),
        ({"smtp_bind_address6": "2001:db8::10", "inet_protocols": "all"}, {}),
        ({"smtpd_use_tls": "yes", "smtpd_tls_security_level": "may"}, {}),
        (CHAIN, {}),
    ],
)
def test_a_setting_that_counts_somewhere_is_fine(parameters: dict[str, str], files: dict[str, str]) -> None:
    assert hidden(parameters, files) == []


def test_an_option_is_reported_at_its_own_place() -> None:
    text = "loc unix - n n - - local\n  -o mailbox_transport=lmtp:unix:/x\n  -o home_mailbox=Maildir/\n"
    (finding,) = findings_of("unreachable-setting", files={"tables/virtual": VIRTUAL, "master.d/x.cf": text})
    assert str(finding.where) == "master.d/x.cf:3:6"
    assert "mailbox_transport is set" in finding.text
