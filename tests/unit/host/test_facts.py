"""The facts of the machine that runs the tests, and those that a recorded postconf tells."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.host import facts, reachable
from reconciler.host.dns import resolver
from reconciler.host.programs import postconf, postfix
from reconciler.host.settings import Settings
from reconciler.host.sockets import Socket
from reconciler.model import Mentioned, Pem, Server
from tests.unit.recorded_host import recorded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_what_the_package_brings_is_asked_once(tmp_path: Path) -> None:
    host = recorded()
    settings = Settings(host="mx1", config_directory=tmp_path)
    known = facts.gather(host, settings, Mentioned(frozenset({"/etc/passwd", "/etc", "/nosuch"})))
    assert (known.host, known.version) == ("mx1", "3.7.11")
    assert known.parameters["virtual_alias_domains"] == "$virtual_alias_maps"
    assert {"lmdb", "pcre"} <= known.map_types
    assert "postconf-d.txt" in known.programs
    assert "root" in known.users
    assert known.packages == {"postsrsd": "1.10-2"}
    assert known.files == {"/etc/passwd": True, "/etc": False, "/nosuch": False}
    asked = len(host.asked)
    assert facts.gather(host, settings).version == "3.7.11"
    alone = facts.postfix_facts(host, settings)
    assert len(host.asked) == asked == 3
    assert (alone.parameters, alone.map_types, alone.programs) == (known.parameters, known.map_types, known.programs)
    assert (alone.users, alone.listeners, alone.reads) == (frozenset(), (), {})


def test_what_was_read_while_files_were_gone_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, settings, maps = recorded(), Settings(host="mx1", config_directory=tmp_path), tmp_path / "dynamicmaps.cf"
    maps.write_text("lmdb postfix-lmdb.so dict_lmdb_open\n")
    monkeypatch.setattr(postfix, "STOCK_DIRECTORY", tmp_path)

    def without_maps(*_: object) -> frozenset[str]:
        maps.unlink()
        return frozenset({"texthash"})

    with monkeypatch.context() as removed:
        removed.setattr(postconf, "map_types", without_maps)
        assert "lmdb" not in facts.postfix_facts(host, settings).map_types
    maps.write_text("lmdb postfix-lmdb.so dict_lmdb_open\n")
    assert "lmdb" in facts.postfix_facts(host, settings).map_types


def test_postconf_is_asked_in_a_folder_of_its_own(tmp_path: Path) -> None:
    host = recorded()
    (tmp_path / "main.cf").write_text("this breaks every program of Postfix\n")
    facts.gather(host, Settings(host="mx1", config_directory=tmp_path))
    assert not [line for line in host.asked if str(tmp_path) in line]


@pytest.mark.parametrize("netlink", [True, False])
def test_every_listener_is_known_with_its_program(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, *, netlink: bool
) -> None:
    if not netlink:
        monkeypatch.setattr("reconciler.host.sockets._SOCK_DIAG", 99)
    address, port = listener.getsockname()
    found = [one for one in facts.listeners(None) if one.port == port]
    assert [(one.address, one.ours) for one in found] == [(address, False)]
    assert found[0].program in Path("/proc/self/comm").read_text()
    assert [one.ours for one in facts.listeners(os.getpid()) if one.port == port] == [True]


def test_a_listener_whose_holder_is_hidden_is_no_evidence_of_another_program_while_the_master_runs(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.host.facts._owners", lambda _: {})
    monkeypatch.setattr("reconciler.host.sockets.held", lambda _: set())
    port = listener.getsockname()[1]
    assert [(one.program, one.ours) for one in facts.listeners(os.getpid()) if one.port == port] == [("", True)]
    assert [one.ours for one in facts.listeners(None) if one.port == port] == [False]


def test_the_sockets_of_a_master_are_looked_at_again_when_the_listeners_change(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, own = list[int](), [7001]

    def held(pid: int) -> set[int]:
        looked.append(pid)
        return {7001, 7002}

    def open_in(_: int) -> list[Socket]:
        return [Socket(("127.0.0.1", 1), ("", 0), inode) for inode in own]

    monkeypatch.setattr("reconciler.host.sockets.open_in", open_in)
    monkeypatch.setattr("reconciler.host.sockets.held", held)
    monkeypatch.setattr("reconciler.host.facts._owners", lambda _: {})
    assert [[one.ours for one in facts.listeners(17)] for _ in range(3)] == [[True]] * 3
    assert looked == [17]
    own.append(7002)
    assert [one.ours for one in facts.listeners(17)] == [True, True]
    facts.listeners(18)
    assert looked == [17, 17, 18]


@pytest.mark.parametrize("netlink", [True, False])
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_other_end_of_a_connection_has_an_owner(
    family: int, address: str, monkeypatch: pytest.MonkeyPatch, *, netlink: bool
) -> None:
    if not netlink:
        monkeypatch.setattr("reconciler.host.sockets._SOCK_DIAG", 99)
    with (
        socket.create_server((address, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        ends = client.getsockname()[:2], client.getpeername()[:2]
        assert facts.owner_of_connection(*ends) is None
        with server.accept()[0]:
            assert facts.owner_of_connection(*ends) == os.getpid()


def test_ports_are_known_by_name_and_alias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = tmp_path / "services"
    services.write_text(
        "smtp\t25/tcp\tmail # a comment\nsubmissions 465/tcp ssmtp smtps\nntp 123/udp\nsmtp 26/tcp\n\n#x 1/tcp\n"
    )
    monkeypatch.setattr("reconciler.host.facts.SERVICES", services)
    known = facts.gather(recorded(), Settings(host="mx1", config_directory=tmp_path)).ports
    assert known == {"smtp": 25, "mail": 25, "submissions": 465, "ssmtp": 465, "smtps": 465}


def test_servers_are_asked_again_only_when_asked_to(tmp_path: Path) -> None:
    settings = Settings(host="mx1", config_directory=tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = Server("127.0.0.1", server.getsockname()[1])
        known = facts.gather(recorded(), settings, Mentioned(servers=frozenset({there})))
    assert known.answers == {there: ""}
    assert facts.gather_again(recorded(), settings, known, ask=False).answers == known.answers
    assert facts.gather_again(recorded(), settings, known, ask=True).answers == {there: "connection refused"}


def test_what_a_pass_knows_already_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def names(addresses: Collection[str]) -> dict[str, tuple[str, ...] | None]:
        asked.extend(sorted(addresses))
        return dict.fromkeys(addresses)

    monkeypatch.setattr(resolver, "reverse_names", names)
    host, settings = recorded(), Settings(host="mx1", config_directory=tmp_path)
    first = facts.gather(host, settings, Mentioned(addresses=frozenset({"192.0.2.1", "192.0.2.2"})))
    more = facts.gather(host, settings, Mentioned(addresses=frozenset({"192.0.2.1", "192.0.2.3"})), [first])
    assert more.names == {"192.0.2.1": None, "192.0.2.3": None}
    assert asked == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert facts.gather_again(host, settings, more, ask=False).names == more.names
    assert len(asked) == 3
    facts.gather_again(host, settings, more, ask=True)
    assert asked[3:] == ["192.0.2.1", "192.0.2.3"], "a later pass asks anew"
    right = facts.FromOthers(names={"192.0.2.1": ("a.example",)})
    again = facts.gather_again(host, settings, more, ask=True, known=[right])
    assert again.names == {"192.0.2.1": ("a.example",), "192.0.2.3": None}
    assert asked[5:] == ["192.0.2.3"], "but for what was right a moment ago"


def test_who_does_not_answer_is_waited_for_at_the_same_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=10)

    def answers(questions: Collection[object]) -> dict[object, None]:
        both.wait()  # breaks unless the other question is asked meanwhile
        return dict.fromkeys(questions)

    monkeypatch.setattr(resolver, "reverse_names", answers)
    monkeypatch.setattr(reachable, "ask", answers)
    server = Server("192.0.2.25", 25)
    asked = Mentioned(addresses=frozenset({"192.0.2.1"}), servers=frozenset({server}))
    known = facts.gather(recorded(), Settings(host="mx1", config_directory=tmp_path), asked)
    assert (known.answers, known.names) == ({server: None}, {"192.0.2.1": None})


def test_a_name_that_no_file_can_have_is_not_there(tmp_path: Path) -> None:
    long = f"/etc/{'x' * 300}"
    named = Mentioned(paths=frozenset({"/etc/passwd", long}), pems=frozenset({long}))

    known = facts.gather(recorded(), Settings(host="mx1", config_directory=tmp_path), named)

    assert known.files == {"/etc/passwd": True, long: False}
    assert known.pems == {long: Pem()}
