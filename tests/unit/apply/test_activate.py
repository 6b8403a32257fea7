"""Whether a master died or was stopped, by its own last words, and which daemons a reload waits for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.apply import activate
from reconciler.host.maillog import LogFile
from reconciler.host.programs.postfix import Instance
from tests.unit.recorded_host import RecordedHost

STOPPED = "2026-11-22T09:00:00+00:00 mx1 postfix/master[4194303]: terminating on signal 15\n"
AT = 1795338000.0


@pytest.mark.parametrize(
    ("lived", "own_log", "dead"),
    [
        (0.0, False, False),  # the daemon has not seen it run
        (AT - 3600, False, False),  # seen last before it was stopped
        (AT + 0.1, False, False),
        (AT + 60, False, True),  # it ran for a minute after it had been stopped, as somebody wrote
        (AT + 60, True, False),  # only Postfix writes to a log of its own
    ],
)
def test_a_master_that_ran_on_after_its_last_words_was_not_stopped(
    lived: float, own_log: bool, dead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "mail.log"
    log.write_text(STOPPED)
    monkeypatch.setattr(activate, "open_log", lambda *_: LogFile(log, forgeable=not own_log))
    (tmp_path / "pid").mkdir()
    (tmp_path / "pid/master.pid").write_text("4194303\n")
    instance = Instance(tmp_path, {"queue_directory": str(tmp_path), "process_id_directory": "pid"})
    assert activate.died(instance, RecordedHost({}), lived) is dead


@pytest.mark.parametrize(
    ("seen", "services", "looks"),
    [
        ([{1, 2, 3}, {2, 9}, {9}], 30, 3),  # all of before end, and new ones begin
        ([set()], 30, 1),
        ([{1, 2}, {2}, {2}, {2}, {2}], 30, 5),  # one serves a client, which may last
        ([{1, 2, 3}], 30, 3),  # all serve clients
        ([{1, 2, 3}] * 6 + [set()], 30, 3),
        ([{1, 2, 3}] * 6 + [set()], 2000, 7),  # which master reads before the first one ends
        ([{1, 2, 3}] * 6 + [{3}], 2000, 10),
    ],
)
def test_after_a_reload_idle_daemons_are_waited_for_and_busy_ones_are_not(
    seen: list[set[int]], services: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, looked = [0.0], list[set[int]]()

    def children(_: object) -> frozenset[int]:
        looked.append(seen[min(len(looked), len(seen) - 1)])
        now[0] += 0.04
        return frozenset(looked[-1])

    monkeypatch.setattr(activate, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: None))
    monkeypatch.setattr("reconciler.host.programs.postfix.children", children)
    activate.let_go(frozenset({1, 2, 3}), Instance(Path("/etc/postfix"), {}), services)
    assert len(looked) == looks
