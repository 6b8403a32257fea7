"""What a commit means is a value that nothing edits, and what is just as wrong in what is live is only reported."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import TYPE_CHECKING

import pytest

from reconciler.model import errors_in
from reconciler.model.errors import CheckFailed, InvalidSource
from reconciler.passes import judge as module
from reconciler.passes.judge import LiveCommit, judge, permit
from reconciler.passes.understand import understand
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.host_facts import HOST
from tests.unit.repositories import commit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from reconciler.apply.edges import Edges
    from reconciler.host.facts import FromOthers
    from reconciler.model import Facts, Revision
    from reconciler.passes.understand import Understood

WRONG = MAIL + "parameters: {smtpd_recipient_restrictions: permit_mynetwork}\n"


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(HOST, monkeypatch)
    return Adopted.made_in(tmp_path)


def judged_now(adopted: Adopted, revision: Revision) -> module.Judged:
    return judge(revision, adopted.edges, LiveCommit(adopted.edges))


def test_a_commit_that_is_new_does_not_restore_and_the_one_that_is_live_does(adopted: Adopted) -> None:
    judged = judged_now(adopted, adopted.commit())
    assert not judged.plan.empty
    assert not judged.restores

    adopted.go_live(judged)

    again = judged_now(adopted, judged.revision)
    assert again.plan.empty
    assert again.restores


def test_reverse_names_that_were_right_are_not_asked_for_by_the_next_pass(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Sequence[Facts | FromOthers]] = []
    site = "domains: [{0}.example]\ndelivery: {{address: 192.0.2.{1}, helo: {0}.example}}\n"
    files = {f"sites/site{n}/site.yaml": site.format(name, n) for n, name in ((11, "a"), (12, "b"), (13, "c"))}
    names = {"192.0.2.11": ("a.example",), "192.0.2.12": ("wrong.example",), "192.0.2.13": None}
    found = replace(HOST, names=names)

    def gather(
        _host: object, _settings: object, _named: object = None, known: Sequence[Facts | FromOthers] = ()
    ) -> Facts:
        given.append(known)
        return found

    monkeypatch.setattr("reconciler.passes.understand.gather", gather)
    revision = adopted.edges.repo.revision(commit(adopted.edges.repo.path, {"mail.yaml": MAIL, **files}))
    judged_now(adopted, revision)
    judged_now(adopted, revision)
    (said,) = given[-1]
    assert said.names == {"192.0.2.11": ("a.example",)}
    files["sites/site11/site.yaml"] = site.format("new", 11)
    judged_now(adopted, adopted.edges.repo.revision(commit(adopted.edges.repo.path, {"mail.yaml": MAIL, **files})))
    assert not given[-1], "what was right for one commit says nothing of the name that another one needs"


def test_a_hand_edit_of_what_is_live_is_restored(adopted: Adopted) -> None:
    judged = judged_now(adopted, adopted.commit())
    (adopted.go_live(judged).root / "main.cf").write_text("edited = 1\n")

    again = judged_now(adopted, judged.revision)

    assert not again.plan.empty
    assert again.restores


def test_what_was_judged_is_not_edited(adopted: Adopted) -> None:
    judged = judged_now(adopted, adopted.commit())
    with pytest.raises(FrozenInstanceError):
        judged.findings = ()  # type: ignore[misc] # which is the point


def test_an_error_that_is_new_refuses_the_commit(adopted: Adopted) -> None:
    judged = judged_now(adopted, adopted.commit(WRONG))
    with pytest.raises(CheckFailed):
        permit(judged, LiveCommit(adopted.edges), adopted.edges.repo)


def test_an_error_that_is_live_as_well_is_only_reported_and_stays_an_error_in_what_was_judged(adopted: Adopted) -> None:
    adopted.go_live(judged_now(adopted, adopted.commit(WRONG)))
    judged = judged_now(adopted, adopted.commit(WRONG + "smart_host: {nexthop: '[192.0.2.1]:25'}\n"))

    permitted = permit(judged, LiveCommit(adopted.edges), adopted.edges.repo)

    assert errors_in(judged.findings)
    assert not errors_in(permitted.findings)
    assert replace(permitted, findings=judged.findings) == judged


def test_the_live_commit_is_understood_once_and_only_when_it_is_asked_for(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted.go_live(judged_now(adopted, adopted.commit(WRONG)))
    asked: list[Revision] = []

    def counting(revision: Revision, edges: Edges, kept: Mapping[str, str], gathered: list[Facts]) -> Understood:
        asked.append(revision)
        return understand(revision, edges, kept, gathered)

    monkeypatch.setattr(module, "understand", counting)
    live = LiveCommit(adopted.edges)
    assert asked == []
    for _ in range(2):
        assert live.understood
    assert len(asked) == 1


def test_before_adoption_and_after_a_rollback_nothing_is_understood_of_what_is_live(adopted: Adopted) -> None:
    live = LiveCommit(adopted.edges)
    assert live.generation
    assert live.generation.revision == ""
    assert live.understood is None


def test_the_commit_that_is_live_is_not_read_again_for_a_push_without_an_error(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted.go_live(judged_now(adopted, adopted.commit()))
    new = adopted.commit(MAIL + "parameters: {myorigin: test.example}\n")
    read: list[str] = []

    def counted(revision: Revision, edges: Edges, kept: Mapping[str, str], gathered: list[Facts]) -> Understood:
        read.append(revision.oid)
        return understand(revision, edges, kept, gathered)

    monkeypatch.setattr(module, "understand", counted)
    live = LiveCommit(adopted.edges)
    permit(judge(new, adopted.edges, live), live, adopted.edges.repo)
    assert read == [new.oid]


def test_a_commit_that_can_t_be_read_is_refused_with_what_is_wrong_with_the_rest(adopted: Adopted) -> None:
    partly = adopted.commit(WRONG + "submision: {enabled: yes}\n")
    with pytest.raises(InvalidSource) as caught:
        judged_now(adopted, partly)
    assert [one.rule for one in caught.value.findings] == ["unknown-key", "unknown-restriction"]

    adopted.go_live(judged_now(adopted, adopted.commit(WRONG)))
    with pytest.raises(InvalidSource) as caught:
        judged_now(adopted, partly)

    assert [(one.rule, one.is_error) for one in caught.value.findings] == [
        ("unknown-key", True),
        ("unknown-restriction", False),  # it is live as well
    ]


def test_a_malformed_recipient_of_secrets_is_found_before_the_next_secret(adopted: Adopted) -> None:
    oid = commit(adopted.edges.repo.path, {"mail.yaml": MAIL, "secrets/recipients": "# ops\nage1cut\n"})

    [found] = errors_in(judged_now(adopted, adopted.edges.repo.revision(oid)).findings)

    assert (found.rule, str(found.where)) == ("malformed-recipient", "secrets/recipients:2:1")
