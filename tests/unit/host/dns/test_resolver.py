"""The name servers and the names of this host."""

from __future__ import annotations

import os
import socket
import time
from ipaddress import ip_address
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


class Dns:
    """DNS in which some addresses are answered after a moment, and the others never."""

    def __init__(self, silent: set[str]) -> None:
        self.silent, self.waited = silent, 0

    def ask(self, name: str, kind: str, _: object, lifetime: float) -> resolver.Answer:
        """Answer as _ask() does."""
        address = ".".join(reversed(name.split(".")[:4])) if kind == "PTR" else name.removesuffix(".example")
        if address in self.silent:
            self.waited += 1
            time.sleep(lifetime)
            return resolver.Answer(problem="no answer")
        time.sleep(0.002)
        return resolver.Answer((f"{address}.example",) if kind == "PTR" else (ip_address(address),))


def test_all_addresses_are_asked_while_they_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "BRIEFLY", 0.05)
    silent, known = ([f"192.0.{third}.{last}" for last in range(250)] for third in (2, 3))
    dns = Dns(set(silent[:20]))
    monkeypatch.setattr(resolver, "_ask", dns.ask)
    names = resolver.reverse_names([*silent[:20], *known, *silent[20:]])
    assert {address for address, found in names.items() if found is None} == set(silent[:20])
    assert names[known[-1]] == (f"{known[-1]}.example",)


def test_a_resolver_that_does_not_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "BRIEFLY", 0.05)
    silent = [f"192.0.2.{last}" for last in range(250)]
    dns = Dns(set(silent))
    monkeypatch.setattr(resolver, "_ask", dns.ask)
    assert resolver.reverse_names(silent) == dict.fromkeys(silent)
    assert dns.waited <= 32, "each thread has waited once"


def test_names_have_the_addresses_that_other_programs_find(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if name == "dead.example":
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.10", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    known = resolver.native_addresses(["mx2.example", "dead.example"])
    assert known == {"mx2.example": ("192.0.2.10",), "dead.example": None}
