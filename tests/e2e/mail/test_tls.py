"""Each level of TLS by what arrives at servers with and without it, and with a certificate of somebody else."""

from __future__ import annotations

import ssl
import subprocess
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.mail_sink import Received

RIGHT, CLEAR, WRONG = 2525, 2526, 2527
STATE = MAIL + "  smtp_host_lookup: native\n"  # throw-away hosts have no name server
ROUTES = {
    "tables/transport": "".join(f"p{port}.test  smtp:[sink.test]:{port}\n" for port in (RIGHT, CLEAR, WRONG)),
    "mail.yaml": STATE,
}
NUMBERS = count()
TRUST = "  ca_file: /etc/ssl/test-ca.pem\n"


def openssl(folder: Path, command: str) -> str:
    return subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True, text=True).stdout


def context(folder: Path, name: str) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return made


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a server's certificate signed by it, and one that is signed by nobody."""
    folder = tmp_path_factory.mktemp("keys")
    new = "req -x509 -newkey ec -pkeyopt group:P-256 -nodes -days 2"
    openssl(folder, f"{new} -subj /CN=Authority -keyout ca.key -out ca.pem")
    openssl(
        folder, f"{new} -subj /CN=other.test -addext subjectAltName=DNS:other.test -keyout wrong.key -out wrong.pem"
    )
    openssl(
        folder,
        f"{new} -subj /CN=sink.test -addext subjectAltName=DNS:sink.test -addext basicConstraints=critical,CA:FALSE"
        " -CA ca.pem -CAkey ca.key -keyout right.key -out right.pem",
    )
    return folder


@pytest.fixture(scope="module")
def adopted(keys: Path) -> Iterator[AdoptedHost]:
    with AdoptedHost(state=ROUTES) as made:
        made.sh("echo 127.0.0.1 sink.test >>/etc/hosts")
        made.host.write("/etc/ssl/test-ca.pem", (keys / "ca.pem").read_text())
        made.host.sink(RIGHT, tls=context(keys, "right"))
        made.host.sink(CLEAR)
        made.host.sink(WRONG, tls=context(keys, "wrong"))
        yield made


def push(adopted: AdoptedHost, tls: str) -> str:
    pushed = adopted.push({"mail.yaml": STATE + tls}, "Levels")
    assert pushed.accepted, pushed.text
    return pushed.text


def arrives(adopted: AdoptedHost, port: int) -> Received:
    """What arrives at the port of a message sent to it."""
    to = f"n{next(NUMBERS)}@p{port}.test"
    assert adopted.host.send("root@mx1.example.com", to).startswith("250")

    def found() -> list[Received]:
        return [one for one in adopted.host.received(port) if to in one.recipients]

    return adopted.host.wait_for(found, what=to)[0]


def waits(adopted: AdoptedHost, port: int) -> str:
    """Why a message to the port waits."""
    to = f"n{next(NUMBERS)}@p{port}.test"
    assert adopted.host.send("root@mx1.example.com", to).startswith("250")

    def line() -> str:
        return next((one for one in adopted.host.mail_log().splitlines() if f"to=<{to}>" in one), "")

    said = adopted.host.wait_for(line, what=to)
    assert "status=deferred" in said, said
    return said


def test_each_level_takes_whom_it_should_and_nobody_else(adopted: AdoptedHost, keys: Path) -> None:
    printed = openssl(keys, "x509 -in right.pem -noout -fingerprint -sha256").strip().partition("=")[2]

    push(adopted, "tls: {outbound: none}\n")
    assert not arrives(adopted, RIGHT).tls
    push(adopted, "tls: {outbound: may}\n")
    assert (arrives(adopted, RIGHT).tls, arrives(adopted, CLEAR).tls, arrives(adopted, WRONG).tls) == (
        True,
        False,
        True,
    )
    told = push(adopted, "tls: {outbound: encrypt}\n")
    assert "for the whole Internet" in told
    assert (arrives(adopted, RIGHT).tls, arrives(adopted, WRONG).tls) == (True, True)
    assert "TLS is required, but was not offered" in waits(adopted, CLEAR)
    for level in ("verify", "secure"):
        push(adopted, f"tls:\n  outbound: {level}\n{TRUST}")
        assert arrives(adopted, RIGHT).tls
        assert "certificate not" in waits(adopted, WRONG)
        assert "was not offered" in waits(adopted, CLEAR)
    push(adopted, f"tls: {{outbound: fingerprint, fingerprints: ['{printed.lower()}']}}\n")
    assert arrives(adopted, RIGHT).tls
    assert "certificate not verified" in waits(adopted, WRONG)


def test_a_destination_has_a_level_of_its_own_and_none_any_more_when_off(adopted: AdoptedHost) -> None:
    own = f'  destinations: {{"[sink.test]:{CLEAR}": encrypt, "[sink.test]:{RIGHT}": secure}}\n{TRUST}'
    assert "warning" not in push(adopted, f"tls:\n{own}")
    assert arrives(adopted, RIGHT).tls
    assert arrives(adopted, WRONG).tls
    assert "was not offered" in waits(adopted, CLEAR)

    push(adopted, "")
    assert not arrives(adopted, CLEAR).tls
    assert adopted.sh("ls -H /etc/postfix | grep tls_policy || true") == ""
    assert adopted.postconf("smtp_tls_CAfile") == ""


def test_dane_passes_the_rehearsal_and_levels_without_what_they_need_are_refused(adopted: AdoptedHost) -> None:
    dns = MAIL + "tls: {destinations: {example.com: dane-only}, outbound: dane}\n"
    pushed = adopted.push({"mail.yaml": dns}, "DANE")
    assert pushed.accepted, pushed.text
    assert adopted.postconf("smtp_dns_support_level") == "dnssec"
    assert "warning" not in pushed.text, pushed.text
    for tls, said in (("secure", "no authority is trusted"), ("fingerprint", "no fingerprint is set")):
        refused = adopted.push({"mail.yaml": STATE + f"tls: {{destinations: {{example.com: {tls}}}}}\n"}, "Lacking")
        assert not refused.accepted
        assert said in " ".join(refused.text.split())
