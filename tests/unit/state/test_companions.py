"""A companion that stops working is noticed whenever that happens, and one that can't be started only once."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.host.effects import Host
from reconciler.host.programs import postsrsd
from reconciler.model import BESIDE
from reconciler.model.errors import CommandFailed
from reconciler.state.companions import Companions
from reconciler.state.manifest import FileRecord, Generation
from reconciler.state.source import Source, SourceKind

NAME = postsrsd.NAME
FILES = {f"{BESIDE}{NAME}/default": FileRecord(mode=0o644, owner="root:root", sha256="")}
LIVE = Generation(number=1, path=Path("/nosuch"), revision="", source=Source(SourceKind.COMMIT), files=FILES)


class PostSRSd:
    """A PostSRSd that works while it has processes, and that a start gives some, unless it *fails* to start."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.processes, self.fails, self.silent = [1], False, False
        patch.setattr(postsrsd, "processes", lambda: self.processes)
        patch.setattr(postsrsd, "answers", lambda *_: "" if self.processes and not self.silent else "refused")
        patch.setattr(postsrsd, "activate", lambda *_: self._start())

    def _start(self) -> None:
        if self.fails:
            raise CommandFailed(["service"], 1, "")
        self.processes, self.silent = [2], False


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> PostSRSd:
    return PostSRSd(monkeypatch)


@pytest.fixture
def companions(tmp_path: Path) -> Companions:
    return Companions(tmp_path, Host())


def test_one_that_died_is_news_once_and_is_started_also_in_a_pause(companions: Companions, program: PostSRSd) -> None:
    assert not companions.fell_silent(LIVE)
    program.processes = []
    assert companions.fell_silent(LIVE)
    assert not companions.fell_silent(LIVE)
    assert companions.revive(LIVE, paused=True) == ([NAME], "")
    assert not companions.fell_silent(LIVE)


def test_one_that_can_not_be_started_is_news_once(companions: Companions, program: PostSRSd) -> None:
    program.processes, program.fails = [], True
    assert companions.fell_silent(LIVE)
    started, trouble = companions.revive(LIVE, paused=True)
    assert started == []
    assert "PostSRSd died and does not start" in trouble
    assert not companions.fell_silent(LIVE)


def test_one_that_was_being_restarted_and_dies_right_after_a_pass_saw_it_work_is_news(
    companions: Companions, program: PostSRSd
) -> None:
    program.processes = []
    assert companions.fell_silent(LIVE), "while a command restarts it"
    program.processes = [2]
    assert companions.revive(LIVE, paused=True) == ([], "")
    program.processes = []
    assert companions.fell_silent(LIVE)


def test_one_whose_last_process_ends_after_a_pass_has_left_it_alone_is_news(
    companions: Companions, program: PostSRSd
) -> None:
    program.silent = True
    assert companions.fell_silent(LIVE), "a process that was killed is about to end"
    assert companions.revive(LIVE, paused=True) == ([], "")
    program.processes = []
    assert companions.fell_silent(LIVE)


def test_one_that_runs_and_does_not_work_is_left_alone_in_a_pause_and_news_once(
    companions: Companions, program: PostSRSd
) -> None:
    program.silent = True
    assert companions.fell_silent(LIVE)
    assert companions.revive(LIVE, paused=True) == ([], "")
    assert not companions.fell_silent(LIVE)
