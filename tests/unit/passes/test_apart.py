"""The files of a commit without the sites that are left out, and what people read about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reconciler.model import Finding, Where
from reconciler.passes.apart import Apart, commit_of, files_by_site, files_of, left_out, live_files
from reconciler.passes.judge import LiveCommit, judge
from tests.unit.adopted_folder import MAIL, Adopted, facts_are
from tests.unit.host_facts import HOST
from tests.unit.repositories import commit

if TYPE_CHECKING:
    from pathlib import Path

    from reconciler.model import Revision

OLD = {
    "mail.yaml": MAIL,
    "sites/site1/site.yaml": "domains: [one.example]\n",
    "sites/site12/site.yaml": "domains: [old.example]\n",
    "master.d/site12-a.cf": "# old\n",
    "flows/site12-a.yaml": "# old\n",
    "secrets/site12-a.age": "age-encryption.org/v1\n",
}
NEW = OLD | {"sites/site12/site.yaml": "domains: [new.example]\n", "master.d/site12-b.cf": "# new\n"}
ERROR = Finding(rule="r", where=Where("sites/site12/site.yaml", 3), text="wrong", subject="s", lasting=False)


@pytest.fixture
def adopted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Adopted:
    facts_are(HOST, monkeypatch)
    return Adopted.made_in(tmp_path)


def pushed(adopted: Adopted, files: dict[str, str]) -> Revision:
    return adopted.edges.repo.revision(commit(adopted.edges.repo.path, files))


def texts(adopted: Adopted, revision: Revision, kept: dict[str, str] | None = None) -> dict[str, str]:
    return {path: file.read().decode() for path, file in files_of(revision, adopted.edges, kept).items()}


def test_everything_that_belongs_to_the_site_comes_from_the_other_commit(adopted: Adopted) -> None:
    old, new = pushed(adopted, OLD), pushed(adopted, NEW)
    assert texts(adopted, new, {"site12": old.oid}) == OLD
    assert texts(adopted, new, {"site12": ""}) == {path: OLD[path] for path in ("mail.yaml", "sites/site1/site.yaml")}
    assert texts(adopted, new, {}) == texts(adopted, new) == NEW
    assert set(files_by_site(files_of(new, adopted.edges))) == {"site1", "site12"}


def test_what_is_live_is_known_from_the_generation(adopted: Adopted) -> None:
    old, new = pushed(adopted, OLD), pushed(adopted, NEW)
    apart = Apart({"site12": old.oid})
    assert left_out(new, adopted.edges) == {}
    assert live_files("site12", adopted.edges) == {}
    adopted.go_live(judge(new, adopted.edges, LiveCommit(adopted.edges), apart))
    assert left_out(new, adopted.edges) == {"site12": old.oid}
    assert texts(adopted, new) == OLD
    assert live_files("site12", adopted.edges)["sites/site12/site.yaml"].read() == b"domains: [old.example]\n"
    assert commit_of(adopted.edges.generations.live(), adopted.edges) == (new.oid, apart.kept)


def test_before_adoption_no_commit_is_live(adopted: Adopted) -> None:
    assert commit_of(adopted.edges.generations.live(), adopted.edges) == ("", {})
    assert commit_of(None, adopted.edges) == ("", {})


def test_each_error_is_told_with_its_site_and_what_stays_up_to_a_number() -> None:
    apart = Apart({"site12": "a", "site13": ""}, (("site12", ERROR), *[("site13", ERROR)] * 30))
    told = [str(finding) for finding in apart.warnings()]
    assert told[0] == (
        "sites/site12/site.yaml:3:1: warning: site12 is left out and stays as it is live, because: wrong"
    )
    assert told[1].endswith("site13 is left out and nothing of it is live, because: wrong")
    assert len(told) == 21
    assert not any(finding.lasting for finding in apart.warnings())
