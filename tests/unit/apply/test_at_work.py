"""Which programs may still have a file in memory that has vanished: those that began before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler.apply.at_work import at_work
from reconciler.host.programs import daemons

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = 1_000_000_000.0


@pytest.mark.parametrize("kind", ["regexp:", ""])
def test_a_program_that_began_before_the_file_vanished_may_have_it(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "names_of", lambda _: {os.getpid(): "cleanup", 2**22: "smtp"})
    gone = f"{kind}{tmp_path}/gone/table"
    assert at_work(1, [gone, "static:x"]) == {f"cleanup with {gone}"}
    os.utime(tmp_path, (LONG_AGO, LONG_AGO))
    assert at_work(1, [gone]) == frozenset(), "it began later, and has never had it"
    assert at_work(1, []) == frozenset()
