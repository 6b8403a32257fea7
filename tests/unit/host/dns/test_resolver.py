"""The name servers and the names of this host."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from reconciler.host.dns import resolver

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
