"""What a rehearsal is told to do, from the desired state and the facts alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.host_facts import facts
from tests.unit.rehearsals import script_of

if TYPE_CHECKING:
    from reconciler.rehearsal.inside.messages import Play


def listeners(play: Play) -> set[tuple[str, int]]:
    return {(one["listener"]["address"], one["listener"]["port"]) for one in play["dialogues"]}


def test_the_same_commit_on_the_same_host_gives_the_same_script() -> None:
    assert json.dumps(script_of().play) == json.dumps(script_of().play)


def test_each_listener_is_spoken_to_on_loopback_and_from_outside() -> None:
    assert listeners(script_of().play) == {("127.0.0.1", 25), ("192.0.2.10", 25), ("2001:db8::10", 25)}
    assert listeners(script_of({"inet_interfaces": "loopback-only"}).play) == {("127.0.0.1", 25)}
    assert listeners(script_of({"inet_protocols": "ipv4"}).play) == {("127.0.0.1", 25), ("192.0.2.10", 25)}
    assert listeners(script_of({"inet_protocols": "ipv6"}).play) == {("::1", 25), ("2001:db8::10", 25)}


def test_a_listener_that_master_leaves_out_is_left_out_and_its_flows_are_not_served() -> None:
    files = {
        "master.d/x.cf": "2525 inet n - n - - smtpd\n",
        "flows/x.yaml": "a: {to: root@mx.test.example, expect: accepted}\n",
    }
    script = script_of({"master_service_disable": "!2525/inet, inet"}, files)
    assert {port for _, port in listeners(script.play)} == {2525}
    assert [flow.name for flow in script.unserved] == ["a"]
    assert not any(line.startswith("smtp ") and " inet " in line for line in script.master_cf.split("\n"))


def test_a_name_is_spoken_to_at_the_addresses_that_it_has_on_this_host() -> None:
    files = {"master.d/x.cf": "mx2.test.example:2525 inet n - n - - smtpd\n"}
    known = facts(hosts={"mx2.test.example": ("192.0.2.10",), "mx3.test.example": None})
    play = script_of({"inet_interfaces": "127.0.0.1"}, files, known).play
    assert listeners(play) == {("127.0.0.1", 25), ("192.0.2.10", 2525)}
    assert play["world"]["names"]["mx2.test.example"] == ["192.0.2.10"]
    assert play["world"]["names"]["mx.test.example"] == ["192.0.2.10", "2001:db8::10"]


def test_the_hosts_own_names_for_this_host_are_spoken_to() -> None:
    """Debian's /etc/hosts gives a host's name an address of its own."""
    known = facts(hosts={"mx.test.example": ("127.0.1.1",)})
    assert listeners(script_of({"inet_interfaces": "$myhostname"}, facts=known).play) == {("127.0.1.1", 25)}
    assert listeners(script_of({"inet_interfaces": "$myhostname"}).play) == {("192.0.2.10", 25), ("2001:db8::10", 25)}


def test_a_postfix_outside_of_usr_brings_its_programs() -> None:
    assert script_of().play["room"]["programs"] == {}
    elsewhere = {"daemon_directory": "/opt/pf/libexec", "shlib_directory": "no", "command_directory": "/opt/pf/sbin"}
    shown = script_of(elsewhere).play["room"]["programs"]
    assert shown == {"/opt/pf/libexec": "master", "/opt/pf/sbin": "postconf"}


def test_a_message_enters_at_an_address_that_postfix_can_listen_on() -> None:
    assert script_of().play["injector"]["address"] == "127.0.0.1"
    new = script_of({"inet_protocols": "ipv6"}).play
    assert new["injector"]["address"] == "::1"
    assert f"\n[::1]:{new['injector']['port']} inet" in script_of({"inet_protocols": "ipv6"}).master_cf


def test_nobody_stands_in_where_the_candidate_listens_itself() -> None:
    extra = {
        "master.d/x.cf": "127.0.0.1:10025 inet n - n - - smtpd\n",
        "tables/transport": "a.example smtp:[127.0.0.1]:10025\n",
    }
    assert [one for one in script_of(files=extra).play["world"]["stand_ins"] if one.get("port") == 10025] == []
    there = script_of(files={"tables/transport": "a.example smtp:[127.0.0.1]:10024\n"}).play["world"]["stand_ins"]
    assert {"kind": "mail", "address": "127.0.0.1", "port": 10024, "near": True} in there


def test_there_is_room_for_the_largest_message() -> None:
    assert script_of({"message_size_limit": "1000"}).play["room"]["limits"]["space"] >= 256 << 20
    assert script_of({"message_size_limit": str(10 << 30)}).play["room"]["limits"]["space"] > 15 << 30


def test_many_services_may_take_more_than_few() -> None:
    few = script_of().play["room"]["limits"]
    many = script_of(files={"master.d/m.cf": "".join(f"s{n} unix - - n - - smtp\n" for n in range(500))})
    more = many.play["room"]["limits"]
    assert few["processes"] >= 1000
    assert more["processes"] - few["processes"] >= 1000
    assert more["memory"] > few["memory"] >= 1 << 30


def test_every_class_of_addresses_has_a_recipient() -> None:
    recipients = script_of({"relay_domains": "r.example"}).play["recipients"]
    expected = {"postmaster@mx.test.example", "root@mx.test.example", "somebody@r.example", "info@v.example"}
    assert expected <= set(recipients)


def test_a_flow_reaches_the_listener_of_its_port_and_its_family() -> None:
    flows = {
        "six": {"client": "2001:db8:1::7", "to": "a@b.example", "expect": "refused"},
        "four": {"to": "postmaster@$myhostname", "expect": "accepted"},
        "here": {"client": "127.0.0.1", "to": "a@b.example", "expect": "refused"},
        "nowhere": {"port": "submission", "to": "a@b.example", "expect": "accepted"},
    }
    done = script_of(files={"flows/all.yaml": json.dumps(flows)})
    assert [one["listener"]["address"] for one in done.play["flows"]] == ["2001:db8::10", "192.0.2.10", "127.0.0.1"]
    assert done.play["flows"][1]["recipients"] == ["postmaster@mx.test.example"]
    assert [flow.name for flow in done.unserved] == ["nowhere"]


def test_behind_postscreen_strangers_reach_the_smtpd() -> None:
    flow = {"flows/all.yaml": json.dumps({"a": {"to": "a@b.example", "expect": "refused"}})}
    pass_service = {"master.d/p.cf": "smtpd pass - - n - - smtpd\n", **flow}
    done = script_of(files=pass_service, services={"smtp/inet": {"command": "postscreen", "maxproc": 1}})
    assert [one["listener"]["address"] for one in done.play["flows"]] == ["192.0.2.10"]
    assert done.unserved == ()


@pytest.mark.parametrize("host", ["127.0.0.1::", "192.0.2.C5", ":", "1d"])
def test_what_only_looks_like_an_address_is_not_talked_to(host: str) -> None:
    assert listeners(script_of({"inet_interfaces": f"{host}, 127.0.0.1"}).play) == {("127.0.0.1", 25)}


def test_no_listener_sleeps_in_a_rehearsal() -> None:
    files = {"master.d/x.cf": "127.0.0.1:2525 inet n - n - - smtpd\n  -o { smtpd_helo_restrictions = SLEEP 20 }\n"}
    slow = {"smtpd_client_restrictions": "sleep 10, permit_mynetworks, sleep 3"}
    text = script_of(slow, files).master_cf
    assert text.count("sleep 0, permit_mynetworks, sleep 0") >= 2
    assert "SLEEP 0" in text
    named = script_of(
        {"smtpd_client_restrictions": "check_client_access table:sleep"}, {"tables/sleep": "a.example OK\n"}
    )
    assert "smtpd_client_restrictions" not in named.master_cf.partition("\n61000 ")[0].partition("127.0.0.1:61000")[0]
