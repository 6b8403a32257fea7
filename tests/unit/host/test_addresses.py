"""The addresses of this host come with their prefixes, each is read once, and the same ones are the same value."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

import psutil

from reconciler.host import addresses
from reconciler.model import Interface
from reconciler.model.facts import by_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

LOCAL, BROADCAST, LABEL = 2, 4, 3


def message(address: str, prefix: int, **more: bytes) -> bytes:
    """A struct ifaddrmsg with attributes, as the kernel writes it."""
    packed = ip_address(address).packed
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    told = struct.pack("=BBBBI", family, prefix, 0, 0, 1)
    for name, value in (("1", packed), *more.items()):
        told += struct.pack("=HH", 4 + len(value), int(name)) + value + bytes(-len(value) % 4)
    return told


def kernel(*messages: bytes) -> object:
    def dumped(*_: object) -> Iterator[bytes]:
        yield from messages

    return dumped


def test_they_are_those_that_the_c_library_lists() -> None:
    listed = (one for interface in psutil.net_if_addrs().values() for one in interface)
    texts = {one.address.partition("%")[0] for one in listed if one.family in {socket.AF_INET, socket.AF_INET6}}
    assert {str(one.ip) for one in addresses.own()} == {str(ip_address(text)) for text in texts}
    assert Interface.of("127.0.0.1/8") in addresses.own()
    assert addresses.own() is addresses.own()


def test_our_end_of_a_line_counts_and_other_families_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, others = ip_address("10.1.1.1").packed, struct.pack("=BBBBI", 28, 8, 0, 0, 1)
    told = (message("10.1.1.2", 32, **{str(LOCAL): ours, str(LABEL): b"lo\0"}), others, message("2001:db8::1", 64))
    monkeypatch.setattr(addresses, "dumped", kernel(*told))
    assert list(map(str, addresses.listed())) == ["10.1.1.1/32", "2001:db8::1/64"]


def test_the_same_addresses_are_the_same_value_which_is_written_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [message(f"10.9.8.{number}", 24) for number in range(50)]
    monkeypatch.setattr(addresses, "dumped", kernel(*told))
    own = addresses.listed()
    assert by_text(own) is by_text(own)
    assert list(by_text(own)) == [f"10.9.8.{number}" for number in range(50)]
    monkeypatch.setattr(addresses, "dumped", kernel(*told[1:]))
    assert list(by_text(addresses.listed())) == [f"10.9.8.{number}" for number in range(1, 50)]
    assert {type(one) for one in by_text(own).values()} <= {IPv4Address, IPv6Address}
