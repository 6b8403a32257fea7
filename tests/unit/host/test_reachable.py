"""Which servers answer, and why others do not."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.host import reachable
from reconciler.model import Server
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from pathlib import Path


def servers(parameters: dict[str, str], files: dict[str, str] | None = None) -> set[Server]:
    return set(mentioned(compose(desired(parameters, files), HOST), HOST).servers)


def test_who_listens_answers_and_who_does_not_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        there = [Server("127.0.0.1", tcp.getsockname()[1]), Server(path=str(tmp_path / "s"))]
        assert reachable.ask(there) == dict.fromkeys(there, "")
    gone = [Server(path=str(tmp_path / "s")), Server(path=str(tmp_path / "nosuch"))]
    assert reachable.ask(gone) == {gone[0]: "connection refused", gone[1]: "there is no such socket"}


def test_a_server_that_is_busy_is_no_server_that_is_down(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as first:
        full.bind(str(tmp_path / "s"))
        full.listen(0)
        first.connect(str(tmp_path / "s"))
        stuck = Server(path=str(tmp_path / "s"))
        assert reachable.ask([stuck]) == {stuck: reachable.SLOW}


@pytest.mark.parametrize(
    ("code", "answer"), [(socket.EAI_AGAIN, None), (socket.EAI_FAIL, None), (socket.EAI_NONAME, reachable.NO_NAME)]
)
def test_a_name_is_missing_only_if_dns_says_so(code: int, answer: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "said by the C library")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    named = Server("nosuch.invalid", 25)
    assert reachable.ask([named]) == {named: answer}


def test_what_is_no_name_is_unknown() -> None:
    odd = [Server("\u00fc" * 70, 25)]
    assert reachable.ask(odd) == dict.fromkeys(odd)
    assert servers({"relayhost": "[198.51.100.1]:99999"}) == set()


def test_nothing_is_asked_of_nobody() -> None:
    assert reachable.ask([]) == {}


@pytest.mark.parametrize(
    ("flags", "answer"),
    [("81a0", ""), ("8180", "127.0.0.1 does not check DNSSEC"), ("8182", None), ("8185", None), ("", None)],
)
def test_a_name_server_says_by_one_bit_that_it_checks(
    flags: str, answer: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "resolv.conf").write_text("search example.com\nnameserver 127.0.0.1\nnameserver 192.0.2.53\n")
    monkeypatch.setattr(reachable, "_RESOLV_CONF", tmp_path / "resolv.conf")
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        resolver = Server(port=server.getsockname()[1])
        monkeypatch.setattr(reachable, "RESOLVER", resolver)
        monkeypatch.setattr(reachable, "TIMEOUT", 30)

        def reply() -> None:
            query, client = server.recvfrom(512)
            server.sendto(query[:2] + bytes.fromhex(flags) + query[4:] if flags else b"no", client)

        with ThreadPoolExecutor(1) as threads:
            replied = threads.submit(reply)
            assert reachable.ask([resolver]) == {resolver: answer}
            replied.result()


def test_without_a_name_server_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("nameserver nosuch\n", "nameserver ::ffff:127.0.0.1%nosuch\n", ""):
        (tmp_path / "resolv.conf").write_text(text)
        monkeypatch.setattr(reachable, "_RESOLV_CONF", tmp_path / "resolv.conf")
        with socket.socket(type=socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            free = Server(port=server.getsockname()[1])
        monkeypatch.setattr(reachable, "RESOLVER", free)
        assert reachable.ask([free]) == {free: None}
    monkeypatch.setattr(reachable, "_RESOLV_CONF", tmp_path / "nosuch")
    assert reachable.ask([free]) == {free: None}
