"""What holds when nobody says anything: the host's name, the compatibility level, and the host's aliases."""

from __future__ import annotations

import pytest

from reconciler.features.baseline import ALIASES, compatibility_level
from reconciler.features.composition import compose
from reconciler.model.errors import InvalidSource
from tests.unit.commits import load_commit
from tests.unit.host_facts import HOST, facts


@pytest.mark.parametrize(
    ("version", "level"),
    [("3.11.0", "3.11"), ("3.7.11", "3.6"), ("3.6-20200101", "3.6"), ("3.5.9", "2"), ("2.11.3", "0"), ("", "0")],
)
def test_the_compatibility_level_is_the_newest_that_this_postfix_knows(version: str, level: str) -> None:
    assert compatibility_level(facts(version=version).release) == level


def test_a_hostname_is_myhostname_and_knows_its_place() -> None:
    parameters = compose(load_commit("hostname: mx1.example.com\n"), HOST).parameters

    assert (parameters["myhostname"].value, str(parameters["myhostname"].where)) == (
        "mx1.example.com",
        "mail.yaml:1:11",
    )
    assert "myhostname" not in compose(load_commit("parameters: {a: b}\n"), HOST).parameters


def test_aliases_of_the_host_are_used_where_they_are_compiled() -> None:
    state = load_commit("hostname: mx1.example.com\n")

    assert compose(state, facts(files={ALIASES: True})).parameters["alias_maps"].value == "hash:/etc/aliases"
    assert compose(state, facts(files={})).parameters["alias_maps"].value == ""


@pytest.mark.parametrize("hostname", ["mx1", "mx_1.example.com", "-a.example.com", "192.0.2.1.", "a b.example"])
def test_a_name_that_is_not_qualified_is_refused(hostname: str) -> None:
    with pytest.raises(InvalidSource):
        load_commit(f"hostname: {hostname}\n")
