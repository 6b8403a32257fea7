"""The client's side of an SMTP connection: whole replies, a hang-up, TLS that fails, and the header of a proxy."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import repeat
from typing import TYPE_CHECKING

import pytest

from reconciler.rehearsal.inside.smtp_client import HungUp, SmtpClient, TooSlow, handshake_failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@contextmanager
def connected() -> Iterator[tuple[SmtpClient, socket.socket]]:
    """A client, and the server's end of its connection."""
    near, far = socket.socketpair()
    near.settimeout(60)
    with closing(SmtpClient(near)) as client, far:
        yield client, far


def test_a_reply_of_many_lines_is_returned_whole() -> None:
    with connected() as (client, far):
        far.sendall(b"250-mx\r\n250-STARTTLS\r\n250 SIZE\r\n220 next\r\n")
        assert client.ask("EHLO here") == "250-mx\n250-STARTTLS\n250 SIZE"
        assert client.reply() == "220 next"
        assert far.recv(100) == b"EHLO here\r\n"


def test_a_server_that_hangs_up_gives_no_reply() -> None:
    with connected() as (client, far):
        far.sendall(b"250-half\r\n")
        far.shutdown(socket.SHUT_WR)
        with pytest.raises(HungUp, match="it hangs up without a reply"):
            client.reply()


def test_a_client_waits_until_a_reply_is_complete() -> None:
    with connected() as (client, far):
        assert not client.waits
        far.sendall(b"220 mx\r\n")
        client.reply()
        assert not client.waits
        with ThreadPoolExecutor(1) as threads:
            reply = threads.submit(client.reply)
            while not client.waits:
                time.sleep(0.001)
            client.interrupt()
            with pytest.raises(HungUp):
                reply.result(5)


def test_a_handshake_that_fails_says_why() -> None:
    with connected() as (client, far):
        far.sendall(b"this is no TLS\r\n")
        with pytest.raises(ssl.SSLError) as caught:
            client.start_tls()
    assert handshake_failure(caught.value) == "the TLS handshake fails: WRONG_VERSION_NUMBER"
    assert handshake_failure(ConnectionResetError(104, "gone")) == "the TLS handshake fails: [Errno 104] gone"


@pytest.mark.parametrize(
    ("family", "address", "name"), [(socket.AF_INET, "127.0.0.1", "TCP4"), (socket.AF_INET6, "::1", "TCP6")]
)
def test_a_proxy_is_announced_with_both_ends(family: socket.AddressFamily, address: str, name: str) -> None:
    with (
        socket.create_server((address, 0), family=family) as listener,
        closing(SmtpClient(socket.create_connection(listener.getsockname()[:2]))) as client,
        listener.accept()[0] as far,
    ):
        client.announce_proxy()
        near, port = client.socket.getsockname()[1], listener.getsockname()[1]
        assert far.recv(200).decode() == f"PROXY {name} {address} {address} {near} {port}\r\n"


# ---- servers without end ---------------------------------------------------------------------------------------------


def flood(far: socket.socket, pieces: Iterable[bytes], pause: float = 0) -> threading.Thread:
    """Have the server send until the client leaves."""

    def send() -> None:
        with suppress(OSError):
            for piece in pieces:
                far.sendall(piece)
                time.sleep(pause)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("piece", [b"250-more\r\n", b"x" * 1000])
def test_a_reply_without_end_is_cut_off(piece: bytes) -> None:
    with connected() as (client, far):
        sender = flood(far, repeat(piece))
        with pytest.raises(OSError, match="it sends a reply of more than 64 KiB"):
            client.reply()
        client.close()
        sender.join(10)


@pytest.mark.parametrize("piece", [b"2", b"250-a\r\n"])
def test_a_reply_that_drips_ends_with_the_time_out_of_one_reply(piece: bytes) -> None:
    with connected() as (client, far):
        client.socket.settimeout(0.5)
        flood(far, repeat(piece), 0.05)
        began = time.monotonic()
        with pytest.raises(TooSlow, match="its reply does not end in time"):
            client.reply()
        assert time.monotonic() - began < 5


def test_a_reply_of_almost_64_kib_is_read() -> None:
    with connected() as (client, far):
        lines = [b"250-" + b"x" * 990] * 64
        sender = flood(far, [b"\r\n".join([*lines, b"250 end\r\n"])])
        assert client.reply().endswith("250 end")
        sender.join(10)
