"""Reading commits and writing notes, on real repositories."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.host.effects import Host
from reconciler.model import limits
from reconciler.model.errors import InvalidSource, Unavailable
from reconciler.repository import repo
from reconciler.repository.repo import NoBranch, Repository, UnknownRevision
from tests.unit.other_users import NOBODY
from tests.unit.repositories import bare, commit, commit_tree, git

if TYPE_CHECKING:
    from collections.abc import Callable

PUSHES = 40
FILES = {"mail.yaml": "hostname: mx1.example.com\n", "tables/transport": "a b\n"}


def tree_of(path: Path, *entries: tuple[str, str, bytes]) -> str:
    """A git tree with any entries, as git itself would never write it: (mode, blob or tree name, file name)."""
    raw = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(oid) for mode, oid, name in entries)
    return git(path, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)


def blob(path: Path, content: str = "x") -> str:
    """The name of a blob with that content."""
    return git(path, "hash-object", "-w", "--stdin", stdin=content.encode())


def rules_of(repository: Repository, tree: str) -> dict[str, str]:
    """What is said against a commit with that tree, by path."""
    oid = commit_tree(repository.path, tree)
    with pytest.raises(InvalidSource) as caught:
        repository.read(repository.revision(oid))
    return {finding.where.file: finding.rule for finding in caught.value.findings}


def test_a_commit_is_read_from_its_objects(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, FILES, "Send Yahoo in serial\n\nbecause")
    tip = repository.tip()
    assert tip
    assert (tip.oid, tip.subject) == (oid, "Send Yahoo in serial")
    assert tip.author == "tester@example.com <tester@example.com>"
    tree = repository.read(tip)
    assert {path: file.read().decode() for path, file in tree.items()} == FILES
    assert tree["mail.yaml"].digest == git(repository.path, "rev-parse", f"{oid}:mail.yaml")
    assert tree["mail.yaml"].mode == 0o100644


def test_a_branch_that_is_unborn_or_deleted_has_no_tip(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    assert repository.tip() is None
    commit(repository.path, FILES)
    assert repository.tip()
    git(repository.path, "update-ref", "-d", "refs/heads/main")
    assert repository.tip() is None


def test_who_needs_the_branch_is_told_that_it_is_not_there(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    with pytest.raises(NoBranch, match=f"^repository {repository.path}: there is no branch main$"):
        repository.required_tip()
    oid = commit(repository.path, FILES)
    assert repository.required_tip().oid == oid


def test_the_branch_counts_and_not_head(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, FILES)
    git(repository.path, "symbolic-ref", "HEAD", "refs/heads/elsewhere")
    tip = repository.tip()
    assert tip
    assert tip.oid == oid


def test_packed_and_repacked_objects_are_found_by_a_handle_that_knew_them_loose(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    first = commit(repository.path, FILES)
    tree = repository.read(repository.revision(first))
    second = commit(repository.path, FILES | {"tables/virtual": "c d\n"})
    git(repository.path, "gc", "-q", "--prune=now")
    assert not (repository.path / "refs/heads/main").exists()
    assert repository.tip() == repository.revision(second)
    assert tree["tables/transport"].read() == b"a b\n"
    commit(repository.path, FILES | {"tables/virtual": "e f\n"})
    git(repository.path, "repack", "-a", "-d", "-q")
    tip = repository.tip()
    assert tip
    assert repository.read(tip)["tables/virtual"].read() == b"e f\n"


def test_a_reader_never_loses_the_branch_while_gc_runs(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    commit(repository.path, FILES)
    done = threading.Event()

    def maintain() -> None:
        for number in range(8):
            commit(repository.path, FILES | {"n": str(number)})
            git(repository.path, "gc", "-q", "--prune=now")
        done.set()

    thread = threading.Thread(target=maintain)
    thread.start()
    while not done.is_set():
        tip = repository.tip()
        assert tip
        assert repository.read(tip)["mail.yaml"].read() == FILES["mail.yaml"].encode()
    thread.join()


@pytest.mark.parametrize("name", ["main", "HEAD", "v1", "main~0"])
def test_a_revision_is_what_git_understands_by_its_name(tmp_path: Path, name: str) -> None:
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, FILES)
    git(repository.path, "tag", "-a", "v1", "-m", "one", "main")
    assert repository.revision(name).oid == oid
    assert repository.revision(oid[:7]).oid == oid


@pytest.mark.parametrize("name", ["none", "", "main~5", "main:mail.yaml", "-x", "a\nb", "@{", "0" * 40])
def test_a_name_that_is_no_commit_is_unknown(tmp_path: Path, name: str) -> None:
    repository = bare(tmp_path / "r.git")
    commit(repository.path, FILES)
    with pytest.raises(UnknownRevision, match="there is no commit"):
        repository.revision(name)


def test_a_rewind_is_told_from_an_advance(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    one, two, three = (commit(repository.path, {"n": str(number)}, f"number {number}") for number in range(3))
    assert repository.is_ancestor(one, three)
    assert repository.is_ancestor(two, two)
    assert not repository.is_ancestor(three, one)
    assert not repository.is_ancestor("1" * 40, three)
    assert [revision.oid for revision in repository.between(one, three)] == [two]
    assert repository.between("1" * 40, three) == []


def test_commits_that_come_later_are_found_though_they_were_missed_before(tmp_path: Path) -> None:
    repository, other = bare(tmp_path / "r.git"), bare(tmp_path / "other.git")
    one, two, three = (commit(other.path, {"later": str(number)}, f"number {number}") for number in range(3))
    assert not repository.is_ancestor(one, three)
    assert repository.between(one, three) == []
    shutil.copytree(other.path / "objects", repository.path / "objects", dirs_exist_ok=True)
    assert repository.is_ancestor(one, three)
    assert [revision.oid for revision in repository.between(one, three)] == [two]


def test_links_and_submodules_are_refused_all_at_once(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    commit(repository.path, FILES)
    link = blob(repository.path, "/etc/shadow")
    tree = tree_of(
        repository.path, ("120000", link, b"mail.yaml"), ("160000", "1" * 40, b"sub"), ("100644", link, b"tables")
    )
    assert rules_of(repository, tree) == {"mail.yaml": "symlink", "sub": "submodule"}


def test_what_is_left_out_is_not_even_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = bare(tmp_path / "mail.git")
    git(repository.path, "update-index", "--add", "--cacheinfo", f"120000,{'1' * 40},sites/site1/link", "--cacheinfo",
        f"160000,{'2' * 40},sites/site1/module")  # fmt: skip
    blob = git(repository.path, "hash-object", "-w", "--stdin", stdin=b"x")
    git(repository.path, "update-index", "--add", "--cacheinfo", f"100644,{blob},mail.yaml")
    revision = repository.revision(commit_tree(repository.path, git(repository.path, "write-tree", "--missing-ok")))
    monkeypatch.setattr(limits, "ENTRIES", 3)
    assert set(repository.read(revision, lambda path: path.startswith("sites/site1"))) == {"mail.yaml"}
    with pytest.raises(InvalidSource):
        repository.read(revision)


@pytest.mark.parametrize(
    "name", [b"..", b".", b".git", b".GIT", b"/etc", b"a/b", b"a\\b", b"a\nb", b"a\x1b[31m", b"\xff", b'a"']
)
def test_a_path_name_that_is_not_plain_is_refused(tmp_path: Path, name: bytes) -> None:
    repository = bare(tmp_path / "r.git")
    findings = rules_of(repository, tree_of(repository.path, ("100644", blob(repository.path), name)))
    ((file, rule),) = findings.items()
    assert rule == "unsafe-path"
    assert file.isprintable()


def test_a_file_that_is_too_large_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BYTES", 2 << 20)
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, {"big": "x" * (3 << 20), "fits": "x" * (1 << 20)})
    with pytest.raises(InvalidSource, match=r'big:1:1: "big" holds 3 MiB; the limit is 2 MiB'):
        repository.read(repository.revision(oid))


def test_a_tree_of_trees_that_unfolds_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.ENTRIES <= 200_000  # which takes some seconds; a thousand shows the same
    monkeypatch.setattr(limits, "ENTRIES", 1_000)
    repository = bare(tmp_path / "r.git")
    tree = tree_of(repository.path)
    for _ in range(12):
        tree = tree_of(repository.path, *(("40000", tree, f"{number:02}".encode()) for number in range(10)))
    assert set(rules_of(repository, tree).values()) == {"too-many-files"}


def test_an_empty_tree_is_a_commit_without_files(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    assert repository.read(repository.revision(commit(repository.path, {}))) == {}


def _removed(path: Path) -> None:
    shutil.rmtree(path)


def _truncated(path: Path) -> None:
    (path / "HEAD").unlink()


def _bad_ref(path: Path) -> None:
    (path / "refs/heads/main").write_text("garbage\n")


def _lost_commit(path: Path) -> None:
    (path / "refs/heads/main").write_text("1" * 40 + "\n")


def _no_objects(path: Path) -> None:
    shutil.rmtree(path / "objects")


def _bad_config(path: Path) -> None:
    (path / "config").write_text("[core\n")


@pytest.mark.parametrize("harm", [_removed, _truncated, _bad_ref, _lost_commit, _no_objects, _bad_config])
def test_a_repository_in_trouble_is_unavailable_and_named(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    repository = bare(tmp_path / "r.git")
    commit(repository.path, FILES)
    harm(repository.path)
    for each in (repository, Repository(repository.path, "main", Host())):
        if each is repository and harm in (_bad_config, _truncated):
            continue  # an open handle need not notice
        with pytest.raises(Unavailable, match=rf"repository {repository.path}: ."):
            each.tip()


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (_removed, ": No such file or directory"),
        (_truncated, ": Repository not found"),
        (_bad_config, ": failed to parse config file: missing"),
        (_no_objects, ": objects: No such file or directory"),
    ],
)
def test_an_error_names_the_file_that_it_is_about_and_the_repository_once(
    tmp_path: Path, harm: Callable[[Path], None], what: str
) -> None:
    path = bare(tmp_path / "r.git").path
    harm(path)

    with pytest.raises(Unavailable) as error:
        Repository(path, "main", Host()).tip()

    assert str(error.value).startswith(f"repository {path}{what}")


@pytest.mark.parametrize("harm", ["missing", "corrupt"])
@pytest.mark.parametrize("what", ["main^{tree}", "main:mail.yaml"])
def test_a_lost_object_is_the_repositorys_trouble_and_not_the_commits(tmp_path: Path, harm: str, what: str) -> None:
    repository = bare(tmp_path / "r.git")
    oid = git(repository.path, "rev-parse", commit(repository.path, FILES) and what)
    file = repository.path / "objects" / oid[:2] / oid[2:]
    file.chmod(0o644)
    file.unlink() if harm == "missing" else file.write_bytes(b"not zlib")
    with pytest.raises(Unavailable, match=f"repository {repository.path}: "):
        repository.read(repository.revision("main"))["mail.yaml"].read()


def test_a_repository_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    commit(repository.path, FILES)
    assert repository.tip()
    shutil.rmtree(repository.path)
    oid = commit(bare(repository.path).path, {"other": "x"})
    tip = repository.tip()
    assert tip
    assert tip.oid == oid
    assert set(repository.read(tip)) == {"other"}


def test_a_parent_folders_repository_never_answers_for_a_missing_one(tmp_path: Path) -> None:
    outer = bare(tmp_path / "r.git")
    commit(outer.path, FILES)
    (outer.path / "inner").mkdir()
    with pytest.raises(Unavailable):
        Repository(outer.path / "inner", "main", Host()).tip()


def test_threads_share_a_repository(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, FILES)
    seen: list[str] = []

    def look() -> None:
        for _ in range(50):
            tip = repository.tip()
            assert tip
            seen.append(tip.oid)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [oid] * 200


def test_a_quarantined_commit_is_read_before_git_accepts_it(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    commit(repository.path, FILES)
    other = bare(tmp_path / "other.git")
    oid = commit(other.path, FILES | {"new": "thing"})
    quarantine = repository.path / "objects/tmp_objdir-incoming-abc123"
    shutil.copytree(other.path / "objects", quarantine)
    with pytest.raises(UnknownRevision):
        repository.revision(oid)
    waiting = repository.with_quarantine(quarantine)
    assert waiting.read(waiting.revision(oid))["new"].read() == b"thing"
    with pytest.raises(UnknownRevision):
        repository.revision(oid)


def test_only_the_repositorys_own_quarantine_is_read(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    inside = repository.path / "objects"
    (tmp_path / "tmp_objdir-x").mkdir()
    (inside / "tmp_objdir-link").symlink_to(tmp_path)
    (inside / "other").mkdir()
    for path in (
        tmp_path / "tmp_objdir-x", inside / "tmp_objdir-link", inside / "other", inside / "tmp_objdir-none",
        inside / "tmp_objdir-/../../..",
    ):  # fmt: skip
        with pytest.raises(Unavailable, match="is not a quarantine folder"):
            repository.with_quarantine(path)


def owners(path: Path) -> set[int]:
    """Whom the files below a folder belong to."""
    return {Path(folder, name).lstat().st_uid for folder, _, names in os.walk(path) for name in (".", *names)}


def test_a_note_is_added_to_those_before_it(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, FILES)
    assert repository.notes(oid) is None
    repository.note(oid, "Refused\n\nmail.yaml:1:1: -x is ünknown")
    repository.note(oid, "Applied " + "y" * 200_000)
    text = repository.notes(oid) or ""
    assert text.startswith("Refused\n\nmail.yaml:1:1: -x is ünknown\n\nApplied yyy")
    assert "Refused" in git(repository.path, "log", "--notes=reconciler", "-1", "main")
    assert git(repository.path, "log", "-1", "--format=%an %ae", repo.NOTES).startswith("reconciler reconciler@")


def test_a_note_waits_for_a_locked_ref_and_gives_up_in_words(tmp_path: Path) -> None:
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, FILES)
    lock = repository.path / "refs/notes/reconciler.lock"
    lock.parent.mkdir()
    lock.touch()
    with pytest.raises(Unavailable, match=r"can't add a note to .*lock"):
        repository.note(oid, "text")
    lock.touch()
    threading.Timer(0.1, lock.unlink).start()
    repository.note(oid, "text")
    assert repository.notes(oid) == "text\n"


def test_pushes_notes_and_gc_leave_nothing_of_root_in_anothers_repository(open_folder: Path) -> None:
    assert os.geteuid() == 0, "needs root, to work in the repository of another user"
    repository = bare(open_folder / "r.git", NOBODY)
    clone = open_folder / "clone"
    clone.mkdir()
    os.chown(clone, NOBODY, NOBODY)
    git(clone, "init", "-q", "-b", "main", ".", user=NOBODY)
    for number in range(PUSHES):
        git(clone, "commit", "-q", "--allow-empty", "-m", f"number {number}", user=NOBODY)
        git(clone, "push", "-q", str(repository.path), "main", user=NOBODY)
        tip = repository.tip()
        assert tip
        assert repository.read(tip) == {}
        repository.note(tip.oid, f"Applied as generation {number}")
        if number % 13 == 0:
            git(repository.path, "gc", "-q", "--prune=now", user=NOBODY)
    assert len(git(repository.path, "notes", f"--ref={repo.NOTES}", "list", user=NOBODY).splitlines()) == PUSHES
    assert owners(repository.path) == {NOBODY}


def test_one_content_under_many_names_counts_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BYTES", 2 << 20)
    repository = bare(tmp_path / "r.git")
    oid = commit(repository.path, {f"tables/{name}": "x" * (900 << 10) for name in "abc"})
    with pytest.raises(InvalidSource, match=r"tables/c:1:1: .* hold 2 MiB together; the limit is 2 MiB"):
        repository.read(repository.revision(oid))
    oid = commit(repository.path, {f"tables/{name}": "x" * (900 << 10) for name in "ab"})
    assert len(repository.read(repository.revision(oid))) == 2
