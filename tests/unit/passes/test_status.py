"""What ``reconciler status`` tells of the phase and of the last pass; tests/e2e has the rest, which needs a host."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.host.effects import Host
from reconciler.model.errors import CommandFailed
from reconciler.model.phase import Clock, Probation, Refusing
from reconciler.passes.status import phase_data, shown, why_unknown
from reconciler.state.journal import Journal

RECORDED = Path(__file__).parents[2] / "transcripts" / "state"


PROBATION = Probation(7, datetime(2026, 11, 22, tzinfo=UTC), "a", Clock("boot", 12.5), 300.0, (3, 50, "c"))


def moments() -> list[dict[str, Any]]:
    """Return what 3ae6ec3 told at several moments of a host, each when its journal had that many *lines*."""
    return [json.loads(line) for line in (RECORDED / "status.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("moment", moments(), ids=lambda moment: f"{moment['lines']} lines")
def test_the_last_pass_is_told_as_the_version_with_one_folder_told_it(tmp_path: Path, moment: dict[str, Any]) -> None:
    journal = Journal(tmp_path, Host())
    lines = (RECORDED / "journal.jsonl").read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join(lines[: moment["lines"]]))

    last = journal.last()

    assert last
    assert json.dumps(shown(last)) == json.dumps(moment["last"])


@pytest.mark.parametrize("moment", moments(), ids=lambda moment: str(moment["stored"]["name"]))
def test_a_phase_is_told_as_the_version_with_one_folder_told_it(tmp_path: Path, moment: dict[str, Any]) -> None:
    (tmp_path / "phase.json").write_text(json.dumps(moment["stored"]))

    assert json.dumps(phase_data(Journal(tmp_path, Host()).phase())) == json.dumps(moment["phase"])


def test_what_people_are_told_of_a_probation_is_what_they_may_ask() -> None:
    told = {"generation": 7, "until": "2026-11-22T00:00:00+00:00", "revision": "a", "confirm": False}

    assert phase_data(PROBATION) == {"name": "Probation", **told}
    assert phase_data(Refusing("b", PROBATION)) == {"name": "Refusing", "revision": "b", "probation": told}
    assert phase_data(Refusing("b")) == {"name": "Refusing", "revision": "b"}


def test_a_program_that_had_too_little_time_says_nothing_about_the_configuration() -> None:
    late, wrong = CommandFailed(("postconf", "-x"), None, ""), CommandFailed(("postconf", "-x"), 1, "bad main.cf")

    assert why_unknown(late) == "postconf did not answer in time"
    assert why_unknown(wrong) == str(wrong)
    assert why_unknown(OSError("no such folder")) == "no such folder"
