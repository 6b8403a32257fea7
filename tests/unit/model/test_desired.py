"""What people asked for and what features make of it: sections, places, and one contribution over another."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model import UNWRITTEN, Contribution, Desired, Parameter, Secret, Service, Where, error_at


class Section:
    """A schema, as a feature has one."""


def service(name: str, command: str = "smtp") -> Service:
    return Service(name=name, type="unix", command=command, where=Where("m"))


def desired(section: object) -> Desired:
    places = {("hostname",): Where("mail.yaml", 2), ("services", "smtp/inet"): Where("mail.yaml", 4, 3)}
    return Desired(sections={Section: section}, tables={}, services=(), secrets={}, places=places)


def test_a_section_is_found_by_its_schema_or_not_at_all() -> None:
    section = Section()

    assert desired(section).section(Section) is section
    assert desired(None).section(Section) is None
    assert desired(section).section(str) is None


def test_a_key_without_a_place_of_its_own_is_where_its_nearest_parent_is() -> None:
    state = desired(None)

    assert state.where("services", "smtp/inet", "maxproc") == Where("mail.yaml", 4, 3)
    assert state.where("hostname") == Where("mail.yaml", 2)
    assert state.where("services") == Where("mail.yaml", 1, 1)


def test_what_is_written_nowhere_is_at_the_key_where_one_would_write_it() -> None:
    default, written = (error_at("r", where, "t") for where in (UNWRITTEN, Where("mail.yaml", 4, 3)))
    state = desired(None)
    assert state.at_home(default).where == state.home == Where("mail.yaml", 2)
    assert state.at_home(written).where == Where("mail.yaml", 4, 3)
    services = {**state.places, ("services",): Where("mail.yaml", 3)}
    assert replace(state, places=services).home == Where("mail.yaml", 3)
    assert replace(state, places=services | {("parameters",): Where("mail.yaml", 9)}).home == Where("mail.yaml", 9)


def test_the_contribution_above_prevails_and_takes_services_away() -> None:
    low, high = (Parameter("a", value, Where("m")) for value in ("1", "2"))
    below = Contribution(parameters={"a": low, "b": low}, services={"x/unix": service("x"), "y/unix": service("y")})
    above = Contribution(parameters={"a": high}, services={"x/unix": None, "y/unix": service("y", "lmtp")})

    merged = above.over(below)

    assert merged.parameters == {"a": high, "b": low}
    assert [(one.key, one.command) for one in merged.entries] == [("y/unix", "lmtp")]


def test_a_secret_shows_its_name_and_never_its_value() -> None:
    assert repr(Secret("relay", "geheim")) == "Secret(name='relay')"


def test_services_that_are_like_another_are_left_out_where_names_do_not_matter() -> None:
    services = {one.key: one for one in (service("a"), service("b"))}
    merged = Contribution(services={**services, "c/unix": None})
    assert merged.distinct == merged.entries == tuple(services.values())
    assert replace(merged, alike=frozenset({"b/unix"})).distinct == (services["a/unix"],)
