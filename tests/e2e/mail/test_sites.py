"""Sites: mail leaves from their own addresses and names, seen at a second host; and they leave without losing any."""

from __future__ import annotations

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.e2e.adopted_host import MAIL, STATE, AdoptedHost
from tests.e2e.hosts import CHECKOUT, Host, network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.mail_sink import Received, Sink

FAR = "someone@far.test"
ROUTED = (
    MAIL
    + """\
  relayhost: "[relay.test]:2525"
  smtp_host_lookup: native
  smtp_destination_concurrency_failed_cohort_limit: 0
"""
)
DELIVERY = "domains: [{domain}]\ndelivery: {{address: [{address}], helo: {domain}}}\n"
ONE = DELIVERY.format(domain="one.test", address="192.0.2.11")
TWELVE = DELIVERY.format(domain="twelve.test", address='"2001:db8::12"')
HOOK = f"{sys.executable} -S -E -B {CHECKOUT}/hooks/site-removed"
CONFIGURATION = "postconf -n; postconf -M; ls -H /etc/postfix; cat /etc/postfix/transport"


@pytest.fixture(scope="module")
def far() -> Iterator[tuple[AdoptedHost, Sink, Sink]]:
    """An adopted host with two addresses of each family, and a second host's mail server on both."""
    with (
        AdoptedHost(state=STATE | {"mail.yaml": ROUTED}) as adopted,
        Host("relay.test", "192.0.2.20") as other,
    ):
        network(adopted.host, other)
        for address in ("192.0.2.11/24", "2001:db8::10/64", "2001:db8::12/64"):
            adopted.sh(f"ip addr add {address} dev eth0 nodad")
        other.run("ip", "addr", "add", "2001:db8::20/64", "dev", "eth0", "nodad")
        adopted.sh("printf '192.0.2.20 relay.test\\n2001:db8::20 relay.test\\n' >>/etc/hosts")
        yield adopted, other.sink(2525, "192.0.2.20"), other.sink(2525, "2001:db8::20")


def arrived(far: tuple[AdoptedHost, Sink, Sink], sender: str) -> Received:
    """Send a message, and wait until it has come to the other host."""
    mark = f"mark {uuid4()}"
    assert far[0].host.send(sender, FAR, f"Subject: {mark}\n\nHello.").startswith("250")
    return come(far, lambda one: mark in one.data, sender)


def come(far: tuple[AdoptedHost, Sink, Sink], wanted: Callable[[Received], bool], what: str) -> Received:
    """Wait for a message."""
    adopted, *sinks = far
    found = adopted.host.wait_for(
        lambda: [one for sink in sinks for one in sink.received if wanted(one)], what=f"mail of {what}"
    )
    return found[0]


def test_two_sites_leave_from_their_own_addresses_and_names(far: tuple[AdoptedHost, Sink, Sink]) -> None:
    adopted, *_ = far
    before = adopted.sh(CONFIGURATION)
    on = adopted.push({"sites/site1/site.yaml": ONE, "sites/site12/site.yaml": TWELVE}, "Two sites")
    assert on.accepted, on.text
    assert "site1-out/unix" in on.text

    for sender, peer, helo in (
        ("a@one.test", "192.0.2.11", "one.test"),
        ("a@twelve.test", "2001:db8::12", "twelve.test"),
    ):
        message = arrived(far, sender)
        assert (message.peer, message.helo) == (peer, helo)
    message = arrived(far, "a@other.test")
    assert message.peer in {"192.0.2.10", "2001:db8::10", "2001:db8::12"}
    assert message.helo == "mx1.example.com"
    adopted.host.wait_for(lambda: "postfix/site1-out/smtp" in adopted.host.mail_log(), what="the end of a delivery")

    both = DELIVERY.format(domain="one.test", address='192.0.2.11, "2001:db8::10"').replace(
        "helo: one", "helo: out.one"
    )
    changed = adopted.push({"sites/site1/site.yaml": both, "tables/sender_transport": "b@one.test smtp:\n"}, "Changed")
    assert changed.accepted, changed.text
    message = arrived(far, "a@one.test")
    assert message.peer in {"192.0.2.11", "2001:db8::10"}
    assert message.helo == "out.one.test"
    assert arrived(far, "b@one.test").helo == "mx1.example.com"

    gone = {"sites/site1/site.yaml": None, "sites/site12/site.yaml": None, "tables/sender_transport": None}
    off = adopted.push(gone, "Without sites")
    assert off.accepted, off.text
    assert adopted.sh(CONFIGURATION) == before
    assert arrived(far, "a@one.test").helo == "mx1.example.com"


def test_a_panel_removes_a_site_and_its_queued_mail_leaves_by_the_default_route(
    far: tuple[AdoptedHost, Sink, Sink],
) -> None:
    adopted, *_ = far
    transport = STATE["tables/transport"] or ""
    rows = "".join(f"inside{n}.twelve.test  smtp:[127.0.0.1]:2525\n" for n in range(2))
    files = {
        "sites/site1/site.yaml": ONE,
        "sites/site12/site.yaml": TWELVE,
        "sites/site12/tables/transport": rows + "".join(f"more{n}.test smtp:[127.0.0.1]:2525\n" for n in range(20)),
        "master.d/site12-bulk.cf": "bulk unix - - n - - smtp -o syslog_name=postfix/bulk\n",
        "tables/transport": transport + "bulk.test  bulk:[127.0.0.1]:1\n.twelve.test  smtp:[127.0.0.1]:2525\n",
    }
    on = adopted.push(files, "Two sites")
    assert on.accepted, on.text
    with_sites, before = adopted.sh(CONFIGURATION), adopted.tip()

    adopted.sh("ip addr del 2001:db8::12/64 dev eth0")  # as when the panel takes the address away first
    try:
        assert adopted.host.send("queued@twelve.test", FAR).startswith("250")
        adopted.host.wait_for(
            lambda: [one for one in adopted.host.queue() if one["queue_name"] == "deferred"], what="deferral"
        )

        told = adopted.sh(f"{HOOK} 12 && {HOOK} site12 & {HOOK} site12; wait")
        assert told == ""
        adopted.host.wait_for(lambda: adopted.tip() != before, what="the commit")
        gone = adopted.tip()
        adopted.wait_for("Applied", gone)
        message = come(far, lambda one: one.sender == "queued@twelve.test", "the queue")
        assert message.helo == "mx1.example.com"
    finally:
        adopted.sh("ip addr add 2001:db8::12/64 dev eth0 nodad")
    assert "mail transport unavailable" not in adopted.host.mail_log()

    body = adopted.git("log", "-1", "--format=%an%n%B", gone)
    assert "  tables/transport: .twelve.test smtp:[127.0.0.1]:2525" in body
    assert "Confirm: 24 deletions in transport" in body
    left = adopted.git("ls-tree", "-r", "--name-only", gone)
    assert "site12" not in left
    assert "sites/site1/site.yaml" in left
    assert "bulk.test" not in adopted.host.read("/etc/postfix/transport")
    assert adopted.git("rev-list", "--count", f"{before}..main") == "1"
    adopted.host.wait_for(lambda: adopted.sh("ls /var/lib/reconciler/removals") == "", what="an empty folder")
    assert arrived(far, "a@one.test").peer == "192.0.2.11"

    adopted.commit({})
    adopted.git("revert", "--no-edit", gone, where="/root/clone")
    back = adopted.push()
    assert back.accepted, back.text
    assert adopted.sh(CONFIGURATION) == with_sites
    assert arrived(far, "a@twelve.test").peer == "2001:db8::12"
    assert adopted.reconciler("site", "remove", "site12", "--plan").status == 2
    with ThreadPoolExecutor(1) as threads:  # mail flows all the while
        stop = threading.Event()
        sending = threads.submit(send_until, stop, adopted.host)
        removed = adopted.reconciler("site", "remove", "site12")
        stop.set()
        senders = sending.result()
    assert removed.status == 0, removed.text
    everybody = set(senders)
    adopted.host.wait_for(
        lambda: everybody <= {one.sender for sink in far[1:] for one in sink.received}, what="all mail that was sent"
    )
    assert "mail transport unavailable" not in adopted.host.mail_log()
    assert adopted.reconciler("site", "list").text == "site1   one.test   from 192.0.2.11\n"


def send_until(stop: threading.Event, host: Host) -> list[str]:
    """Send mail of the site without pause; who sent it."""
    senders: list[str] = []
    while not stop.is_set():
        senders.append(f"flow{len(senders)}@twelve.test")
        assert host.send(senders[-1], FAR).startswith("250")
    return senders


def test_a_removal_that_can_not_be_now_waits_and_says_why(far: tuple[AdoptedHost, Sink, Sink]) -> None:
    adopted, *_ = far
    made = adopted.push(
        {
            "mail.yaml": ROUTED + "  authorized_mailq_users: static:site7\n",
            "sites/site7/site.yaml": "domains: [seven.test]\n",
        }
    )
    assert made.accepted, made.text
    for wrong, status in (("", 64), ("0", 64), ("../site1", 64), ("site1 site2", 64), ("site012", 64)):
        done = adopted.host.run("sh", "-c", f"{HOOK} {wrong}", check=False)
        assert done.returncode == status, done.stderr
        assert "usage" in done.stderr
    assert adopted.host.run("sh", "-c", f"{HOOK} 7", check=False, user="nobody").returncode == 77

    assert adopted.reconciler("suspend", "--why", "moving disks").status == 0
    adopted.sh(f"{HOOK} 7")
    adopted.wait_for_limit("site7")
    assert adopted.tip() == made.oid
    adopted.reconciler("resume")
    adopted.host.wait_for(lambda: adopted.tip() != made.oid, what="the commit")

    made = adopted.push({"sites/site9/site.yaml": "domains: [nine.test]\n"}, "A site, and a daemon that hangs")
    adopted.signal_daemon(signal.SIGSTOP)
    adopted.sh(f"{HOOK} 9")
    assert adopted.daemon
    adopted.daemon.send_signal(signal.SIGCONT)  # nsenter(1) has stopped with it, and has it go on as well
    adopted.signal_daemon(signal.SIGCONT)
    adopted.host.wait_for(lambda: adopted.tip() != made.oid, what="the commit")

    adopted.stop_daemon()
    made = adopted.push({"sites/site8/site.yaml": "domains: [eight.test]\n"}, "A site without a daemon")
    adopted.sh(f"{HOOK} site8")
    assert adopted.tip() == made.oid
    adopted.start_daemon()
    adopted.host.wait_for(lambda: adopted.tip() != made.oid, what="the commit")
    adopted.patiently(
        lambda: not [one for one in adopted.told()["limits"] if "removal" in one], "no removal that waits"
    )
    for more in ((), ("--plan",)):  # the sites are gone
        missing = adopted.reconciler("site", "remove", "site11", *more)
        assert missing.status == 1
        assert "there is no site11 on the branch; " in missing.text


NAMED = """\
options {{ directory "/tmp"; listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; pid-file none; }};
zone "one.test" {{ type primary; file "/tmp/one.zone"; }};
zone "2.0.192.in-addr.arpa" {{ type primary; file "/tmp/reverse.zone"; }};
"""
HEAD = "$TTL 1\n@ IN SOA ns.one.test. root.one.test. 1 60 60 60 1\n@ IN NS ns.one.test.\nns IN A 127.0.0.1\n"


def zones(adopted: AdoptedHost, forward: str, reverse: str) -> None:
    """Have a name server on this host say so."""
    adopted.host.write("/tmp/named.conf", NAMED.format())
    adopted.host.write("/tmp/one.zone", HEAD + forward)
    adopted.host.write("/tmp/reverse.zone", HEAD.replace("ns IN A 127.0.0.1\n", "") + reverse)


def test_an_address_has_a_name_that_leads_back_to_it_as_dns_says() -> None:
    with AdoptedHost() as adopted:
        adopted.sh("rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 >/etc/resolv.conf")
        files = {"sites/site1/site.yaml": DELIVERY.format(domain="one.test", address="192.0.2.10")}
        silent = adopted.push(files, "Nobody says")
        assert silent.accepted, silent.text
        assert "DNS did not answer the query for its reverse name" in silent.text
        adopted.push({"sites/site1/site.yaml": None}, "Off")

        for forward, reverse, said in (
            ("", "", "it has none"),
            ("@ IN A 192.0.2.99\n", "10 IN PTR one.test.\n", "it has none"),
            ("x IN A 192.0.2.10\n", "10 IN PTR x.one.test.\n", "its names are x.one.test"),
        ):
            zones(adopted, forward, reverse)
            served(adopted)
            refused = adopted.push(files, "One site")
            assert not refused.accepted
            assert 'has no reverse name "one.test" that resolves back to it' in refused.text
            assert said in refused.text
        zones(adopted, "@ IN A 192.0.2.10\n", "10 IN PTR ONE.test.\n10 IN PTR other.test.\n")
        served(adopted)
        known = adopted.push(files, "One site")
        assert known.accepted, known.text
        assert "reverse name" not in known.text


def served(adopted: AdoptedHost) -> None:
    """Have named(8) read its zones anew."""
    adopted.sh("test ! -e /tmp/named.pid || kill $(cat /tmp/named.pid) 2>/dev/null; rm -f /tmp/named.pid", check=False)
    adopted.sh("while ss -Hnlu sport = :53 | grep -q .; do sleep 0.05; done")
    adopted.host.start("sh", "-c", "echo $$ >/tmp/named.pid; exec named -g -c /tmp/named.conf 2>/tmp/named.log")
    asked = "ss -Hnlu sport = :53 | grep -q 127.0.0.1 && grep -q 'all zones loaded' /tmp/named.log"
    adopted.host.wait_for(lambda: adopted.sh(f"{asked} && echo yes", check=False) == "yes", what="the name server")
