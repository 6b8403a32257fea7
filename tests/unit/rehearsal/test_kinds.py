"""What a rehearsal plays of what is alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.model import File, Interface, Service, Where
from reconciler.postfix.scopes import Scope
from reconciler.rehearsal.kinds import FEW, MOST, Changed, changed_by, choose, with_few_scopes
from reconciler.rehearsal.script import Script, write
from reconciler.trees.plan import diff
from tests.benchmarks.states import Size, address_of, state
from tests.unit.host_facts import HOST, facts
from tests.unit.rehearsals import script_of

if TYPE_CHECKING:
    from reconciler.model import Facts, Tree

SITES = 40
OWN = facts(addresses=(*HOST.addresses, *(Interface.of(f"{address_of(one)}/32") for one in range(1, SITES + 2))))
NOTHING = Changed(frozenset())


def played(files: dict[str, str], changed: Changed | None = NOTHING, host: Facts = OWN, sites: int = SITES) -> Script:
    """Write the script for many sites with more files."""
    texts = state(Size(sites=sites)) | files
    desired = load({path: File.of(text.encode()) for path, text in texts.items()}, "mx.test.example", {})
    assert not desired.findings
    return write(desired, host, compose(desired, host), changed)


def agents(done: Script) -> list[str]:
    """Return the names of the delivery services that get a message."""
    return [done.services[int(one["name"].removeprefix("agent-"))].name for one in done.play["agents"]]


def of_sites(done: Script) -> list[str]:
    return [name for name in agents(done) if name.startswith("site")]


def in_master_cf(done: Script) -> list[str]:
    """Return the services of sites that run, and look that the socket of each other one leads to one of them."""
    running = [line.split(" ")[0] for line in done.master_cf.split("\n") if line.startswith("site")]
    every = [service.name for service in done.services if service.name.startswith("site")]
    sockets = {f"private/{name}": running[0] for name in every if name not in running}
    assert done.play["room"]["sockets"] == sockets
    return running


def test_of_sites_that_deliver_alike_a_few_are_played_and_stand_for_all_in_master_cf() -> None:
    done = played({})
    assert of_sites(done) == in_master_cf(done) == ["site1-out", "site2-out"]
    assert {"smtp", "local"} <= set(agents(done))


def test_a_site_that_changes_or_is_like_no_other_stands_in_master_cf_itself_and_with_flows_all_do() -> None:
    files = {
        "master.d/site5-a.cf": "site5-odd unix - - n - - smtp\n  -o smtp_helo_timeout=9\n",
        "master.d/site6-a.cf": "site6-two unix - - n - 2 smtp\n",
    }
    done = played(files, Changed(frozenset({"site30-out/unix"})))
    assert in_master_cf(done) == ["site1-out", "site30-out", "site5-odd", "site6-two"]
    done = played({"flows/x.yaml": "a: {to: root@mx.test.example, expect: accepted}\n"})
    assert len(in_master_cf(done)) == SITES
    assert len(in_master_cf(played({}, None))) == SITES
    assert len(in_master_cf(played({}, sites=9))) == 9


def test_a_service_that_would_listen_in_another_folder_stands_in_master_cf_itself() -> None:
    lines = "".join(f"a/s{one} unix - - n - - smtp\n  -o smtp_helo_name=x{one}.test\n" for one in range(40))
    done = played({"master.d/m.cf": lines}, sites=0)
    assert done.master_cf.count("smtp_helo_name=x") == 40
    assert done.play["room"]["sockets"] == {}


def test_a_site_whose_address_goes_away_stands_in_master_cf_itself_until_it_is_back() -> None:
    other = facts(addresses=tuple(one for one in OWN.addresses if str(one.ip) != address_of(9)))
    assert in_master_cf(played({})) == ["site1-out", "site2-out"]
    assert in_master_cf(played({}, host=other)) == ["site1-out", "site2-out", "site9-out"]
    assert in_master_cf(played({})) == ["site1-out", "site2-out"]


def test_a_program_that_the_host_has_not_makes_an_agent_of_a_service() -> None:
    lines = {"master.d/x.cf": "x unix - - n - - scache\n"}
    other = facts(addresses=OWN.addresses, programs=OWN.programs - {"scache"})
    assert ["x" in agents(played(lines, host=host)) for host in (OWN, other, OWN)] == [False, True, False]


def test_a_site_that_main_cf_has_a_setting_for_stands_in_master_cf_itself() -> None:
    mail = state(Size(sites=1))["mail.yaml"] + "  site7-out_destination_concurrency_limit: '3'\n"
    assert in_master_cf(played({"mail.yaml": mail})) == ["site1-out", "site2-out", "site7-out"]


def test_every_site_that_a_commit_adds_or_changes_is_played() -> None:
    assert of_sites(played({}, Changed(frozenset({"site30-out/unix"})))) == ["site1-out", "site30-out"]
    several = Changed(frozenset({"site7-out/unix", "site9-out/unix", "site30-out/unix"}))
    assert of_sites(played({}, several)) == ["site7-out", "site9-out", "site30-out"]


def test_of_many_that_change_at_once_a_bounded_number_is_played() -> None:
    assert len(of_sites(played({}, None))) == MOST


@pytest.mark.parametrize(
    "option",
    [
        "smtp_tls_security_level=bogus", "smtp_helo_name=mail..d5.test", "smtp_bind_address=203.0.113.99",
        "smtp_bind_address=nosuch", "smtp_generic_maps=lmdb:/nosuch", "smtp_connect_timeout=x",
        "smtp_sasl_password_maps=texthash:/etc/nosuch", "smtp_tls_cert_file=/etc/ssl/nosuch.pem", "smtp_helo_name=",
    ],
)  # fmt: skip
def test_a_site_with_another_option_is_of_another_kind(option: str) -> None:
    text = f"odd unix - - n - - smtp\n  -o syslog_name=postfix/odd\n  -o {option}\n"
    usual = "usual{} unix - - n - - smtp\n  -o syslog_name=postfix/usual\n  -o smtp_helo_name=a{}.test\n"
    files = {"master.d/a.cf": "".join(usual.format(one, one) for one in range(9)) + text}
    done = agents(played({**files, "tables/transport": "odd.test odd:\n"}, sites=1))
    assert "odd" in done
    assert sum(name.startswith("usual") for name in done) == FEW


def test_names_addresses_users_and_tables_of_the_commit_make_no_kinds() -> None:
    lines = [
        f"s{one} unix - - n - - smtp\n  -o smtp_helo_name=mail.d{one}.test\n  -o smtp_bind_address={address_of(one)}\n"
        f"  -o smtp_generic_maps=table:t{one}\n"
        f"p{one} unix - n n - - pipe\n  user={user} argv=/usr/bin/deliver\n"
        for one, user in zip(range(1, 5), ("root", "nobody", "vmail", "postfix"), strict=True)
    ]
    tables = {f"tables/t{one}": "a@b.test c@d.test\n" for one in range(1, 5)}
    done = agents(played({"master.d/m.cf": "".join(lines), **tables}, sites=0))
    assert [name for name in done if name[0] in "sp" and name[1:].isdigit()] == ["s1", "p1", "s2", "p2"]


def test_a_table_that_changes_changes_the_services_whose_options_name_it() -> None:
    lines = [f"s{one} unix - - n - - smtp\n  -o smtp_generic_maps=table:t{one}\n" for one in range(1, 6)]
    tables = {f"tables/t{one}": "a@b.test c@d.test\n" for one in range(1, 6)}
    done = played(
        {"master.d/m.cf": "".join(lines), **tables}, Changed(frozenset(), {"t4": (("a@b.test", "x"),)}), sites=0
    )
    assert [name for name in agents(done) if name[0] == "s" and name[1:].isdigit()] == ["s1", "s4"]


def test_a_setting_of_main_cf_for_one_transport_makes_it_a_kind_of_its_own() -> None:
    lines = "".join(f"s{one} unix - - n - - smtp\n  -o smtp_helo_name=x{one}.test\n" for one in range(9))
    mail = state(Size())["mail.yaml"] + "  s7_destination_concurrency_limit: 1\n"
    assert [name for name in agents(played({"master.d/m.cf": lines, "mail.yaml": mail}, sites=0)) if name[0] == "s"
            and name[1:].isdigit()] == ["s0", "s1", "s7"]  # fmt: skip


def test_listeners_that_differ_by_address_alone_are_alike() -> None:
    lines = "".join(f"{address_of(one)}:25 inet n - n - - smtpd\n" for one in range(1, 10))
    lines += f"{address_of(10)}:587 inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
    files = {"master.d/l.cf": lines, "mail.yaml": state(Size())["mail.yaml"] + "services: {smtp/inet: null}\n"}
    asked = {one["listener"]["address"] for one in played(files, sites=0).play["dialogues"]}
    assert asked == {address_of(1), address_of(2), address_of(10)}
    changed = Changed(frozenset({f"{address_of(7)}:25/inet"}))
    asked = {one["listener"]["address"] for one in played(files, changed, sites=0).play["dialogues"]}
    assert asked == {address_of(1), address_of(7), address_of(10)}


def test_a_flow_reaches_a_listener_that_is_not_played_by_itself() -> None:
    lines = "".join(f"{address_of(one)}:{2500 + one} inet n - n - - smtpd\n" for one in range(1, 10))
    flow = '{"a": {"port": 2509, "to": "a@b.test", "expect": "refused"}}'
    done = played({"master.d/l.cf": lines, "flows/a.yaml": flow}, sites=0)
    assert [one["listener"]["address"] for one in done.play["flows"]] == [address_of(9)]


def test_recipients_of_rows_that_a_commit_adds_are_tried() -> None:
    rows = {"tables/virtual": "bench.test -\n" + "".join(f"u{one}@bench.test root\n" for one in range(50))}
    changed = Changed(frozenset(), {"virtual": tuple((f"u{one}@bench.test", "root") for one in range(30, 40))})
    tried = played(rows, changed, sites=0).play["recipients"]
    assert [one for one in tried if one.startswith("u")] == [f"u{one}@bench.test" for one in (0, 1, 30, 31, 32, 33)]
    assert len([one for one in played(rows, NOTHING, sites=0).play["recipients"] if one.startswith("u")]) == FEW


def test_a_plan_says_what_a_commit_changes() -> None:
    def tree(master: str, table: str, main: str = "a = b\n") -> dict[str, File]:
        texts = {"main.cf": main, "master.cf": master, "virtual": table}
        return {path: File.of(text.encode()) for path, text in texts.items()}

    one, two = "s1 unix - - n - - smtp\n", "s2 unix - - n - - smtp\n"
    before = tree(one + two, "a@b.test x\n")
    assert changed_by(diff({}, before)) is None
    assert changed_by(diff(before, before)) == NOTHING
    after = tree(f"{one}  -o smtp_helo_name=x\n", "a@b.test x\nc@d.test y\n")
    assert changed_by(diff(before, after)) == Changed(frozenset({"s1/unix"}), {"virtual": (("c@d.test", "y"),)})
    assert changed_by(diff(before, tree(one + two, "a@b.test x\n", "a = c\n"))) == Changed(frozenset(), {}, True)


def test_kinds_without_a_change_are_bounded_and_those_with_one_are_not() -> None:
    items = list(range(300))
    few = choose(items, str, str, lambda item: item > 297, most_kinds=10)
    assert few == [*range(10), 298, 299]
    assert choose(items, str, str, lambda _: False) == items


def test_a_little_mail_has_the_usual_time_and_much_has_more() -> None:
    assert script_of().play["room"]["limits"]["more_seconds"] == 0
    flows = "".join(f"f{one}: {{to: a@b.test, expect: refused}}\n" for one in range(600))
    assert script_of(files={"flows/f.yaml": flows}).play["room"]["limits"]["more_seconds"] == pytest.approx(50, abs=5)


def test_the_services_that_are_played_are_told_by_their_keys() -> None:
    done = played({})
    assert {"smtp/inet", "site1-out/unix", "local/unix"} <= done.played
    assert "site9-out/unix" not in done.played
    assert Service(name="x", type="unix", command="smtp", where=Where("a")).key not in done.played


def test_services_that_say_the_same_are_searched_once_and_others_each() -> None:
    lines = "".join(f"s{one} unix - - n - - smtp\n  -o smtp_helo_name=x{one}.test\n" for one in range(500))
    odd = (
        "o1 unix - - n - - smtp\n  -o smtp_generic_maps=lmdb:/srv/one\n"
        "o2 unix - - n - - smtp\n  -o smtp_generic_maps=lmdb:/srv/two\n"
        "o3 unix - - n - - smtp\n  -o smtp_helo_name=$other\n  -o smtp_tls_CAfile=/srv/ca.pem\n"
        "o4 unix - n n - - pipe\n  user=nobody argv=/srv/deliver\n"
        "192.0.2.10:2525 inet n - n - - smtpd\n  -o smtpd_milters=inet:127.0.0.1:9999\n"
    )
    done = played({"master.d/m.cf": lines + odd}, sites=0)
    main = Scope(done.merged, done.facts)
    assert len(with_few_scopes(main).merged.entries) < 60
    assert {"/srv/one.lmdb", "/srv/two.lmdb", "/srv/ca.pem", "/srv/deliver"} <= set(done.play["room"]["files"])
    assert {"kind": "milter", "address": "127.0.0.1", "port": 9999, "near": True} in done.play["world"]["stand_ins"]
    assert done.master_cf.count("smtp_helo_name=x") == 500 - len(done.play["room"]["sockets"]) == 2


def test_a_deployed_file_may_be_read_by_any_service() -> None:
    def tree(text: str) -> Tree:
        return {"sasl/x.conf": File.of(text.encode()), "main.cf": File.of(b"")}

    changed = changed_by(diff(tree("a: b\n"), tree("a: c\n")))
    assert changed == Changed(frozenset(), {}, everywhere=True)
    assert changed_by(diff(tree("a: b\n"), tree("a: b\n"))) == NOTHING
