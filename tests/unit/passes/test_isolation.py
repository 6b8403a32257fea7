"""One site's error leaves out that site's change: whose fault it is, what stays live, and who is refused for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.model import Interface, errors_in
from reconciler.model.errors import WithFindings
from reconciler.passes.apart import RULE, Apart, files_of, live_files, names_in
from reconciler.passes.check import Checked, Memory, check
from reconciler.passes.isolation import Isolation
from reconciler.passes.judge import Judged, LiveCommit, judge, permit
from reconciler.state.source import Source, SourceKind
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.host_facts import HOST, facts
from tests.unit.repositories import commit, commit_tree, git

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model import Finding, Revision

HOST_FILES = {"mail.yaml": MAIL, "tables/virtual": "info@v.example root@mx.test.example\n"}
CHANGED = HOST_FILES | {"mail.yaml": MAIL + "parameters: {smtpd_banner: hello}\n"}
YAML = "sites/site{}/site.yaml"
TWELVE = {YAML.format(12): "domains: [twelve.example]\n"}
THIRTEEN = {YAML.format(13): "domains: [thirteen.example]\n"}
BROKEN = {YAML.format(12): "domains: [twelve.example\n"}
BOTH = HOST_FILES | TWELVE | THIRTEEN


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(HOST, monkeypatch)
    return Adopted.made_in(tmp_path)


def pushed(adopted: Adopted, files: dict[str, str], message: str = "a commit") -> Revision:
    return adopted.edges.repo.revision(commit(adopted.edges.repo.path, files, message))


def judged(adopted: Adopted, revision: Revision) -> Judged:
    """What a pass would make live."""
    live, edges = LiveCommit(adopted.edges), adopted.edges
    return Isolation(revision, edges, live).run(
        lambda apart: permit(judge(revision, edges, live, apart), live, edges.repo)
    )


def live_with(adopted: Adopted, files: dict[str, str]) -> str:
    """Make a commit live as it is; its name."""
    revision = pushed(adopted, files)
    adopted.go_live(judge(revision, adopted.edges, LiveCommit(adopted.edges), Apart()))
    return revision.oid


def refused(adopted: Adopted, revision: Revision, base: Revision | None = None) -> list[Finding]:
    """The errors that the pusher reads."""
    with pytest.raises(WithFindings) as caught:
        check(revision, adopted.edges, Memory(), stage=False, base=base)
    return errors_in(caught.value.findings)


def test_the_rest_goes_live_and_the_site_stays_as_it_is(adopted: Adopted) -> None:
    old = live_with(adopted, BOTH)
    found = judged(adopted, pushed(adopted, CHANGED | BROKEN | THIRTEEN))
    assert [change.what for change in found.plan.changes if change.what == "smtpd_banner"]
    assert found.apart.kept == {"site12": old}
    (warning,) = (finding for finding in found.findings if finding.rule == RULE)
    assert str(warning).startswith("sites/site12/site.yaml:")
    assert "warning: site12 is left out and stays as it is live, because:" in str(warning)
    assert not errors_in(found.findings)
    assert names_in(found.findings) == ["site12"]
    generation = adopted.go_live(found)
    assert generation.kept == {"site12": old}
    assert adopted.edges.generations.get(generation.path).kept == {"site12": old}
    assert LiveCommit(adopted.edges).files[YAML.format(12)].read() == TWELVE[YAML.format(12)].encode()


def test_a_site_that_was_never_live_stays_out(adopted: Adopted) -> None:
    live_with(adopted, HOST_FILES | THIRTEEN)
    found = judged(adopted, pushed(adopted, CHANGED | BROKEN | THIRTEEN))
    assert found.apart.kept == {"site12": ""}
    assert "site12 is left out and nothing of it is live" in str(found.findings[-1])
    assert not any("site12" in path for path in files_of(found.revision, adopted.edges, found.apart.kept))


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        (BROKEN, "yaml"),
        ({YAML.format(12): "domain: [twelve.example]\n"}, "unknown-key"),
        (TWELVE | {"master.d/site12-x.cf": "x unix - n n - - pipe user=vmail argv=/bin/true\n"}, "site-service"),
        (TWELVE | {"sites/site12/tables/virtual": "a@twelve.example\n"}, "malformed-entry"),
        (TWELVE | {"sites/site12/tables/virtual": " a@twelve.example b@x.example\n"}, "malformed-entry"),
        (TWELVE | {"sites/site12/tables/virtual": "info@v.example b@x.example\n"}, "duplicate-entry"),
        (TWELVE | {"sites/site12/tables/virtual.pcre": "/a/ b@x.example\n"}, "ambiguous-table"),
        (TWELVE | {"sites/site12/tables/transport": "x.example nothere:\n"}, "unknown-transport"),
        (TWELVE | {"sites/site12/other": "x\n"}, "misplaced-file"),
        (TWELVE | {"flows/site12-a.yaml": "- x\n"}, "flows"),
        (TWELVE | {"secrets/site12-a.age": "password\n"}, "plain-text-secret"),
        ({"sites/site12": "a file\n"}, "misplaced-file"),
    ],
)
def test_each_kind_of_error_in_a_sites_files_leaves_out_that_site_alone(
    adopted: Adopted, files: dict[str, str], rule: str
) -> None:
    live_with(adopted, BOTH)
    found = judged(adopted, pushed(adopted, CHANGED | files | THIRTEEN))
    assert list(found.apart.kept) == ["site12"], rule
    assert "smtpd_banner" in [change.what for change in found.plan.changes]


def test_a_link_in_a_sites_folder_leaves_it_out(adopted: Adopted) -> None:
    old = live_with(adopted, BOTH)
    path = adopted.edges.repo.path
    commit(path, CHANGED | TWELVE | THIRTEEN)
    blob = git(path, "hash-object", "-w", "--stdin", stdin=b"/etc/shadow")
    git(path, "read-tree", "main")
    git(path, "update-index", "--add", "--cacheinfo", f"120000,{blob},sites/site12/tables/virtual")
    linked = adopted.edges.repo.revision(commit_tree(path, git(path, "write-tree")))
    found = judged(adopted, linked)
    assert found.apart.kept == {"site12": old}
    adopted.go_live(found)
    assert YAML.format(12) in files_of(linked, adopted.edges)
    upon = pushed(adopted, CHANGED | TWELVE)
    assert [finding.rule for finding in refused(adopted, linked, base=adopted.edges.repo.revision(old))] == ["symlink"]
    assert judged(adopted, upon).apart.kept == {}


# ---- claims ----------------------------------------------------------------------------------------------------------


def claims(**sites: str) -> dict[str, str]:
    return {YAML.format(name.removeprefix("site")): f"domains: [{domains}]\n" for name, domains in sites.items()}


@pytest.mark.parametrize(
    ("live", "pushed_files", "out"),
    [
        (claims(site13="a.example"), claims(site12="a.example", site13="a.example"), ["site12"]),
        (claims(site13="a.example"), claims(site13="a.example", site14="a.example"), ["site14"]),
        (claims(site13="a.example"), claims(site12="a.example", site13="a.example, b.example"), ["site12"]),
        (claims(site13="b.example"), claims(site12="a.example", site13="a.example, b.example"), ["site12", "site13"]),
        ({}, claims(site12="a.example", site13="a.example"), ["site12", "site13"]),
        (claims(site14="a.example"), claims(site12="a.example", site13="a.example", site14="a.example"),
         ["site12", "site13"]),
        (claims(site12="a.example", site13="b.example"), claims(site12="b.example", site13="a.example"), []),
        (claims(site13="a.example"), claims(site12="a.example", site13="b.example"), []),
    ],
)  # fmt: skip
def test_of_two_sites_with_one_domain_the_newcomer_is_left_out(
    adopted: Adopted, live: dict[str, str], pushed_files: dict[str, str], out: list[str]
) -> None:
    live_with(adopted, HOST_FILES | live)
    found = judged(adopted, pushed(adopted, CHANGED | pushed_files))
    assert list(found.apart.kept) == out
    assert {finding.where.file for finding in found.findings if finding.rule == RULE} == {
        f"sites/{site}/site.yaml" for site in out
    }


def test_the_newcomers_push_is_refused_at_its_own_place_and_names_both(adopted: Adopted) -> None:
    base = adopted.edges.repo.revision(live_with(adopted, HOST_FILES | claims(site13="a.example")))
    (error,) = refused(adopted, pushed(adopted, HOST_FILES | claims(site12="a.example", site13="a.example")), base)
    assert str(error.where) == "sites/site12/site.yaml:1:11"
    assert "is in site12 (sites/site12/site.yaml:1:11) and in site13 (sites/site13/site.yaml:1:11)" in error.text


def test_two_new_claims_in_one_push_are_both_refused_and_both_places_are_named(adopted: Adopted) -> None:
    base = adopted.edges.repo.revision(live_with(adopted, HOST_FILES))
    errors = refused(adopted, pushed(adopted, HOST_FILES | claims(site12="a.example", site13="a.example")), base)
    assert [error.where.file for error in errors] == ["sites/site12/site.yaml", "sites/site13/site.yaml"]


def test_of_two_rows_with_one_key_the_newer_is_left_out(adopted: Adopted) -> None:
    rows = {"sites/site13/tables/virtual": "a@v.example root@mx.test.example\n"}
    live_with(adopted, BOTH | rows)
    new = {"sites/site12/tables/virtual": "A@v.example root@mx.test.example\n"}
    found = judged(adopted, pushed(adopted, CHANGED | TWELVE | THIRTEEN | rows | new))
    assert list(found.apart.kept) == ["site12"]
    assert str(found.findings[-1].where).startswith("sites/site12/tables/virtual:1")


# ---- who is refused --------------------------------------------------------------------------------------------------


def test_a_push_that_brings_the_error_is_refused_and_one_on_top_of_it_is_not(adopted: Adopted) -> None:
    base = adopted.edges.repo.revision(live_with(adopted, BOTH))
    bad = pushed(adopted, HOST_FILES | BROKEN | THIRTEEN)
    (error,) = refused(adopted, bad, base)
    assert error.where.file == YAML.format(12)
    checked = check(pushed(adopted, CHANGED | BROKEN | THIRTEEN), adopted.edges, Memory(), stage=False, base=bad)
    assert names_in(checked.findings) == ["site12"]
    assert refused(adopted, pushed(adopted, CHANGED | BROKEN | THIRTEEN))  # `reconciler check` lists it as an error


def test_a_push_that_changes_host_and_site_is_refused_for_the_sites_error(adopted: Adopted) -> None:
    base = adopted.edges.repo.revision(live_with(adopted, BOTH))
    assert refused(adopted, pushed(adopted, CHANGED | BROKEN | THIRTEEN), base)


def test_an_error_of_the_host_refuses_everything_and_all_errors_are_listed(adopted: Adopted) -> None:
    live_with(adopted, BOTH)
    wrong = {"mail.yaml": MAIL + "parameters: {smtpd_recipient_restrictions: permit_mynetwork}\n"}
    revision = pushed(adopted, BOTH | wrong | BROKEN)
    with pytest.raises(WithFindings) as caught:
        judged(adopted, revision)
    files = {error.where.file for error in errors_in(caught.value.findings)}
    assert files == {"mail.yaml", YAML.format(12)}
    assert RULE not in {finding.rule for finding in caught.value.findings}


def test_what_an_unchanged_site_needs_is_the_hosts_fault(adopted: Adopted) -> None:
    row = {"sites/site12/tables/transport": "x.example slow:\n"}
    slow = {"mail.yaml": MAIL + "transports: {slow: {concurrency: 1}}\n"}
    live_with(adopted, BOTH | row | slow)
    for more in ({}, {YAML.format(12): "domains: [new.example]\n"}, {YAML.format(13): "domains: [new.example]\n"}):
        with pytest.raises(WithFindings) as caught:
            judged(adopted, pushed(adopted, BOTH | row | more))
        assert [error.where.file for error in errors_in(caught.value.findings)] == ["sites/site12/tables/transport"]


def test_without_a_live_commit_nothing_can_be_left_out(adopted: Adopted) -> None:
    with pytest.raises(WithFindings):
        judged(adopted, pushed(adopted, HOST_FILES | BROKEN))


def test_the_many_deletions_of_a_site_leave_out_that_site(adopted: Adopted) -> None:
    rows = {"sites/site12/tables/virtual": "".join(f"a{n}@v.example root@mx.test.example\n" for n in range(20))}
    old = live_with(adopted, BOTH | rows)
    gone = {"sites/site12/tables/virtual": "a1@v.example root@mx.test.example\n"}
    found = judged(adopted, pushed(adopted, CHANGED | TWELVE | THIRTEEN | gone))
    assert found.apart.kept == {"site12": old}
    adopted.go_live(found)
    assert judged(adopted, found.revision).apart.kept == {"site12": old}  # the guard holds at every later pass
    confirmed = pushed(adopted, CHANGED | TWELVE | THIRTEEN | gone, "Fewer\n\nConfirm: deletions")
    assert judged(adopted, confirmed).apart.kept == {}


# ---- afterwards ------------------------------------------------------------------------------------------------------


def test_the_next_pass_changes_nothing_and_a_hand_edit_is_put_back(adopted: Adopted) -> None:
    live_with(adopted, BOTH)
    found = judged(adopted, pushed(adopted, CHANGED | BROKEN | THIRTEEN))
    generation = adopted.go_live(found)
    again = judged(adopted, found.revision)
    assert again.plan.empty
    assert names_in(again.findings) == ["site12"]
    (generation.root / "main.cf").write_text("edited = 1\n")
    edited = judged(adopted, found.revision)
    assert edited.restores
    assert not edited.plan.empty


def test_a_site_keeps_its_files_over_several_commits_and_the_correction_goes_live(adopted: Adopted) -> None:
    old = live_with(adopted, BOTH)
    adopted.go_live(judged(adopted, pushed(adopted, CHANGED | BROKEN | THIRTEEN)))
    more = {"mail.yaml": MAIL + "parameters: {smtpd_banner: again}\n"}
    second = judged(adopted, pushed(adopted, BOTH | more | BROKEN))
    assert second.apart.kept == {"site12": old}
    adopted.go_live(second)
    fixed = judged(adopted, pushed(adopted, BOTH | more | {YAML.format(12): "domains: [new.example]\n"}))
    assert fixed.apart.kept == {}
    assert not adopted.go_live(fixed).kept
    assert LiveCommit(adopted.edges).files[YAML.format(12)].read() == b"domains: [new.example]\n"


def test_a_site_that_is_left_out_can_be_removed(adopted: Adopted) -> None:
    live_with(adopted, BOTH)
    adopted.go_live(judged(adopted, pushed(adopted, CHANGED | BROKEN | THIRTEEN)))
    assert live_files("site12", adopted.edges)[YAML.format(12)].read() == TWELVE[YAML.format(12)].encode()
    removed = judged(adopted, pushed(adopted, CHANGED | THIRTEEN))
    assert removed.apart.kept == {}
    adopted.go_live(removed)
    assert live_files("site12", adopted.edges) == {}


def test_an_error_of_the_moment_is_tried_again_at_the_next_pass(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_with(adopted, BOTH)
    away = {YAML.format(12): "domains: [a.example]\ndelivery: {address: 192.0.2.99, helo: a.example}\n"}
    facts_are(facts(names={"192.0.2.99": ("a.example",)}), monkeypatch)
    found = judged(adopted, pushed(adopted, CHANGED | away | THIRTEEN))
    assert list(found.apart.kept) == ["site12"]
    memory = Memory()
    memory.checked = Checked(found)
    assert memory.recall(found.revision, adopted.edges) is None
    adopted.go_live(found)
    here = facts(addresses=(*HOST.addresses, Interface.of("192.0.2.99/24")),
                 names={"192.0.2.99": ("a.example",)})  # fmt: skip
    facts_are(here, monkeypatch)
    later = judged(adopted, found.revision)
    assert later.apart.kept == {}
    assert "site12-out/unix" in [change.what for change in later.plan.changes]


def test_after_a_rollback_a_site_stays_as_the_rollback_made_it(adopted: Adopted) -> None:
    old = live_with(adopted, BOTH)
    first = adopted.edges.generations.live()
    assert first
    second = live_with(adopted, CHANGED | claims(site12="new.example") | THIRTEEN)
    back = Source(SourceKind.ROLLBACK, number=first.number)
    stage = adopted.edges.generations.stage(first.owned(), "pass", 1_000_000_000.0)
    (stage.root / "virtual.lmdb").touch()
    adopted.edges.generations.switch(adopted.edges.generations.place(stage, first.owned(), "", back))
    found = judged(adopted, pushed(adopted, CHANGED | BROKEN | THIRTEEN))
    assert found.apart.kept == {"site12": old}
    assert second != old
