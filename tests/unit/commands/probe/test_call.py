"""Servers without end, a library that can't be read any more, and certificates beside TLSA records."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from itertools import chain, repeat
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from reconciler.commands.probe.call import ProbedServer, call, judge
from reconciler.commands.probe.diagnosis import Failure, Seen, Sending, Tlsa, diagnose
from reconciler.host.dns.resolver import Association
from reconciler.host.pem import public_key
from tests.e2e.scripted_server import StandIn
from tests.unit.certificates import certificate, key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SENDING = Sending(nexthop="mx.test", domain="mx.test", level="may", helo="here", sender="a@here", recipient="b@mx.test")
KEYWORDS = chain([b"220 mx\r\n250-mx\r\n"], (b"250-K%d\r\n" % number for number in range(2_000_000)))
# Runs a whole conversation with TLS while nothing can be imported: what the mail system's user may not read.
SEALED = """
import sys
from reconciler.commands.probe import command
from reconciler.commands.probe.call import ProbedServer, call
from reconciler.commands.probe.diagnosis import Sending, diagnose
from reconciler.host.pem import prepare
import time
prepare()

class Sealed:
    def find_spec(self, name, path=None, target=None):
        raise AssertionError(f"{name} is imported too late")

sys.meta_path[:] = [Sealed()]
sending = Sending(nexthop="localhost", domain="localhost", level="may", helo="here", sender="a@b", recipient="c@d")
end, port = time.monotonic() + 30, int(sys.argv[1])
server = ProbedServer(host="localhost", address="127.0.0.1", port=port, timeout=10, deadline=end)
seen = call(server, sending)
print(diagnose(sending, seen).case, bool(seen.shown))
"""


@contextmanager
def server(pieces: Iterable[bytes], pause: float = 0) -> Iterator[int]:
    """A server that sends these, whatever is asked, to each client; its port."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(ConnectionError):
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def seen_of(port: int, timeout: float = 20, deadline: float = 60) -> Seen:
    """Probe that port."""
    end = time.monotonic() + deadline
    return call(ProbedServer(host="mx.test", address="127.0.0.1", port=port, timeout=timeout, deadline=end), SENDING)


@pytest.mark.parametrize("pieces", [repeat(b"220-more\r\n"), KEYWORDS], ids=["greeting", "keywords"])
def test_a_reply_without_end_is_cut_off_at_64_kib_and_so_is_the_transcript(pieces: Iterable[bytes]) -> None:
    with server(pieces) as port:
        seen = seen_of(port)
    assert (seen.failure, seen.why) == (Failure.NOT_SMTP, "it sends a reply of more than 64 KiB")
    assert sum(map(len, seen.transcript)) < 1 << 20
    assert "does not speak SMTP (it sends a reply of more than 64 KiB)" in diagnose(SENDING, seen).text


@pytest.mark.parametrize("piece", [b"2", b"220-more\r\n"])
def test_a_reply_that_drips_ends_with_the_time_out(piece: bytes) -> None:
    with server(repeat(piece), 0.05) as port:
        seen = seen_of(port, timeout=0.5)
    assert (seen.failure, seen.why) == (Failure.TOO_SLOW, "a reply was not complete after 0.5 s")
    assert diagnose(SENDING, seen).case == "too-slow"


def test_replies_that_each_come_in_time_end_with_the_deadline() -> None:
    with server(chain([b"220 mx\r\n"], repeat(b"502 never heard of it\r\n"))) as quick:
        assert seen_of(quick).failure is Failure.NONE
    began = time.monotonic()
    with server(repeat(b"250-more\r\n"), 0.05) as port:
        seen = seen_of(port, timeout=600, deadline=1)
    assert (seen.failure, seen.why) == (Failure.TOO_SLOW, "the time for the whole probe (--deadline) is over")
    assert time.monotonic() - began < 30


def test_a_server_that_says_nothing_is_silent() -> None:
    with server(repeat(b""), 0.05) as port:
        assert seen_of(port, timeout=0.3).failure is Failure.SILENT


def test_a_reply_of_almost_64_kib_is_read() -> None:
    greeting = b"".join([b"220-" + b"x" * 990 + b"\r\n"] * 64) + b"220 mx\r\n"
    with server(chain([greeting], repeat(b"250 ok\r\n"))) as port:
        seen = seen_of(port)
    assert (seen.failure, seen.recipient and seen.recipient.code) == (Failure.NONE, 250)


def test_nothing_is_imported_after_the_process_became_another_user(tmp_path: Path) -> None:
    pem = tmp_path / "pem"
    pem.write_bytes(certificate("localhost") + key())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0))
    with closing(StandIn(listener=listener, network=os.getpid(), tls=tls, offers=("STARTTLS",))):
        argv = (sys.executable, "-c", SEALED, str(listener.getsockname()[1]))
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "delivers True\n", done.stderr


def test_tlsa_records_are_compared_as_rfc_7672_says() -> None:
    pem = certificate("mx.example.net")
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    key = hashlib.sha256(public_key(der)).digest()
    whole = hashlib.sha512(der).digest()

    def of(*records: Association, host: str = "mx.example.net") -> Tlsa:
        return judge(records, [der], host)

    assert of() is Tlsa.NONE
    assert of(Association(3, 1, 1, key)) is Tlsa.MATCHES
    assert of(Association(3, 0, 2, whole)) is Tlsa.MATCHES
    assert of(Association(3, 0, 0, der)) is Tlsa.MATCHES
    assert of(Association(3, 1, 1, key), host="other.example.net") is Tlsa.MATCHES
    assert of(Association(2, 1, 1, key), host="other.example.net") is Tlsa.DIFFERS
    assert of(Association(2, 1, 1, key)) is Tlsa.MATCHES
    assert of(Association(3, 0, 1, key)) is Tlsa.DIFFERS
    assert of(Association(1, 1, 1, key)) is Tlsa.UNUSABLE
    assert of(Association(1, 1, 1, key), Association(3, 1, 1, b"")) is Tlsa.DIFFERS
