"""Services: their programs, rights, users, addresses and ports, and those that mail needs."""

from __future__ import annotations

import pytest

from reconciler.model import Listener
from tests.unit.facts import facts
from tests.unit.states import desired, linted, the, told


def master(text: str) -> dict[str, str]:
    return {"master.d/extra.cf": text + "\n"}


def test_a_program_that_is_not_installed_is_refused() -> None:
    assert "smtpdd" in the("unknown-program", files=master("127.0.0.1:3199 inet n - n - - smtpdd"))
    assert "did you mean smtpd?" in the("unknown-program", files=master("127.0.0.1:3199 inet n - n - - /opt/own/smtpd"))


def test_a_program_of_ones_own_that_is_missing_is_refused_for_now() -> None:
    line = "x unix - n n - - pipe user=vmail argv=/opt/own -d"
    (finding,) = told("missing-program", files=master(line), facts=facts(files={"/opt/own": False}))
    assert not finding.lasting
    assert not told("missing-program", files=master(line), facts=facts(files={"/opt/own": True}))


def test_a_program_that_needs_root_must_not_run_unprivileged() -> None:
    assert "pipe" in the("unprivileged-service", files=master("x unix - - n - - pipe user=vmail argv=/x"))
    assert not told("unprivileged-service", files=master("x unix - n n - - pipe user=vmail argv=/x"))


@pytest.mark.parametrize(
    "line", ["x unix n - n 300 5 qmgr", "x unix n - n - 10 cleanup", "smtps inet n - n - - postscreen"]
)
def test_a_program_that_insists_on_its_number_of_processes_gets_it(line: str) -> None:
    assert "maxproc" in the("process-limit", files=master(line))
    assert not told("process-limit", files=master("x unix n - n - 0 cleanup\ny unix - - n - 5 smtp"))


@pytest.mark.parametrize("rest", ["argv=/usr/bin/x", "user=vmail"])
def test_a_pipe_without_user_or_command_is_refused(rest: str) -> None:
    assert "needs" in the("incomplete-service", files=master(f"x unix - n n - - pipe flags=R {rest}"))
    assert not told("incomplete-service", files=master("x unix - n n - - pipe flags=R user=vmail argv=/usr/bin/x"))


def test_a_user_who_is_not_there_is_refused_for_now() -> None:
    (finding,) = told("unknown-user", files=master("x unix - n n - - pipe user=vmial:vmail argv=/x user=nobody"))
    assert "did you mean vmail?" in finding.text
    assert not finding.lasting
    assert not told("unknown-user", files=master("x unix - n n - - pipe user=vmail argv=/x user=ghost"))


def test_an_essential_service_is_not_removed() -> None:
    for name in ("cleanup", "qmgr", "rewrite", "bounce", "pickup", "tlsmgr", "smtp", "local"):
        (finding,) = told("missing-service", services={f"{name}/unix": None})
        assert finding.is_error, name


def test_a_service_that_mail_can_do_without_may_be_removed() -> None:
    (finding,) = told("missing-service", services={"showq/unix": None})
    assert not finding.is_error
    assert not told("missing-service", services={"virtual/unix": None, "lmtp/unix": None, "smtp/inet": None})


def test_postscreen_needs_an_smtpd_to_hand_clients_to() -> None:
    screen = {"smtp/inet": {"command": "postscreen", "maxproc": "1"}}
    assert "smtpd" in the("missing-service", services=screen)
    assert not told("missing-service", services=screen | {"smtpd/pass": {"command": "smtpd"}})


def test_shared_tls_sessions_need_tlsproxy() -> None:
    shared = {"smtp_tls_connection_reuse": "yes"}
    assert "tlsproxy" in the("missing-service", shared)
    assert not told("missing-service", shared, services={"tlsproxy/unix": {"command": "tlsproxy", "maxproc": "0"}})


def test_a_transport_does_not_take_the_name_of_a_stock_service() -> None:
    assert "smtp" in the("reserved-transport", transports={"smtp": {"concurrency": "1"}})
    assert not told("reserved-transport", transports={"slow": {"concurrency": "1"}, "oneshot": {}})


def test_a_limit_that_one_recipient_at_a_time_makes_void_is_told_of() -> None:
    void = {"recipient_limit": 1, "concurrency": 1, "rate_delay": "1s"}
    assert "concurrency and rate_delay" in the("limit-by-recipient", transports={"slow": void})
    assert not told("limit-by-recipient", transports={"slow": void | {"recipient_limit": 2}})
    assert not told("limit-by-recipient", transports={"slow": {"recipient_limit": 1}})


# ---- addresses and ports ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listener", ["192.0.2.55:2599", "[2001:db8::55]:2599"])
def test_a_listener_on_an_address_of_another_host_is_refused_for_now(listener: str) -> None:
    (finding,) = told("foreign-address", files=master(f"{listener} inet n - n - - smtpd"))
    assert not finding.lasting
    assert "db8::55" in finding.text or "192.0.2.55" in finding.text


@pytest.mark.parametrize(
    "listener",
    ["192.0.2.10:2599", "[::1]:2599", "127.0.0.2:2599", "0.0.0.0:2599", "localhost:2599", ":2599", "mx:2599"],
)
def test_a_listener_on_an_address_of_this_host_is_fine(listener: str) -> None:
    for rule in ("foreign-address", "malformed-address", "unknown-port", "port-taken"):
        assert not told(rule, files=master(f"{listener} inet n - n - - smtpd"))


def test_what_is_no_address_is_refused_for_good() -> None:
    (finding,) = told("malformed-address", files=master("192.0.2.300:2599 inet n - n - - smtpd"))
    assert finding.lasting


def test_a_port_that_nobody_knows_is_refused() -> None:
    assert the("unknown-port", files=master("submision inet n - n - - smtpd")).endswith("did you mean submission?")
    assert "65535" in the("unknown-port", files=master("127.0.0.1:99999 inet n - n - - smtpd"))
    assert not told("unknown-port", files=master("submission inet n - n - - smtpd\nlmtp inet n - n - - smtpd"))


@pytest.mark.parametrize("listener", ["127.0.0.1:3399", "3399", "0.0.0.0:3399", "localhost:3399"])
def test_a_port_that_somebody_else_holds_is_refused_for_now(listener: str) -> None:
    (finding,) = told("port-taken", files=master(f"{listener} inet n - n - - smtpd"))
    assert "redis-server" in finding.text
    assert not finding.lasting


def test_a_port_on_another_address_is_free() -> None:
    assert not told("port-taken", files=master("192.0.2.10:3399 inet n - n - - smtpd"))
    theirs = facts(listeners=(Listener("192.0.2.10", 25, "exim", ours=False),))
    assert told("port-taken", facts=theirs)
    assert not told("port-taken", {"inet_interfaces": "loopback-only"}, facts=theirs)


def test_two_services_of_our_own_do_not_share_a_port() -> None:
    assert "25" in the("port-taken", files=master("25 inet n - n - - smtpd"))
    assert "25" in the("port-taken", files=master("127.0.0.1:25 inet n - n - - smtpd"))
    apart = {"inet_interfaces": "192.0.2.10"}
    assert not told("port-taken", apart, master("127.0.0.1:25 inet n - n - - smtpd"))


def test_mail_does_not_leave_from_an_address_of_another_host() -> None:
    service = "out unix - - n - - smtp\n  -o smtp_bind_address=64.22.68.2"
    text = the("foreign-address", files=master(service))
    assert text.startswith("master.d/extra.cf:2:")
    assert "64.22.68.2" in text
    assert "2001:db8::77" in the("foreign-address", {"smtp_bind_address6": "2001:db8::77"})
    assert "IPv4" in the("malformed-address", {"smtp_bind_address": "2001:db8::10"})
    fine = {"smtp_bind_address": "192.0.2.10", "smtp_bind_address6": "2001:db8::10", "lmtp_bind_address": ""}
    assert not told("foreign-address", fine)


def test_postfix_does_not_listen_where_the_host_is_not() -> None:
    assert "192.0.2.99" in the("foreign-address", {"inet_interfaces": "127.0.0.1, 192.0.2.99"})
    assert not told("foreign-address", {"inet_interfaces": "localhost, 192.0.2.10", "proxy_interfaces": "198.51.100.1"})


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("{} unix - - n - - smtp", 99),
        ("{} unix n - n - - smtp", 100),
        ("{} pass - - n - - smtpd", 99),
    ],
)
def test_a_name_that_no_socket_can_have_is_refused_at_its_line(line: str, fits: int) -> None:
    files = [{"master.d/x.cf": f"# long\n{line.format('x' * length)}\n"} for length in (fits, fits + 1)]
    assert not told("long-service-name", files=files[0])
    (finding,) = told("long-service-name", files=files[1])
    assert (finding.is_error, str(finding.where)) == (True, "master.d/x.cf:2:1")
    assert "too long for a socket" in finding.text


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("out unix - n y - - pipe\n  user=nobody argv=/bin/true", "jailed-service"),
        ("box unix - n y - - local", "jailed-service"),
        ("out unix - - y - - smtp", ""),
        ("out unix n - n - - smtp", "unreachable-service"),
        ("pre unix - - n - 0 cleanup", "unreachable-service"),
        ("pre unix n - n - 0 cleanup", ""),
        ("127.0.0.1:99 inet n - n - - /usr/lib/postfix/sbin/smtpd", "unknown-program"),
    ],
)
def test_a_service_is_where_it_is_looked_for_and_can_do_its_work(line: str, rule: str) -> None:
    rules = {"jailed-service", "unreachable-service", "unknown-program"}
    found = [one for one in linted(desired(files={"master.d/x.cf": f"{line}\n"})) if one.rule in rules]
    assert [one.rule for one in found] == [rule] * bool(rule)
    assert all(one.is_error for one in found)
