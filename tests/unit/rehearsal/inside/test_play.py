"""How long a rehearsal waits for deliveries depends on how fast the host is now."""

from __future__ import annotations

import pytest

from reconciler.rehearsal.inside.messages import Times
from reconciler.rehearsal.inside.play import MOST_PATIENCE, SOON, patience


@pytest.mark.parametrize(("start", "waits"), [(0.01, SOON), (0.3, 3.0), (60.0, MOST_PATIENCE)])
def test_a_host_that_is_slow_to_start_the_master_is_given_more_time(start: float, waits: float) -> None:
    assert patience(SOON, Times(built=1.0, up=1.0 + start, spoken=0, over=0)) == pytest.approx(waits)
