"""What is derived from a contribution and facts is derived once while they stay the same."""

from __future__ import annotations

from dataclasses import replace
from gc import collect
from weakref import ref

from reconciler.model import Contribution, Facts, Service, Where
from reconciler.model.past import forget_passes
from reconciler.postfix.derived import derived, keeping
from reconciler.postfix.restrictions import smtpd_scopes
from reconciler.postfix.scopes import scopes
from tests.unit.host_facts import HOST


def test_the_same_contribution_and_facts_give_the_same_value_while_it_is_kept() -> None:
    asked: list[tuple[Contribution, Facts]] = []

    @derived
    def number(merged: Contribution, facts: Facts) -> int:
        asked.append((merged, facts))
        return len(asked)

    one, other, elsewhere = Contribution(), Contribution(), replace(HOST, host="other.example")
    assert [number(one, HOST), number(one, HOST)] == [1, 2], "nothing is kept"
    with keeping():
        assert [number(one, HOST), number(one, HOST)] == [3, 3]
        assert [number(other, HOST), number(other, HOST)] == [4, 4], "an equal one may be another by now"
        assert [number(other, elsewhere), number(one, HOST)] == [5, 3]
        with keeping():
            assert number(one, HOST) == 6, "what is judged within a judgement has its own"
        assert number(one, HOST) == 3
    assert number(one, HOST) == 7


def test_what_was_judged_is_not_kept() -> None:
    class Large(dict[str, Service | None]):
        """A mapping that can be looked after."""

    services = Large()
    there = ref(services)
    with keeping():
        assert len(scopes(Contribution(services=services), HOST)) == 1
        del services
        assert there() is not None
    forget_passes()
    collect()
    assert there() is None


def test_the_scopes_of_a_contribution_are_those_of_its_services() -> None:
    listed = [
        Service(name=name, type="inet", command=command, where=Where("master.cf"))
        for name, command in (("smtp", "smtpd"), ("qmqp", "qmqpd"))
    ]
    merged = Contribution(services={one.key: one for one in listed})
    assert [one.service for one in scopes(merged, HOST)] == [None, *listed]
    assert [one.service for one in smtpd_scopes(merged, HOST)] == listed[:1]
    fewer = Contribution(services={listed[1].key: listed[1]})
    assert [one.service for one in scopes(fewer, HOST)] == [None, listed[1]]
    assert smtpd_scopes(fewer, HOST) == ()
