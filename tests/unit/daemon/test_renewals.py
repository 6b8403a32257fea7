"""A renewal that waits is tried again by itself, and told until it is done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from reconciler.daemon import renewals as module
from reconciler.daemon.renewals import Renewals
from reconciler.host.log import get
from reconciler.model import Finding, Where
from reconciler.model.errors import WouldStop
from reconciler.model.phase import Wake
from reconciler.passes.renewal import Named
from tests.unit.adopted_folder import Adopted

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

STOPS = WouldStop([Finding(rule="silent-server", where=Where("mail.yaml"), text="the server is gone", subject="auth")])


def test_a_renewal_that_waits_is_tried_after_growing_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adopted = Adopted.made_in(tmp_path)
    renewals, well = Renewals(adopted.edges, get(host="mx")), [False, False, True]
    monkeypatch.setattr(module, "named", lambda _: Named())

    def renew(*_: object) -> None:
        if not well.pop(0):
            raise STOPS

    monkeypatch.setattr(module, "renew", renew)
    assert renewals.due == math.inf
    renewals.look([Wake.CERTIFICATE], activated=False)
    first = renewals.due
    renewals.look([Wake.TIMER], activated=False)
    assert first < renewals.due < math.inf
    assert "the server is gone" in renewals.waiting
    renewals.look([Wake.PUSH], activated=False)
    assert renewals.waiting, "this did not look"
    renewals.look([Wake.TIMER], activated=False)
    assert (renewals.due, renewals.waiting, renewals.trouble) == (math.inf, "", "")
