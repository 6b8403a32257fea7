"""What was found before a pass, and what was kept of it after: the policies revert and commit, and ignore rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from reconciler.host.settings import Settings
from reconciler.passes.drift import branch
from reconciler.passes.hand_edit import Found, Kept, find, keep
from reconciler.passes.judge import LiveCommit, judge
from reconciler.state.manifest import PENDING
from reconciler.state.records import Edited
from reconciler.trees.ignore import Rule
from tests.unit.adopted_folder import Adopted, facts_are
from tests.unit.host_facts import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model import Revision
    from reconciler.state.manifest import Generation

SOON = datetime.now(UTC) + timedelta(hours=1)
BANNER = Rule("main.cf", "smtpd_banner", SOON, "a test")


@pytest.fixture(autouse=True)
def _same_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    facts_are(HOST, monkeypatch)


def brought(adopted: Adopted, revision: Revision) -> Generation:
    """Have a pass make that commit live."""
    return adopted.go_live(judge(revision, adopted.edges, LiveCommit(adopted.edges)))


def edit(adopted: Adopted) -> None:
    """Set a banner by hand."""
    with (adopted.edges.settings.config_directory / "main.cf").open("a") as stream:
        stream.write("smtpd_banner = by hand\n")


def test_nothing_is_found_where_nothing_was_edited(tmp_path: Path) -> None:
    adopted = Adopted.made_in(tmp_path)
    live = brought(adopted, adopted.commit())

    found = find(adopted.edges)

    assert found == Found(before=live)
    assert keep(found, adopted.edges) == Kept(found)
    assert not keep(found, adopted.edges).is_news


def test_what_was_found_is_put_back_by_the_swap(tmp_path: Path) -> None:
    adopted = Adopted.made_in(tmp_path)
    revision = adopted.commit()
    live = brought(adopted, revision)
    edit(adopted)
    found = find(adopted.edges)
    assert (found.files, found.before) == (("main.cf",), live)
    assert found.by

    brought(adopted, revision)

    kept = keep(found, adopted.edges)
    assert kept.found == found
    assert kept.files == ("main.cf",)
    assert (kept.commit, kept.trouble) == ("", "")
    assert kept.record == Edited(files=("main.cf",), by=found.by, generation=live.number)


def test_what_was_edited_while_the_pass_ran_is_found_by_a_second_look(tmp_path: Path) -> None:
    adopted = Adopted.made_in(tmp_path)
    revision = adopted.commit()
    brought(adopted, revision)
    found = find(adopted.edges)
    judged = judge(revision, adopted.edges, LiveCommit(adopted.edges))
    edit(adopted)

    adopted.go_live(judged)

    kept = keep(found, adopted.edges)
    assert found.files == ()
    assert kept.found.files == kept.files == ("main.cf",)
    assert kept.found.by


def test_what_an_ignore_rule_leaves_alone_was_not_put_back(tmp_path: Path) -> None:
    adopted = Adopted.made_in(tmp_path, drift_ignore=(BANNER,))
    revision = adopted.commit()
    brought(adopted, revision)
    edit(adopted)
    found = find(adopted.edges)

    brought(adopted, revision)

    kept = keep(found, adopted.edges)
    assert found.files == ("main.cf",)
    assert kept.files == ()
    assert kept.left == ("main.cf:smtpd_banner",)
    assert kept.is_news


def test_with_policy_commit_the_edit_is_marked_before_the_swap_and_a_commit_after_it(tmp_path: Path) -> None:
    adopted = Adopted.made_in(tmp_path, drift_policy="commit")
    revision = adopted.commit()
    before = brought(adopted, revision)
    edit(adopted)

    found = find(adopted.edges)

    assert adopted.edges.generations.get(before.path).edit == PENDING
    assert keep(found, adopted.edges).commit == "", "it is still live"
    brought(adopted, revision)
    kept = keep(found, adopted.edges)
    assert kept.trouble == ""
    assert kept.branch == "drift/mx.test.example"
    assert adopted.edges.generations.get(before.path).edit == kept.commit
    commit = adopted.edges.repo.tip(kept.branch)
    assert commit
    assert commit.oid == kept.commit
    assert b"smtpd_banner: by hand" in adopted.edges.repo.read(commit)["mail.yaml"].read()


def test_an_edit_that_can_not_be_committed_is_trouble_and_stays_marked(tmp_path: Path) -> None:
    adopted = Adopted.made_in(tmp_path, drift_policy="commit")
    revision = adopted.commit()
    before = brought(adopted, revision)
    edit(adopted)
    found = find(adopted.edges)
    brought(adopted, revision)
    adopted.edges.repo.path.rename(tmp_path / "gone.git")

    kept = keep(found, adopted.edges)

    assert kept.commit == ""
    assert "mail.git" in kept.trouble
    assert adopted.edges.generations.get(before.path).edit == PENDING


def test_instances_that_share_a_repository_keep_their_edits_apart() -> None:
    assert branch(Settings(host="mx1.example.com")) == "drift/mx1.example.com"
    assert branch(Settings(host="mx1.example.com", instance="out")) == "drift/mx1.example.com@out"
