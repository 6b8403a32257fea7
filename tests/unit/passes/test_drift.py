"""What a status says of hand edits: the files, what ignore rules leave in place, and when the next rule ends."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from reconciler.passes.drift import branch, drift, file_in, held, ignored, limits_of, rules_end
from reconciler.passes.judge import LiveCommit, judge
from reconciler.state.manifest import PENDING
from reconciler.trees.ignore import Rule
from tests.unit.adopted_folder import Adopted, facts_are
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HOUR = timedelta(hours=1)


def rule(parameter: str, ends: timedelta) -> Rule:
    """Return a rule for a parameter that ends so much later than now."""
    return Rule("main.cf", parameter, datetime.now(UTC) + ends, "a test")


def test_a_rule_that_has_ended_holds_nothing_in_place() -> None:
    rules = (rule("smtpd_banner", HOUR), rule("mynetworks", -HOUR))

    assert held(rules) == {"main.cf:smtpd_banner"}
    assert file_in("main.cf:smtpd_banner") == file_in("main.cf") == "main.cf"
    assert 3590 < rules_end(rules) < 3601
    assert rules_end(()) == math.inf


def test_an_edit_and_its_generation_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts_are(HOST, monkeypatch)
    adopted = Adopted.made_in(tmp_path, drift_ignore=(rule("nosuch_parameter", HOUR),))
    edges, revision = adopted.edges, adopted.commit()
    live = adopted.go_live(judge(revision, edges, LiveCommit(edges)))
    assert drift(live, edges) == ()
    assert ignored(live, edges.settings.drift_ignore) == []

    (edges.settings.config_directory / "main.cf").write_text("edited = 1\n")
    edges.generations.mark(live, PENDING)

    assert drift(live, edges) == ("main.cf",)
    unknown, pending = limits_of(None, edges), limits_of(live, edges)
    assert [text for text in unknown if str(live.root) in text]
    assert [text for text in pending if "nosuch_parameter" in text]
    assert branch(edges.settings) == "drift/mx.test.example"
