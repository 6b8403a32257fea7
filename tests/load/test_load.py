"""The load run, short, with less mail: no message is lost or doubled, no client refused, whatever comes and dies.

Mail comes in small batches with a pause after each, so that other tests have a processor meanwhile.
"""

from __future__ import annotations

import pytest

from tests.e2e.hosts import missing
from tests.load.load import Load, Plan, table

FEW = Plan(commits=12, broken=3, kills=3, deaths=2, batch=20, pause=0.2)
AMONG_SITES = Plan(commits=8, broken=2, kills=3, deaths=1, sites=300, batch=20, pause=0.2)


@pytest.mark.parametrize("plan", [FEW, AMONG_SITES], ids=["few files", "many sites"])
def test_mail_flows_while_commits_are_pushed_and_daemons_and_masters_are_killed(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    if lacking := missing():
        pytest.fail(f"these tests need {', '.join(lacking)}: run tests/run as root", pytrace=False)
    figures = Load(plan).run()
    with capsys.disabled():
        print("", *table(figures), sep="\n    ")
    assert figures.delivered > 0
    assert figures.lost == []
    assert figures.twice == []
    assert figures.refusals == []
    assert figures.live == figures.last_good
