"""The keys of a commit are found without what nearly all of a large commit consists of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.features.dkim.rolling import KeyState
from reconciler.model import File
from reconciler.model.errors import InvalidSource
from reconciler.passes.dkim_keys import standing

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MAIL = "hostname: mx.test.example\n{}parameters: {{virtual_alias_maps: 'table:virtual'}}\n"
DKIM = "dkim: {selector: s1, key: !secret dkim}\n"
SEALED = {"secrets/dkim.age": "age-encryption.org/v1\n"}


def of(texts: dict[str, str]) -> list[tuple[str, KeyState]]:
    """Return the keys of a commit of these files, of which those of sites and tables can't be read."""

    def unread() -> bytes:
        raise AssertionError("a site or a table says nothing about a key")

    files = {path: File.of(text.encode()) for path, text in texts.items()}
    large = {path: File("0", 0o644, "", unread) for path in ("sites/site1/site.yaml", "tables/virtual", "flows/a.yaml")}
    return [(one.selector, one.state) for one in standing({**files, **large}, "mx.test.example", NOW)]


def test_each_key_is_found() -> None:
    assert of({"mail.yaml": MAIL.format(DKIM), **SEALED}) == [("s1", KeyState.SIGNING)]


def test_the_file_of_the_host_counts_as_well() -> None:
    assert of({"mail.yaml": MAIL.format(""), "hosts/mx.test.example.yaml": DKIM, **SEALED}) == [
        ("s1", KeyState.SIGNING)
    ]


def test_a_commit_without_keys_has_none() -> None:
    assert of({"mail.yaml": MAIL.format("")}) == []


def test_a_commit_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(InvalidSource):
        of({"mail.yaml": "dkim: 3\n"})
