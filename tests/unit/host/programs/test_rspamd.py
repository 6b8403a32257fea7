"""Something other than rspamd on its ports: it drips an answer."""

from __future__ import annotations

import socket
import time
from contextlib import closing, suppress
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.host.programs import rspamd, service

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"], ids=["head", "body"])
def test_an_answer_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    (tmp_path / "override.d").mkdir()
    (tmp_path / rspamd.SIGNING).write_text('key_table = ["mx.test %:k1:/key"]\n')

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.sendall(start)
                    while True:
                        connection.sendall(b"H")
                        time.sleep(0.05)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        monkeypatch.setattr(rspamd, "TIMEOUT", 0.3)
        monkeypatch.setattr(rspamd, "HOST", "127.0.0.1")
        for name in ("MILTER", "NORMAL"):
            monkeypatch.setattr(rspamd, name, listener.getsockname()[1])
        Thread(target=serve, daemon=True).start()
        began = time.monotonic()
        assert rspamd.answers(Host(), tmp_path)
        assert time.monotonic() - began < 20
        listener.shutdown(socket.SHUT_RDWR)


def test_its_last_words_are_those_of_its_main_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(rspamd, "HOST", "127.0.0.1")
    for name in ("MILTER", "NORMAL"):
        monkeypatch.setattr(rspamd, name, port)
    monkeypatch.setattr(service, "last_words", lambda *_: "")
    monkeypatch.setattr(rspamd, "_LOG", tmp_path / "rspamd.log")
    (tmp_path / "override.d").mkdir()
    (tmp_path / rspamd.SIGNING).write_text('key_table = ["mx.test %:k1:/key"]\n')
    of_a_worker = "2026-11-26 12:00:01 #12(rspamd_proxy) <6a7b8c>; milter; closing milter connection, error: EOF\n"

    (tmp_path / "rspamd.log").write_text(of_a_worker)
    assert rspamd.answers(Host(), tmp_path) == "Connection refused"

    of_main = "2026-11-26 12:00:00 #11(main) <1a2b3c>; cfg; cannot load config: key expected\n"
    (tmp_path / "rspamd.log").write_text(of_main + of_a_worker)
    assert rspamd.answers(Host(), tmp_path) == "Connection refused; it says: cannot load config: key expected"
