"""What an operator does: go back, suspend, rescue, restart the daemon, accept a rewind; and what commands exit with."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, REPOSITORY, TYPO, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_STAGE = "find: \u2018/var/lib/reconciler/private/stage\u2019: No such file or directory"
SETTINGS = UNREHEARSED  # of the host that these tests share
ROUTE = "old.test  smtp:[127.0.0.1]:2525\n"


@pytest.fixture
def adopted(shared: AdoptedHost) -> Iterator[AdoptedHost]:
    """An adopted host that is steady, with its daemon running, whatever the test before did."""
    yield shared
    if not shared.told():
        shared.start_daemon()
    if shared.told()["phase"]["name"] != "Steady":
        shared.reconciler("resume")
        shared.push({"tables/transport": f"{ROUTE}again{len(shared.passes())}.test  relaylim:\n"})
        shared.wait_for_phase("Steady")


def route(name: str) -> dict[str, str | None]:
    """The change that sends one more domain through relaylim."""
    return {"tables/transport": f"{ROUTE}{name}.test  relaylim:\n"}


def is_routed(adopted: AdoptedHost, name: str) -> bool:
    """Whether what is live sends that domain through relaylim."""
    return adopted.sh(f"postmap -q {name}.test lmdb:/etc/postfix/transport", check=False) == "relaylim:"


# ---- rollback --------------------------------------------------------------------------------------------------------


def test_rollback_makes_a_new_generation_and_stays_there_until_the_branch_moves(adopted: AdoptedHost) -> None:
    good, bad = adopted.push(route("good")), adopted.push(route("bad"))
    generation = adopted.told()["live"]["generation"]
    ran = adopted.reconciler("rollback")
    assert ran.status == 0, ran.text
    assert is_routed(adopted, "good")
    assert not is_routed(adopted, "bad")
    assert adopted.answers()
    status = adopted.status()
    assert status["phase"]["name"] == "Suspended"
    assert status["phase"]["quarantined"] == bad.oid
    assert status["live"]["generation"] == generation + 1
    adopted.signal_daemon(signal.SIGHUP)
    assert adopted.once().status == 75, "suspended"
    assert not is_routed(adopted, "bad")
    fixed = adopted.push(route("fixed"))
    assert "live and verified" in fixed.text
    assert adopted.status()["phase"] == {"name": "Steady"}
    assert good.accepted


def test_after_a_rollback_resume_leaves_the_revision_quarantined_and_once_accepts_it(adopted: AdoptedHost) -> None:
    adopted.push(route("first"))
    bad = adopted.push(route("second"))
    adopted.reconciler("rollback", str(adopted.told()["live"]["generation"] - 1))
    assert is_routed(adopted, "first")
    assert adopted.reconciler("resume").status == 0
    assert adopted.status()["phase"] == {"name": "Refusing", "revision": bad.oid}
    assert is_routed(adopted, "first")
    assert adopted.once(bad.oid[:7]).status == 0
    assert is_routed(adopted, "second")
    assert adopted.status()["phase"] == {"name": "Steady"}


def test_a_rollback_to_a_generation_that_is_not_there_says_so_and_changes_nothing(adopted: AdoptedHost) -> None:
    before = adopted.live()
    ran = adopted.reconciler("rollback", "999")
    assert ran.status == 1
    assert "generation 999 does not exist" in ran.text
    assert adopted.live() == before
    assert adopted.told()["phase"] == {"name": "Steady"}


# ---- suspend and resume ----------------------------------------------------------------------------------------------


def test_suspended_for_a_time_nothing_changes_until_it_has_passed(adopted: AdoptedHost) -> None:
    before = adopted.live()
    assert adopted.reconciler("suspend", "--for", "3s", "--why", "looking at the queue").status == 0
    push = adopted.push(route("waiting"))
    assert push.accepted
    assert "suspended by root: looking at the queue" in push.text
    assert adopted.live() == before
    phase = adopted.told()["phase"]
    assert (phase["name"], phase["why"], phase["who"]) == ("Suspended", "looking at the queue", "root")
    adopted.wait_for("Applied", push.oid)
    assert is_routed(adopted, "waiting")
    assert adopted.told()["phase"] == {"name": "Steady"}


def test_suspended_until_resume_a_hand_edit_stays_and_resume_puts_it_back(adopted: AdoptedHost) -> None:
    adopted.reconciler("suspend", "--why", "experiments")
    adopted.sh("postconf -e smtpd_banner=hello")
    adopted.signal_daemon(signal.SIGHUP)
    assert adopted.once().status == 75
    assert adopted.postconf("smtpd_banner") == "hello"
    assert adopted.reconciler("resume").status == 0
    adopted.host.wait_for(lambda: adopted.postconf("smtpd_banner") != "hello", what="the edit put back")
    assert adopted.told()["phase"] == {"name": "Steady"}


# ---- the daemon ------------------------------------------------------------------------------------------------------


def test_sighup_makes_a_pass(adopted: AdoptedHost) -> None:
    passes = len(adopted.passes())
    adopted.signal_daemon(signal.SIGHUP)
    adopted.host.wait_for(
        lambda: any("signal" in one["reasons"] for one in adopted.passes()[passes:]), what="the pass for the signal"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_daemon_that_is_ended_in_the_middle_of_a_pass_has_that_commit_live_after_its_restart(
    number: signal.Signals,
) -> None:
    with AdoptedHost(settle="700ms", settings=UNREHEARSED) as adopted:
        live, master = adopted.sh("readlink /var/lib/reconciler/live/postfix"), adopted.master()
        oid = adopted.write_past_hook(route("cut"))
        swapped = 'test "$(readlink /var/lib/reconciler/live/postfix)" != "$0"'
        adopted.host.wait_for(
            lambda: adopted.host.run("sh", "-c", swapped, live, check=False).returncode == 0, what="the swap"
        )
        status = adopted.stop_daemon(number)
        assert status == (0 if number is signal.SIGTERM else -number)
        assert adopted.answers()
        adopted.start_daemon()
        adopted.wait_for("Applied", oid)
        assert is_routed(adopted, "cut")
        assert adopted.master() == master, "mail never stopped"
        assert adopted.told()["phase"] == {"name": "Steady"}
        outcomes = [line["outcome"] for line in adopted.log(oid)]
        assert outcomes == (["Applied"] if number is signal.SIGTERM else ["Applied", "Postponed"])
        assert adopted.sh("find /var/lib/reconciler/private/stage -mindepth 1", check=False) in ("", NO_STAGE)


def test_a_second_daemon_says_that_another_runs_and_leaves_it_alone(adopted: AdoptedHost) -> None:
    ran = adopted.reconciler("run")
    assert ran.status == 75
    assert "another reconciler daemon runs with /var/lib/reconciler" in ran.text
    assert adopted.told()


def test_the_daemon_follows_on_after_the_repository_was_repacked(adopted: AdoptedHost) -> None:
    adopted.git("pack-refs", "--all")
    adopted.git("gc", "--quiet")
    assert "live and verified" in adopted.push(route("packed")).text
    assert is_routed(adopted, "packed")


# ---- rewinds ---------------------------------------------------------------------------------------------------------


def test_a_rewind_is_refused_at_the_push_and_past_the_hook_and_once_accepts_it(adopted: AdoptedHost) -> None:
    old, new = adopted.push(route("before")), adopted.push(route("after"))
    adopted.git("reset", "--hard", "--quiet", old.oid, where="/root/clone")
    forced = adopted.push(None, "", "--force")
    assert not forced.accepted
    assert "would be rewound" in forced.text
    before = adopted.live()
    adopted.git("update-ref", "refs/heads/main", old.oid)
    status = adopted.wait_for("Refused", old.oid)
    (finding,) = status["last"]["findings"]
    assert finding["rule"] == "branch-rewound"
    assert f"{old.oid[:7]} is not a descendant of the live commit {new.oid[:7]}" in finding["text"]
    assert status["phase"] == {"name": "Refusing", "revision": old.oid}
    assert adopted.live() == before
    assert adopted.once(old.oid).status == 0
    assert is_routed(adopted, "before")
    assert adopted.status()["phase"] == {"name": "Steady"}


def test_deleting_the_branch_is_refused_at_the_push_and_past_the_hook_what_is_live_stays(adopted: AdoptedHost) -> None:
    good, before = adopted.tip(), adopted.live()
    deleted = adopted.sh("cd /root/clone && git push origin :main", check=False)
    assert "can't be deleted" in deleted
    adopted.git("update-ref", "-d", "refs/heads/main")
    status = adopted.wait_for("Refused")
    assert status["last"]["findings"][0]["rule"] == "branch-deleted"
    assert "the branch main does not exist" in status["last"]["findings"][0]["text"]
    assert status["phase"]["name"] == "Retrying"
    assert adopted.live() == before
    adopted.git("update-ref", "refs/heads/main", good)
    adopted.wait_for_phase("Steady")


# ---- rescue ----------------------------------------------------------------------------------------------------------


def test_rescue_is_postfix_as_it_was_before_adoption_until_somebody_resumes() -> None:
    with AdoptedHost(adopt=False, daemon=False) as adopted:
        before = {name: adopted.host.read(f"/etc/postfix/{name}") for name in ("main.cf", "master.cf")}
        listing = adopted.sh("ls -A /etc/postfix")
        assert adopted.reconciler("once", "--adopt").status == 0
        adopted.start_daemon()
        assert adopted.reconciler("rescue").status == 0
        assert {name: adopted.host.read(f"/etc/postfix/{name}") for name in before} == before
        assert adopted.sh("ls -A /etc/postfix") == listing
        assert adopted.host.send("a@client.test", "root").startswith("250 ")
        adopted.host.wait_for(lambda: "Hello." in adopted.sh("cat /var/mail/root", check=False), what="the message")
        push = adopted.push(route("later"))
        assert "suspended by root: rescue" in push.text
        assert adopted.host.read("/etc/postfix/main.cf") == before["main.cf"], "a push does not end a rescue"
        assert adopted.status()["phase"]["name"] == "Suspended"
        assert adopted.reconciler("resume").status == 0
        adopted.wait_for("Applied", push.oid)
        assert is_routed(adopted, "later")


def test_rescue_needs_neither_the_repository_nor_a_living_postfix() -> None:
    with AdoptedHost(daemon=False) as adopted:
        adopted.sh(
            f"kill -KILL {adopted.master()}; mv {REPOSITORY} {REPOSITORY}.gone;"
            " echo 'myhostname =' >>/etc/postfix/main.cf"
        )
        rescued = adopted.reconciler("rescue")
        assert rescued.status == 0, rescued.text
        assert adopted.answers()
        assert adopted.status()["phase"]["name"] == "Suspended"


# ---- exit statuses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", ["nonsense", "once --nonsense", "suspend", "rollback x", "suspend --for 2y --why x"]
)
def test_wrong_usage_is_64(adopted: AdoptedHost, command: str) -> None:
    assert adopted.reconciler(*command.split()).status == 64


@pytest.mark.parametrize("command", ["once", "run", "rollback", "rescue", "resume", "suspend --why x", "log"])
def test_what_only_root_may_do_is_77_for_others(adopted: AdoptedHost, command: str) -> None:
    before = adopted.live()
    ran = adopted.reconciler(*command.split(), user="nobody")
    assert ran.status == 77, ran.text
    assert "not permitted" in ran.text
    assert adopted.live() == before


def test_another_pass_that_is_running_is_75(adopted: AdoptedHost) -> None:
    adopted.stop_daemon()
    holder = adopted.host.start("flock", "/var/lib/reconciler/private/lock", "sh", "-c", "touch /run/held; sleep 600")
    adopted.host.wait_for(lambda: adopted.sh("test -e /run/held && echo y", check=False), what="the lock")
    commands = ("once", "rollback", "rescue", "resume")

    def waited(command: str) -> float:
        began, ran = time.monotonic(), adopted.reconciler(command)
        assert (ran.status, "another pass is running" in ran.text) == (75, True), f"{command}: {ran.text}"
        return time.monotonic() - began

    with ThreadPoolExecutor() as threads:  # each waits for the lock as long as it may
        took = dict(zip(commands, threads.map(waited, commands), strict=True))
    assert min(took["rollback"], took["rescue"]) > took["resume"] + 10, "passes are long while mail is in trouble"
    adopted.host.signal(holder, signal.SIGKILL)
    adopted.sh("rm /run/held")


def test_a_host_that_is_not_adopted_is_75_for_every_change_and_is_not_touched() -> None:
    with AdoptedHost(adopt=False, daemon=False) as adopted:
        before = adopted.live()
        first = adopted.reconciler("check")
        assert first.status == 0, f"with a table, and without a state directory: {first.text}"
        for command in ("once", "rollback", "rescue"):
            ran = adopted.reconciler(command)
            assert (ran.status, "not adopted" in ran.text) == (75, True), f"{command}: {ran.text}"
        assert adopted.reconciler("plan").status == 2
        assert adopted.reconciler("check").status == 0
        assert adopted.live() == before
        adopted.start_daemon()
        assert adopted.status()["live"] is None
        assert adopted.live() == before
        assert adopted.answers()


def test_check_and_plan_say_what_a_commit_would_do_and_touch_nothing(adopted: AdoptedHost) -> None:
    before = adopted.live()
    unpushed = adopted.commit(route("planned"))
    adopted.git("fetch", "--quiet", "/root/clone", "+HEAD:refs/heads/topic")
    ran = adopted.reconciler("plan", "topic")
    assert (ran.status, "+ planned.test" in ran.text) == (2, True), ran.text
    assert adopted.reconciler("check", unpushed).status == 0
    assert adopted.reconciler("plan").status == 0, "the tip is live"
    adopted.commit({"mail.yaml": TYPO})
    adopted.git("fetch", "--quiet", "/root/clone", "+HEAD:refs/heads/topic")
    for command in ("check", "plan"):
        ran = adopted.reconciler(command, "topic")
        assert ran.status == 1
        assert "mail.yaml:5:30: " in ran.text
    assert adopted.reconciler("check", "--tree", "/root/clone").status == 1
    assert adopted.live() == before
    assert adopted.git("branch", "--list", "main", where=REPOSITORY)
    assert MAIL.splitlines()[0] in adopted.git("show", "main:mail.yaml")
