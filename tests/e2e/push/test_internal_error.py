"""A bug in reconciler itself is told to whom it concerns, is on record, and blames and changes nothing."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import AdoptedHost, Ran
from tests.e2e.hosts import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

BUGGY = (
    "env", f"PYTHONPATH={CHECKOUT}", "PYTHONDONTWRITEBYTECODE=1", sys.executable,
    str(CHECKOUT / "tests/e2e/inside/buggy.py"),
)  # fmt: skip
SECRET = "hunter2"
MEETS_IT = {"tables/transport": "bug.test  smtp:[127.0.0.1]:2525\n"}
OTHER = {"tables/transport": "other.test  smtp:[127.0.0.1]:2525\n"}
TOLD = r"reconciler/\S+\.py:\d+:1: a bug in reconciler: {kind} in \w+; `reconciler explain internal-error` says how"


class BuggyHost(AdoptedHost):
    """A host whose reconciler has a bug as long as a file says so; its tracebacks are expected, in the log alone."""

    expected_tracebacks = True

    def has_bug(self, place: str, kind: str = "ValueError") -> None:
        """Give reconciler a bug, from now on."""
        self.host.write("/run/bug", f"{place}\n{kind}\n")

    def fix(self) -> None:
        """Take the bug away."""
        self.sh("rm /run/bug")

    def buggy(self, *arguments: str) -> Ran:
        """Run a command of the reconciler that has the bug, and again while it meets a pass of the daemon's own."""

        def run() -> Ran:
            done = self.host.run(*BUGGY, *arguments, check=False)
            assert "Traceback" not in done.stdout + done.stderr
            return Ran(done.returncode, done.stdout + done.stderr)

        return self.retried_while_busy(run)


@pytest.fixture
def buggy() -> Iterator[BuggyHost]:
    with BuggyHost(daemon=False) as host:
        host.start_daemon(*BUGGY, "run")
        yield host


def assert_told(text: str, kind: str) -> None:
    """The text says what happened and where, and nothing of what the exception says."""
    assert re.search(TOLD.format(kind=kind), text), text
    assert SECRET not in text


@pytest.mark.parametrize("kind", ["ValueError", "MemoryError"])
def test_a_check_that_meets_a_bug_rejects_the_push_and_the_daemon_goes_on(buggy: BuggyHost, kind: str) -> None:
    buggy.has_bug("judge", kind)
    live, tip = buggy.live(), buggy.tip()

    push = buggy.push(MEETS_IT)

    assert not push.accepted
    assert_told(push.text, kind)
    assert "refused, nothing changed: generation" in push.text
    assert (buggy.live(), buggy.tip()) == (live, tip)
    assert SECRET in buggy.daemon_log(), "the traceback is in the log"
    assert buggy.sh("ls /var/lib/reconciler/private/stage 2>/dev/null || true") == ""
    assert buggy.push(OTHER).accepted
    assert "other.test" in buggy.host.read("/etc/postfix/transport")


def test_a_commit_that_meets_a_bug_in_its_pass_is_retried_on_record_and_in_status(buggy: BuggyHost) -> None:
    buggy.has_bug("judge")
    live = buggy.live()
    oid = buggy.write_past_hook(MEETS_IT)

    status = buggy.wait_for("Postponed", oid)  # the phase is on record before that

    assert (status["phase"]["name"], status["phase"]["revision"]) == ("Retrying", oid)
    assert_told(status["phase"]["reason"], "ValueError")
    assert [finding["rule"] for finding in status["last"]["findings"]] == ["internal-error"]
    assert buggy.live() == live
    shown = buggy.reconciler("status").text.splitlines()
    assert "ATTENTION: a bug in reconciler: ValueError" in shown[0]
    assert "the commit is not live; it is tried again" in shown[1]
    assert shown[-1] == "next: reconciler log -1, and report the bug"
    assert [line["findings"] for line in buggy.log(oid)] == [status["last"]["findings"]]
    buggy.patiently(lambda: "ValueError" in buggy.notes(oid), "the note")
    assert_told(buggy.notes(oid), "ValueError")
    for command in (("once",), ("check",), ("plan",)):
        ran = buggy.buggy(*command)
        assert ran.status == 70, ran
        assert_told(ran.text, "ValueError")
    assert buggy.answers()

    buggy.patiently(lambda: buggy.told()["phase"].get("attempts", 0) > 2, "another attempt")
    assert len(buggy.log(oid)) == 1, "a repeated failure is told once"
    later = buggy.push(OTHER)
    assert later.accepted
    assert buggy.wait_for("Applied", later.oid)["phase"]["name"] == "Steady"


def test_a_bug_that_is_fixed_lets_the_same_commit_go_live(buggy: BuggyHost) -> None:
    buggy.has_bug("judge", "RecursionError")
    oid = buggy.write_past_hook(MEETS_IT)
    buggy.wait_for_phase("Retrying")

    buggy.fix()

    assert buggy.wait_for("Applied", oid)["phase"]["name"] == "Steady"
    assert "bug.test" in buggy.host.read("/etc/postfix/transport")


def test_a_bug_after_the_swap_is_undone_before_it_is_told(buggy: BuggyHost) -> None:
    buggy.has_bug("swap", "TypeError")
    live, generations = buggy.live(), buggy.generations()
    oid = buggy.write_past_hook(MEETS_IT)

    status = buggy.wait_for_phase("Retrying")

    assert_told(status["phase"]["reason"], "TypeError")
    assert status["phase"]["revision"] == oid
    # Not in the middle of the next try, which may have begun.
    buggy.patiently(lambda: (buggy.live(), buggy.generations()) == (live, generations), "what was live before")
    assert buggy.answers()


def test_a_bug_in_the_recovery_itself_is_in_status_as_well(buggy: BuggyHost) -> None:
    buggy.has_bug("recover", "KeyError")
    buggy.write_past_hook(OTHER)

    status = buggy.wait_for_phase("Retrying")

    assert_told(status["phase"]["reason"], "KeyError")
    buggy.wait_for_limit("nothing can be recorded")
    ran = buggy.buggy("once")
    assert ran.status == 70
    assert_told(ran.text, "KeyError")
    buggy.fix()
    buggy.wait_for("Applied")
    buggy.patiently(lambda: not buggy.told()["limits"], "no limit any more")


def test_an_error_in_a_commit_that_changes_nothing_here_is_told_in_the_pass_and_at_the_push() -> None:
    with AdoptedHost() as adopted:
        elsewhere = adopted.sh("age-keygen -o /root/key 2>/dev/null; echo x | age -a -r $(age-keygen -y /root/key)")
        live, oid = adopted.live(), adopted.write_past_hook({"secrets/unused.age": f"{elsewhere}\n"})

        status = adopted.wait_for("Refused", oid)

        assert status["phase"]["name"] == "Retrying"
        assert [finding["rule"] for finding in status["last"]["findings"]] == ["secret-not-opened"]
        assert adopted.live() == live
        assert adopted.once().status == 1
        again = adopted.push({"README.md": "more\n"})
        assert not again.accepted
        assert "secrets/unused.age:1:1: secret unused can't be opened" in again.text
        fixed = adopted.push({"secrets/unused.age": None, "README.md": "more\n"})
        assert fixed.accepted
        assert adopted.wait_for("Unchanged", fixed.oid)["phase"]["name"] == "Steady"
