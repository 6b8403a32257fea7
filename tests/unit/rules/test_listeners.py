"""Services listen on addresses and ports that this host has and no other program holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.model import Interface, Listener
from tests.unit.desired_states import desired, findings_of, only_finding
from tests.unit.host_facts import HOST, facts

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address


@pytest.mark.parametrize(
    ("parameters", "many"),
    [
        ({"smtp_bind_address": "127.0.0.1"}, 1),
        ({"smtp_bind_address": "127.0.0.1", "relayhost": "[127.0.0.1]:2525"}, 0),
        ({"smtp_bind_address": "192.0.2.10"}, 0),
    ],
)
def test_mail_cannot_leave_from_loopback(parameters: dict[str, str], many: int) -> None:
    assert len(findings_of("foreign-address", parameters)) == many


def master(text: str) -> dict[str, str]:
    return {"master.d/extra.cf": text + "\n"}


@pytest.mark.parametrize("listener", ["192.0.2.55:2599", "[2001:db8::55]:2599"])
def test_a_listener_on_an_address_of_another_host_is_refused_for_now(listener: str) -> None:
    (finding,) = findings_of("foreign-address", files=master(f"{listener} inet n - n - - smtpd"))
    assert not finding.lasting
    assert "db8::55" in finding.text or "192.0.2.55" in finding.text


@pytest.mark.parametrize(
    "listener",
    ["192.0.2.10:2599", "[::1]:2599", "127.0.0.2:2599", "0.0.0.0:2599", "localhost:2599", ":2599", "mx:2599"],
)
def test_a_listener_on_an_address_of_this_host_is_fine(listener: str) -> None:
    for rule in ("foreign-address", "malformed-address", "unknown-port", "port-taken"):
        assert not findings_of(rule, files=master(f"{listener} inet n - n - - smtpd"))


def test_a_listener_that_master_leaves_out_needs_no_address_and_no_port() -> None:
    files = master("192.0.2.55:2599 inet n - n - - smtpd\nsubmision inet n - n - - smtpd")
    disabled = {"master_service_disable": "192.0.2.55:2599/inet submision.inet"}
    assert findings_of("foreign-address", files=files)
    assert findings_of("unknown-port", files=files)
    assert not findings_of("foreign-address", disabled, files=files)
    assert not findings_of("unknown-port", disabled, files=files)


def test_what_is_no_address_is_refused_for_good() -> None:
    (finding,) = findings_of("malformed-address", files=master("192.0.2.300:2599 inet n - n - - smtpd"))
    assert finding.lasting


def test_a_port_that_nobody_knows_is_refused() -> None:
    assert only_finding("unknown-port", files=master("submision inet n - n - - smtpd")).endswith(
        "did you mean submission?"
    )
    assert "65535" in only_finding("unknown-port", files=master("127.0.0.1:99999 inet n - n - - smtpd"))
    assert not findings_of("unknown-port", files=master("submission inet n - n - - smtpd\nlmtp inet n - n - - smtpd"))


@pytest.mark.parametrize("listener", ["127.0.0.1:3399", "3399", "0.0.0.0:3399", "localhost:3399"])
def test_a_port_that_somebody_else_holds_is_refused_for_now(listener: str) -> None:
    (finding,) = findings_of("port-taken", files=master(f"{listener} inet n - n - - smtpd"))
    assert "redis-server" in finding.text
    assert not finding.lasting


def test_a_port_on_another_address_is_free() -> None:
    assert not findings_of("port-taken", files=master("192.0.2.10:3399 inet n - n - - smtpd"))
    theirs = facts(listeners=(Listener("192.0.2.10", 25, "exim", ours=False),))
    assert findings_of("port-taken", facts=theirs)
    assert not findings_of("port-taken", {"inet_interfaces": "loopback-only"}, facts=theirs)


def test_two_services_of_our_own_do_not_share_a_port() -> None:
    assert "25" in only_finding("port-taken", files=master("25 inet n - n - - smtpd"))
    twice = master("127.0.0.1:2525 inet n - n - - smtpd\nlocalhost:2525 inet n - n - - smtpd")
    assert "2525" in only_finding("port-taken", files=twice)
    assert "25" in only_finding("port-taken", files=master("[::]:25 inet n - n - - smtpd"))
    apart = {"inet_interfaces": "192.0.2.10"}
    assert not findings_of("port-taken", apart, master("127.0.0.1:25 inet n - n - - smtpd"))


@pytest.mark.parametrize("listener", ["192.0.2.10:smtp", "127.0.0.1:25", "[::1]:25", "localhost:25"])
def test_a_listener_on_one_address_may_stand_beside_the_one_on_all_of_them(listener: str) -> None:
    assert not findings_of("port-taken", files=master(f"{listener} inet n - n - - smtpd"))


def test_mail_does_not_leave_from_an_address_of_another_host() -> None:
    service = "out unix - - n - - smtp\n  -o smtp_bind_address=64.22.68.2"
    text = only_finding("foreign-address", files=master(service))
    assert text.startswith("master.d/extra.cf:2:")
    assert "64.22.68.2" in text
    assert "2001:db8::77" in only_finding("foreign-address", {"smtp_bind_address6": "2001:db8::77"})
    assert "IPv4" in only_finding("malformed-address", {"smtp_bind_address": "2001:db8::10"})
    fine = {"smtp_bind_address": "192.0.2.10", "smtp_bind_address6": "2001:db8::10", "lmtp_bind_address": ""}
    assert not findings_of("foreign-address", fine)


def test_postfix_does_not_listen_where_the_host_is_not() -> None:
    assert "192.0.2.99" in only_finding("foreign-address", {"inet_interfaces": "127.0.0.1, 192.0.2.99"})
    assert not findings_of(
        "foreign-address", {"inet_interfaces": "localhost, 192.0.2.10", "proxy_interfaces": "198.51.100.1"}
    )


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
    assert not findings_of("long-service-name", files=files[0])
    (finding,) = findings_of("long-service-name", files=files[1])
    assert (finding.is_error, str(finding.where)) == (True, "master.d/x.cf:2:1")
    assert "too long for a socket" in finding.text


def test_the_addresses_of_names_are_asked_for() -> None:
    files = {"master.d/x.cf": "mx2.test.example:2525 inet n - n - - smtpd\n[2001:db8::10]:26 inet n - n - - smtpd\n"}
    state = desired({"inet_interfaces": "$myhostname, localhost, 192.0.2.10"}, files)
    assert mentioned(compose(state, HOST), HOST).hosts == {"mx2.test.example", "mx.test.example"}
    assert mentioned(compose(desired(), HOST), HOST).hosts == set()


def test_the_addresses_of_the_host_are_not_listed_for_each_service() -> None:
    class Counted(Interface):
        asked = 0

        @property
        def ip(self) -> IPv4Address | IPv6Address:
            Counted.asked += 1
            return super().ip

    count = 40
    addresses = tuple(Counted.of(f"10.0.0.{number}/24") for number in range(1, count + 1))
    lines = "".join(
        f"x{number} unix - - n - - smtp -o smtp_bind_address=10.0.0.{number}\n10.0.0.{number}:26 inet n - n - - smtpd\n"
        for number in range(1, count + 1)
    )
    assert not findings_of("foreign-address", files={"master.d/x.cf": lines}, facts=facts(addresses=addresses))
    assert Counted.asked <= 5 * count


def test_of_several_services_on_one_port_each_is_named_with_each() -> None:
    lines = "a.test:26 inet n - n - - smtpd\n" + "".join(
        f"{name} inet n - n - - smtpd\n" for name in ("127.0.0.1:26", "127.0.0.1:026", "[::1]:26", "localhost:26")
    )
    found = findings_of("port-taken", files={"master.d/x.cf": lines})
    assert [(one.where.line, one.text.partition("already")[0].split('"')[-2]) for one in found] == [
        (3, "127.0.0.1:26"),
        (5, "127.0.0.1:026"),
        (5, "127.0.0.1:26"),
        (5, "[::1]:26"),
    ]
