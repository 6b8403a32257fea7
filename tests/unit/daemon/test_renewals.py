"""A renewal that waits is tried again by itself, and told until it is done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from reconciler.daemon import renewals as module
from reconciler.daemon.renewals import Renewals
from reconciler.host.log import get
from reconciler.model import Finding, Where
from reconciler.model.errors import Unavailable, WouldStop
from reconciler.model.phase import Wake
from reconciler.passes.named_files import Named
from reconciler.state.locks import BUSY
from tests.unit.adopted_folder import Adopted

if TYPE_CHECKING:
    from pathlib import Path

STOPS = WouldStop([Finding(rule="silent-server", where=Where("mail.yaml"), text="the server is gone", subject="auth")])


@pytest.mark.parametrize("error", [STOPS, Unavailable(BUSY), FileNotFoundError("main.cf")])
def test_a_renewal_that_waits_is_tried_after_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    adopted = Adopted.made_in(tmp_path)
    renewals, well = Renewals(adopted.edges, get(host="mx")), [False, False, True]
    monkeypatch.setattr(module, "named", lambda _: Named())

    def renew(*_: object) -> None:
        if not well.pop(0):
            raise error

    monkeypatch.setattr(module, "renew", renew)
    assert renewals.due == math.inf
    renewals.look([Wake.CERTIFICATE], activated=False)
    first = renewals.due
    renewals.look([Wake.TIMER], activated=False)
    assert first < renewals.due < math.inf
    told = renewals.waiting if error is STOPS else renewals.trouble
    assert ("the server is gone" if error is STOPS else str(error)) in told
    renewals.look([Wake.PUSH], activated=False)
    assert renewals.due < math.inf, "this did not look"
    renewals.look([Wake.TIMER], activated=False)
    assert (renewals.due, renewals.waiting, renewals.trouble) == (math.inf, "", "")
