"""The effects: what is durable is on disk before its name, by the order of the system calls."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from reconciler.host.effects import Host
from tests.unit.system_calls import Call, calls, not_durable, traced

DURABLE = {
    "replace": "host.replace(here / 'old', b'{}')",
    "replace a large file": "host.replace(here / 'old', bytes(1 << 20))",
    "append to a new file": "host.append(here / 'journal', b'line')",
    "append to an old file": "host.append(here / 'old', b'line')",
    "make_directory": "host.make_directory(here / 'one/two/three')",
    "symlink": "host.symlink(here / 'link', here / 'old')",
    "rename": "host.make_directory(here / 'new'); host.rename(here / 'old', here / 'new/old')",
    "copy a file and sync it": (
        "host.copy(here / 'old', here / 'copy'); host.sync(here / 'copy'); host.rename(here / 'copy', here / 'new')"
    ),
    "write a stage and sync it": (
        "host.make_directory(here / 'stage/a', lasting=False); host.write(here / 'stage/a/file', b'x');"
        "host.copy(here / 'old', here / 'stage/copy'); host.link(here / 'stage/link', here / 'old', here / 'old');"
        "host.sync(here / 'stage'); host.rename(here / 'stage', here / 'placed')"
    ),
}
SCRIPT = (
    "import sys; from pathlib import Path; from reconciler.host.effects import Host;"
    "host, here = Host(), Path(sys.argv[1]);"
)


@pytest.mark.parametrize("what", DURABLE)
def test_a_durable_effect_has_bytes_and_names_on_disk_in_that_order(tmp_path: Path, what: str) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "old").write_text("old")

    made = traced([sys.executable, "-B", "-c", SCRIPT + DURABLE[what], here], tmp_path / "trace")

    assert any(call.name == "fsync" for call in made)
    assert not_durable(made, here, [here / "old"]) == []


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("(here / 'new').write_text('x')", "new is not on disk at the end"),
        ("(here / 'a').write_text('x'); host.rename(here / 'a', here / 'b')", "b before"),
        ("(here / 'a').symlink_to('x'); (here / 'a').rename(here / 'b')", "here is not on disk at the end"),
        ("host.copy(here / 'old', here / 'a'); host.rename(here / 'a', here / 'b')", "a is on disk"),
        ("(here / 'x').write_text('x'); host.symlink(here / 'live', here / 'x')", "live before"),
    ],
)
def test_the_reader_of_system_calls_notices_what_is_not_on_disk(tmp_path: Path, script: str, fault: str) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "old").write_text("old")

    made = traced([sys.executable, "-B", "-c", SCRIPT + script, here], tmp_path / "trace")

    assert any(fault in told for told in not_durable(made, here))


def test_an_fsync_before_the_bytes_are_written_counts_for_nothing() -> None:
    trace = """\
7  openat(AT_FDCWD</>, "/s/.phase.new", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 3</s/.phase.new>
7  fsync(3</s/.phase.new> <unfinished ...>
8  write(2</dev/null>, ""..., 9) = 9
7  <... fsync resumed>) = 0
7  write(3</s/.phase.new>, ""..., 99) = 99
7  rename("/s/.phase.new", "/s/phase") = 0
7  fsync(3</s>) = 0
"""

    made = list(calls(trace))

    assert made[2] == Call("fsync", ("/s/.phase.new",), "7  fsync(3</s/.phase.new>) = 0")
    assert not_durable(made, Path("/s")) == ["/s/.phase.new -> /s/phase before /s/.phase.new is on disk"]


def test_a_folder_that_is_there_is_not_synced_again(tmp_path: Path) -> None:
    made = traced([sys.executable, "-B", "-c", SCRIPT + "host.make_directory(here)", tmp_path], tmp_path.parent / "t")

    assert not [call for call in made if call.name == "fsync"]


def test_an_appended_line_is_whole_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    for line in (b"first\n", b"second\n"):
        Host().append(path, line)

    assert path.read_bytes() == b"first\nsecond\n"
    assert os.stat(path).st_mode & 0o777 == 0o600  # noqa: PTH116
