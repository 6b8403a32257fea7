"""Whether tables on servers answer: postmap's words as they were recorded, and real servers."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from reconciler.host import lookups
from reconciler.host.effects import Host
from reconciler.model import Lookup
from tests.unit.recorded_host import commands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "postmaster@mx.test.example"


@pytest.fixture
def answering() -> Iterator[dict[bytes, int]]:
    """Servers that answer whatever they are asked with a text, by the text; an empty one never answers."""
    with closing(_Servers()) as servers:
        yield servers.ports


class _Servers:
    def __init__(self) -> None:
        texts = (
            b"9:NOTFOUND ,",
            b"5:OK x ,",
            b"no netstring\n",
            b"12:TEMP it is d,",
            b"500 not%20found\n",
            b"400 x\n",
            b"",
        )
        self._listeners = {text: socket.create_server(("127.0.0.1", 0)) for text in texts}
        self.ports = {text: listener.getsockname()[1] for text, listener in self._listeners.items()}
        for text, listener in self._listeners.items():
            threading.Thread(target=self._serve, args=(text, listener), daemon=True).start()

    @staticmethod
    def _serve(text: bytes, listener: socket.socket) -> None:
        connections = []
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                if text and connection.recv(4096):
                    connection.sendall(text)
        for connection in connections:
            connection.close()

    def close(self) -> None:
        for listener in self._listeners.values():
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()


def test_a_failure_is_told_in_words_of_our_own() -> None:
    """A program's own words may quote a file that the author of a commit may not read."""
    reasons = {done.argv[-1]: lookups.reason_of(done.stderr) for done in commands("postmap-lookups.txt")}
    assert reasons == {
        "mysql:/etc/postfix/refused.cf": "no server answers",
        "mysql:/etc/postfix/socket.cf": "no server answers",
        "ldap:/etc/postfix/ldap.cf": "no server answers",
        "sqlite:/etc/postfix/sqlite.cf": "the query or its file is wrong",
        "memcache:/etc/hostname": "the query or its file is wrong",
        "socketmap:inet:127.0.0.1:9402:n": "the query fails",
        "socketmap:inet:127.0.0.1:9499:n": "no server answers",
        "tcp:127.0.0.1:9406": "the query fails",
        "socketmap:unix:/nosuch/x:n": "no server answers",
        "mysql:/etc/shadow": None,
        "socketmap:inet:127.0.0.1:9401:n": "",
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_servers_answer_look_ups_or_not(
    answering: dict[bytes, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "TIMEOUT", 20.0)
    (tmp_path / "theirs").write_text("x y\n")
    os.chown(tmp_path / "theirs", 65534, 65534)
    for folder in (tmp_path, tmp_path.parent):
        folder.chmod(0o755)
    tables = {
        f"socketmap:inet:127.0.0.1:{answering[b'9:NOTFOUND ,']}:n": "",
        f"socketmap:inet:127.0.0.1:{answering[b'5:OK x ,']}:n": "",
        f"socketmap:inet:127.0.0.1:{answering[b'no netstring' + bytes([10])]}:n": "the query fails",
        f"socketmap:inet:127.0.0.1:{answering[b'12:TEMP it is d,']}:n": "the query fails",
        f"tcp:127.0.0.1:{answering[b'500 not%20found' + bytes([10])]}": "",
        f"tcp:127.0.0.1:{answering[b'400 x' + bytes([10])]}": "the query fails",
        "socketmap:unix:/nosuch/s:n": "no server answers",
        "texthash:/etc/hostname": "",
        f"texthash:{tmp_path}/nosuch": None,  # nobody may read it
        f"texthash:{tmp_path}/theirs": None,  # another user may change it
        f"tcp:127.0.0.1:{free_port()}": "no server answers",
    }
    asked = {table: Lookup(table, KEY, "postfix") for table in tables}
    answers = lookups.ask(Host(), asked.values())
    assert {table: answers[lookup] for table, lookup in asked.items()} == tables
    unknown = Lookup("socketmap:unix:/nosuch/s:n", KEY, "nosuchuser")
    assert lookups.ask(Host(), [unknown]) == {unknown: None}
    assert lookups.ask(Host(), []) == {}


def test_a_silent_server_costs_no_more_than_the_time_that_it_has(
    answering: dict[bytes, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "TIMEOUT", 1.0)
    silent = Lookup(f"socketmap:inet:127.0.0.1:{answering[b'']}:n", KEY, "postfix")
    began = time.monotonic()
    assert lookups.ask(Host(), [silent]) == {silent: lookups.SLOW}
    assert time.monotonic() - began < 15
