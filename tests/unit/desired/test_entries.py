"""What was found valid in a site's file is neither read nor judged again, and says the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.desired import yaml_memory
from reconciler.desired.load import PartlyRead, load
from reconciler.features import sites
from reconciler.model import Desired, File, Tree, Where
from reconciler.model.past import Past

MAIL = "hostname: mx.test.example\nparameters: {mynetworks: 192.0.2.0/24}\n"
FIRST = "domains: [a.test]\ndelivery:\n  address: 192.0.2.1\n  helo: mx.a.test\n"
SECOND = "domains: [b.test]\n"


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_memory, "_kept", Past[yaml_memory.KnownEntry](8))


def files(**texts: str) -> Tree:
    named = {f"sites/{name}/site.yaml": text for name, text in texts.items()}
    return {path: File.of(text.encode()) for path, text in {"mail.yaml": MAIL, **named}.items()}


def loaded(tree: Tree, host: str = "mx") -> Desired:
    return load(tree, host, {})


def unreadable(tree: Tree) -> Tree:
    """Return the same files, of which those of sites can't be read."""
    return {path: replace(file, read=_never) if path.startswith("sites/") else file for path, file in tree.items()}


def _never() -> bytes:
    pytest.fail("a site's file was read again")


def test_a_site_that_is_known_says_the_same_at_the_same_places_without_being_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = files(site1=FIRST, site2=SECOND)
    with monkeypatch.context() as nothing_is_kept:
        nothing_is_kept.setattr(yaml_memory, "_LARGEST", 0)
        first = loaded(tree)
    assert first.origins("sites", ["site1"]) == [None]
    known, again = loaded(tree), loaded(unreadable(tree))
    ((before,), (origin,)) = (one.origins("sites", ["site1"]) for one in (known, again))
    assert before is origin is not None, "known from then on"
    assert first.section(sites.Schema) == again.section(sites.Schema)
    assert first.places == again.places
    assert list(first.places) == list(again.places)
    assert len(first.places) == len(again.places) == len(list(again.places))
    assert again.where("sites", "site1", "delivery", "helo") == Where("sites/site1/site.yaml", 4, 9)
    assert again.where("sites", "site2", "delivery") == Where("sites/site2/site.yaml")
    assert ("sites", "site3") not in again.places
    assert first == again


def test_a_known_site_under_another_name_has_the_places_of_its_own_file() -> None:
    loaded(files(site1=FIRST))
    moved = loaded(unreadable(files(site7=FIRST)))
    assert moved.where("sites", "site7", "domains", "0") == Where("sites/site7/site.yaml", 1, 11)
    assert sites.sites_in(moved)["site7"].domains == ("a.test",)


def test_known_and_new_sites_are_in_the_order_of_their_files() -> None:
    loaded(files(site2=SECOND))
    section = loaded(files(site1=FIRST, site2=SECOND, site3="domains: [c.test]\n")).section(sites.Schema)
    assert section is not None
    assert list(section.root) == ["site1", "site2", "site3"]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("domains: [b.test]\ndelivery: {address: nowhere, helo: mx.b.test}\n", "invalid-value"),
        ("domains: [b.test]\ndelivery:\n", "null-value"),
        ("domains: [!secret b]\n", "missing-secret"),
        ("domain: [b.test]\n", "unknown-key"),
    ],
)
def test_a_site_with_an_error_is_judged_again_beside_known_ones(text: str, rule: str) -> None:
    loaded(files(site1=FIRST))
    told = []
    for _ in range(2):
        with pytest.raises(PartlyRead) as refused:
            loaded(files(site1=FIRST, site2=text))
        told.append(refused.value.findings)
        assert "site1" in sites.sites_in(refused.value.rest)
    assert told[0] == told[1]
    assert rule in {one.rule for one in told[0]}
    assert {one.where.file for one in told[0]} == {"sites/site2/site.yaml"}


def test_sites_in_mail_yaml_are_refused_beside_known_ones_as_well() -> None:
    tree = files(site1=FIRST)
    loaded(tree)
    text = f"{MAIL}sites: {{site1: {{domains: [z.test]}}}}\n"
    with pytest.raises(PartlyRead, match="sites are not written here") as refused:
        loaded({**tree, "mail.yaml": File.of(text.encode())})
    assert sites.sites_in(refused.value.rest)["site1"].domains == ("a.test",)


def test_an_allowance_in_a_site_counts_each_time() -> None:
    tree = files(site1=f"# allow misplaced-file: a reason\n{FIRST}")
    assert loaded(tree).allowances == loaded(tree).allowances != ()
