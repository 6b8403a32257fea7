"""The name servers and the names of this host."""

from __future__ import annotations

import os
import socket
import time
from ipaddress import ip_address
from types import SimpleNamespace
from typing import TYPE_CHECKING

from reconciler.host.dns import many, resolver

if TYPE_CHECKING:
    from collections.abc import Iterable
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

    def ask_many(self, _: object) -> dict[object, tuple[object, ...]]:
        """Answer none of many questions at once."""
        return {}

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
    monkeypatch.setattr(resolver, "BRIEFLY", 1.0)
    silent, known = ([f"192.0.{third}.{last}" for last in range(250)] for third in (2, 3))
    dns = Dns(set(silent[:20]))
    monkeypatch.setattr(resolver, "_ask", dns.ask)
    monkeypatch.setattr(many, "ask", dns.ask_many)
    names = resolver.reverse_names([*silent[:20], *known, *silent[20:]])
    assert {address for address, found in names.items() if found is None} == set(silent[:20])
    assert names[known[-1]] == (f"{known[-1]}.example",)


def test_what_is_answered_in_one_go_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"a.example": "192.0.2.1", "other.example": "192.0.2.9"}
    reverse = {"1.2.0.192.in-addr.arpa": ["A.example.", "other.example."], "2.2.0.192.in-addr.arpa": []}

    def ask(questions: Iterable[many.DnsQuestion]) -> dict[many.DnsQuestion, tuple[object, ...]]:
        return {
            one: tuple(SimpleNamespace(target=name) for name in reverse[str(one.name)])
            if one.kind == "PTR"
            else (SimpleNamespace(address=there[one.name]),)
            for one in questions
            if one.kind == "A" or str(one.name) in reverse
        }

    dns = Dns({"192.0.2.3"})
    monkeypatch.setattr(resolver, "BRIEFLY", 0.05)
    monkeypatch.setattr(resolver, "_ask", dns.ask)
    monkeypatch.setattr(many, "ask", ask)
    names = resolver.reverse_names(["192.0.2.1", "192.0.2.2", "192.0.2.3"])
    assert names == {"192.0.2.1": ("a.example",), "192.0.2.2": (), "192.0.2.3": None}
    assert dns.waited == 1, "only what had no answer is asked by itself"


def test_a_resolver_that_does_not_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "BRIEFLY", 0.05)
    silent = [f"192.0.2.{last}" for last in range(250)]
    dns = Dns(set(silent))
    monkeypatch.setattr(resolver, "_ask", dns.ask)
    monkeypatch.setattr(many, "ask", dns.ask_many)
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
