"""The socket: who may ask what, and what becomes of bad clients, bad handlers and dead daemons."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import threading
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.daemon import control
from reconciler.daemon.control import Control, NotPermitted, ask
from reconciler.model.errors import ReconcilerError, Unavailable
from tests.unit.brief_daemons import LONG, full_daemon, one_answer
from tests.unit.other_users import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Echo."""
    yield {"line": f"checking {request['new']}"}
    yield {"done": {"status": "refused", "uid": request["uid"]}}


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
    assert answer == [{"line": "checking abc"}, {"done": {"status": "refused", "uid": os.geteuid()}}]


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


def test_an_answer_that_comes_before_the_request_is_read(tmp_path: Path) -> None:
    with full_daemon(tmp_path / "s"), pytest.raises(Unavailable, match="too many requests"):
        list(ask(tmp_path / "s", LONG, 5))


# ---- one user's places -----------------------------------------------------------------------------------------------


@contextmanager
def flood(path: Path, uid: int, request: bytes, number: int = 60) -> Iterator[None]:
    """Many connections of one user, which all send this and stay; a process of that user holds them."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as above
        child = os.fork()
    if child == 0:
        os.setgroups([NOBODY])
        os.setgid(uid)
        os.setuid(uid)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(number)]
        for client in clients:
            with suppress(OSError):
                client.connect(str(path))
                client.sendall(request)
        os.write(writing, b"x")
        signal.pause()
    os.close(writing)
    os.read(reading, 1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)


@pytest.fixture
def following(open_folder: Path) -> Iterator[Path]:
    """A daemon whose follow goes on until the client leaves."""

    def follow(_: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            threading.Event().wait(0.05)
            yield {}

    repository = open_folder / "r.git"
    repository.mkdir()
    os.chown(repository, NOBODY, NOBODY)
    server = Control(open_folder / "s", None, HANDLERS | {"follow": follow}, repository)
    server.start()
    yield open_folder / "s"
    server.stop()


FOLLOW = b'{"do": "follow", "revision": "x"}\n'
DAEMON = pwd.getpwnam("daemon").pw_uid


@pytest.mark.parametrize("request_of_all", [FOLLOW, b""], ids=["follows", "silent"])
def test_one_user_who_takes_every_place_takes_none_from_root_and_other_users(
    following: Path, request_of_all: bytes
) -> None:
    with flood(following, DAEMON, request_of_all):
        for _ in range(3):
            assert list(ask(following, {"do": "status", "new": "x"}, 5))
            assert "done" in as_user(following, NOBODY, [], {"do": "check", "new": "x"})
            assert "done" in as_user(following, NOBODY, [], {"do": "status", "new": "x"})


def test_follows_of_one_user_take_no_place_from_its_own_checks(following: Path) -> None:
    with flood(following, DAEMON, FOLLOW):
        assert "done" in as_user(following, DAEMON, [NOBODY], {"do": "check", "new": "x"})
        refused = as_user(following, DAEMON, [NOBODY], {"do": "follow", "revision": "x"})
        assert "too many requests" in refused["Unavailable"]
    eventually(following)


def test_so_many_users_and_root() -> None:
    places = control.Places()
    for user in range(1, control.MOST_USERS + 1):
        assert places.take((user, "check"))
    assert not places.take((control.MOST_USERS + 1, "check"))
    assert places.take((1, "check"))
    assert places.take((0, "check"))
    places.leave((2, "check"))
    assert places.take((control.MOST_USERS + 1, "check"))


# ---- the socket itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["folder", "socket", "another file"])
def test_a_socket_that_is_lost_is_made_again(open_folder: Path, loss: str) -> None:
    path = open_folder / "run/control.sock"
    server = Control(path, None, HANDLERS, open_folder)
    server.start()
    server.renew()
    path.unlink()
    if loss == "folder":
        path.parent.rmdir()
    elif loss == "another file":
        path.touch()
    server.renew()
    assert list(ask(path, {"do": "status", "new": "x"}, 5))
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o660, 0o755)
    assert server.limits == []
    server.stop()
    assert not path.exists()


def test_a_socket_that_is_there_stays(running: Path, open_folder: Path) -> None:
    assert list(ask(running, {"do": "status", "new": "x"}, 5))
    server = Control(open_folder / "own", None, HANDLERS, open_folder)
    server.start()
    made = (open_folder / "own").stat()
    server.renew()
    assert (open_folder / "own").stat() == made
    server.stop()


def test_a_socket_that_cannot_be_made_again_is_a_limit_until_it_can(open_folder: Path) -> None:
    path = open_folder / "run/control.sock"
    server = Control(path, None, HANDLERS, open_folder)
    server.start()
    path.unlink()
    path.parent.rmdir()
    path.parent.touch()
    server.renew()
    assert [one.partition(":")[0] for one in server.limits] == ["git hooks and commands can't reach the daemon"]
    path.parent.unlink()
    server.renew()
    assert server.limits == []
    assert list(ask(path, {"do": "status", "new": "x"}, 5))
    server.stop()


def test_a_stopped_daemon_makes_no_socket(open_folder: Path) -> None:
    server = Control(open_folder / "s", None, HANDLERS, open_folder)
    server.start()
    server.stop()
    server.renew()
    assert not (open_folder / "s").exists()


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
    with one_answer(tmp_path / "s", said, reads=1000), pytest.raises(Unavailable, match=why):
        list(ask(tmp_path / "s", {"do": "status"}, 5))


def test_a_daemon_that_never_answers_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
            list(ask(path, {"do": "status"}, 0.2))


def test_not_permitted_is_its_own_error() -> None:
    assert not issubclass(NotPermitted, Unavailable)


def test_a_handler_learns_who_asks_from_the_kernel_and_not_from_the_request(running: Path) -> None:
    assert as_user(running, NOBODY, [], {"do": "wake", "uid": 0}) == {"NotPermitted": "not permitted; ask as root"}
    answered = as_user(running, NOBODY, [], {"do": "check", "new": "x", "uid": 0})
    assert answered == {"done": {"status": "refused", "uid": NOBODY}}
