"""Which of this host's addresses an interface of a rehearsal has, and which are its own by a route."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from reconciler.model import Interface
from tests.unit.host_facts import HOST
from tests.unit.rehearsals import script_of

if TYPE_CHECKING:
    from reconciler.model import Facts
    from reconciler.rehearsal.inside.messages import WorldParameters

OWN = [f"100.64.0.{number}/32" for number in range(1, 41)]
SITES = {
    path: text
    for number in range(1, 41)
    for path, text in {
        f"sites/site{number}/site.yaml": (
            f"domains: [d{number}.test]\ndelivery: {{address: 100.64.0.{number}, helo: mail.d{number}.test}}\n"
        )
    }.items()
}


def having(*addresses: str) -> Facts:
    """Return the facts of a host that has these addresses as well."""
    return replace(HOST, addresses=(*HOST.addresses, *map(Interface.of, addresses)))


def world(
    parameters: dict[str, str] | None = None, files: dict[str, str] | None = None, **more: Facts
) -> WorldParameters:
    return script_of(parameters, files, **{"facts": having(*OWN), **more}).play["world"]


def routed(found: WorldParameters) -> set[str]:
    """Return the addresses that the host has by routes alone, each once."""
    addresses = [str(one) for network in map(ip_network, found["networks"]) for one in network]
    assert len(addresses) == len(set(addresses))
    return set(addresses)


def bare(*texts: str) -> set[str]:
    return {text.partition("/")[0] for text in texts}


def test_addresses_that_sites_alone_name_are_routed_and_each_is_the_hosts_in_one_way() -> None:
    found = world(files=SITES)
    on_interfaces = bare(*found["addresses"])
    assert len(routed(found)) > 30
    assert on_interfaces.isdisjoint(routed(found))
    assert on_interfaces | routed(found) == bare(*map(str, having(*OWN).addresses))
    assert [one for one in found["addresses"] if ":" in one] == [
        str(one) for one in HOST.addresses if one.ip.version == 6
    ]
    assert "127.0.0.1" in on_interfaces
    assert set(found["names"]["mx.test.example"]) == {one for one in on_interfaces if not ip_address(one).is_loopback}


def test_an_address_is_routed_as_long_as_the_host_has_it_and_nothing_else_names_it() -> None:
    host, other = having(*OWN), having(*OWN[:29], *OWN[30:])
    named = {"tables/transport": "a.test smtp:[100.64.0.30]:2525\n"}
    states: list[tuple[dict[str, str], Facts]] = [({}, host), (named, host), ({}, other), ({}, host)]
    found = [routed(world(files=SITES | more, facts=facts)) for more, facts in states]
    assert ["100.64.0.30" in one for one in found] == [True, False, False, True]


def test_of_few_addresses_each_is_on_an_interface() -> None:
    found = world(facts=having(*OWN[:12]))
    assert found["networks"] == []
    assert bare(*OWN[:12]) <= bare(*found["addresses"])


@pytest.mark.parametrize(
    ("parameters", "files"),
    [
        ({"inet_interfaces": "127.0.0.1, 100.64.0.30"}, {}),
        ({"smtp_bind_address": "100.64.0.30"}, {}),
        ({"proxy_interfaces": "100.64.0.30"}, {}),
        ({}, {"master.d/x.cf": "100.64.0.30:2525 inet n - n - - smtpd\n"}),
        ({}, {"master.d/x.cf": "x unix - - n - - pipe\n  flags=R user=nobody argv=/usr/bin/true 100.64.0.30\n"}),
        ({}, {"tables/transport": "a.test smtp:[100.64.0.30]:2525\n"}),
        ({}, {"tables/virtual": "test.example -\nroot@test.example root@[100.64.0.30]\n"}),
        ({}, {"flows/x.yaml": "a: {client: 100.64.0.30, to: root@mx.test.example, expect: accepted}\n"}),
    ],
    ids=[
        "listened on",
        "left from by all",
        "proxied",
        "a listener",
        "an argument",
        "a route",
        "a recipient",
        "a client",
    ],
)
def test_an_address_that_something_else_names_is_on_an_interface(
    parameters: dict[str, str], files: dict[str, str]
) -> None:
    found = world(parameters, {**SITES, **files})
    assert "100.64.0.30" in bare(*found["addresses"])
    assert "100.64.0.29" in routed(found)


def test_an_address_of_a_name_that_a_service_listens_on_is_on_an_interface() -> None:
    files = {"master.d/x.cf": "mx2.test.example:2525 inet n - n - - smtpd\n"}
    facts = replace(having(*OWN), hosts={"mx2.test.example": ("100.64.0.30",)})
    assert "100.64.0.30" in bare(*world(files=files, facts=facts)["addresses"])


def test_of_a_larger_network_one_address_stands_for_it_on_an_interface() -> None:
    """The default of mynetworks is made of these networks."""
    found = world(facts=having(*(f"203.0.113.{number}/25" for number in range(1, 61)), "203.0.113.200/25"))
    assert [one for one in found["addresses"] if one.startswith("203")] == ["203.0.113.1/25", "203.0.113.200/25"]
    assert routed(found) == {str(one) for one in IPv4Network("203.0.113.0/24") if 1 < int(one) % 256 < 61}
