"""master.cf as it is played: every service under its tag, and the delivery agents that mail can reach."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from reconciler.model import Service, Where
from reconciler.rehearsal.master_cf import free_ports, own_ports, twin_port
from tests.unit.host_facts import HOST, facts
from tests.unit.rehearsals import script_of

if TYPE_CHECKING:
    from reconciler.rehearsal.script import Script


def named(done: Script) -> set[str]:
    """The delivery services that a message is sent through."""
    return {done.services[int(one["name"].rpartition("-")[2])].name for one in done.play["agents"]}


def test_what_a_table_or_parameter_reaches_is_exercised_and_debians_examples_are_not() -> None:
    services = {"master.d/x.cf": "out unix - - n - - smtp\nmaildrop unix - n n - - pipe user=vmail argv=/bin/true\n"}
    reached = named(script_of(files={"tables/transport": "a.example out:\n", **services}))
    assert {"out", "maildrop", "smtp", "local"} <= reached
    assert not {"virtual", "lmtp", "error", "retry", "discard"} & reached


def test_virtual_is_left_alone_when_another_transport_takes_its_domains() -> None:
    domains = {"virtual_mailbox_domains": "m.example", "virtual_mailbox_base": "/var/mail"}
    assert "virtual" in named(script_of(domains))
    assert "virtual" not in named(script_of({**domains, "virtual_transport": "lmtp:unix:private/lmtp"}))


def test_every_service_logs_under_a_tag_and_keeps_its_own_options() -> None:
    extra = {"master.d/x.cf": "10025 inet n - n - - smtpd\n  -o syslog_name=mine\n  -o smtpd_banner=hello\n"}
    master = script_of(files=extra).master_cf
    assert len(re.findall(r"syslog_name=r\d+", master)) == len(script_of(files=extra).services)
    assert "syslog_name=mine" not in master
    assert "smtpd_banner=hello" in master


@pytest.mark.parametrize(
    ("written", "default", "played"),
    [("-", "100", "12"), ("-", "5", "-"), ("3", "100", "3"), ("50", "100", "12"), ("0", "5", "12"), ("12", "0", "12")],
)
def test_a_service_that_delivers_over_smtp_has_few_processes(written: str, default: str, played: str) -> None:
    extra = {"master.d/x.cf": f"out unix - - n - {written} smtp\nin unix n - n - {written} smtpd\n"}
    master = script_of({"default_process_limit": default}, files=extra).master_cf
    lines = {line.split()[0]: line.split()[6] for line in master.splitlines() if line.startswith(("out ", "in "))}
    assert lines == {"out": played, "in": written}


@pytest.mark.parametrize(("parameters", "limited"), [({}, True), ({"mailbox_command": "/usr/bin/procmail"}, False)])
def test_a_mailbox_that_postfix_itself_writes_gets_one_message_at_a_time(
    parameters: dict[str, str], limited: bool
) -> None:
    (manager,) = re.findall(r"^qmgr .*(?:\n .*)*", script_of(parameters).master_cf, re.MULTILINE)
    assert ("local_destination_concurrency_limit=1" in manager) == limited


def test_an_option_that_names_a_database_gets_an_empty_table() -> None:
    extra = {"master.d/x.cf": "out unix - - n - - smtp\n  -o smtp_generic_maps=mysql:/etc/generic.cf\n"}
    master = script_of(files=extra).master_cf
    assert "smtp_generic_maps=texthash:/dev/null" in master
    assert "mysql:" not in master


def test_an_smtpd_behind_postscreen_has_a_twin_with_the_same_tag_at_a_port_of_its_own() -> None:
    extra = {"master.d/p.cf": "smtpd pass - - n - - smtpd\n  -o smtpd_banner=hello\n"}
    done = script_of(files=extra, services={"smtp/inet": {"command": "postscreen", "maxproc": 1}})
    number = next(n for n, service in enumerate(done.services) if service.type == "pass")
    port = twin_port(number, free_ports(done.services, HOST))
    (twin,) = (line.split() for line in done.master_cf.splitlines() if line.startswith(f"{port} inet "))
    assert {f"syslog_name=r{number}", "smtpd_banner=hello"} <= set(twin)


def test_the_injector_sends_the_recipient_of_each_agent_to_that_agent() -> None:
    done = script_of(files={"master.d/x.cf": "out unix - - n - - lmtp\n"})
    number = next(n for n, service in enumerate(done.services) if service.name == "out")
    assert f"agent-{number}@rehearsal.example = FILTER out:[198.18.0.1]:24 }}" in done.master_cf


def test_an_agent_that_wraps_its_connections_in_tls_is_sent_to_the_port_of_smtps() -> None:
    extra = {"master.d/x.cf": "out unix - - n - - smtp\n  -o smtp_tls_wrappermode=yes\n"}
    assert "= FILTER out:[198.18.0.1]:465 }" in script_of(files=extra).master_cf


def test_a_free_port_is_neither_a_listeners_nor_one_that_the_host_has_a_name_for() -> None:
    services = [
        Service(name=name, type="inet", command="smtpd", where=Where("master.cf"))
        for name in ("127.0.0.1:61000", "submission")
    ]
    host = facts(ports={**HOST.ports, "named": 61001})
    assert own_ports(services, host) == {61000, 587}
    assert free_ports(services, host)[0] == 61002
