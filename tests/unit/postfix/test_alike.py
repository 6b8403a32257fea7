"""Services are alike if no rule can tell them apart, and what is found in one that is alike is found in each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reconciler.desired import lint
from reconciler.desired.lint import mentioned
from reconciler.features.composition import compose
from reconciler.model.past import Past, forget_passes
from reconciler.postfix import alike
from reconciler.postfix.alike import with_alike
from reconciler.postfix.scopes import every_scope, scopes
from reconciler.postfix.syntax import read_master
from tests.unit.desired_states import desired, linted
from tests.unit.large_states import facts, site

if TYPE_CHECKING:
    from reconciler.model import Contribution

HOST = facts(9)


def client(*options: str, name: str = "a", limit: str = "-") -> str:
    return f"{name} unix - - n - {limit} smtp {' '.join(f'-o {one}' for one in options)}\n"


SITES = {path: text for number in range(1, 6) for path, text in site(number).items()}
SITE = "domains: [a.test]\ndelivery: {address: %s, helo: a.test}\n"
DEFECTS = {
    "an address of another host": {"sites/site3/site.yaml": SITE % "192.0.2.99"},
    "an address of another site": {"sites/site3/site.yaml": SITE % "10.0.0.3"},
    "two families": {"sites/site3/site.yaml": SITE % "[10.0.0.4, '2001:db8::10']"},
    "an unknown option": {"master.d/site3-a.cf": client("smtp_nosuch=1", "smtp_helo_name=s3.example")},
    "an option that is not read": {"master.d/a.cf": client("smtpd_banner=x", "smtp_helo_name=a.test")},
    "a greeting of two names": {"master.d/a.cf": client("smtp_helo_name=a.test,b.test")},
    "a malformed address": {"master.d/a.cf": client("smtp_bind_address=10.0.0.")},
    "the other family": {"master.d/a.cf": client("smtp_bind_address6=10.0.0.3")},
    "an option that is written twice": {"master.d/a.cf": client("smtp_helo_name=a.test", "smtp_helo_name=b.test")},
    "a password": {"master.d/a.cf": client("smtp_sasl_password_maps=static:a:b")},
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at one of two already."""
    monkeypatch.setattr(alike, "FEWEST", 0)


def merged(files: dict[str, str]) -> Contribution:
    return compose(desired(files=files), HOST)


def test_which_are_alike_is_found_once_for_the_same_services_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def counted(*given: object) -> frozenset[str]:
        asked.append(given)
        return frozenset({str(len(asked))})

    monkeypatch.setattr("reconciler.postfix.alike._alike", counted)
    contribution, other = merged(SITES), replace(HOST, addresses=HOST.addresses[:1])
    assert with_alike(contribution, HOST).alike == {"1"}
    assert with_alike(replace(contribution, tables={}), replace(HOST, names={})).alike == {"1"}
    assert with_alike(contribution, other).alike == {"2"}
    assert with_alike(merged(SITES), HOST).alike == {"3"}
    assert with_alike(contribution, HOST).alike == {"1"}
    forget_passes()
    assert with_alike(contribution, HOST).alike == {"4"}


def test_of_services_that_differ_in_address_greeting_and_tag_the_first_is_looked_at() -> None:
    few = with_alike(merged(SITES), HOST)
    assert few.alike >= {f"site{number}-out/unix" for number in range(2, 6)}
    assert [one.service.key for one in scopes(few, HOST) if one.service and "-out" in one.service.key] == [
        "site1-out/unix"
    ]
    assert len([*every_scope(few, HOST)]) == len(scopes(merged(SITES), HOST)) == len(few.entries) + 1


@pytest.mark.parametrize("two", [
    client("smtp_helo_name=b") + client("smtp_helo_name=c.test", name="b"),
    client("smtp_bind_address=10.0.0.2") + client("smtp_bind_address=10.0.1.2", name="b"),
    client("syslog_name=$x") + client("syslog_name=$y", name="b"),
    client("syslog_name=a", limit="1") + client("syslog_name=b", name="b", limit="2"),
    client("smtp_connect_timeout=3s") + client("smtp_connect_timeout=4s", name="b"),
    (client("syslog_name=a") + client("syslog_name=b", name="b")).replace("smtp ", "smtpd "),
])  # fmt: skip
def test_services_that_differ_in_more_are_looked_at_one_by_one(two: str) -> None:
    assert with_alike(merged({"master.d/both.cf": two}), HOST).alike.isdisjoint({"a/unix", "b/unix"})


@pytest.mark.parametrize("defect", DEFECTS)
def test_as_much_is_found_and_asked_as_one_by_one(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for parameters in ({}, {"smtp_tls_security_level": "dane", "smtp_address_preference": "ipv6"}):
        state = desired(parameters, {**SITES, **DEFECTS[defect]})
        contribution = compose(state, HOST)
        found, asked = linted(state, HOST), mentioned(contribution, HOST)
        with monkeypatch.context() as patched:
            patched.setattr(lint, "with_alike", lambda merged, _: merged)
            assert linted(state, HOST) == found
            assert mentioned(contribution, HOST) == asked
        assert with_alike(contribution, HOST).alike


def test_where_few_are_alike_each_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    contribution = merged(SITES)
    monkeypatch.setattr(alike, "FEWEST", len(with_alike(contribution, HOST).alike) + 1)
    assert with_alike(contribution, HOST) is contribution


def test_an_empty_greeting_and_an_address_of_loopback_are_like_no_plain_one() -> None:
    lines = [
        client(f"smtp_helo_name={name}", name=f"a{number}") for number, name in enumerate(("a.test", "", "b.test"))
    ]
    lines += [client(f"smtp_bind_address={one}", name=f"b{one[:2]}") for one in ("127.0.0.1", "10.0.0.1")]
    found = merged({"master.d/a.cf": "".join(lines)})
    assert with_alike(found, HOST).alike - {"relay/unix"} == {"a2/unix"}


def test_the_kind_of_a_service_has_a_number_that_those_share_which_are_alike() -> None:
    found = merged({"master.d/a.cf": client("smtp_helo_name=a.test") + client("smtp_helo_name=b.test", name="b")})
    one, other = (found.services[key] for key in ("a/unix", "b/unix"))
    assert one
    assert other
    kinds = alike.kinds_of([one, other, replace(other, chroot="y"), replace(one, type="inet"), replace(other)], HOST)
    assert kinds == [0, 0, 1, None, 0]


def test_kinds_that_are_equal_have_one_number_even_if_they_were_made_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps them the very same may be dropped at any time."""
    monkeypatch.setattr(alike, "_known", Past[object](1))
    lines = "".join(client(f"smtp_helo_name={one}.test", name=one, limit=one) for one in "121221")
    services = [replace(one) for one in read_master(lines, "")[0]]
    assert alike.kinds_of(services, HOST) == [0, 1, 0, 1, 1, 0]


def test_kinds_are_those_of_the_addresses_that_the_host_has_now() -> None:
    lines = "".join(client(f"smtp_bind_address=10.0.0.{one}", name=f"s{one}") for one in (2, 3, 4))
    services = list(read_master(lines, "")[0])
    other = replace(HOST, addresses=tuple(one for one in HOST.addresses if str(one.ip) != "10.0.0.3"))
    assert alike.kinds_of(services, HOST) == [0, 0, 0]
    assert alike.kinds_of(services, other) == [0, 1, 0]
    assert alike.kinds_of(services[:2], other) == [0, 1]
    assert alike.kinds_of(services, HOST) == [0, 0, 0]
