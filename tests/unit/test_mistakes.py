"""Mistakes of people who know Postfix: one finding each, at its place, and it says what to write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reconciler.desired.load import PartlyRead, load
from reconciler.desired.partial import also_wrong
from reconciler.features.composition import compose
from reconciler.model import File, Finding, Secret
from reconciler.repository.secrets import unsound_recipients
from tests.unit.desired_states import linted
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model import Facts

TEXT = (Path(__file__).parent.parent / "corpus" / "mistakes.yaml").read_text(encoding="utf-8")
CORPUS = yaml.load(TEXT, yaml.CSafeLoader)
HOSTNAME = "mx.test.example"


def files_of(case: Mapping[str, Any], add: str) -> dict[str, File]:
    """Return the base state with the files of a case, and with a text at the end of mail.yaml."""
    texts: dict[str, str | None] = CORPUS["base"] | case.get("files", {})
    if "mail.yaml" in case.get("files", {}):  # which names neither of them
        del texts["tables/senders"], texts["tables/transport"]
        texts |= case["files"]
    if add:
        texts["mail.yaml"] = f"{texts['mail.yaml']}{add}"
    coding = case.get("encoding", "utf-8")
    changed = {*case.get("files", {}), *(["mail.yaml"] if add else [])}
    return {
        path: File.of(text.encode(coding if path in changed else "utf-8"))
        for path, text in texts.items()
        if text is not None
    }


def findings_of(files: dict[str, File], host: Facts = HOST) -> list[Finding]:
    """Return what is found in a commit."""
    try:
        desired = load(files, HOSTNAME, {"relay": Secret("relay", "geheim")})
        return [*linted(desired, host), *unsound_recipients(files)]
    except PartlyRead as error:
        return [*error.findings, *also_wrong(error, host, compose(error.rest, host))]


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases if not case.get("skip")]


@pytest.mark.parametrize("case", named(CORPUS["cases"]))
def test_a_mistake_is_one_finding_at_its_place_that_says_what_to_write(case: dict[str, Any]) -> None:
    found = findings_of(files_of(case, case.get("add", "")))

    assert len(found) == 1, [f"{one} [{one.rule}]" for one in found]
    [told] = found
    assert re.fullmatch(f"{re.escape(case['at'])}(?::\\d+)?", str(told.where)), str(told)
    assert re.fullmatch(case["rule"], told.rule), f"{told} [{told.rule}]"
    assert [word for word in case["says"] if word not in told.text] == [], str(told)


@pytest.mark.parametrize("case", named([case for case in CORPUS["cases"] if {"right", "right_files"} & case.keys()]))
def test_what_the_finding_says_to_write_is_right(case: dict[str, Any]) -> None:
    files = {**case.get("files", {}), **case.get("right_files", {})}
    found = findings_of(files_of({"files": files}, case.get("right", "")))

    assert [str(one) for one in found] == []


@pytest.mark.parametrize("case", named(CORPUS["near_misses"]))
def test_what_looks_like_a_mistake_and_is_none_is_not_found(case: dict[str, Any]) -> None:
    assert [str(one) for one in findings_of(files_of(case, case.get("add", "")))] == []


def test_the_state_that_the_mistakes_are_made_in_has_none() -> None:
    assert [str(one) for one in findings_of(files_of({}, ""))] == []
