"""Parameters that have Postfix's default are left out, except where somebody explains them or the host decides."""

from __future__ import annotations

import pytest

from reconciler.desired.offers.defaults import find
from tests.shapes import SHAPES
from tests.unit.desired.offers.grounds import HEAD, after, ground, imported, of_files, text


def test_only_what_equals_the_default_is_left_out() -> None:
    offer = find(ground(f"{HEAD}  compatibility_level: 3.6\n  biff: yes\n  mailbox_size_limit: 0\n  relayhost: ''\n"))

    assert text(offer) == f"{HEAD}  compatibility_level: 3.6\n  mailbox_size_limit: 0\n"
    assert offer is not None
    assert offer.summary.startswith("leave out 2 parameters")


@pytest.mark.parametrize(
    ("level", "value", "is_default"),
    [("3.6", "no", True), ("3.6", "yes", False), ("0", "yes", True), ("0", "no", False)],
)
def test_a_default_that_depends_on_the_level_is_that_of_the_level(level: str, value: str, is_default: bool) -> None:
    offer = find(ground(f"{HEAD}  compatibility_level: {level}\n  append_dot_mydomain: {value}\n"))

    assert (offer is not None) == is_default


def test_the_default_of_a_host_without_a_level_is_that_of_none() -> None:
    assert find(ground(f"{HEAD}  append_dot_mydomain: yes\n")) is not None
    assert find(ground(f"{HEAD}  append_dot_mydomain: no\n")) is None


def test_what_a_comment_explains_stays_with_its_comment() -> None:
    mail = f"{HEAD}  # nobody reads it\n  biff: yes\n  relayhost: ''\n\n  # other\n  mailbox_size_limit: 0\n"

    offer = find(ground(mail))

    assert text(offer) == f"{HEAD}  # nobody reads it\n  biff: yes\n\n  # other\n  mailbox_size_limit: 0\n"
    assert offer is not None
    assert "comment of their own stay: 1" in offer.summary


@pytest.mark.parametrize("setting", ["myhostname: mx.test.example", "compatibility_level: 0", "mydomain: test.example"])
def test_what_follows_from_the_host_stays(setting: str) -> None:
    assert find(ground(f"{HEAD}  {setting}\n")) is None


def test_a_value_that_only_expands_to_the_default_stays() -> None:
    assert find(ground(f"{HEAD}  myhostname: a.example\n  smtp_helo_name: a.example\n")) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_the_others_keep_their_values_and_a_second_time_there_is_nothing_left(shape: str) -> None:
    before = imported(shape)
    if offer := find(before):
        old, new = before.origin.parameters, after(before, offer).parameters
        assert {name: one.value for name, one in new.items()} == {name: old[name].value for name in new}
        files = {path: file.read() for path, file in before.files.items()}
        assert find(of_files(files | {"mail.yaml": text(offer).encode()}, before.facts, None)) is None
