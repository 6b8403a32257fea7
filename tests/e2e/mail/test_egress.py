"""The lockdown, by who reaches a mail server on a second host: processes of other users, over IPv4 and IPv6."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.features.egress import ruleset
from tests.e2e.adopted_host import MAIL, AdoptedHost
from tests.e2e.hosts import CHECKOUT, Host, network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.mail_sink import Sink

THERE, THERE6 = "192.0.2.20", "2001:db8::20"
ON = MAIL + "egress: {lockdown: yes, allow_users: [daemon]}\n"
ROUTE = {"tables/transport": f"far.test  smtp:[{THERE}]:25\nfar6.test  smtp:[{THERE6}]:25\n"}
CONNECT = """\
import socket, sys, time
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
    print("connected")
except ConnectionRefusedError:
    print("refused")
    time.sleep(float(sys.argv[3]))
"""
TABLE = "nft list table inet reconciler >/dev/null 2>&1 && echo there || echo gone"


@dataclass
class Pair:
    """The site, and another host with a mail server at both of its addresses."""

    adopted: AdoptedHost
    sinks: list[Sink]

    def reaches(self, user: str, address: str, port: int = 25) -> bool:
        """Whether a process of that user gets a connection."""
        ran = self.adopted.host.run("python3", "/tmp/connect.py", address, str(port), "0", user=user)
        assert ran.stdout in {"connected\n", "refused\n"}, ran
        return ran.stdout == "connected\n"

    def push(self, mail: str, message: str = "Lockdown") -> None:
        """Have the state go live."""
        pushed = self.adopted.push({"mail.yaml": mail}, message)
        assert pushed.accepted, pushed.text

    def told(self) -> list[dict[str, Any]]:
        """The refusals in the daemon's log."""
        lines = (json.loads(line) for line in self.adopted.daemon_log().splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == "outbound_refused"]

    def table(self) -> str:
        """Whether the table is there."""
        return self.adopted.sh(TABLE)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with AdoptedHost(state={"mail.yaml": MAIL, **ROUTE}) as adopted, Host("mx2.example.com", THERE) as other:
        network(adopted.host, other)
        for host, address in ((adopted.host, "2001:db8::10"), (other, THERE6)):
            host.run("ip", "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        sinks = [other.sink(port, address) for port, address in ((25, THERE), (25, THERE6), (587, THERE))]
        adopted.host.write("/tmp/connect.py", CONNECT)
        yield Pair(adopted, sinks)


@pytest.fixture
def off(pair: Pair) -> Pair:
    """The pair without a lockdown."""
    pair.push(MAIL, "Off")
    return pair


def test_only_the_mail_system_and_those_who_are_named_reach_a_mail_server(off: Pair) -> None:
    pair = off
    assert pair.reaches("nobody", THERE)
    pair.push(ON)

    for address in (THERE, THERE6):
        assert not pair.reaches("nobody", address), address
        assert not pair.reaches("root", address), address
        assert pair.reaches("daemon", address), address
        assert pair.reaches("postfix", address), address
    assert pair.reaches("nobody", "127.0.0.1")
    assert pair.reaches("nobody", THERE, 587)


def test_mail_is_delivered_before_while_changed_and_after(off: Pair) -> None:
    pair, states = off, (MAIL, ON, ON.replace("daemon", "daemon, nobody"), MAIL)
    for number, state in enumerate(states):
        pair.push(state, f"State {number}")
        for domain in ("far.test", "far6.test"):
            assert pair.adopted.host.send("root@mx1.example.com", f"n{number}@{domain}").startswith("250")

    wanted = {f"n{number}@{domain}" for number in range(len(states)) for domain in ("far.test", "far6.test")}
    pair.adopted.host.wait_for(lambda: wanted <= set(arrived(pair)), what="all mail")
    assert sorted(one for one in arrived(pair) if one in wanted) == sorted(wanted)


def arrived(pair: Pair) -> list[str]:
    return [to for sink in pair.sinks for message in list(sink.received) for to in message.recipients]


def test_who_tried_is_counted_and_named_with_the_command_while_it_runs(off: Pair) -> None:
    pair = off
    pair.push(ON)
    pair.adopted.host.run("python3", "/tmp/connect.py", THERE, "25", "1", user="nobody")

    def named() -> list[dict[str, Any]]:
        return [one for one in pair.told() if one["user"] == "nobody"]

    last = pair.adopted.host.wait_for(named, what="the refusal")[-1]
    assert last["to"] == f"[{THERE}]:25"
    assert "python3 /tmp/connect.py" in last["commands"]
    (counted,) = pair.adopted.status()["refused"]
    assert (counted["user"], counted["times"]) == ("nobody", 1)
    assert "nobody 1" in pair.adopted.reconciler("status").text


@pytest.mark.parametrize(
    "by_hand",
    ["nft flush ruleset", "nft delete table inet reconciler", "nft insert rule inet reconciler output accept"],
)
def test_what_somebody_does_to_the_table_is_undone(off: Pair, by_hand: str) -> None:
    pair = off
    pair.push(ON)
    before = pair.adopted.sh("nft -s -t list table inet reconciler")

    pair.adopted.sh(by_hand)

    pair.adopted.host.wait_for(
        lambda: pair.adopted.sh("nft -s -t list table inet reconciler || true") == before, what="it"
    )
    assert not pair.reaches("nobody", THERE)


def test_while_suspended_the_table_stays_as_somebody_made_it(off: Pair) -> None:
    pair, adopted = off, off.adopted
    pair.push(ON)
    assert adopted.reconciler("suspend", "--why", "looking at the rules").status == 0
    adopted.sh("nft delete table inet reconciler")
    assert adopted.once().status == 75
    assert pair.table() == "gone"
    assert "nftables   NOT RUNNING: the table inet reconciler is gone" in adopted.reconciler("status").text

    assert adopted.reconciler("resume").status == 0
    adopted.host.wait_for(lambda: pair.table() == "there", what="the table")


def test_rules_edited_by_hand_are_not_loaded_where_drift_is_only_reported() -> None:
    with AdoptedHost(settings='[drift]\npolicy = "report"\n') as adopted:
        assert adopted.push({"mail.yaml": ON}, "Lockdown").accepted
        before = adopted.sh("nft -s -t list table inet reconciler")
        adopted.sh("sed -i 's/reject with tcp reset/accept/' /var/lib/reconciler/live/nftables/reconciler.nft")
        adopted.host.wait_for(lambda: "reconciler.nft" in str(adopted.told()["drift"]), what="drift")
        assert adopted.once().status == 0
        assert adopted.sh("nft -s -t list table inet reconciler") == before


def test_off_leaves_no_trace_and_no_other_table_is_touched(off: Pair) -> None:
    pair = off
    pair.adopted.sh("nft add table inet theirs")
    rules, live = (
        pair.adopted.sh("nft list ruleset"),
        pair.adopted.sh("ls /var/lib/reconciler/live /var/lib/reconciler/rescue"),
    )

    pair.push(ON)
    assert pair.table() == "there"
    pair.push(MAIL, "Off")

    assert pair.adopted.sh("nft list ruleset") == rules
    assert pair.adopted.sh("ls /var/lib/reconciler/live /var/lib/reconciler/rescue") == live
    assert pair.reaches("nobody", THERE)


def test_bad_input_is_refused_before_anything_changed(off: Pair) -> None:
    pair = off
    for section, said in (
        ("{allow_users: [_rspamdd]}", 'there is no user "_rspamdd"'),
        ("{ports: []}", "the lockdown has no effect"),
        ("{lockdown: maybe}", "yes or no"),
        ("yes", "is a mapping"),
    ):
        pushed = pair.adopted.push({"mail.yaml": MAIL + f"egress: {section}\n"}, "Bad")
        assert not pushed.accepted
        assert said in " ".join(pushed.text.replace("remote:", "").split()), pushed.text
    assert pair.table() == "gone"


def test_a_missing_package_is_named(off: Pair) -> None:
    pair = off
    pair.adopted.sh("cp -a /var/lib/dpkg/status /root/status && dpkg --force-depends --remove nftables")
    try:
        pushed = pair.adopted.push({"mail.yaml": ON}, "Without nftables")
        assert not pushed.accepted
        assert "apt install nftables" in " ".join(pushed.text.split())
    finally:
        pair.adopted.sh("cp -a /root/status /var/lib/dpkg/status")


def test_the_unit_loads_it_at_boot_without_the_daemon(systemd_host: Host) -> None:
    host, unit = systemd_host, "reconciler-egress.service"
    host.write(f"/etc/systemd/system/{unit}", (CHECKOUT / "deploy/etc/systemd/system" / unit).read_text())
    assert host.run("systemd-analyze", "verify", unit).stderr == ""
    host.run("systemctl", "enable", unit)
    host.run("systemctl", "start", unit)
    assert host.run("sh", "-c", TABLE).stdout == "gone\n"

    host.write("/var/lib/reconciler/live/nftables/reconciler.nft", ruleset((25,), ("postfix",)))
    host.run("systemctl", "start", unit)
    assert host.run("sh", "-c", TABLE).stdout == "there\n"
    before = host.run("systemctl", "show", "--property=Before", "--value", unit).stdout.split()
    assert "network-pre.target" in before

    host.run("systemctl", "start", "nftables")
    host.run("systemctl", "restart", "nftables")
    host.wait_for(lambda: host.run("sh", "-c", TABLE).stdout == "there\n", what="the table")
