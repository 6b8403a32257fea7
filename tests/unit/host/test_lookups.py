"""Whether tables on servers answer: postmap's words as they were recorded, and real servers."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.host import lookups
from reconciler.host.effects import Completed, Host
from reconciler.model import Lookup, Secret
from tests.unit.recorded_host import commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
        "pgsql:/etc/postfix/pg-pass.cf": "access is denied",
        "pgsql:/etc/postfix/pg-table.cf": "the query or its file is wrong",
        "pgsql:/etc/postfix/pg-db.cf": "the query or its file is wrong",
        "pgsql:/etc/postfix/pg-name.cf": "the name of its server is unknown",
        "pgsql:/etc/postfix/pg-syntax.cf": "the query or its file is wrong",
        "pgsql:/etc/postfix/pg-sock.cf": "no server answers",
        "pgsql:/etc/postfix/pg-refused.cf": "no server answers",
        "pgsql:/etc/postfix/pg-ok.cf": "",
        "mysql:/etc/postfix/my-pass.cf": "access is denied",
        "mysql:/etc/postfix/my-name.cf": "the name of its server is unknown",
        "ldap:/etc/postfix/ld-pass.cf": "access is denied",
        "ldap:/etc/postfix/ld-base.cf": "the query or its file is wrong",
        "ldap:/etc/postfix/ld-ops.cf": "the query fails",
        "ldap:/etc/postfix/ld-ok.cf": "",
        "sqlite:/etc/postfix/sq-ok.cf": "",
    }


class Database(Host):
    """A host on which postmap says this on standard error."""

    def __init__(self, said: str) -> None:
        self._said = said

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer as postmap does that finds nothing, or fails."""
        return Completed(tuple(argv), 1, "", self._said)


REFUSED = "postmap: warning: connect: Connection refused\npostmap: fatal: table x: query error: Connection refused\n"
CLOSED = "postmap: fatal: sqlite:/x: Can't open database: unable to open database file?\n"


def test_a_failure_names_its_servers_and_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_is_trusted", lambda *_: True)
    file = tmp_path / "users.cf"
    file.write_text("hosts = inet:db.example:3307\npassword = s3cret\n")
    lookup = Lookup(f"mysql:{file}", KEY, "postfix")
    assert lookups.ask(Database(REFUSED), [lookup]) == {lookup: "no server answers: db.example:3307"}
    monkeypatch.setattr(lookups, "_is_trusted", lambda *_: False)
    assert lookups.ask(Database(REFUSED), [lookup]) == {lookup: None}


def test_a_socket_must_be_in_the_chroot_of_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_is_trusted", lambda *_: True)
    file, jail = tmp_path / "users.cf", Path("/tmp") / f"reconciler-jail-{os.getpid()}"
    file.write_text("hosts = unix:/s\n")
    lookup = Lookup(f"mysql:{file}", KEY, "postfix", str(jail))
    missing = {lookup: f"its socket is not in the chroot {jail}: /s"}
    assert lookups.ask(Database(""), [lookup]) == missing
    jail.mkdir()
    try:
        with closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(str(jail / "s"))
            assert lookups.ask(Database(""), [lookup]) == {lookup: ""}
    finally:
        shutil.rmtree(jail)
    assert lookups.ask(Database(""), [lookup]) == missing
    assert lookups.ask(Database(""), [lookup._replace(jail="")]) == {lookup._replace(jail=""): ""}
    file.write_text("hosts = unix:/s db.example\n")
    assert lookups.ask(Database(""), [lookup]) == {lookup: ""}


def test_a_database_that_is_a_file_must_exist_and_may_be_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_is_trusted", lambda *_: True)
    file, database = tmp_path / "users.cf", tmp_path / "mail.db"
    file.write_text(f"dbpath = {database}\n")
    lookup = Lookup(f"sqlite:{file}", KEY, "postfix", "/var/spool/postfix")
    assert lookups.ask(Database(CLOSED), [lookup]) == {lookup: f"its file is missing: {database}"}
    database.touch()
    assert lookups.ask(Database(CLOSED), [lookup]) == {lookup: None}
    assert lookups.ask(Database(""), [lookup]) == {lookup: ""}


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


class Recorded(Database):
    """A host that keeps what postmap was asked, and the file that it was given."""

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Read the description while it is there."""
        path = Path(argv[-1].partition(":")[2])
        assert path.stat().st_mtime < time.time() - 2, "Postfix sleeps while it is young"
        self.asked = argv[-1], path.read_text(), path.stat().st_mode & 0o777
        return super().run(argv)


def test_a_description_of_the_commit_is_asked_from_a_file_that_goes_again() -> None:
    text = Secret("users", "hosts = inet:db.example:3307\npassword = s3cret\n")
    lookup = Lookup("mysql:/etc/postfix/users", KEY, "postfix", description=text)
    host = Recorded(REFUSED)

    assert lookups.ask(host, [lookup]) == {lookup: "no server answers: db.example:3307"}

    table, content, mode = host.asked
    assert (table.startswith("mysql:/"), content, mode) == (True, text.value, 0o640)
    assert not Path(table.partition(":")[2]).exists()
