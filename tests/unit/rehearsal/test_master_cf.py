"""master.cf as it is played: every service under its tag, and the delivery agents that mail can reach."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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
