"""What listeners are asked: a recipient of each address class, from a client of each class."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.apply import questions as module
from reconciler.apply.questions import ELSEWHERE, Asked, Client, ClientClass, questions
from reconciler.postfix.networks import holds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address

    import pytest

HERE, NETWORK, STRANGER = ClientClass.HERE, ClientClass.NETWORK, ClientClass.STRANGER
TABLES = {
    "/etc/postfix/virtual": b"# who\n@all.test x\ninfo@alias.test root\nsales@alias.test root\nthird@alias.test root\n",
    "/etc/postfix/relay_domains": b"relay.test OK\n",
}


def asked(**values: str) -> dict[str, tuple[str, ...]]:
    """The recipients of a configuration, without the one elsewhere."""
    found = dict(questions(values, lambda path: TABLES.get(path, b"")).recipients)
    assert found.pop(ELSEWHERE) == ("postmaster@reconciler.invalid",)
    return found


def test_there_is_a_recipient_of_each_class_that_the_configuration_has() -> None:
    assert asked(
        mydestination="mx1.test, localhost", relay_domains="lmdb:/etc/postfix/relay_domains",
        virtual_alias_maps="proxy:hash:/etc/postfix/virtual", virtual_mailbox_domains="box.test",
    ) == {
        "local": ("postmaster@mx1.test", "root@mx1.test"),
        "virtual alias": ("info@alias.test", "sales@alias.test"),
        "virtual mailbox": ("postmaster@box.test",),
        "relay": ("postmaster@relay.test",),
    }  # fmt: skip


def test_a_postmaster_that_no_table_lists_is_known_to_be_a_guess_while_the_domain_is_new() -> None:
    def ask(**values: str) -> Asked:
        return questions(values, lambda path: TABLES.get(path, b""))

    listed = ask(virtual_alias_maps="hash:/etc/postfix/virtual", relay_domains="new.test, old.test")
    assert listed.unlisted == {"postmaster@new.test"}
    assert listed.since(ask(relay_domains="old.test")).unlisted == {"postmaster@new.test"}
    assert listed.since(ask(virtual_mailbox_domains="box.test new.test")).unlisted == frozenset()
    assert listed.since(ask(mydestination="mx1.test, new.test")).unlisted == frozenset()


def test_what_is_no_file_and_no_domain_is_left_out() -> None:
    assert asked(
        mydestination="localhost /etc/domains", virtual_alias_maps="ldap:/etc/x pcre:/etc/y static:z hash:relative",
        virtual_alias_domains="hash:/etc/postfix/virtual", relay_domains="!no.test $x",
    ) == {}  # fmt: skip
    assert asked(virtual_alias_maps="hash:/etc/nosuch", virtual_alias_domains="alias.test") == {
        "virtual alias": ("postmaster@alias.test",)
    }


def test_our_clients_also_write_as_our_postmaster() -> None:
    found = questions({"mydestination": "localhost", "myhostname": "mx1.test"}, lambda _: b"")
    assert found.senders(HERE) == ("", "postmaster@mx1.test")
    assert found.senders(STRANGER) == ("",)
    assert Asked().senders(HERE) == ("",)
    assert set(found.of(HERE)) == {ELSEWHERE}
    assert set(found.of(STRANGER)) == set()


def clients(target: str, networks: str, *addresses: str) -> dict[ClientClass, str]:
    """Who asks that target, on a host with these addresses."""
    asked, every = Asked(networks=tuple(networks.split())), {text: ip_address(text) for text in addresses}
    found = asked.clients(target, every)
    assert asked.clients(target, asked.few(every)) == found
    assert len(asked.few(every)) <= len(every)
    assert found[0].address == target
    return {one.kind: one.address for one in found}


def test_a_client_of_each_class_asks_as_far_as_there_is_an_address() -> None:
    host = ("127.0.0.1", "::1", "192.0.2.10", "fe80::1", "2001:db8::1")
    assert clients("127.0.0.1", "127.0.0.0/8", *host) == {HERE: "127.0.0.1", STRANGER: "192.0.2.10"}
    assert clients("127.0.0.1", "127.0.0.0/8 192.0.2.0/24", *host) == {HERE: "127.0.0.1", NETWORK: "192.0.2.10"}
    assert clients("127.0.0.1", "127.0.0.1/32 192.0.2.0/24", *host) == {
        HERE: "127.0.0.1", NETWORK: "192.0.2.10", STRANGER: "127.93.0.1",
    }  # fmt: skip
    assert clients("192.0.2.10", "127.0.0.0/8", *host) == {STRANGER: "192.0.2.10", HERE: "127.0.0.1"}
    assert clients("::1", "[::1]/128", *host) == {HERE: "::1", STRANGER: "2001:db8::1"}
    assert clients("192.0.2.10", "", "192.0.2.10") == {STRANGER: "192.0.2.10"}


def test_a_client_is_its_class_and_its_address() -> None:
    assert Asked().clients("::1", {"::1": ip_address("::1")}) == (Client(HERE, "::1"),)


def test_of_thousands_of_addresses_no_more_are_looked_at_than_classes_need(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []

    def counted(networks: Sequence[str], address: IPv4Address) -> bool:
        looked_at.append(str(address))
        return holds(networks, address)

    monkeypatch.setattr(module, "holds", counted)
    sites = [f"100.64.{number // 250}.{number % 250 + 1}" for number in range(5000)]
    asked = Asked(networks=("192.0.2.0/24",))
    few = asked.few({text: ip_address(text) for text in ("127.0.0.1", "192.0.2.10", *sites)})
    found = {one.kind: one.address for one in asked.clients("127.0.0.1", few)}
    assert found == {HERE: "127.0.0.1", NETWORK: "192.0.2.10", STRANGER: "100.64.0.1"}
    assert len(looked_at) < 6
