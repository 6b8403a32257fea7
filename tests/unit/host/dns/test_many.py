"""Many questions are asked over one socket, and what is not answered for certain is left out."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from reconciler.host.dns import many
from reconciler.host.dns.many import DnsQuestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def answer(query: dns.message.Message) -> dns.message.Message | None:
    """Answer what a name asks for in its first label."""
    name, response = query.question[0].name, dns.message.make_response(query)
    first = str(name).partition(".")[0]
    if first == "silent":
        return None
    if first == "fails":
        response.set_rcode(dns.rcode.SERVFAIL)
    elif first == "missing":
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif first == "long":
        response.flags |= dns.flags.TC
    elif first == "alias":
        response.answer += [
            dns.rrset.from_text(name, 60, "IN", "CNAME", "real.example."),
            dns.rrset.from_text("real.example.", 60, "IN", "A", "192.0.2.7"),
        ]
    elif first != "empty":
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.1"))
    return response


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """A name server on a port of its own; returns how many clients have asked it."""
    clients = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                wire, client = here.recvfrom(4096)
                if not wire:
                    return
                clients.add(client)
                if response := answer(dns.message.from_wire(wire)):
                    here.sendto(response.to_wire(), client)

        port = here.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "Resolver", lambda: SimpleNamespace(nameservers=["127.0.0.1"], port=port))
        thread = threading.Thread(target=serve)
        thread.start()
        yield lambda: len(clients)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", ("127.0.0.1", port))
        thread.join()


def found(*names: str) -> dict[str, list[str]]:
    """Return the addresses of the names that are answered."""
    asked = [DnsQuestion(f"{name}.example", "A") for name in names]
    return {one.name.partition(".")[0]: [record.address for record in told] for one, told in many.ask(asked).items()}


def test_hundreds_of_questions_share_a_socket(server: Callable[[], int]) -> None:
    names = [f"n{number}" for number in range(500)]
    assert found(*names) == {name: ["192.0.2.1"] for name in names}
    assert server() == 1


def test_what_is_not_certain_is_left_out(server: Callable[[], int]) -> None:
    assert found("silent", "fails", "long", "missing", "empty", "alias") == {
        "missing": [],
        "empty": [],
        "alias": ["192.0.2.7"],
    }
    assert server() == 1


def test_a_host_without_a_name_server_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setattr(dns.resolver, "Resolver", lambda: SimpleNamespace(nameservers=["127.0.0.1"], port=port))
    assert found("a", "b") == {}
    monkeypatch.setattr(dns.resolver, "Resolver", lambda: SimpleNamespace(nameservers=["https://x"], port=53))
    assert found("a") == {}
