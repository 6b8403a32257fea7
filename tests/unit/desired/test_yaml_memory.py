"""What was read from a site's file is kept by the name of its blob."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.desired import yaml_memory, yaml_reader
from reconciler.desired.budget import Budget
from reconciler.desired.yaml_scalars import Bracketed
from reconciler.model import File, Finding, limits
from reconciler.model.errors import InvalidSource
from reconciler.model.past import Past

SITE = """\
domains: [a.test, b.test]
delivery: {address: 192.0.2.1, helo: "a: b", password: !secret mail}
more:
  - one
  - {two: }
  - [yes, 010]
"""


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> Past[yaml_memory.KnownEntry]:
    """What is kept, and nothing of it from other tests."""
    past = Past[yaml_memory.KnownEntry](8)
    monkeypatch.setattr(yaml_memory, "_kept", past)
    return past


def read(text: str, path: str = "sites/site1/site.yaml", *, unread: bool = False) -> yaml_reader.Document:
    """Read a text; *unread*: its bytes are not to be asked for."""
    file, findings = File.of(text.encode()), list[Finding]()
    document = yaml_memory.read(path, replace(file, read=_never) if unread else file, findings, Budget())
    assert not unread or findings == []
    return document


def _never() -> bytes:
    pytest.fail("a file was read again")


def test_what_was_read_before_is_the_same_without_reading_at_the_place_of_the_file() -> None:
    read(SITE, "sites/site9/site.yaml")
    known = read(SITE, unread=True)
    assert known == yaml_reader.read("sites/site1/site.yaml", File.of(SITE.encode()), [])
    assert isinstance(known.value["domains"], Bracketed)
    assert not isinstance(known.value["more"], Bracketed)


def test_what_is_done_to_a_document_is_not_kept() -> None:
    read(SITE)
    read(SITE, unread=True).value["domains"].append("c.test")
    assert read(SITE, unread=True).value["domains"] == ["a.test", "b.test"]


@pytest.mark.parametrize(
    "text",
    ["a: 1\na: 2\n", "- a\n", "a: b: c\n", "a: b  # allow misplaced-file: a reason\n", f"a: {'x' * 9000}\n"],
    ids=["a key twice", "a list", "unreadable", "with an allowance", "large"],
)
def test_with_a_finding_or_an_allowance_or_large_it_is_read_again(
    text: str, kept: Past[yaml_memory.KnownEntry]
) -> None:
    read(text)
    assert len(kept) == 0


def test_what_is_kept_costs_the_commit_as_much_as_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALL_VALUES", 40)  # the text has fifteen
    file, budget = File.of(SITE.encode()), Budget()
    for number in (1, 2):
        yaml_memory.read(f"sites/site{number}/site.yaml", file, [], budget)
    with pytest.raises(InvalidSource, match="values in YAML files"):
        yaml_memory.read("sites/site3/site.yaml", file, [], budget)
