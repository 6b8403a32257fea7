"""The load run, short: no message is lost or doubled and no client refused while commits come and things die."""

from __future__ import annotations

import pytest

from tests.e2e.hosts import missing
from tests.load.load import Load, table


def test_mail_flows_while_commits_are_pushed_and_daemons_and_masters_are_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if lacking := missing():
        pytest.fail(f"these tests need {', '.join(lacking)}: run tests/run as root", pytrace=False)
    figures = Load(commits=20, broken=5, kills=4, deaths=2, settings="", settle="300ms").run()
    with capsys.disabled():
        print("", *table(figures), sep="\n    ")
    assert figures.delivered > 0
    assert figures.lost == []
    assert figures.twice == []
    assert figures.refusals == []
    assert figures.live == figures.last_good
