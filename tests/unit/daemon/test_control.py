"""The socket: who may ask what, and what becomes of bad clients, bad handlers and dead daemons."""

from __future__ import annotations

import json
import os
import pwd
import socket
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.daemon import control
from reconciler.daemon.control import Control, NotPermitted, ask
from reconciler.model.errors import ReconcilerError, Unavailable
from tests.unit.other_users import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Echo."""
    yield {"line": f"checking {request['new']}"}
    yield {"done": {"status": "refused"}}


def trouble(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Fail half-way."""
    yield {"line": request["do"]}
    raise Unavailable("disk: full")


HANDLERS = {"check": check, "status": check, "follow": trouble, "wake": check}


@pytest.fixture
def running(open_folder: Path) -> Iterator[Path]:
    """A daemon's socket, of a repository that belongs to nobody."""
    repository = open_folder / "r.git"
    repository.mkdir()
    os.chown(repository, NOBODY, NOBODY)
    path = open_folder / "run/control.sock"
    server = Control(path, None, HANDLERS, repository)
    server.start()
    yield path
    server.stop()
    assert not path.exists()


def as_user(path: Path, uid: int, groups: list[int], request: dict[str, Any]) -> dict[str, Any]:
    """Ask as somebody else; the last message, or the name of the error."""
    assert os.geteuid() == 0, "needs root, to ask as somebody else"
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads: the child needs none of them
        child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(uid)
            os.setuid(uid)
            said = list(ask(path, request, 5))[-1]
        except ReconcilerError as error:
            said = {type(error).__name__: str(error)}
        finally:
            os.write(writing, json.dumps(said).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        last: dict[str, Any] = json.load(answer)
    os.waitpid(child, 0)
    return last


def eventually(path: Path) -> None:
    """Ask until there is a place: those of clients that have gone come back in a moment."""
    for _ in range(100):
        with suppress(Unavailable):
            assert list(ask(path, {"do": "status", "new": "x"}, 5))
            break
        threading.Event().wait(0.05)
    else:
        pytest.fail("no place came back")


def test_an_answer_comes_line_by_line(running: Path) -> None:
    answer = list(ask(running, {"do": "check", "new": "abc"}, 5))
    assert answer == [{"line": "checking abc"}, {"done": {"status": "refused"}}]


def test_the_socket_is_roots_and_the_groups_in_a_folder_open_to_all(running: Path) -> None:
    status = running.stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o660, 0, NOBODY)
    assert running.parent.stat().st_mode & 0o777 == 0o755


def test_the_owner_may_ask_but_not_command(running: Path) -> None:
    assert "done" in as_user(running, NOBODY, [], {"do": "check", "new": "x"})
    assert "NotPermitted" in as_user(running, NOBODY, [], {"do": "wake", "new": "x"})


def test_a_member_of_the_group_may_ask_and_a_stranger_may_not(running: Path) -> None:
    daemon = pwd.getpwnam("daemon").pw_uid
    assert "done" in as_user(running, daemon, [NOBODY], {"do": "status", "new": "x"})
    assert "NotPermitted" in as_user(running, daemon, [], {"do": "status", "new": "x"})


def test_a_stranger_whom_the_socket_let_in_is_still_refused(running: Path) -> None:
    running.chmod(0o666)
    daemon = pwd.getpwnam("daemon").pw_uid
    assert "NotPermitted" in as_user(running, daemon, [], {"do": "status", "new": "x"})


def test_a_handlers_trouble_reaches_the_client_in_words(running: Path) -> None:
    answer = ask(running, {"do": "follow"}, 5)
    assert next(answer) == {"line": "follow"}
    with pytest.raises(Unavailable, match="disk: full"):
        next(answer)


@pytest.mark.parametrize(
    "sent", [b"", b"\n", b"[]\n", b"{\n", b"\xff\n", b'{"do": 5}\n', b'{"do": "x"}\n', b"x" * 70_000]
)
def test_a_bad_request_is_answered_and_harms_nobody(running: Path, sent: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(running))
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        received = client.makefile("rb").readline()
    assert json.loads(received) == {"error": "unknown request"}
    assert list(ask(running, {"do": "status", "new": "x"}, 5))


def test_a_client_that_goes_away_harms_nobody(running: Path) -> None:
    for _ in range(control.PLACES["check"] * 2):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(running))
            client.sendall(b'{"do": "check", "new": "x"}\n')
    eventually(running)


def test_connections_are_bounded_and_their_places_come_back(running: Path) -> None:
    clients = []
    for _ in range(control.PLACES[""]):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(running))
        clients.append(client)
    with pytest.raises(Unavailable, match="too many requests"):
        list(ask(running, {"do": "status", "new": "x"}, 5))
    for client in clients:
        client.sendall(b'{"do": "check", "new": "x"}\n')
        assert b"done" in client.makefile("rb").read()
        client.close()
    eventually(running)


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(Unavailable, match="reconciler is not running"):
        list(ask(path, {"do": "status"}, 5))
    first = Control(path, None, HANDLERS, tmp_path)
    first.start()
    with pytest.raises(Unavailable, match="another reconciler answers there"):
        Control(path, None, HANDLERS, tmp_path).start()
    assert list(ask(path, {"do": "status", "new": "x"}, 5))
    first.stop()


def test_without_a_daemon_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"{tmp_path}/none: reconciler is not running"):
        list(ask(tmp_path / "none", {"do": "status"}, 5))


def test_a_group_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match='there is no group "nonesuch"'):
        Control(tmp_path / "s", "nonesuch", HANDLERS, tmp_path).start()


@pytest.mark.parametrize(
    ("said", "why"), [(b"", "stopped before it answered"), (b'{"line": "x"}\n', "stopped before it answered")]
)
def test_a_daemon_that_dies_in_mid_answer_is_no_answer(tmp_path: Path, said: bytes, why: str) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def die() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)

        thread = threading.Thread(target=die)
        thread.start()
        with pytest.raises(Unavailable, match=why):
            list(ask(path, {"do": "status"}, 5))
        thread.join()


def test_a_daemon_that_never_answers_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
            list(ask(path, {"do": "status"}, 0.2))


def test_not_permitted_is_its_own_error() -> None:
    assert not issubclass(NotPermitted, Unavailable)
