"""All levels of TLS against all sorts of servers: a message for each pair, and the table that docs/tls.md shows.

Promises: each pair is a domain of its own, with an MX record and a message. Known limit: a server is one address.
"""

from __future__ import annotations

import re
import ssl
import subprocess
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost
from tests.e2e.hosts import ADDRESS, CHECKOUT
from tests.e2e.internet_names import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.e2e.mail_sink import Sink

Capture = pytest.CaptureFixture[str]

LEVELS = ("none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure")
TABLE = """\
| server | none | may | encrypt | dane | dane-only | fingerprint | verify | secure |
|---|---|---|---|---|---|---|---|---|
| no TLS | clear | clear | waits | clear | waits | waits | waits | waits |
| self-signed | clear | TLS | TLS | TLS | waits | verified | waits | waits |
| right authority and names | clear | TLS | TLS | TLS | waits | waits | verified | verified |
| the same, for its host name alone | clear | TLS | TLS | TLS | waits | waits | verified | waits |
| wrong name | clear | TLS | TLS | TLS | waits | verified | waits | waits |
| expired | clear | TLS | TLS | TLS | waits | verified | waits | waits |
| TLSA matches | clear | TLS | TLS | verified | verified | waits | waits | waits |
| TLSA unusable | clear | TLS | TLS | TLS | waits | waits | waits | waits |
| TLSA does not match | clear | TLS | TLS | waits | waits | waits | waits | waits |
| TLSA matches, zone not signed | clear | TLS | TLS | TLS | waits | waits | waits | waits |
"""
PEERS = dict(
    zip(
        ("clear", "self", "right", "host", "wrong", "expired", "match", "unusable", "other", "unsigned"),
        [row.split("|")[1].strip() for row in TABLE.splitlines()[2:]],
        strict=True,
    )
)
LISTED = ("self", "wrong", "expired")  # whose certificates are under tls.fingerprints
SIGNED = ("right", "host", "wrong", "expired")  # signed by the authority
NAMES = {peer: f"DNS:mail.{peer}.test,DNS:*.{peer}.test" for peer in PEERS} | {
    "host": "DNS:mail.host.test",
    "wrong": "DNS:other.test",
}
CELLS = [(level, peer) for peer in PEERS for level in LEVELS]
STATE = MAIL + "  smtp_tls_loglevel: 1\n  inet_interfaces: loopback-only\n"  # the servers have port 25 elsewhere
ESTABLISHED = re.compile(r"smtp\[(\d+)\]: (\w+) TLS connection established to mail\.")
ENDED = re.compile(r"smtp\[(\d+)\]: .* to=<n@([\w.-]+)>.* status=(\w+) ")


def openssl(folder: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, and a key and certificate for each server."""
    folder = tmp_path_factory.mktemp("keys")
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    openssl(folder, f"req -x509 {curve} -days 2 -subj /CN=Authority -keyout ca.key -out ca.pem")
    for peer in PEERS:
        names = f"-subj /CN={peer} -addext subjectAltName={NAMES[peer]}"
        openssl(folder, f"req -new {curve} {names} -keyout {peer}.key -out {peer}.csr")
        signer = "-CA ca.pem -CAkey ca.key -CAcreateserial" if peer in SIGNED else f"-signkey {peer}.key"
        days = -1 if peer == "expired" else 2
        openssl(folder, f"x509 -req -in {peer}.csr {signer} -copy_extensions copy -days {days} -out {peer}.pem")
    return folder


def der(keys: Path, peer: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert((keys / f"{peer}.pem").read_text())


def records(keys: Path) -> dict[str, str]:
    """The names of each server: its address, an MX for all domains below it, and its TLSA record."""
    said = {}
    for number, peer in enumerate(PEERS, 1):
        zone = f"{peer}.test."
        said[peer] = f"mail.{zone} A 127.0.1.{number}\n*.{zone} MX 10 mail.{zone}\n"
    for peer, usage in {"match": "3 0 1", "unusable": "1 0 1", "other": "3 0 1", "unsigned": "3 0 1"}.items():
        digest = sha256(der(keys, "match" if peer == "other" else peer)).hexdigest()
        said[peer] += f"_25._tcp.mail.{peer}.test. TLSA {usage} {digest}\n"
    return said


@pytest.fixture(scope="module")
def adopted(keys: Path) -> Iterator[AdoptedHost]:
    with AdoptedHost(state={"mail.yaml": STATE}) as made:
        made.host.write("/etc/ssl/test-ca.pem", (keys / "ca.pem").read_text())
        said = records(keys)
        unsigned = {"unsigned.test": said.pop("unsigned")}
        serve(made.host, "".join(said.values()), unsigned)
        yield made


@pytest.fixture(scope="module")
def sinks(adopted: AdoptedHost, keys: Path) -> dict[str, Sink]:
    made = {}
    for number, peer in enumerate(PEERS, 1):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(keys / f"{peer}.pem", keys / f"{peer}.key")
        made[peer] = adopted.host.sink(25, f"127.0.1.{number}", None if peer == "clear" else context)
    return made


def tls(keys: Path) -> str:
    listed = [sha256(der(keys, peer)).hexdigest() for peer in LISTED]
    own = "".join(f"    {level}.{peer}.test: {level}\n" for level, peer in CELLS)
    return f"tls:\n  ca_file: /etc/ssl/test-ca.pem\n  fingerprints: {listed}\n  destinations:\n{own}"


def outcomes(log: str) -> dict[str, str]:
    """By domain, what became of its message: delivered in clear text, over TLS, or TLS with a verified server."""
    found, trust = {}, dict[str, str]()
    for line in log.splitlines():
        if made := ESTABLISHED.search(line):
            trust[made[1]] = "verified" if made[2] == "Verified" else "TLS"
        elif ended := ENDED.search(line):
            how = trust.pop(ended[1], "clear")
            found[ended[2]] = {"sent": how, "deferred": "waits"}.get(ended[3], ended[3])
    return found


def table(found: Mapping[str, str]) -> str:
    """The outcomes as the docs have them."""
    rows = [[row, *(found[f"{level}.{peer}.test"] for level in LEVELS)] for peer, row in PEERS.items()]
    lines = [["server", *LEVELS], *rows]
    written = [f"| {' | '.join(line)} |\n" for line in lines]
    return "".join([written[0], "|---" * len(lines[0]) + "|\n", *written[1:]])


def test_each_level_treats_each_server_as_the_docs_say(
    adopted: AdoptedHost, sinks: dict[str, Sink], keys: Path, capsys: Capture
) -> None:
    pushed = adopted.push({"mail.yaml": STATE + tls(keys)}, "A level for each domain")
    assert pushed.accepted, pushed.text
    for level, peer in CELLS:
        assert adopted.host.send("root@mx1.example.com", f"n@{level}.{peer}.test").startswith("250")
    adopted.host.wait_for(lambda: len(outcomes(adopted.host.mail_log())) == len(CELLS), 120, "all messages")

    found = outcomes(adopted.host.mail_log())
    with capsys.disabled():
        print(f"\n{table(found)}")
    assert table(found) == TABLE
    arrived = {
        one.recipients[0].partition("@")[2]: "TLS" if one.tls else "clear"
        for sink in sinks.values()
        for one in sink.received
    }
    assert arrived == {name: "TLS" if how == "verified" else how for name, how in found.items() if how != "waits"}
    waiting = {entry["recipients"][0]["address"].partition("@")[2] for entry in adopted.host.queue()}
    assert waiting == {name for name, how in found.items() if how == "waits"}

    pushed = adopted.push({"mail.yaml": STATE}, "No levels\n\nConfirm: deletions")
    assert pushed.accepted, pushed.text


def status(adopted: AdoptedHost, to: str) -> str:
    """What becomes of a message now, in the table's words."""
    assert adopted.host.send("root@mx1.example.com", f"n@{to}").startswith("250")
    return adopted.host.wait_for(lambda: outcomes(adopted.host.mail_log()).get(to, ""), what=to)


@pytest.mark.usefixtures("sinks")
def test_dane_for_all_mail_goes_on_gets_stricter_and_goes_off_without_a_message_lost(adopted: AdoptedHost) -> None:
    for name, tls, expected in (
        ("on", "tls: {outbound: dane}\n", ["verified", "waits", "TLS"]),
        ("only", "tls: {outbound: dane-only}\n", ["verified", "waits", "waits"]),
        ("off", "", ["TLS", "TLS", "TLS"]),
    ):
        pushed = adopted.push({"mail.yaml": STATE + tls}, name)
        assert pushed.accepted, pushed.text
        assert [status(adopted, f"{name}.{peer}.test") for peer in ("match", "other", "right")] == expected
    assert adopted.postconf("smtp_dns_support_level") == ""

    adopted.sh("postqueue -f")
    late = ("on.other.test", "only.other.test", "only.right.test")
    adopted.host.wait_for(lambda: {outcomes(adopted.host.mail_log())[to] for to in late} == {"TLS"}, what="what waited")


def test_dane_is_refused_where_the_name_server_does_not_check_signatures(adopted: AdoptedHost) -> None:
    checking = adopted.host.read("/etc/resolv.conf")
    adopted.host.write("/etc/resolv.conf", f"nameserver {ADDRESS}\n")
    for tls, then in (
        ("outbound: dane", "dane needs: no certificate would be checked"),
        ("destinations: {right.test: dane-only}", "dane-only needs: all its mail would wait"),
    ):
        refused = adopted.push({"mail.yaml": STATE + f"tls: {{{tls}}}\n"}, "Lacking")
        assert not refused.accepted
        said = " ".join(refused.text.split())
        assert f"{ADDRESS} does not check DNSSEC, which the level {then}" in said, said
    adopted.host.write("/etc/resolv.conf", checking)
    pushed = adopted.push({"mail.yaml": STATE + "tls: {outbound: dane}\n"}, "All there")
    assert pushed.accepted, pushed.text


def test_the_docs_show_the_table() -> None:
    assert TABLE in (CHECKOUT / "docs/tls.md").read_text()
