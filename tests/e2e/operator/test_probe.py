"""``reconciler probe`` against stand-ins for every kind of server, as the live configuration would send to them."""

from __future__ import annotations

import encodings
import hashlib
import json
import pwd
import socket
import ssl
import time
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.mail.test_tls import context, openssl
from tests.e2e.scripted_server import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

LISTED = {"RCPT": "553 5.7.1 192.0.2.10 is listed at bl.example.org, see https://example.org/lookup"}
LEVELS = {
    2501: "encrypt", 2502: "encrypt", 2503: "secure", 2504: "secure", 2505: "secure", 2506: "encrypt", 2507: "encrypt",
    2508: "secure", 2509: "verify", 2510: "encrypt", 2511: "encrypt", 465: "encrypt",
}  # fmt: skip
STATE = (
    MAIL
    + "  smtp_host_lookup: native\ntls:\n  ca_file: /etc/ssl/test-ca.pem\n  outbound: may\n  destinations:\n"
    + "".join(f'    "[sink.test]:{port}": {level}\n' for port, level in LEVELS.items())
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, and certificates that are right, signed by themselves, for others, and expired."""
    folder = tmp_path_factory.mktemp("keys")
    key = "-newkey ec -pkeyopt group:P-256 -nodes"
    new = f"req -x509 {key}"
    signed = "-addext basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key"
    openssl(folder, f"{new} -days 9 -subj /CN=Authority -keyout ca.key -out ca.pem")
    for name, host in (("right", "sink.test"), ("wrong", "other.test")):
        more = f"-addext subjectAltName=DNS:{host} {signed} -keyout {name}.key -out {name}.pem"
        openssl(folder, f"{new} -days 9 -subj /CN={host} {more}")
    own = "-addext subjectAltName=DNS:sink.test -keyout self.key -out self.pem"
    openssl(folder, f"{new} -days 9 -subj /CN=sink.test {own}")
    openssl(folder, f"req {key} -subj /CN=sink.test -keyout expired.key -out expired.csr")
    openssl(folder, "x509 -req -in expired.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days -1 -out expired.pem")
    return folder


class Servers:
    """An adopted host, and scripted servers on its ports."""

    def __init__(self, adopted: AdoptedHost) -> None:
        self.adopted, self.closing = adopted, ExitStack()

    def stand_in(self, port: int, **script: Any) -> StandIn:  # noqa: ANN401 - StandIn's
        """Have a server that says this stand at the port."""
        made = StandIn(listener=self.adopted.host.listen(port), network=self.adopted.host.pid, **script)
        return self.closing.enter_context(closing(made))

    def probe(self, *arguments: str) -> dict[str, Any]:
        """What the command tells, its exit status compared with that."""
        ran = self.adopted.reconciler("probe", *arguments, "--json", "--timeout", "2")
        told = dict(json.loads(ran.text))
        assert ran.status == (0 if told["delivers"] else 1), ran.text
        return told


@pytest.fixture(scope="module")
def servers(keys: Path) -> Iterator[Servers]:
    with AdoptedHost(settings=UNREHEARSED) as adopted:
        adopted.sh("echo 127.0.0.1 sink.test >>/etc/hosts")
        adopted.host.write("/etc/ssl/test-ca.pem", (keys / "ca.pem").read_text())
        pushed = adopted.push({"mail.yaml": STATE}, "Trust")
        assert pushed.accepted, pushed.text
        made = Servers(adopted)
        with made.closing:
            yield made


def test_what_hides_behind_a_missing_starttls_is_shown_and_named(servers: Servers) -> None:
    server = servers.stand_in(2501, replies=LISTED)

    told = servers.probe("[sink.test]:2501", "--recipient", "ada@sink.test", "--sender", "bob@mx1.example.com")
    text = servers.adopted.reconciler("probe", "[sink.test]:2501", "-v")

    assert (told["case"], told["level"]) == ("block-list", "encrypt")
    assert "TLS is required, but was not offered by host" in told["text"]
    assert "bl.example.org" in told["text"]
    assert {"MAIL FROM:<bob@mx1.example.com>", "RCPT TO:<ada@sink.test>", "EHLO mx1.example.com"} <= set(server.said)
    assert not any(line.startswith("DATA") for line in server.said)
    assert set(server.users) == {pwd.getpwnam("postfix").pw_uid}
    assert text.status == 1
    assert "| < 553 5.7.1 192.0.2.10 is listed" in text.text
    assert "removal from the list" in text.text


def test_no_starttls_alone_is_told_with_the_setting_that_helps(servers: Servers) -> None:
    servers.stand_in(2502)

    told = servers.probe("[sink.test]:2502")

    assert told["case"] == "no-starttls"
    assert 'tls: {destinations: {"[sink.test]:2502": may}}' in " ".join(told["advice"])


@pytest.mark.parametrize(
    ("port", "name", "case"),
    [
        (2503, "right", "delivers"),
        (2504, "self", "self-signed"),
        (2505, "wrong", "wrong-name"),
        (2508, "expired", "expired"),
    ],
)
def test_certificates_are_judged_by_the_level_that_is_live(
    servers: Servers, keys: Path, port: int, name: str, case: str
) -> None:
    server = servers.stand_in(port, tls=context(keys, name), offers=("STARTTLS", "AUTH PLAIN LOGIN"))

    told = servers.probe(f"[sink.test]:{port}")

    assert told["case"] == case, told
    assert told["tried"][0]["auth"] == ["PLAIN", "LOGIN"]
    assert told["tried"][0]["rcpt"] == "250 ok"
    assert server.said[-1] == "QUIT"


def test_a_starttls_that_is_refused_or_fails_is_told_apart(servers: Servers) -> None:
    servers.stand_in(2506, offers=("STARTTLS",), replies={"STARTTLS": "454 4.7.0 TLS not available"})
    servers.stand_in(2507, offers=("STARTTLS",), replies={"STARTTLS": "220 ready, but it is not"})

    refused, failed = servers.probe("[sink.test]:2506"), servers.probe("[sink.test]:2507")

    assert refused["case"] == "starttls-refused"
    assert "454 4.7.0 TLS not available" in refused["text"]
    assert failed["case"] == "handshake-failed"
    assert failed["tried"][0]["rcpt"] == "250 ok"


def test_a_port_that_is_closed_or_silent_or_begins_with_tls_is_told_apart(servers: Servers, keys: Path) -> None:
    servers.stand_in(2510, silent=True)
    servers.stand_in(2511, tls=context(keys, "right"), wrapped=True)

    assert servers.probe("[sink.test]:2509")["case"] == "connection-refused"
    assert servers.probe("[sink.test]:2510")["case"] == "silent"
    begins = servers.probe("[sink.test]:2511")
    assert begins["case"] == "begins-with-tls"
    assert begins["tried"][0]["rcpt"] == "250 ok"
    assert servers.probe("[192.0.2.10]:2509", "--from-address", "203.0.113.5")["case"] == "source-address"
    assert servers.probe("nowhere.test")["case"] == "dns-failed"


def test_what_is_no_mail_server_or_has_no_such_address_is_told(servers: Servers) -> None:
    servers.stand_in(2530, greeting="SSH-2.0-OpenSSH_9.2")
    servers.stand_in(2531, greeting="220 " + "x" * 100_000)

    assert servers.probe("[sink.test]:2530")["case"] == "not-smtp"
    assert servers.probe("[sink.test]:2531")["case"] == "not-smtp"
    assert servers.probe("[sink.test]:2530", "--from-address", "::1")["case"] == "unreachable"
    assert servers.probe("[sink.test]:2530", "--sender", "<>")["sender"] == ""


def test_a_connection_that_nobody_answers_times_out(servers: Servers) -> None:
    servers.adopted.sh(
        "ip route add 203.0.113.0/24 dev eth0; ip neigh add 203.0.113.9 lladdr 02:00:00:00:00:09 dev eth0"
    )

    assert servers.probe("[203.0.113.9]:25")["case"] == "timed-out"


def test_a_server_on_port_465_is_asked_as_the_smart_host_asks_it(servers: Servers, keys: Path) -> None:
    servers.stand_in(
        465, tls=context(keys, "self"), wrapped=True, offers=("AUTH PLAIN",),
        replies={"MAIL": "530 5.7.0 Authentication required"},
    )  # fmt: skip
    relay = STATE + 'smart_host: {nexthop: "[sink.test]:465"}\n'
    pushed = servers.adopted.push({"mail.yaml": relay}, "Relay")
    assert pushed.accepted, pushed.text

    told = servers.probe("[sink.test]:465")

    assert told["case"] == "login-needed"
    assert told["wrapped"] is True
    assert told["tried"][0]["certificate"]["untrusted"]
    assert "smart_host" in " ".join(told["advice"])


def test_the_mx_is_looked_up_and_its_tlsa_record_compared(servers: Servers, keys: Path) -> None:
    state = MAIL + "tls: {outbound: dane}\n"
    pushed = servers.adopted.push({"mail.yaml": state}, "DANE\n\nConfirm: deletions")
    assert pushed.accepted, pushed.text
    der = ssl.PEM_cert_to_DER_cert((keys / "self.pem").read_text())
    for port, digest in ((2520, hashlib.sha256(der).hexdigest()), (2521, "00" * 32)):
        RECORDS[f"_{port}._tcp.mx.dane.test.", "TLSA"] = [f"3 0 1 {digest}"]
        servers.stand_in(port, tls=context(keys, "self"), offers=("STARTTLS",))
    answer_names(servers)

    right, wrong = servers.probe("dane.test:2520"), servers.probe("dane.test:2521")

    assert right["case"] == "delivers", right
    assert (right["tried"][0]["host"], right["tried"][0]["certificate"]["tlsa"]) == ("mx.dane.test", "matches")
    assert wrong["case"] == "tlsa-mismatch"
    assert servers.probe("nomail.test")["case"] == "null-mx"
    assert servers.probe("nowhere.test")["case"] == "no-such-host"


def test_it_goes_from_the_address_and_by_the_name_of_the_transport(servers: Servers) -> None:
    out = "out unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.10\n  -o smtp_helo_name=out.example.com\n"
    pushed = servers.adopted.push({"master.d/out.cf": out, "mail.yaml": STATE}, "Out\n\nConfirm: deletions")
    assert pushed.accepted, pushed.text
    server = servers.stand_in(2540)

    servers.probe("[127.0.0.1]:2540")
    told = servers.probe("[127.0.0.1]:2540", "--transport", "out")
    servers.probe("[127.0.0.1]:2540", "--from-address", "192.0.2.10")

    assert server.peers == ["127.0.0.1", "192.0.2.10", "192.0.2.10"]
    assert told["helo"] == "out.example.com"
    assert "EHLO out.example.com" in server.said


def test_wrong_usage_is_said_before_anybody_is_called(servers: Servers) -> None:
    ran = servers.adopted.reconciler("probe", "[sink.test:25")
    assert (ran.status, "closing bracket" in ran.text) == (64, True)
    ran = servers.adopted.reconciler("probe", "sink.test", "--transport", "relaylin")
    assert (ran.status, "did you mean relaylim?" in ran.text) == (64, True)
    assert servers.adopted.reconciler("probe", "sink.test", "--sender", "a b").status == 64
    assert servers.adopted.reconciler("probe", "sink.test", user="nobody").status == 77


RECORDS = {
    ("dane.test.", "MX"): ["10 mx.dane.test."],
    ("mx.dane.test.", "A"): ["127.0.0.1"],
    ("nomail.test.", "MX"): ["0 ."],
}


def answer_names(servers: Servers) -> None:
    """Stand in for a resolver that checks DNSSEC: what it answers, it vouches for."""
    endpoint = servers.adopted.host.within(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    endpoint.bind(("127.0.0.1", 53))

    def serve() -> None:
        while True:
            packet, client = endpoint.recvfrom(4096)
            if not packet:
                return
            query = dns.message.from_wire(packet)
            question = query.question[0]
            name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.AD | dns.flags.RA
            if found := RECORDS.get((name, kind)):
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *found))
            elif name not in {known for known, _ in RECORDS}:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            endpoint.sendto(answer.to_wire(), client)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    servers.closing.callback(endpoint.close)
    servers.closing.callback(thread.join)
    servers.closing.callback(endpoint.sendto, b"", endpoint.getsockname())


def test_a_mail_user_who_cannot_read_the_interpreters_library_needs_nothing_of_it(servers: Servers) -> None:
    servers.stand_in(2512)
    closed = Path(encodings.__file__).parent
    adopted = servers.adopted
    adopted.sh(f"cp -a {closed} /root/encodings && chmod 700 /root/encodings && mount --bind /root/encodings {closed}")
    try:
        assert adopted.sh(f"cat {closed}/idna.py", user="postfix", check=False).endswith("Permission denied")
        told = servers.probe("[127.0.0.1]:2512")
    finally:
        adopted.sh(f"umount -l {closed}")
    assert told["case"] == "delivers", told


def test_a_server_whose_reply_never_ends_costs_a_moment_and_is_named(servers: Servers) -> None:
    servers.stand_in(2513, greeting="\r\n".join(["220-more"] * 1_000_000))
    ran = servers.adopted.reconciler("probe", "[sink.test]:2513", "-v")
    assert ran.status == 1
    assert "it sends a reply of more than 64 KiB" in ran.text
    assert len(ran.text) < 500_000


def test_all_of_a_probe_ends_by_its_deadline(servers: Servers) -> None:
    servers.stand_in(2514, silent=True)
    began = time.monotonic()
    ran = servers.adopted.reconciler("probe", "[sink.test]:2514", "--timeout", "600", "--deadline", "3")
    assert time.monotonic() - began < 60
    assert (ran.status, "the time for the whole probe (--deadline) is over" in ran.text) == (1, True), ran.text
