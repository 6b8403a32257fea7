"""The load run, short, with less mail: no message is lost or doubled, no client refused, whatever comes and dies.

Mail comes in small batches with a pause after each, so that other tests have a processor meanwhile.
"""

from __future__ import annotations

import pytest

from tests.e2e.hosts import missing
from tests.load.load import Load, table


def test_mail_flows_while_commits_are_pushed_and_daemons_and_masters_are_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if lacking := missing():
        pytest.fail(f"these tests need {', '.join(lacking)}: run tests/run as root", pytrace=False)
    load = Load(commits=20, broken=5, kills=4, deaths=2, settings="", settle="300ms")
    load.batch, load.pause = 20, 0.2
    figures = load.run()
    with capsys.disabled():
        print("", *table(figures), sep="\n    ")
    assert figures.delivered > 0
    assert figures.lost == []
    assert figures.twice == []
    assert figures.refusals == []
    assert figures.live == figures.last_good
