"""The strangers of a rehearsal: none that a table, a setting or the host itself means."""

from __future__ import annotations

import json
import time

import pytest

from reconciler.desired.flows import Flows
from reconciler.features.composition import compose
from reconciler.model import Interface
from reconciler.postfix.scopes import Scope
from reconciler.rehearsal.strangers import strangers
from tests.unit.desired_states import desired
from tests.unit.host_facts import HOST, facts
from tests.unit.rehearsals import script_of

FIRST, FIRST6 = "203.0.113.7", "2001:db8:ffff::7"
CLIENTS = {"smtpd_client_restrictions": "check_client_access table:c"}


def chosen(rows: str, suffix: str = "", parameters: dict[str, str] | None = None) -> tuple[str, str]:
    state = desired(CLIENTS | (parameters or {}), {f"tables/c{suffix}": rows})
    found = strangers(Scope(compose(state, HOST), HOST))
    return found.four, found.six


@pytest.mark.parametrize(
    ("suffix", "row"),
    [
        ("", "203.0.113.7 421 later"), ("", "203.0.113 REJECT"), ("", "203.0 REJECT"), ("", "203\tREJECT"),
        (".cidr", "203.0.113.0/24 REJECT"), (".cidr", "203.0.0.0/8 REJECT"), (".cidr", "192.0.0.0/4 REJECT\n"),
        (".cidr", "10.0.0.0/8 OK\n200.0.0.0/5 REJECT"), (".regexp", r"/^203\.0\.113\./ REJECT"),
        (".pcre", r"/^203[.](0|1)[.]/ HOLD"),
    ],
)  # fmt: skip
def test_an_address_that_a_table_means_is_no_strangers(suffix: str, row: str) -> None:
    four, six = chosen(f"{row}\n", suffix)
    assert (four, six) != (FIRST, FIRST6)
    assert not four.startswith("203.")
    assert six == FIRST6
    played = script_of(CLIENTS, {f"tables/c{suffix}": f"{row}\n"}).play
    assert four in {one["client"] for one in played["dialogues"]}
    assert FIRST not in {one["client"] for one in played["dialogues"]}


@pytest.mark.parametrize(
    ("suffix", "row"),
    [
        ("", "10.20.0.1 REJECT"), ("", "2030 REJECT"), (".cidr", "10.0.0.0/8 REJECT"), (".cidr", "0.0.0.0/0 HOLD"),
        (".cidr", "128.0.0.0/16 REJECT"), ("", "2001:db8:1 REJECT"), (".cidr", "2001:db8:dead::/48 REJECT"),
    ],
)  # fmt: skip
def test_what_means_others_or_everybody_leaves_the_first(suffix: str, row: str) -> None:
    assert chosen(f"{row}\n", suffix) == (FIRST, FIRST6)


@pytest.mark.parametrize("row", ["203.0.113.7 421 later", "203.0 REJECT", "203\tREJECT", "200.0.0.0/5 REJECT"])
@pytest.mark.parametrize("place", [0, 10_000, 19_999])
def test_a_row_of_a_large_table_is_found_wherever_it_is(row: str, place: int) -> None:
    rows = [f"client{number}.v.example REJECT" for number in range(20_000)]
    assert chosen("\n".join(rows))[0] == FIRST
    assert chosen("\n".join([*rows[:place], row, *rows[place:]]))[0] != FIRST


@pytest.mark.parametrize(
    "row", ["2001:db8:ffff::/48 REJECT", "2001:DB8::/32 REJECT", "2001:db8 REJECT", "2001::/16 REJECT", "2000::/8 X"]
)
def test_the_other_family_has_its_own(row: str) -> None:
    four, six = chosen(f"{row}\n", ".cidr" if "/" in row else "")
    assert four == FIRST
    assert six != FIRST6


def test_settings_and_the_hosts_own_networks_count_and_where_all_are_meant_the_first_is_used() -> None:
    assert chosen("a.example OK\n", parameters={"mynetworks": "203.0.113.0/24"})[0] == "198.51.100.7"
    wide = {"debug_peer_list": "$mynetworks", "mynetworks": "200.0.0.0/5"}
    assert chosen("a.example OK\n", parameters=wide)[0] == "198.51.100.7"
    near = facts(addresses=(Interface.of("203.0.113.10/24"),))
    state = desired()
    assert strangers(Scope(compose(state, near), near)).four == "198.51.100.7"
    assert chosen("0.0.0.0/1 REJECT\n128.0.0.0/1 REJECT\n::/1 REJECT\n", ".cidr") == (FIRST, "2001:db8:ffff::7")


def test_a_flow_keeps_the_client_that_it_names() -> None:
    flows = {"a": {"client": FIRST, "to": "a@b.example", "expect": "refused"}}
    flows["b"] = {"to": "a@b.example", "expect": "refused"}
    files = {"tables/c": f"{FIRST} REJECT\n", "flows/all.yaml": json.dumps(flows)}
    done = script_of(CLIENTS, files)
    assert [one["client"] for one in done.play["flows"]] == [FIRST, "198.51.100.7"]
    assert desired(CLIENTS, files).section(Flows)
    six = script_of({"inet_protocols": "ipv6"}, {"flows/all.yaml": json.dumps({"b": flows["b"]})})
    assert [one["client"] for one in six.play["flows"]] == [FIRST6]


def test_a_long_table_is_cheap() -> None:
    rows = "".join(f"10.{n >> 8 & 255}.{n & 255}.0/24 REJECT\n" for n in range(200_000))
    state = desired(CLIENTS, {"tables/c.cidr": rows})
    main = Scope(compose(state, HOST), HOST)
    began = time.process_time()
    assert strangers(main).four == FIRST
    assert time.process_time() - began < 1
