"""Names in main.cf and in the options of services, and the names in their values."""

from __future__ import annotations

import pytest

from tests.unit.commits import load_commit, load_findings, parameter_in
from tests.unit.desired_states import findings_of, only_finding


def test_a_name_in_a_command_that_pipe_does_not_know_is_refused() -> None:
    line = "x unix - n n - - pipe user=vmail argv=/x ${recepient}\n"
    (finding,) = findings_of("undefined-name", files={"master.d/x.cf": line})
    assert finding.is_error
    assert finding.text.endswith("did you mean recipient?")


def test_the_words_of_a_command_are_its_own() -> None:
    line = (
        "x unix - n n - - pipe flags=DRhu user=vmail:vmail null_sender= size=10000 directory=/tmp\n"
        "  argv=/usr/sbin/sendmail -G -i -oi -o x -f ${sender} $nexthop -- ${user}@${domain}\n"
    )
    for rule in ("malformed-service", "unknown-attribute", "bad-value", "undefined-name", "unknown-parameter"):
        assert not findings_of(rule, files={"master.d/x.cf": line})


def test_a_misspelt_parameter_is_refused_with_the_likely_name() -> None:
    text = only_finding("unknown-parameter", {"smtpd_recipient_restictions": "permit_mynetworks, reject"})
    assert '"smtpd_recipient_restictions"' in text
    assert text.endswith("did you mean smtpd_recipient_restrictions?")
    assert text.startswith("mail.yaml:")


def test_a_misspelt_option_of_a_service_is_refused_at_its_line() -> None:
    service = "127.0.0.1:2525 inet n - n - - smtpd\n  -o smtpd_helo_requierd=yes\n"
    assert only_finding("unknown-parameter", files={"master.d/in.cf": service}).startswith("master.d/in.cf:2:")


def test_a_name_of_ones_own_that_nothing_uses_is_refused() -> None:
    assert "my_networks" in only_finding("unknown-parameter", {"my_networks": "10.0.0.0/8"})


def test_a_name_of_ones_own_that_a_value_uses_is_fine() -> None:
    assert not findings_of("unknown-parameter", {"my_networks": "10.0.0.0/8", "mynetworks": "127.0.0.0/8 $my_networks"})


def test_a_name_of_ones_own_that_an_option_uses_is_fine() -> None:
    service = "127.0.0.1:2525 inet n - n - - smtpd\n  -o smtpd_client_restrictions=$mua_clients\n"
    assert not findings_of("unknown-parameter", {"mua_clients": "permit"}, {"master.d/in.cf": service})


@pytest.mark.parametrize(
    "name",
    [
        "relaylim_destination_rate_delay",
        "smtp_initial_destination_concurrency",
        "mydomain.com-out_transport_rate_delay",
    ],
)
def test_the_limits_of_a_service_are_known(name: str) -> None:
    service = {"master.d/out.cf": "mydomain.com-out unix - - n - - smtp\n"}
    assert not findings_of("unknown-parameter", {name: "1"}, service)


@pytest.mark.parametrize("name", ["maildrop_destination_recipient_limit", "policyd-spf_time_limit"])
def test_the_limits_of_a_service_that_has_gone_are_told_of(name: str) -> None:
    (finding,) = findings_of("no-such-transport", {name: "1"})
    assert not finding.is_error
    assert name in finding.text
    assert not findings_of("unknown-parameter", {name: "1"})


def test_what_an_older_or_patched_postfix_had_is_told_of() -> None:
    (finding,) = findings_of("former-parameter", {"virtual_create_maildirsize": "yes"})
    assert not finding.is_error
    assert not findings_of("unknown-parameter", {"program_directory": "/usr/lib/postfix"})
    maps = {"proxy_read_maps": "$virtual_alias_maps $transport_maps $mynetworks $virtual_mailbox_limit_maps"}
    (finding,) = findings_of("undefined-name", maps)
    assert not finding.is_error


@pytest.mark.parametrize("name", ["relayim_destination_rate_delay", "comand_time_limit", "x_destination_rate_dely"])
def test_a_slip_in_a_limit_is_refused(name: str) -> None:
    assert name in only_finding("unknown-parameter", {name: "1s"})


def test_only_pipe_and_spawn_have_a_time_limit() -> None:
    spawn = "policyd-spf unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf\n"
    assert not findings_of("unknown-parameter", {"policyd-spf_time_limit": "3600"}, {"master.d/spf.cf": spawn})
    assert findings_of("unknown-parameter", {"relaylim_time_limit": "3600"})


def test_restriction_classes_and_database_prefixes_are_known() -> None:
    classes = {"smtpd_restriction_classes": "strict", "strict": "reject"}
    assert not findings_of("unknown-parameter", classes)
    assert not findings_of("unknown-parameter", {"people_server_host": "db", "virtual_mailbox_maps": "ldap:people"})


def test_obsolete_names_that_defaults_still_read_are_known() -> None:
    assert not findings_of("unknown-parameter", {"postscreen_whitelist_interfaces": "static:all"})


def test_what_postfix_sets_itself_is_refused() -> None:
    assert "process_name" in only_finding("read-only-parameter", {"process_name": "smtpd"})


def test_a_limit_as_an_option_of_its_service_is_told_of() -> None:
    service = {"master.d/out.cf": "slow unix - - n - - smtp\n  -o slow_destination_rate_delay=1s\n"}
    assert "qmgr" in only_finding("option-without-effect", files=service)
    assert not findings_of("option-without-effect", {"relaylim_destination_rate_delay": "1s"})


@pytest.mark.parametrize(
    "value",
    [
        "$my_netz",
        "${my_netz}",
        "$(my_netz)",
        "${my_netz?10.0.0.0/8}",
        "${{$my_netz} == {x} ? {a} : {b}}",
        "a, $my_netz",
    ],
)
def test_an_undefined_name_is_refused_however_it_is_written(value: str) -> None:
    assert "$my_netz" in only_finding("undefined-name", {"mynetworks": value})


@pytest.mark.parametrize(
    "value", ["$mydomain", "$$my_netz", "${stress?2}${stress:5}", "${{$mydomain} == {x} ? {a} : {b}}"]
)
def test_defined_names_and_literal_dollars_are_fine(value: str) -> None:
    assert not findings_of("undefined-name", {"mail_name": value})


def test_values_with_macros_of_their_own_are_left_alone() -> None:
    own = {
        "mailbox_command": 'procmail -a "$EXTENSION"',
        "forward_path": "$home/.forward",
        "default_rbl_reply": "$rbl_code${rbl_reason?; $rbl_reason}",
        "smtpd_reject_footer": "call us, $client_address",
        "luser_relay": "$user@other.example",
    }
    pipe = "drop unix - n n - - pipe user=vmail argv=/usr/bin/drop -d ${recipient}\n"
    assert not findings_of("undefined-name", own, {"master.d/drop.cf": pipe})


@pytest.mark.parametrize("value", ["${mydomain", "$", "cost: $ 5", "${my domain}", "${{a} ~ {b}?x}"])
def test_a_reference_that_postfix_cannot_read_is_refused(value: str) -> None:
    assert findings_of("malformed-reference", {"mail_name": value})


def test_a_value_that_refers_to_itself_is_refused() -> None:
    assert "mydestination" in only_finding("recursive-value", {"mydestination": "$mydestination, x.example"})
    assert not findings_of("recursive-value", {"mydestination": "$myhostname, $mydomain"})


@pytest.mark.parametrize("value", ["MAIL_CONFIG\\nTZ=UTC", "lmtp=24,\\nsmtp=25", "{ inet:a:1,\\nconnect_timeout=9s }"])
def test_lines_that_set_nothing_are_folded(value: str) -> None:
    assert "\n" in parameter_in(load_commit(f'parameters: {{a: "{value}"}}\n'), "a")


@pytest.mark.parametrize("line", ["mynetworks=x", "smtpd_x=y", "a = b", "a =b", "a= b"])
def test_lines_that_look_like_settings_are_refused(line: str) -> None:
    [told] = load_findings(f'parameters: {{a: "x\\n{line}"}}\n')

    assert "would start another setting" in told.text
