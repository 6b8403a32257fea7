"""The hooks, by real pushes to a real repository with a stand-in for the daemon."""

import ast
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from reconciler.daemon.control import Control
from reconciler.host.effects import Host
from reconciler.host.settings import Settings, defaults, shipped
from reconciler.repository.create import HOOKS, MAX_PUSH, create
from reconciler.repository.repo import Repository
from tests.unit.brief_daemons import LONG, full_daemon
from tests.unit.other_users import NOBODY
from tests.unit.repositories import ENVIRONMENT, git

UNCHECKED = "reconciler is not running: this commit was not checked; the daemon checks it before it goes live"
UNFOLLOWED = "reconciler is not running: run `reconciler status` on the host to see the result of this commit"
PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class Daemon:
    """Answers the hooks as it was told to, and remembers what it was asked."""

    def __init__(self, repository: Path) -> None:
        self.repository = Repository(repository, "main", Host())
        self.status = "checked"
        self.lines = ["mx1  a line"]
        self.asked: list[dict[str, Any]] = []
        self.files: set[str] = set()

    def check(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Read the pushed commit where git keeps it until the hook has spoken."""
        self.asked.append(request)
        waiting = self.repository.with_quarantine(Path(request["quarantine"]))
        self.files = set(waiting.read(waiting.revision(request["new"])))
        yield from ({"line": line} for line in self.lines)
        yield {"done": {"status": self.status}}

    def follow(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Tell how it went."""
        self.asked.append(request)
        yield {"line": "live as generation 2"}
        yield {"done": {"status": "applied"}}


class Pushing:
    """A clone of a repository as `reconciler init` makes it."""

    def __init__(self, root: Path, user: int | None = None) -> None:
        self.user, self.socket, self.path = user, root / "run/control.sock", root / "home/r.git"
        self.clone = root / "home/clone"
        self.clone.mkdir(parents=True)
        if user is not None:
            for folder in (self.clone, self.clone.parent):
                os.chown(folder, user, user)
        settings = Settings(socket=self.socket, host="mx1.example.com")
        self.first = create(self.path, settings, settings_file=root / "reconciler.toml", recipient="age1x").oid
        git(self.clone, "clone", "-q", str(self.path), ".", user=user)

    def commit(self, message: str = "a change") -> str:
        """Commit in the clone."""
        git(self.clone, "commit", "-q", "--allow-empty", "-m", message, user=self.user)
        return git(self.clone, "rev-parse", "HEAD", user=self.user)

    def push(self, *arguments: str) -> tuple[bool, list[str]]:
        """Push; whether git took it, and what the pusher read from the hooks."""
        done = subprocess.run(
            ["git", "push", *(arguments or ("origin", "main"))], cwd=self.clone, env=ENVIRONMENT | PATH,
            user=self.user, group=self.user, check=False, capture_output=True, text=True,
        )  # fmt: skip
        said = [line[8:].strip() for line in done.stderr.splitlines() if line.startswith("remote: ")]
        assert "Traceback" not in done.stderr
        return done.returncode == 0, said


@pytest.fixture
def pushing(tmp_path: Path) -> Pushing:
    """A clone and its repository, without a daemon."""
    return Pushing(tmp_path)


@contextmanager
def answered(pushing: Pushing) -> Iterator[Daemon]:
    """Have a daemon answer the hooks of that repository."""
    daemon = Daemon(pushing.path)
    server = Control(pushing.socket, None, {"check": daemon.check, "follow": daemon.follow}, pushing.path)
    server.start()
    yield daemon
    server.stop()


@pytest.fixture
def daemon(pushing: Pushing) -> Iterator[Daemon]:
    """The daemon of that repository."""
    with answered(pushing) as daemon:
        yield daemon


def test_a_good_push_shows_the_check_and_then_how_it_went(pushing: Pushing, daemon: Daemon) -> None:
    new = pushing.commit()
    assert pushing.push() == (True, ["mx1  a line", "live as generation 2"])
    check, follow = daemon.asked
    assert (check["do"], check["old"], check["new"]) == ("check", pushing.first, new)
    assert follow == {"do": "follow", "revision": new, "uid": os.geteuid(), "columns": 72, "plain": 1}
    assert "mail.yaml" in daemon.files


def test_a_repository_may_have_any_name(tmp_path: Path) -> None:
    pushing = Pushing(tmp_path / 'of "Zoë" \\')
    with answered(pushing) as daemon:
        pushing.commit()
        assert pushing.push() == (True, ["mx1  a line", "live as generation 2"])
    assert daemon.asked[0]["quarantine"].startswith(str(pushing.path))


def test_each_branch_has_the_daemon_of_its_instance(pushing: Pushing, daemon: Daemon, tmp_path: Path) -> None:
    settings = replace(defaults(Path("/etc/reconciler/out.toml")), socket=tmp_path / "out/control.sock", host="mx1")
    create(pushing.path, settings, settings_file=tmp_path / "out.toml", recipient="age1x")
    other = Daemon(pushing.path)
    other.lines = ["mx1  of out"]
    server = Control(settings.socket, None, {"check": other.check, "follow": other.follow}, pushing.path)
    server.start()
    new = pushing.commit()
    git(pushing.clone, "fetch", "-q")
    git(pushing.clone, "checkout", "-q", "out")
    newer = pushing.commit()
    assert pushing.push("origin", "out") == (True, ["mx1  of out", "live as generation 2"])
    assert not daemon.asked
    assert [one.get("new", one.get("revision")) for one in other.asked] == [newer, newer]
    other.status = "refused"
    later = pushing.commit()
    assert not pushing.push("origin", "main", "out")[0], "git takes all branches of a push, or none"
    assert git(pushing.path, "rev-parse", "main", "out").split() == [pushing.first, newer]
    assert pushing.push("origin", "main") == (True, ["mx1  a line", "live as generation 2"])
    server.stop()
    assert pushing.push("origin", "out") == (True, [UNCHECKED, UNFOLLOWED])
    assert git(pushing.path, "rev-parse", "main", "out").split() == [new, later]
    taken, said = pushing.push("origin", ":out")
    assert (taken, said[0]) == (False, "out can't be deleted: this host's mail system follows it")


def test_a_refused_push_is_rejected_with_its_findings(pushing: Pushing, daemon: Daemon) -> None:
    daemon.status, daemon.lines = "refused", ['mail.yaml:12:31: unknown restriction "x"', "", "  nothing changed"]
    pushing.commit()
    taken, said = pushing.push()
    assert not taken
    assert said[0] == 'mail.yaml:12:31: unknown restriction "x"'
    assert git(pushing.path, "rev-parse", "main") == pushing.first


@pytest.mark.parametrize(
    ("last", "why"),
    [
        ({"error": "no space left on device"}, "reconciler: no space left on device: this commit was not checked"),
        (
            {"nonsense": 1},
            "reconciler: no reason given: this commit was not checked, so it is not accepted; push again",
        ),
        ({"done": {"status": "failed"}}, "a line"),
        ({"done": {}}, "a line"),
    ],
)
def test_a_daemon_that_answers_without_its_consent_rejects(pushing: Pushing, last: dict[str, Any], why: str) -> None:
    def check(_: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield {"line": "a line"}
        yield last

    server = Control(pushing.socket, None, {"check": check}, pushing.path)
    server.start()
    pushing.commit()
    taken, said = pushing.push()
    server.stop()
    assert not taken
    assert said[0] == "a line"
    assert any(line.startswith(why) for line in said)
    assert git(pushing.path, "rev-parse", "main") == pushing.first


def test_a_daemon_that_answers_before_it_reads_the_request_is_heard(tmp_path: Path) -> None:
    loader = SourceFileLoader("conversation", str(Path(__file__).parents[2] / "hooks/conversation.py"))
    conversation = module_from_spec(spec_from_loader(loader.name, loader) or pytest.fail("no such module"))
    loader.exec_module(conversation)
    with full_daemon(tmp_path / "s"), pytest.raises(conversation.Trouble, match="too many requests"):
        conversation.ask(str(tmp_path / "s"), LONG, 5)


def test_an_error_while_a_commit_is_followed_is_no_traceback(pushing: Pushing) -> None:
    daemon = Daemon(pushing.path)
    handlers = {"check": daemon.check, "follow": lambda _: iter([{"error": "a bug"}])}
    server = Control(pushing.socket, None, handlers, pushing.path)
    server.start()
    pushing.commit()
    taken, said = pushing.push()
    server.stop()
    assert taken
    assert said[-1] == "reconciler: a bug: run `reconciler status` on the host to see the result of this commit"


def test_nothing_that_steers_a_terminal_gets_through(pushing: Pushing, daemon: Daemon) -> None:
    daemon.lines = ["a\x1b[31mred\x07 \u202eb ünï"]
    pushing.commit()
    _, said = pushing.push()
    assert said[0] == "a [31mred   b ünï"


def test_without_a_daemon_the_push_goes_through_unchecked(pushing: Pushing) -> None:
    pushing.commit()
    taken, said = pushing.push()
    assert taken
    assert said == [UNCHECKED, UNFOLLOWED]


def test_a_repository_that_nobody_set_up_is_no_traceback(pushing: Pushing) -> None:
    git(pushing.path, "config", "--remove-section", "reconciler")
    pushing.commit()
    assert pushing.push()[0]


def test_the_branch_is_never_deleted(pushing: Pushing, daemon: Daemon) -> None:
    git(pushing.path, "symbolic-ref", "HEAD", "refs/heads/other")
    taken, said = pushing.push("origin", ":main")
    assert not taken
    assert said == ["main can't be deleted: this host's mail system follows it"]
    assert daemon.asked == []


def test_a_rewind_needs_the_operator_or_his_word(pushing: Pushing, daemon: Daemon) -> None:
    pushing.commit()
    assert pushing.push()[0]
    git(pushing.clone, "reset", "-q", "--hard", pushing.first)
    new = pushing.commit("another way")
    taken, said = pushing.push("-f", "origin", "main")
    assert not taken
    assert "would be rewound" in said[0]
    assert f"`reconciler once {new[:7]}` on the host" in said[1]
    git(pushing.path, "config", "reconciler.allowRewind", "true")
    taken, said = pushing.push("-f", "origin", "main")
    assert not taken, "git has read its own configuration before it asks the hook"
    assert said == ["receive.denyNonFastForwards is off now, because reconciler.allowRewind is true; push again"]
    assert pushing.push("-f", "origin", "main")[0]
    assert daemon.asked[-1]["revision"] == new


def test_a_rewind_is_allowed_at_once_where_git_does_not_refuse_it_too(pushing: Pushing, daemon: Daemon) -> None:
    git(pushing.path, "config", "receive.denyNonFastForwards", "false")
    git(pushing.path, "config", "reconciler.allowRewind", "true")
    pushing.commit()
    assert pushing.push()[0]
    git(pushing.clone, "reset", "-q", "--hard", pushing.first)
    new = pushing.commit("another way")
    assert pushing.push("-f", "origin", "main")[0]
    assert daemon.asked[-1]["revision"] == new


def test_git_refuses_a_rewind_even_without_the_hook(pushing: Pushing) -> None:
    pushing.commit()
    assert pushing.push()[0]
    (pushing.path / "hooks/pre-receive").unlink()
    git(pushing.clone, "reset", "-q", "--hard", pushing.first)
    pushing.commit("another way")
    assert not pushing.push("-f", "origin", "main")[0]


def test_a_damaged_object_and_an_endless_pack_are_refused_by_git(pushing: Pushing) -> None:
    raw = b"100644 .git\0" + bytes.fromhex(git(pushing.clone, "hash-object", "-w", "--stdin"))
    tree = git(pushing.clone, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    bad = git(pushing.clone, "commit-tree", tree, "-p", pushing.first, "-m", "bad")
    assert not pushing.push("origin", f"{bad}:refs/heads/topic")[0]
    assert int(git(pushing.path, "config", "receive.maxInputSize")) == MAX_PUSH
    git(pushing.path, "config", "receive.maxInputSize", "10k")
    (pushing.clone / "noise").write_bytes(random.randbytes(1 << 20))
    git(pushing.clone, "add", "noise")
    pushing.commit()
    assert not pushing.push("origin", "HEAD:refs/heads/topic")[0]


def test_other_branches_and_tags_are_nobodys_business(pushing: Pushing, daemon: Daemon) -> None:
    pushing.commit()
    git(pushing.clone, "tag", "v1")
    assert pushing.push("origin", "HEAD:feature", "v1") == (True, [])
    assert pushing.push("origin", ":feature") == (True, [])
    assert daemon.asked == []


def test_the_watched_branch_is_found_among_others(pushing: Pushing, daemon: Daemon) -> None:
    new = pushing.commit()
    assert pushing.push("origin", "HEAD:a", "main", "HEAD:z")[0]
    assert [request.get("new", request.get("revision")) for request in daemon.asked] == [new, new]


def test_another_user_who_may_not_ask_is_told_so(open_folder: Path) -> None:
    assert os.geteuid() == 0, "needs root, to push as another user"
    pushing = Pushing(open_folder, NOBODY)
    server = Control(pushing.socket, "daemon", {}, pushing.path)
    server.start()
    pushing.commit()
    taken, said = pushing.push()
    server.stop()
    assert taken
    assert said[0].startswith("you are not permitted to ask reconciler (see daemon.group in its settings)")


def test_the_owner_of_the_repository_is_checked_and_followed(open_folder: Path) -> None:
    assert os.geteuid() == 0, "needs root, to push as another user"
    pushing = Pushing(open_folder, NOBODY)
    with answered(pushing):
        pushing.commit()
        assert pushing.push() == (True, ["mx1  a line", "live as generation 2"])


@pytest.mark.parametrize("hook", ["pre-receive", "post-receive"])
def test_a_pusher_who_leaves_or_interrupts_sees_no_traceback(pushing: Pushing, hook: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [pushing.path / "hooks" / hook], cwd=pushing.path, env=ENVIRONMENT | PATH | {"GIT_DIR": "."},
        stdin=subprocess.PIPE, stdout=writing, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        os.close(writing)
        update = f"{pushing.first} {pushing.first} refs/heads/main\n".encode()
        assert process.communicate(update)[1] == b""
        assert process.returncode == 0
    # A shell that starts the tests in the background has them ignore interrupts.
    with subprocess.Popen(
        ["env", "--default-signal=INT", pushing.path / "hooks" / hook],
        cwd=pushing.path, env=ENVIRONMENT | PATH | {"GIT_DIR": "."},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin
        wait_for_reading(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == b""
        assert process.returncode == 130


def wait_for_reading(pid: int) -> None:
    """Wait until a hook has started up: it then sleeps in reading its standard input."""
    for _ in range(200):
        if "pipe" in Path(f"/proc/{pid}/wchan").read_text():
            return
        time.sleep(0.05)  # a kernel that hides what a process waits for costs ten seconds


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_import_the_standard_library_only_and_suit_python_39(name: str) -> None:
    tree = ast.parse((shipped("hooks") / name).read_text(), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {module.partition(".")[0] for module in imported} <= sys.stdlib_module_names | {"conversation"}
