"""Servers that Postfix depends on: which are asked, who is one of ours, and what silence means for mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.host import reachable
from reconciler.model import Access, AccessKind, Server
from tests.unit.desired_states import desired, findings_of, linted, only_finding
from tests.unit.host_facts import HOST, facts

if TYPE_CHECKING:
    from reconciler.model import Facts

REFUSED = "connection refused"
MILTER = {"smtpd_milters": "inet:127.0.0.1:3999"}
LOGIN = {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth"}
STORE = {"virtual_transport": "lmtp:unix:private/dovecot"}
DOVECOT = Server(path="/var/spool/postfix/private/auth")


def servers(parameters: dict[str, str], files: dict[str, str] | None = None) -> set[Server]:
    return set(mentioned(compose(desired(parameters, files), HOST), HOST).servers)


def silent(*asked: Server, reason: str = REFUSED) -> Facts:
    return facts(answers=dict.fromkeys(asked, reason))


DOWN = silent(Server("127.0.0.1", 3999))


@pytest.mark.parametrize(
    ("parameters", "server"),
    [
        (MILTER, Server("127.0.0.1", 3999)),
        ({"non_smtpd_milters": "{ inet:[::1]:3999, default_action=accept }"}, Server("::1", 3999)),
        ({"smtpd_milters": "unix:opendkim/opendkim.sock"}, Server(path="/var/spool/postfix/opendkim/opendkim.sock")),
        ({"smtpd_milters": "unix:/run/rspamd/milter.sock"}, Server(path="/run/rspamd/milter.sock")),
        ({"smtpd_milter_maps": "inline:{{192.0.2.0/24=inet:127.0.0.1:3999}}"}, Server("127.0.0.1", 3999)),
        ({"smtpd_data_restrictions": "check_policy_service inet:10023"}, Server("localhost", 10023)),
        ({"smtpd_proxy_filter": "[127.0.0.1]:10024"}, Server("127.0.0.1", 10024)),
        ({"content_filter": "smtp:[127.0.0.1]:10024"}, Server("127.0.0.1", 10024)),
        (STORE | {"virtual_mailbox_domains": "m.example"}, Server(path="/var/spool/postfix/private/dovecot")),
        ({"relayhost": "[198.51.100.1]:587"}, Server("198.51.100.1", 587)),
        ({"relayhost": "[mail.example.com]"}, Server("mail.example.com", 25)),
        ({"virtual_alias_maps": "tcp:127.0.0.1:7777"}, Server("127.0.0.1", 7777)),
        ({"virtual_alias_maps": "socketmap:unix:/run/map:aliases"}, Server(path="/run/map")),
        (LOGIN, DOVECOT),
        (LOGIN | {"smtpd_sasl_path": "inet:127.0.0.1:12345"}, Server("127.0.0.1", 12345)),
    ],
)
def test_every_server_is_asked_where_postfix_would_ask_it(parameters: dict[str, str], server: Server) -> None:
    assert servers(parameters) == {server}


@pytest.mark.parametrize(
    "parameters",
    [
        {"smtpd_data_restrictions": "check_policy_service unix:private/policy"},
        {"content_filter": "smtp:[127.0.0.1]:10025"},
        {"content_filter": "smtp:[scanner.example.com]:10024"},
        {"relayhost": "mail.example.com"},
        STORE,
        {"virtual_transport": "virtual", "mailbox_transport": ""},
        LOGIN | {"smtpd_sasl_type": "cyrus", "smtpd_sasl_path": "smtpd"},
        LOGIN | {"smtpd_sasl_auth_enable": "no"},
    ],
)
def test_what_this_configuration_serves_itself_or_nobody_can_tell_is_not_asked(parameters: dict[str, str]) -> None:
    own = {
        "master.d/x.cf": "policy unix - n n - 0 spawn user=nobody argv=/usr/bin/policy\n"
        "127.0.0.1:10025 inet n - n - - smtpd\n  -o content_filter=\n"
    }
    assert servers(parameters, own) == set()


def test_a_milter_that_is_down_is_refused_for_now() -> None:
    (finding,) = findings_of("silent-server", MILTER, facts=DOWN)
    assert (finding.is_error, finding.lasting) == (True, False)
    assert '"inet:127.0.0.1:3999"' in finding.text
    assert "refused with 451" in finding.text
    assert not findings_of("silent-server", MILTER, facts=silent(Server("127.0.0.1", 3999), reason=""))
    assert not findings_of("silent-server", MILTER)


@pytest.mark.parametrize(
    "parameters",
    [MILTER | {"milter_default_action": "accept"}, {"smtpd_milters": "{ inet:127.0.0.1:3999, default_action=accept }"}],
)
def test_a_milter_without_which_mail_passes_is_told_of(parameters: dict[str, str]) -> None:
    (finding,) = findings_of("silent-server", parameters, facts=DOWN)
    assert not finding.is_error
    assert "it fails open" in finding.text
    (finding,) = findings_of("fails-open", parameters, facts=silent(Server("127.0.0.1", 3999), reason=""))
    assert not finding.is_error


def test_a_policy_server_is_judged_by_its_default_action() -> None:
    asked = {"smtpd_data_restrictions": "check_policy_service inet:127.0.0.1:3999"}
    assert findings_of("silent-server", asked, facts=DOWN)[0].is_error
    for permits in (
        asked | {"smtpd_policy_service_default_action": "DUNNO"},
        {"smtpd_data_restrictions": "check_policy_service { inet:127.0.0.1:3999, default_action = DUNNO }"},
    ):
        (finding,) = findings_of("silent-server", permits, facts=DOWN)
        assert not finding.is_error


def test_logins_need_dovecot_where_they_are_offered() -> None:
    service = {
        "master.d/s.cf": "127.0.0.1:587 inet n - n - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"
        "  -o smtpd_sasl_type=dovecot\n  -o smtpd_sasl_path=private/auth\n"
    }
    text = only_finding("silent-server", files=service, facts=silent(DOVECOT, reason="there is no such socket"))
    assert text.startswith("master.d/s.cf:4:")
    assert "private/auth" in text


def test_a_smart_host_that_refuses_is_a_warning_and_a_slow_one_nothing() -> None:
    there = Server("198.51.100.1", 587)
    (finding,) = findings_of("silent-server", {"relayhost": "[198.51.100.1]:587"}, facts=silent(there))
    assert not finding.is_error
    assert "waits in the queue" in finding.text
    slow = silent(there, reason=reachable.SLOW)
    assert not findings_of("silent-server", {"relayhost": "[198.51.100.1]:587"}, facts=slow)


def test_a_socket_must_let_postfix_in_and_not_only_root() -> None:
    path = "/run/opendkim/opendkim.sock"
    asked = {"smtpd_milters": f"unix:{path}"}
    use = Access(path, "postfix", AccessKind.WRITE)
    assert use in mentioned(compose(desired(asked), HOST), HOST).accesses
    answers = {Server(path=path): ""}
    closed = facts(answers=answers, accesses={use: "permission denied"})
    (finding,) = findings_of("silent-server", asked, facts=closed)
    assert "(permission denied for the user postfix): all mail would be refused with 451" in finding.text
    assert (finding.is_error, finding.lasting) == (True, False)
    assert not findings_of("silent-server", asked, facts=facts(answers=answers, accesses={use: ""}))
    assert not findings_of("silent-server", asked, facts=facts(answers=answers))
    other = {"mail_owner": "mta"} | asked
    assert Access(path, "mta", AccessKind.WRITE) in mentioned(compose(desired(other), HOST), HOST).accesses


def test_a_name_that_does_not_exist_is_no_server() -> None:
    named = {"smtpd_milters": "inet:milter.example.com:3999"}
    missing = silent(Server("milter.example.com", 3999), reason=reachable.NO_NAME)
    assert findings_of("silent-server", named, facts=missing)[0].is_error
    relay = silent(Server("mail.example.com", 25), reason=reachable.NO_NAME)
    (finding,) = findings_of("silent-server", {"relayhost": "[mail.example.com]"}, facts=relay)
    assert not finding.is_error
    assert "the name does not exist" in finding.text


def test_who_is_slow_is_never_refused() -> None:
    (finding,) = findings_of("silent-server", MILTER, facts=silent(Server("127.0.0.1", 3999), reason=reachable.SLOW))
    assert not finding.is_error


def test_a_server_behind_malformed_text_is_left_to_other_rules() -> None:
    for text in ("{}", "{ }", "inet:", "inet:127.0.0.1:nosuchport", "unix:", "[::1", "{ inet:"):
        linted(desired({"smtpd_milters": text, "relayhost": text, "content_filter": f"smtp:{text}"}), HOST)


def test_a_setting_of_main_cf_is_read_in_the_jail_of_each_program_that_reads_it() -> None:
    spool, outside = "/var/spool/postfix", "/opendkim/opendkim.sock"
    milter = {"smtpd_milters": f"unix:{outside}", "non_smtpd_milters": f"unix:{outside}"}
    jailed, both = Server(path=spool + outside), {Server(path=spool + outside), Server(path=outside)}
    state = desired(milter, services={"smtp/inet": {"chroot": "yes"}, "cleanup/unix": {"chroot": "yes"}})
    assert set(mentioned(compose(state, HOST), HOST).servers) == {jailed}
    state = desired(milter, services={"smtp/inet": {"chroot": "yes"}})
    assert set(mentioned(compose(state, HOST), HOST).servers) == both
    state = desired({"smtpd_milters": f"unix:{outside}"}, {
        "master.d/x.cf": "127.0.0.1:10025 inet n - n - - smtpd\n  -o smtpd_milters=\n",
    }, services={"smtp/inet": {"chroot": "yes"}})  # fmt: skip
    assert set(mentioned(compose(state, HOST), HOST).servers) == {jailed}
    policy = {"smtpd_data_restrictions": "check_policy_service unix:/run/policy"}
    state = desired(policy, services={"smtp/inet": {"chroot": "yes"}})
    assert set(mentioned(compose(state, HOST), HOST).servers) == {Server(path=f"{spool}/run/policy")}


def test_the_socket_of_a_mail_store_is_in_the_jail_of_its_transport() -> None:
    store = {"virtual_mailbox_domains": "m.example", "virtual_transport": "lmtp:unix:/run/dovecot/lmtp"}
    state = desired(store, services={"lmtp/unix": {"chroot": "yes"}})
    assert Server(path="/var/spool/postfix/run/dovecot/lmtp") in mentioned(compose(state, HOST), HOST).servers
    assert Server(path="/run/dovecot/lmtp") in servers(store)
