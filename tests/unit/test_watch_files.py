"""The watcher wakes for files that it was given, through any links; and for everything when events were lost."""

import os
import queue
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.daemon.watch import changes
from reconciler.model.phase import Wake
from tests.unit.test_watch import PATIENCE, Watched, push


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A watcher with a certificate behind a link, and an identity."""
    watched = Watched(tmp_path)
    (tmp_path / "archive").mkdir()
    for number in (1, 2):
        (tmp_path / f"archive/cert{number}.pem").write_text(f"{number}")
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/cert.pem").symlink_to("../archive/cert1.pem")
    (tmp_path / "identity").write_text("key")
    watched.watcher.watch_files(
        {Wake.CERTIFICATE: [tmp_path / "tls/cert.pem"], Wake.SECRET: [tmp_path / "identity"]}
    )  # fmt: skip
    watched.watcher.start()
    yield watched
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


@pytest.mark.parametrize("renewal", RENEWALS)
def test_a_certificate_wakes_however_it_is_renewed(watched: Watched, renewal: str) -> None:
    watched.expect(Wake.CERTIFICATE, lambda: RENEWALS[renewal](watched.root))
    watched.expect(Wake.SECRET, lambda: (watched.root / "identity").write_text("other"))


def test_its_neighbours_and_readers_wake_nobody(watched: Watched) -> None:
    (watched.root / "archive/cert2.pem").write_text("new")
    (watched.root / "archive/cert1.pem").read_text()
    with pytest.raises(queue.Empty):
        watched.woken.get(timeout=0.5)


def test_a_link_that_was_switched_is_followed_from_then_on(watched: Watched) -> None:
    watched.expect(Wake.CERTIFICATE, lambda: switch(watched.root))
    watched.expect(Wake.CERTIFICATE, lambda: (watched.root / "archive/cert2.pem").write_text("newer"))
    watched.expect(Wake.PUSH, lambda: push(watched))


OVERFLOWING = """
import sys
from pathlib import Path
from tests.unit.test_watch import Watched
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
    root = Path(__file__).parents[2]
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
    assert "the kernel dropped events (fs.inotify.max_queued_events): everything was compared anew" in told


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
