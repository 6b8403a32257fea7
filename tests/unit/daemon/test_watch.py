"""The watcher wakes for what changed, through any links, and for nothing else."""

from __future__ import annotations

import os
import queue
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reconciler.daemon.inotify import Inotify, WatchEvent
from reconciler.daemon.watch import Watcher, changes
from reconciler.model.phase import Wake
from tests.unit.repositories import bare, commit, git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def test_a_link_that_vanishes_between_two_looks_at_it_does_not_end_the_watch(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    vanishes = iter([True, False] * 3)

    def realpath(path: Path, real: Callable[[Path], str] = os.path.realpath) -> str:
        if next(vanishes, False):
            raise FileNotFoundError(path)
        return real(path)

    monkeypatch.setattr(os.path, "realpath", realpath)
    watched.expect(Wake.PUSH, lambda: push(watched))
    watched.expect(Wake.PUSH, lambda: push(watched))
    assert next(vanishes, None) is None
    assert watched.watcher.limits == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_the_thread_that_watches_wakes_and_the_next_pass_has_it_watch_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "walk", lambda _: 1 // 0)
        watched.expect(Wake.PUSH, lambda: push(watched))
    watched.watcher.rearm()  # as after each pass
    watched.settled()
    watched.expect(Wake.PUSH, lambda: push(watched))


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


@pytest.mark.parametrize("ends", [True, False])
def test_what_is_not_read_yet_when_the_watches_are_set_again_counts(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, *, ends: bool
) -> None:
    watched.settled()
    reading, read = threading.Event(), Inotify.read

    def later(inotify: Inotify) -> list[WatchEvent]:
        assert reading.wait(PATIENCE)
        return read(inotify)

    def act() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Inotify, "read", later)
            if ends:
                shutil.rmtree(watched.root / "live")
            else:
                (watched.root / "live").rename(watched.root / "gone")
            watched.watcher.rearm()
            reading.set()

    watched.expect(Wake.DRIFT, act)


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
    assert limit.startswith("nothing is watched; changes are noticed only at the next resync: no file descriptors")
    watched.watcher.rearm()
    assert watched.watcher.limits == []
    watched.expect(Wake.PUSH, lambda: push(watched))
    watched.watcher.stop()


def test_where_the_kernel_has_no_watches_left_it_says_what_is_not_watched(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from tests.unit.daemon.test_watch import Watched
Path("/proc/sys/user/max_inotify_watches").write_text("3")
watched = Watched(Path({str(tmp_path)!r}))
watched.watcher.start()
watched.watcher.stop()
print(*watched.watcher.limits, sep="\\n")
"""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", program],
        cwd=Path(__file__).parents[3], check=True, capture_output=True, text=True,
    )  # fmt: skip
    limits = done.stdout.splitlines()
    assert limits
    assert all(line.startswith(f"{tmp_path}/") for line in limits)
    assert all("is not watched" in line and "fs.inotify.max_user_watches" in line for line in limits)


def test_nothing_runs_while_nothing_happens(tmp_path: Path) -> None:
    others = {*Path("/proc/self/task").iterdir()}
    watched = Watched(tmp_path)
    watched.watcher.start()
    watched.settled()
    tasks = {*Path("/proc/self/task").iterdir()} - others
    assert tasks

    def switches() -> list[list[str]]:
        return [re.findall(r"voluntary_ctxt_switches:\s*\d+", (task / "status").read_text()) for task in tasks]

    before = switches()
    with pytest.raises(queue.Empty):
        watched.woken.get(timeout=2.5)  # longer than any period of a poll
    assert switches() == before
    watched.watcher.stop()


def switch(root: Path) -> None:
    """Let the link lead to the other certificate, in one step."""
    (root / "tls/new").symlink_to("../archive/cert2.pem")
    (root / "tls/new").rename(root / "tls/cert.pem")


RENEWALS: dict[str, Callable[[Path], object]] = {
    "written in place": lambda root: (root / "archive/cert1.pem").write_text("new"),
    "renamed over": lambda root: (root / "archive/cert2.pem").rename(root / "archive/cert1.pem"),
    "the link switched": switch,
    "removed": lambda root: (root / "archive/cert1.pem").unlink(),
}


@pytest.fixture
def watched_files(tmp_path: Path) -> Iterator[Watched]:
    """A watcher with a certificate behind a link, and an identity."""
    made = Watched(tmp_path)
    (tmp_path / "archive").mkdir()
    for number in (1, 2):
        (tmp_path / f"archive/cert{number}.pem").write_text(f"{number}")
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/cert.pem").symlink_to("../archive/cert1.pem")
    (tmp_path / "identity").write_text("key")
    made.watcher.watch_files(
        {Wake.CERTIFICATE: [tmp_path / "tls/cert.pem"], Wake.SECRET: [tmp_path / "identity"]}
    )  # fmt: skip
    made.watcher.start()
    yield made
    made.watcher.stop()


@pytest.mark.parametrize("renewal", RENEWALS)
def test_a_certificate_wakes_however_it_is_renewed(watched_files: Watched, renewal: str) -> None:
    watched_files.expect(Wake.CERTIFICATE, lambda: RENEWALS[renewal](watched_files.root))
    watched_files.expect(Wake.SECRET, lambda: (watched_files.root / "identity").write_text("other"))


def test_its_neighbours_and_readers_wake_nobody(watched_files: Watched) -> None:
    (watched_files.root / "archive/cert2.pem").write_text("new")
    (watched_files.root / "archive/cert1.pem").read_text()
    with pytest.raises(queue.Empty):
        watched_files.woken.get(timeout=0.5)


def test_a_link_that_was_switched_is_followed_from_then_on(watched_files: Watched) -> None:
    watched_files.expect(Wake.CERTIFICATE, lambda: switch(watched_files.root))
    watched_files.expect(Wake.CERTIFICATE, lambda: (watched_files.root / "archive/cert2.pem").write_text("newer"))
    watched_files.expect(Wake.PUSH, lambda: push(watched_files))


OVERFLOWING = """
import sys
from pathlib import Path
from tests.unit.daemon.test_watch import Watched
watched = Watched(Path(sys.argv[1]))
watched.watcher.start()
watched.settled()
print("ready", flush=True)
told = set()
while not watched.watcher.limits:
    told.add(watched.woken.get(timeout=60))
told.add(watched.woken.get(timeout=60))
while not watched.woken.empty():
    told.add(watched.woken.get())
print(*sorted(told), *watched.watcher.limits, flush=True)
watched.watcher.stop()
"""


def test_events_that_the_kernel_dropped_are_taken_for_a_change_of_everything(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    argv = [sys.executable, "-c", OVERFLOWING, str(tmp_path)]
    with subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)
        for number in range(most // 2 + 500):
            os.mknod(tmp_path / f"generations/1/postfix/{number}")
            os.unlink(tmp_path / f"generations/1/postfix/{number}")  # noqa: PTH108 - many, and quick
        process.send_signal(signal.SIGCONT)
        told = process.stdout.readline()
    assert "drift" in told
    assert "push" in told
    assert "the kernel dropped events (fs.inotify.max_queued_events): everything was compared again" in told


def test_a_descriptor_can_be_read_once_a_file_changes_and_not_before(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("one\n")
    number = changes([log])
    assert number is not None
    poll = select.poll()
    poll.register(number, select.POLLIN)
    log.read_text()
    assert poll.poll(200) == []
    with log.open("a") as stream:
        stream.write("two\n")
    assert poll.poll(PATIENCE * 1000)
    os.close(number)
    assert changes([tmp_path / "nosuch"]) is None


def test_a_folder_that_is_made_below_is_watched_as_deep_as_it_goes(watched: Watched) -> None:
    deep = watched.main.parent / "new.d/below/further"
    watched.expect(Wake.DRIFT, lambda: deep.mkdir(parents=True))
    watched.expect(Wake.DRIFT, (deep / "file").touch)
    watched.expect(Wake.DRIFT, lambda: (deep / "file").write_text("x"))
