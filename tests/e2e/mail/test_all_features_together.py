"""Everything at once: all features in one commit, mail by each of their ways, and all of it off again in one push."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import dkim
import pytest

from tests.e2e.adopted_host import CLONE, MAIL, STATE, AdoptedHost
from tests.e2e.hosts import Host, network
from tests.e2e.mail.test_features import certificate
from tests.e2e.mail.test_submission import KEYED, has_key, knows_logins, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.mail_sink import Received, Sink

HERE, RELAY = "192.0.2.10", "192.0.2.20"
SECTIONS = """\
relay_mynetworks: no
submission: {enabled: yes, wrapper: yes}
sasl: {authenticated_header: yes}
smart_host: {preset: mailchannels, username: account, password: !secret relay}
tls:
  outbound: encrypt
  destinations: {"[192.0.2.20]:2527": may}
transports:
  slow: {concurrency: 1, rate_delay: 1s, helo: slow.mx1.example.com}
sender_rewriting: {key: !secret srs}
dkim: {selector: s1, key: !secret dkim-s1}
egress: {lockdown: yes, ports: [25, 587]}
dns:
  ttl: 300
  addresses: [192.0.2.10]
  server: {address: 127.0.0.1, key: !secret tsig}
"""
CUSTOM = "  relaylim_destination_concurrency_limit: 2\n"
ALL = MAIL + "  virtual_alias_domains: hosted.example\n" + KEYED + CUSTOM + SECTIONS
FILES = {
    "tables/transport": f"serial.test  relaylim:[{RELAY}]:2526\ngone.test  oneshot:[{RELAY}]:2599\n"
    f"slow.test  slow:[{RELAY}]:2526\nplain.test  smtp:[{RELAY}]:2527\nnowhere.test  error:5.1.2 no such place\n",
    "tables/virtual": "bea@hosted.example  bea@elsewhere.test\n",
    "sites/site12/site.yaml": "domains: [twelve.test]\ndelivery: {address: 192.0.2.11, helo: twelve.test}\n",
}
NAMED = """\
options { directory "/var/named"; listen-on { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; pid-file none;
  session-keyfile none; dnssec-validation no; };
include "/var/named/mail.key";
controls { };
zone "hosted.example" { type primary; file "hosted"; allow-update { key mail; }; };
zone "mailchannels.net" { type primary; file "relay"; };
zone "twelve.test" { type primary; file "twelve"; };
zone "2.0.192.in-addr.arpa" { type primary; file "reverse"; };
"""
HEAD = "$TTL 300\n@ IN SOA ns.here. hostmaster.here. 1 3600 600 86400 300\n@ IN NS ns.here.\n"
ZONES = {
    "hosted": "",
    "relay": f"smtp IN A {RELAY}\n",
    "twelve": "@ IN A 192.0.2.11\n",
    "reverse": "11 IN PTR twelve.test.\n",
}
TRACES = r"""
postconf -n; postconf -M; ls -H /etc/postfix; ls /var/lib/reconciler/live /var/lib/reconciler/rescue
find /etc/rspamd /etc/default/postsrsd /etc/postsrsd.secret -printf '%p %y %m %u %l\n' | sort
cat /etc/default/postsrsd /etc/postsrsd.secret | sha256sum; nft list ruleset; ls /etc/rc2.d
ps -e -o comm= | grep -E 'rspamd|postsrsd'; true
"""
AUTHOR = "From: Ada <ada@hosted.example>\r\nSubject: {0}\r\n\r\nHello.\r\n"


class Both:
    """The adopted host with everything on, and the far side: what the relay and other servers there have received."""

    def __init__(self, adopted: AdoptedHost, far: Host, sinks: dict[int, Sink]) -> None:
        self.adopted, self.far, self.sinks = adopted, far, sinks

    def come(self, port: int, subject: str) -> Received:
        """Wait for the message with that subject at a port of the far side."""

        def found() -> list[Received]:
            return [one for one in self.sinks[port].received if f"Subject: {subject}" in one.data]

        return self.adopted.host.wait_for(found, what=f"{subject} at {port}")[0]

    def sendmail(self, sender: str, recipient: str, subject: str) -> None:
        """Hand a message in as a program on this host does."""
        message = AUTHOR.format(subject).replace("\r\n", "\n")
        self.adopted.host.run("/usr/sbin/sendmail", "-i", "-f", sender, recipient, user="www-data", input=message)

    def bounced(self, what: str) -> None:
        """Wait for a bounce in root's mailbox that says so."""
        self.adopted.host.wait_for(lambda: what in self.adopted.sh("cat /var/mail/root", check=False), what=what)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder: Path = tmp_path_factory.mktemp("tls")
    with AdoptedHost() as adopted, Host("mx2.example.net", RELAY) as far:
        network(adopted.host, far)
        tls = certificate(folder)
        sinks = {
            25: far.sink(25, RELAY), 587: far.sink(587, RELAY, tls=tls, login=("account", "relay-geheim")),
            2526: far.sink(2526, RELAY, tls=tls), 2527: far.sink(2527, RELAY),
        }  # fmt: skip
        prepare(adopted)
        yield Both(adopted, far, sinks)


def prepare(adopted: AdoptedHost) -> None:
    """What stands around reconciler: an address, a certificate, Dovecot, a name server, and the secrets."""
    adopted.sh(
        "ip addr add 192.0.2.11/24 dev eth0; rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 >/etc/resolv.conf"
    )
    has_key(adopted)
    knows_logins(adopted.host)
    adopted.sh("mkdir -p /var/named && tsig-keygen mail >/var/named/mail.key")
    for name, records in ZONES.items():
        adopted.host.write(f"/var/named/{name}", HEAD + records)
    adopted.sh("chown -R bind /var/named")
    adopted.host.write("/etc/named.test", NAMED)
    adopted.host.start("named", "-g", "-u", "bind", "-c", "/etc/named.test")
    adopted.host.wait_for(lambda: dig(adopted, "smtp.mailchannels.net A") == RELAY, what="BIND")
    adopted.seal({
        "relay": "relay-geheim\n", "srs": "a-secret-of-24-letters-x\n",
        "tsig": adopted.host.read("/var/named/mail.key"),
        "dkim-s1": adopted.sh("openssl genrsa -traditional 2048 2>/dev/null") + "\n",
    })  # fmt: skip


def dig(adopted: AdoptedHost, what: str) -> str:
    """What the name server answers."""
    return adopted.sh(f"dig +short +norecurse @127.0.0.1 {what}", check=False)


def resolve(adopted: AdoptedHost, name: bytes) -> bytes:
    """What DNS says to who verifies a signature."""
    return "".join(re.findall(r'"(.*?)"', dig(adopted, f"{name.decode()} TXT"))).encode()


def test_all_of_it_on_mail_by_every_way_and_all_of_it_off_without_a_trace(both: Both) -> None:
    adopted = both.adopted
    before = adopted.sh(TRACES)
    sealed = {
        f"secrets/{name}": adopted.host.read(f"{CLONE}/secrets/{name}")
        for name in ("recipients", "relay.age", "srs.age", "tsig.age", "dkim-s1.age")
    }

    on = adopted.push({"mail.yaml": ALL, **FILES, **sealed}, "Everything")

    assert on.accepted, on.text
    adopted.wait_for("Applied", on.oid)
    assert re.search(r"relaylim_destination_concurrency_limit.*\b2\b", on.text), on.text
    assert set(adopted.status()["companions"]) == {"nftables", "postsrsd", "rspamd"}
    _by_submission(both)
    _by_sendmail(both)
    _from_outside(both)
    _around_mail(both)

    records = adopted.push({"mail.yaml": ALL + "  domains: []\n"}, "No records")
    assert records.accepted, records.text
    assert adopted.reconciler("dns", "publish").status == 0
    assert dig(adopted, "hosted.example MX") == ""
    off = adopted.push({**dict.fromkeys({**FILES, **sealed}), **STATE}, "Nothing")
    assert off.accepted, off.text
    adopted.wait_for("Applied", off.oid)
    assert adopted.sh(TRACES) == before
    assert adopted.host.send("a@client.test", "root@mx1.example.com").startswith("250")


def _by_submission(both: Both) -> None:
    """With a login, signed, through MailChannels over TLS, and with the account in Received."""
    assert both.adopted.reconciler("dns", "publish").status == 0
    for port in (587, 465):
        with spoken(both.adopted.host, port) as client:
            client.login("ada", "geheim-42")
            client.sendmail("ada@hosted.example", ["far@other.test"], AUTHOR.format(f"submitted {port}"))
        message = both.come(587, f"submitted {port}")
        assert (message.login, message.tls) == ("account", True)
        assert "(Authenticated sender: ada)" in message.data
        raw = re.sub(r"\r?\n", "\r\n", message.data).encode()
        assert dkim.verify(raw, dnsfunc=lambda name, timeout=5: resolve(both.adopted, name))  # noqa: ARG005 - as it asks
    assert both.adopted.host.send("a@b.test", "far@other.test").startswith(("454", "554"))


def _by_sendmail(both: Both) -> None:
    """From a site's own address; by each transport; and what is refused comes back."""
    both.sendmail("x@twelve.test", "far@other.test", "from site 12")
    message = both.come(587, "from site 12")
    assert (message.peer, message.helo) == ("192.0.2.11", "twelve.test")
    both.sendmail("root@mx1.example.com", "a@serial.test", "one at a time")
    assert both.come(2526, "one at a time").peer == "192.0.2.10"
    both.sendmail("root@mx1.example.com", "a@slow.test", "slowly")
    assert both.come(2526, "slowly").helo == "slow.mx1.example.com"
    both.sendmail("root@mx1.example.com", "a@plain.test", "in clear")
    assert not both.come(2527, "in clear").tls
    both.sendmail("root@mx1.example.com", "a@gone.test", "once")
    both.bounced("Connection refused")
    both.sendmail("root@mx1.example.com", "a@nowhere.test", "nowhere")
    both.bounced("no such place")


def _from_outside(both: Both) -> None:
    """Forwarded, with a sender that leads back here and no signature of ours; and its bounce comes back through."""
    subject = "From: s@outside.test\nSubject: forwarded\n\nHello."
    assert both.far.send("s@outside.test", "bea@hosted.example", subject, address=HERE).startswith("250")
    message = both.come(587, "forwarded")
    assert re.fullmatch(r"SRS0=.*=outside\.test=s@mx1\.example\.com", message.sender)
    assert "dkim-signature" not in message.data.lower()
    assert both.far.send("", message.sender, "Subject: a bounce\n\nIt failed.", address=HERE).startswith("250")
    assert both.come(587, "a bounce").recipients == ("s@outside.test",)


def _around_mail(both: Both) -> None:
    """The lockdown, DNS, a custom parameter and the probe."""
    connect = f"python3 -c \"import socket; socket.create_connection(('{RELAY}', 25), 5)\" 2>&1 || true"
    assert "refused" in both.adopted.host.run("bash", "-c", connect, user="nobody").stdout.lower()
    assert dig(both.adopted, "hosted.example MX") == "10 mail.hosted.example."
    assert "include:relay.mailchannels.net" in dig(both.adopted, "hosted.example TXT")
    assert dig(both.adopted, "_mailchannels.hosted.example TXT") == '"v=mc1 auth=account"'
    assert both.adopted.reconciler("dns", "check").status == 0
    assert both.adopted.postconf("relaylim_destination_concurrency_limit") == "2"
    assert "2" in both.adopted.reconciler("get", "relaylim_destination_concurrency_limit").text
    probe = both.adopted.reconciler("probe", f"[{RELAY}]:2526", "--recipient", "a@serial.test")
    assert probe.status == 0, probe.text
