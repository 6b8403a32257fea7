"""A key is rolled step by step, each in its time; the section says where it stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.features.dkim.rolling import KeyState, TooEarly, Values, begin, expire, standings, switch
from reconciler.features.dkim.section import Schema
from reconciler.model import SecretName

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = {"selector": "s1", "key": SecretName("dkim-s1")}


def section(values: Values, **changes: Any) -> Schema:  # noqa: ANN401 - as YAML has them
    return Schema.model_validate({name: value for name, value in (values | changes).items() if value is not None})


def stages(state: Schema, now: datetime) -> list[tuple[str, KeyState]]:
    return [(one.selector, one.state) for one in standings(state, now)]


def test_a_roll_publishes_waits_switches_keeps_and_expires() -> None:
    values: Values = dict(FIRST)
    values |= begin(section(values), "s2", "dkim-s2", NOW)
    assert stages(section(values), NOW + 11 * HOUR) == [("s1", KeyState.SIGNING), ("s2", KeyState.WAITING)]
    with pytest.raises(TooEarly, match="2026-11-23T22:00:00Z"):
        switch(section(values), NOW + 11 * HOUR)

    later = NOW + 12 * HOUR
    assert stages(section(values), later)[1] == ("s2", KeyState.READY)
    values |= switch(section(values), later)
    assert section(values).selector == "s2"
    assert stages(section(values), later) == [("s2", KeyState.SIGNING), ("s1", KeyState.KEPT)]
    with pytest.raises(TooEarly, match="in transit until 2026-11-30T22:00:00Z"):
        expire(section(values), later + 167 * HOUR)

    assert stages(section(values), later + 168 * HOUR)[1] == ("s1", KeyState.EXPIRED)
    values |= expire(section(values), later + 168 * HOUR)
    assert stages(section(values), later) == [("s2", KeyState.SIGNING)]


def test_nobody_waits_for_a_first_key_and_nothing_is_signed_before() -> None:
    values = begin(None, "s1", "dkim-s1", NOW)
    state = section(values)
    assert not state.signs
    assert stages(state, NOW) == [("s1", KeyState.READY)]
    values |= switch(state, NOW)
    assert "previous" not in values
    assert section(values).signs


def test_a_time_to_live_moves_both_ends() -> None:
    values = {**FIRST, **begin(section(FIRST), "s2", "dkim-s2", NOW), "ttl": "30m"}
    assert stages(section(values), NOW + HOUR)[1] == ("s2", KeyState.READY)


def test_what_is_out_of_order_is_refused_and_says_what_comes_first() -> None:
    waiting = {**FIRST, **begin(section(FIRST), "s2", "dkim-s2", NOW)}
    with pytest.raises(TooEarly, match="is already waiting; run `reconciler dkim roll`"):
        begin(section(waiting), "s3", "dkim-s3", NOW)
    with pytest.raises(TooEarly, match='"s1" is in use'):
        begin(section(FIRST), "s1", "dkim-s1", NOW)
    with pytest.raises(TooEarly, match="dkim new"):
        switch(section(FIRST), NOW)
    with pytest.raises(TooEarly, match="no key is kept"):
        expire(section(FIRST), NOW)


def test_two_rolls_within_a_week_would_lose_the_first_key_too_early() -> None:
    values = {**FIRST, **begin(section(FIRST), "s2", "dkim-s2", NOW)}
    values |= switch(section(values), NOW, hurry=True)
    values |= begin(section(values), "s3", "dkim-s3", NOW)
    with pytest.raises(TooEarly, match='"s1" is kept'):
        switch(section(values), NOW + 12 * HOUR)
    assert switch(section(values), NOW + 12 * HOUR, hurry=True)["previous"]["selector"] == "s2"
    assert switch(section(values), NOW + 168 * HOUR)["selector"] == "s3"


def test_a_standing_reads_as_one_sentence() -> None:
    waiting = section({**FIRST, **begin(section(FIRST), "s2", "dkim-s2", NOW)})
    told = "DKIM key s2 is published and waits until 2026-11-23T22:00:00Z; then `reconciler dkim roll`"
    assert [str(one) for one in standings(waiting, NOW)] == ["DKIM key s1 signs", told]
    assert standings(waiting, NOW)[1].data == {"selector": "s2", "stage": "waiting", "until": "2026-11-23T22:00:00Z"}
