"""The effects: what is durable is on disk before its name, and what stops or bounds the programs of a host."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.host.effects import Host, named, progress
from reconciler.model.errors import CommandFailed, Stopping
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
openat(AT_FDCWD</>, "/s/.phase.new", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 3</s/.phase.new>
fsync(3</s/.phase.new>) = 0
write(3</s/.phase.new>, ""..., 99) = 99
rename("/s/.phase.new", "/s/phase") = 0
fsync(3</s>) = 0
"""

    made = list(calls(trace))

    assert made[1] == Call("fsync", ("/s/.phase.new",), "fsync(3</s/.phase.new>) = 0")
    assert not_durable(made, Path("/s")) == ["/s/.phase.new -> /s/phase before /s/.phase.new is on disk"]


@pytest.mark.parametrize(("script", "lasts"), [("", True), ("stream.write('x')", False)])
def test_a_lock_need_not_be_on_disk_while_it_is_empty(tmp_path: Path, script: str, lasts: bool) -> None:
    here = tmp_path / "here"
    here.mkdir()
    taken = f"stream = (here / 'lock').open('w'); {script}"

    made = traced([sys.executable, "-B", "-c", SCRIPT + taken, here], tmp_path / "trace")

    assert not_durable(made, here) == [f"{here} is not on disk at the end", f"{here}/lock is not on disk at the end"]
    assert (not_durable(made, here, locks=[f"{here}/lock"]) == []) is lasts


def test_a_folder_that_is_there_is_not_synced_again(tmp_path: Path) -> None:
    made = traced([sys.executable, "-B", "-c", SCRIPT + "host.make_directory(here)", tmp_path], tmp_path.parent / "t")

    assert not [call for call in made if call.name == "fsync"]


def test_an_appended_line_is_whole_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    for line in (b"first\n", b"second\n"):
        Host().append(path, line)

    assert path.read_bytes() == b"first\nsecond\n"
    assert os.stat(path).st_mode & 0o777 == 0o600  # noqa: PTH116


# ---- programs --------------------------------------------------------------------------------------------------------


def test_a_stop_kills_the_program_that_runs_with_its_group_and_no_other_starts() -> None:
    host = Host()
    threading.Timer(0.3, host.stop).start()
    began = time.monotonic()
    with pytest.raises(Stopping, match="sh: reconciler is stopping"):
        host.run(("sh", "-c", "sleep 60 & sleep 60"))
    with pytest.raises(Stopping):
        host.run(("true",))
    assert time.monotonic() - began < 20


def test_a_stop_spares_an_activation() -> None:
    host = Host()
    threading.Timer(0.2, host.stop).start()
    with host.spared():
        assert host.run(("sh", "-c", "sleep 1; echo done")).stdout == "done\n"
    with pytest.raises(Stopping):
        host.run(("true",))


def test_programs_share_the_time_within_and_have_their_own_after_it() -> None:
    host = Host()
    began = time.monotonic()
    with host.within(0.3):
        with pytest.raises(CommandFailed, match="timed out"):
            host.run(("sleep", "60"))
        with pytest.raises(CommandFailed, match="timed out"), host.within(60):
            host.run(("sleep", "60"))
    assert time.monotonic() - began < 20
    assert host.run(("sleep", "0.1")).status == 0


def test_a_program_that_began_ahead_is_the_one_that_acts_and_gets_its_input() -> None:
    host, argv = Host(), ("sh", "-c", "echo $$; cat")

    with host.ahead(argv):
        other = host.act(("sh", "-c", "echo other")).stdout
        first = host.act(argv, input=b"text").stdout
        second = host.act(argv, input=b"again").stdout

    assert other == "other\n"
    assert [said.partition("\n")[2] for said in (first, second)] == ["text", "again"]
    assert first.partition("\n")[0] != second.partition("\n")[0]


def test_a_program_that_began_ahead_and_does_not_act_ends(tmp_path: Path) -> None:
    number = tmp_path / "pid"
    with Host().ahead(("sh", "-c", f"echo $$ >{number}; cat")):
        while not (number.exists() and number.read_text()):
            time.sleep(0.01)

    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)


def test_a_program_that_ends_before_it_acts_is_told_as_any_other() -> None:
    host, argv = Host(), ("sh", "-c", "echo why >&2; exit 3")
    with host.ahead(argv):
        time.sleep(0.1)
        done = host.act(argv, input=b"text")

    assert (done.status, done.stderr) == (3, "why\n")


def test_a_program_that_prints_without_end_fails() -> None:
    with pytest.raises(CommandFailed, match="yes: printed more than 128 MiB"):
        Host().run(("yes",))


def test_progress_names_the_program_of_a_thread_and_the_end_of_its_time() -> None:
    host, me, seen = Host(), threading.get_ident(), []
    threading.Timer(0.5, lambda: seen.append(progress(me))).start()
    host.act(("sleep", "1"), timeout=30)
    ended = progress(me)
    assert seen[0].program == "sleep 1"
    assert ended.program == ""
    assert ended.until <= time.monotonic() < seen[0].until


def test_a_file_of_a_group_that_is_gone_is_told_as_trouble_of_the_host(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="can't belong to root:no-such-group"):
        Host().write(tmp_path / "file", b"", owner="root:no-such-group")


def test_an_owner_without_a_name_is_told_by_number_until_it_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named(0, 54321) == "root:54321"
    monkeypatch.setattr("grp.getgrgid", lambda _: SimpleNamespace(gr_name="policyd"))

    assert named(0, 54321) == "root:policyd"
