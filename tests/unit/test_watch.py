"""The watcher wakes for what changed, and for nothing else."""

import os
import queue
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.daemon.watch import Watcher
from reconciler.model.phase import Wake
from tests.unit.git import bare, commit, git

PATIENCE = 10.0


class Watched:
    """A repository and a live configuration behind two links, with a watcher on them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repository = bare(root / "r.git").path
        self.generation(1)
        (root / "live").mkdir()
        (root / "etc").mkdir()
        self.swap(1)
        (root / "etc/postfix").symlink_to(root / "live/postfix")
        self.woken: queue.SimpleQueue[Wake] = queue.SimpleQueue()
        self.watcher = Watcher(self.repository, "team/main", [root / "etc/postfix"], self.woken.put)

    @property
    def main(self) -> Path:
        """The live main.cf."""
        return self.root / "etc/postfix/main.cf"

    def generation(self, number: int) -> None:
        """Make a generation."""
        folder = self.root / f"generations/{number}/postfix"
        (folder / "sasl").mkdir(parents=True)
        (folder / "main.cf").write_text("a = b\n")

    def swap(self, number: int) -> None:
        """Point the live link to a generation."""
        beside = self.root / "live/.postfix.new"
        beside.symlink_to(f"../generations/{number}/postfix")
        beside.rename(self.root / "live/postfix")

    def settled(self) -> set[Wake]:
        """Wait until what has happened so far has been told; what was."""
        beacon = self.root / "etc/postfix/beacon"
        quiet = set[Wake]()
        if beacon.parent.is_dir():
            beacon.touch()
            quiet.add(self.woken.get(timeout=PATIENCE))
        while True:
            try:
                quiet.add(self.woken.get(timeout=0.2))
            except queue.Empty:
                return quiet

    def expect(self, reason: Wake, act: Callable[[], object]) -> None:
        """Do something, which must wake for that reason and for no other."""
        act()
        assert self.woken.get(timeout=PATIENCE) is reason
        while True:
            try:
                assert self.woken.get(timeout=0.2) is reason
            except queue.Empty:
                return


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A watcher that is at work."""
    watched = Watched(tmp_path)
    watched.watcher.start()
    assert watched.watcher.limits == []
    yield watched
    watched.watcher.stop()


def push(watched: Watched) -> str:
    """Move the branch."""
    return commit(watched.repository, {"n": os.urandom(8).hex()}, branch="team/main")


def test_a_branch_wakes_when_it_is_born_moved_packed_and_moved_again(watched: Watched) -> None:
    for act in (
        lambda: push(watched),
        lambda: push(watched),
        lambda: git(watched.repository, "gc", "-q"),
        lambda: push(watched),
        lambda: git(watched.repository, "update-ref", "-d", "refs/heads/team/main"),
    ):
        watched.expect(Wake.PUSH, act)


def test_other_branches_and_notes_and_reading_wake_nobody(watched: Watched) -> None:
    oid = push(watched)
    watched.settled()
    commit(watched.repository, {"n": "x"}, branch="other")
    git(watched.repository, "notes", "--ref=refs/notes/reconciler", "add", "-m", "x", oid)
    watched.main.read_text()
    list(watched.main.parent.iterdir())
    (watched.root / "etc/resolv.conf").touch()
    assert watched.settled() == {Wake.DRIFT}  # which is the beacon's


EDITS: dict[str, Callable[[Path], object]] = {
    "written": lambda main: main.write_text("hand edit"),
    "appended": lambda main: subprocess.run(["sh", "-c", f"echo x >> {main}"], check=True),
    "sed -i": lambda main: subprocess.run(["sed", "-i", "s/a/c/", str(main)], check=True),
    "renamed over": lambda main: main.with_name("new").rename(main),
    "renamed away": lambda main: main.rename(main.parents[2] / "elsewhere"),
    "removed": lambda main: main.unlink(),
    "made private": lambda main: main.chmod(0o600),
    "given away": lambda main: os.chown(main, 65534, 65534),
    "added below": lambda main: (main.parent / "sasl/x").touch(),
    "a new folder": lambda main: (main.parent / "new.d/below").mkdir(parents=True),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_every_way_to_edit_the_live_configuration_wakes(watched: Watched, edit: Callable[[Path], object]) -> None:
    watched.main.with_name("new").write_text("new")
    watched.settled()
    watched.expect(Wake.DRIFT, lambda: edit(watched.main))


def test_after_a_swap_the_new_generation_is_watched_and_the_old_is_not(watched: Watched) -> None:
    watched.generation(2)
    watched.swap(2)
    watched.watcher.rearm()
    watched.settled()
    watched.expect(Wake.DRIFT, lambda: watched.main.write_text("x"))
    (watched.root / "generations/1/postfix/main.cf").write_text("x")
    assert watched.settled() == {Wake.DRIFT}


def test_a_swap_that_nobody_told_of_is_noticed(watched: Watched) -> None:
    watched.generation(2)
    watched.expect(Wake.DRIFT, lambda: watched.swap(2))
    watched.expect(Wake.DRIFT, lambda: watched.main.write_text("x"))


def test_a_link_replaced_by_a_folder_is_noticed_and_watched(watched: Watched) -> None:
    link = watched.root / "etc/postfix"
    watched.expect(Wake.DRIFT, link.unlink)
    watched.expect(Wake.DRIFT, link.mkdir)
    watched.expect(Wake.DRIFT, lambda: watched.main.write_text("x"))
    watched.expect(Wake.DRIFT, lambda: shutil.rmtree(link))
    watched.expect(Wake.DRIFT, link.mkdir)
    watched.expect(Wake.DRIFT, lambda: watched.main.write_text("x"))


def test_a_repository_deleted_and_made_again_is_watched_again(watched: Watched) -> None:
    push(watched)
    watched.settled()
    watched.expect(Wake.PUSH, lambda: shutil.rmtree(watched.repository))
    watched.expect(Wake.PUSH, lambda: bare(watched.repository))
    watched.expect(Wake.PUSH, lambda: push(watched))


def test_a_repository_that_comes_later_is_found(tmp_path: Path) -> None:
    woken: queue.SimpleQueue[Wake] = queue.SimpleQueue()
    watcher = Watcher(tmp_path / "later.git", "main", [tmp_path / "etc/postfix"], woken.put)
    watcher.start()
    repository = bare(tmp_path / "later.git")
    assert woken.get(timeout=PATIENCE) is Wake.PUSH
    commit(repository.path, {"n": "x"})
    assert woken.get(timeout=PATIENCE) is Wake.PUSH
    watcher.stop()


def held(what: str) -> int:
    """How many descriptors (fd) or threads (task) this process has."""
    return len(list(Path("/proc/self", what).iterdir()))


def test_after_stop_nobody_is_woken_and_no_thread_is_left(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    descriptors, threads = held("fd"), held("task")
    watched.watcher.start()
    watched.watcher.stop()
    push(watched)
    assert watched.woken.empty()
    assert (held("fd"), held("task")) == (descriptors, threads)


def test_without_file_descriptors_it_says_so_and_recovers(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        watched.watcher.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (limit,) = watched.watcher.limits
    assert limit.startswith("nothing is watched, changes are noticed at the next resync only: no file descriptors")
    watched.watcher.rearm()
    assert watched.watcher.limits == []
    watched.expect(Wake.PUSH, lambda: push(watched))
    watched.watcher.stop()


def test_where_the_kernel_has_no_watches_left_it_says_what_is_not_watched(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
Path("/proc/sys/user/max_inotify_watches").write_text("3")
from tests.unit.test_watch import Watched
watched = Watched(Path({str(tmp_path)!r}))
watched.watcher.start()
watched.watcher.stop()
print(*watched.watcher.limits, sep="\\n")
"""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", program],
        cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True,
    )  # fmt: skip
    limits = done.stdout.splitlines()
    assert limits
    assert all(line.startswith(f"{tmp_path}/") for line in limits)
    assert all("is not watched" in line and "fs.inotify.max_user_watches" in line for line in limits)


def test_nothing_runs_while_nothing_happens(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.watcher.start()
    watched.settled()

    def switches() -> list[list[str]]:
        tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
        return [re.findall(r"voluntary_ctxt_switches:\s*\d+", (task / "status").read_text()) for task in tasks]

    before = switches()
    with pytest.raises(queue.Empty):
        watched.woken.get(timeout=2.5)  # longer than any period watchdog might have
    assert switches() == before
    watched.watcher.stop()
