"""An import, and the adoption of what it made, killed at every effect: the old host is whole, and a rerun ends well.

Known limit: pygit2 writes the new repository without counting its effects; it has no name until one rename.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import REPOSITORY, UNREHEARSED, AdoptedHost
from tests.e2e.crash_driver import KILLED, CrashDriver, points, survive, told

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = "printf 'old.test  smtp:[127.0.0.1]:2525\\n' >/etc/postfix/transport && postmap hash:/etc/postfix/transport"


@pytest.fixture
def inherited() -> Iterator[CrashDriver]:
    """Return a host that somebody configured by hand, with a table; its repository is the import's."""
    with AdoptedHost(settle="20ms", daemon=False, adopt=False, settings=UNREHEARSED) as adopted:
        adopted.sh(f"cd /etc/postfix && rm -rf *.proto makedefs.out sasl && {TABLE}")
        adopted.sh(
            "postconf -e transport_maps=hash:/etc/postfix/transport && postfix reload && touch -d -1hour main.cf"
        )
        adopted.sh(f"rm -rf {REPOSITORY}")
        assert adopted.reconciler("import").status == 0
        yield CrashDriver(adopted)


def _like_before(effects: list[str]) -> set[int]:
    """Return the numbers of the effects of stages that are like one before: each offer is staged to be proven."""
    begins = [number for number, effect in enumerate(effects, 1) if effect == "remove"]
    stages = [range(begin, end) for begin, end in pairwise([*begins, len(effects) + 1])]
    rows = [[effects[number - 1] for number in stage] for stage in stages]
    return {number for place, stage in enumerate(stages) if rows[place] in rows[:place] for number in stage}


def test_an_import_killed_anywhere(inherited: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    inherited.save("by-hand")
    inherited.adopted.sh(f"rm -rf {REPOSITORY}")
    whole = inherited.run("import")
    assert whole.status == 0, whole.output
    again = _like_before(whole.effects)
    tried = [(number, when) for number, when in points(whole.effects) if number not in again or when == "after"]
    for number, when in tried:
        inherited.adopted.sh(f"rm -rf {REPOSITORY}")
        ran = inherited.run("import", at=number, when=when)
        assert ran.status == KILLED, ran
        assert inherited.live() == "as before"
        inherited.succeed("import")
        inherited.succeed("plan")
    told(capsys, "import", tried, {"as before": len(tried)})


def test_the_adoption_of_an_import_killed_anywhere(inherited: CrashDriver, capsys: pytest.CaptureFixture[str]) -> None:
    inherited.save("by-hand")
    argv = ("once", "--adopt")
    whole = inherited.run(*argv)
    assert whole.status == 0, whole.output
    assert "exchange" in whole.effects
    assert "signal" not in whole.effects, "nothing is reloaded"
    tried = points(whole.effects)
    commit = inherited.first[:7]
    ends = survive(inherited, argv, tried, lambda: inherited.live().endswith(f"-{commit}"), {0})
    told(capsys, "adoption of an import", tried, ends)
    assert {end.partition("-")[2] for end in ends} == {"", commit}
