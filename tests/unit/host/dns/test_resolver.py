"""The name servers and the names of this host."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.host.dns import resolver
from reconciler.host.remembered import Remembered

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_name_servers_are_read_as_libc_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# nameserver 192.0.2.1\nsearch example.com\nnameserver 192.0.2.53\nnameserver\t2001:db8::53 # x\n")
    assert resolver.name_servers(str(file)) == ("192.0.2.53", "2001:db8::53")
    assert resolver.name_servers(f"{tmp_path}/nosuch") is None
    file.write_text("nameserver $6$secret\n")  # it may be a link to any file
    assert resolver.name_servers(str(file)) == ()


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "resolv.conf")
    assert resolver.name_servers(f"{tmp_path}/resolv.conf") == ()


def test_names_have_the_addresses_that_other_programs_find(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if name == "dead.example":
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.10", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    known = resolver.native_addresses(["mx2.example", "dead.example"])
    assert known == {"mx2.example": ("192.0.2.10",), "dead.example": None}


def test_a_reverse_name_is_asked_once_as_long_as_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent name server is not asked again at once, whatever it did not answer."""
    now, asked = [0.0], list[str]()

    def ask(name: str, *_: object) -> resolver.Answer:
        asked.append(name)
        if name.startswith("7."):
            return resolver.Answer(problem="no answer")
        if name.startswith("8."):
            return resolver.Answer(missing=True, seconds=60.0)
        return resolver.Answer(("mx.example",) if "arpa" in name else (ip_address("192.0.2.9"),), seconds=300.0)

    monkeypatch.setattr(resolver, "_ask", ask)
    monkeypatch.setattr(resolver, "_REVERSE", Remembered(lambda: now[0]))
    addresses = ["192.0.2.7", "192.0.2.8", "192.0.2.9"]
    expected = {"192.0.2.7": None, "192.0.2.8": (), "192.0.2.9": ("mx.example",)}
    assert resolver.reverse_names(addresses) == expected
    assert len(asked) == 4
    assert resolver.reverse_names(addresses) == expected
    assert len(asked) == 4
    now[0] = resolver.UNKNOWN
    assert resolver.reverse_names(addresses) == expected
    assert asked[4:] == ["7.2.0.192.in-addr.arpa"]
    now[0] = 60.0
    resolver.reverse_names(addresses)
    assert {name[:2] for name in asked[5:]} == {"7.", "8."}
    now[0] = 300.0
    resolver.reverse_names(addresses)
    assert asked[-1] == "mx.example"


def test_an_answer_holds_as_long_as_dns_says() -> None:
    assert resolver._holding(60) == 60.0  # noqa: SLF001
    assert resolver._holding(1 << 20) == 3600.0  # noqa: SLF001
    assert resolver._holding((1 << 32) - 1) == 0.0  # noqa: SLF001 - dnspython found no limit
