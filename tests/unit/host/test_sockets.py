"""A conversation is cut after its time, however the other side drips."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Thread

from reconciler.host.sockets import cut_after


def test_a_server_that_drips_is_cut_off_and_a_quick_one_is_not() -> None:
    near, far = socket.socketpair()

    def drip() -> None:
        with suppress(OSError):
            while True:
                far.sendall(b"2")
                time.sleep(0.05)

    near.settimeout(5)
    began = time.monotonic()
    with near, far, near.makefile("rb") as stream:
        with cut_after(near, 0.5):
            far.sendall(b"quick\n")
            assert stream.readline() == b"quick\n"
        with cut_after(near, 0.5):
            Thread(target=drip, daemon=True).start()
            assert set(stream.readline()) == {ord("2")}
    assert time.monotonic() - began < 20
