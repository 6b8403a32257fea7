"""What an operator does: go back, suspend, rescue, restart the daemon, accept a rewind; and what commands exit with."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import MAIL, REPOSITORY, TYPO, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_STAGE = "find: \u2018/var/lib/reconciler/private/stage\u2019: No such file or directory"
ROUTE = "old.test  smtp:[127.0.0.1]:2525\n"


@pytest.fixture
def site(shared: Site) -> Iterator[Site]:
    """A site that is steady, with its daemon running, whatever the test before did."""
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


def is_routed(site: Site, name: str) -> bool:
    """Whether what is live sends that domain through relaylim."""
    return site.sh(f"postmap -q {name}.test lmdb:/etc/postfix/transport", check=False) == "relaylim:"


# ---- rollback --------------------------------------------------------------------------------------------------------


def test_rollback_makes_a_new_generation_and_stays_there_until_the_branch_moves(site: Site) -> None:
    good, bad = site.push(route("good")), site.push(route("bad"))
    generation = site.told()["live"]["generation"]
    ran = site.reconciler("rollback")
    assert ran.status == 0, ran.text
    assert is_routed(site, "good")
    assert not is_routed(site, "bad")
    assert site.answers()
    status = site.status()
    assert status["phase"]["name"] == "Suspended"
    assert status["phase"]["quarantined"] == bad.oid
    assert status["live"]["generation"] == generation + 1
    site.signal_daemon(signal.SIGHUP)
    assert site.reconciler("once").status == 75, "suspended"
    assert not is_routed(site, "bad")
    fixed = site.push(route("fixed"))
    assert "live and verified" in fixed.text
    assert site.status()["phase"] == {"name": "Steady"}
    assert good.accepted


def test_after_a_rollback_resume_leaves_the_revision_quarantined_and_once_accepts_it(site: Site) -> None:
    site.push(route("first"))
    bad = site.push(route("second"))
    site.reconciler("rollback", str(site.told()["live"]["generation"] - 1))
    assert is_routed(site, "first")
    assert site.reconciler("resume").status == 0
    assert site.status()["phase"] == {"name": "Refusing", "revision": bad.oid}
    assert is_routed(site, "first")
    assert site.reconciler("once", bad.oid[:7]).status == 0
    assert is_routed(site, "second")
    assert site.status()["phase"] == {"name": "Steady"}


def test_a_rollback_to_a_generation_that_is_not_there_says_so_and_changes_nothing(site: Site) -> None:
    before = site.live()
    ran = site.reconciler("rollback", "999")
    assert ran.status == 1
    assert "there is no generation 999" in ran.text
    assert site.live() == before
    assert site.told()["phase"] == {"name": "Steady"}


# ---- suspend and resume ----------------------------------------------------------------------------------------------


def test_suspended_for_a_time_nothing_changes_until_it_has_passed(site: Site) -> None:
    before = site.live()
    assert site.reconciler("suspend", "--for", "3s", "--why", "looking at the queue").status == 0
    push = site.push(route("waiting"))
    assert push.accepted
    assert "suspended by root: looking at the queue" in push.text
    assert site.live() == before
    phase = site.told()["phase"]
    assert (phase["name"], phase["why"], phase["who"]) == ("Suspended", "looking at the queue", "root")
    site.wait_for("Applied", push.oid)
    assert is_routed(site, "waiting")
    assert site.told()["phase"] == {"name": "Steady"}


def test_suspended_until_resume_a_hand_edit_stays_and_resume_puts_it_back(site: Site) -> None:
    site.reconciler("suspend", "--why", "experiments")
    site.sh("postconf -e smtpd_banner=hello")
    site.signal_daemon(signal.SIGHUP)
    assert site.reconciler("once").status == 75
    assert site.postconf("smtpd_banner") == "hello"
    assert site.reconciler("resume").status == 0
    site.host.wait_for(lambda: site.postconf("smtpd_banner") != "hello", what="the edit put back")
    assert site.told()["phase"] == {"name": "Steady"}


# ---- the daemon ------------------------------------------------------------------------------------------------------


def test_sighup_makes_a_pass(site: Site) -> None:
    passes = len(site.passes())
    site.signal_daemon(signal.SIGHUP)
    site.host.wait_for(
        lambda: any("signal" in one["reasons"] for one in site.passes()[passes:]), what="the pass for the signal"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_daemon_that_is_ended_in_the_middle_of_a_pass_has_that_commit_live_after_its_restart(
    number: signal.Signals,
) -> None:
    with Site(settle="700ms") as site:
        live, master = site.sh("readlink /var/lib/reconciler/live/postfix"), site.master()
        oid = site.write_past_hook(route("cut"))
        swapped = 'test "$(readlink /var/lib/reconciler/live/postfix)" != "$0"'
        site.host.wait_for(
            lambda: site.host.run("sh", "-c", swapped, live, check=False).returncode == 0, what="the swap"
        )
        status = site.stop_daemon(number)
        assert status == (0 if number is signal.SIGTERM else -number)
        assert site.answers()
        site.start_daemon()
        site.wait_for("Applied", oid)
        assert is_routed(site, "cut")
        assert site.master() == master, "mail never stopped"
        assert site.told()["phase"] == {"name": "Steady"}
        outcomes = [line["outcome"] for line in site.log(oid)]
        assert outcomes == (["Applied"] if number is signal.SIGTERM else ["Applied", "Postponed"])
        assert site.sh("find /var/lib/reconciler/private/stage -mindepth 1", check=False) in ("", NO_STAGE)


def test_a_second_daemon_says_that_another_answers_and_leaves_it_alone(site: Site) -> None:
    ran = site.reconciler("run")
    assert ran.status == 75
    assert "another reconciler answers there" in ran.text
    assert site.told()


def test_the_daemon_follows_on_after_the_repository_was_repacked(site: Site) -> None:
    site.git("pack-refs", "--all")
    site.git("gc", "--quiet")
    assert "live and verified" in site.push(route("packed")).text
    assert is_routed(site, "packed")


# ---- rewinds ---------------------------------------------------------------------------------------------------------


def test_a_rewind_is_refused_at_the_push_and_past_the_hook_and_once_accepts_it(site: Site) -> None:
    old, new = site.push(route("before")), site.push(route("after"))
    site.git("reset", "--hard", "--quiet", old.oid, where="/root/clone")
    forced = site.push(None, "", "--force")
    assert not forced.accepted
    assert "would be rewound" in forced.text
    before = site.live()
    site.git("update-ref", "refs/heads/main", old.oid)
    status = site.wait_for("Refused", old.oid)
    (finding,) = status["last"]["findings"]
    assert finding["rule"] == "branch-rewound"
    assert f"{old.oid[:7]} does not come after {new.oid[:7]}" in finding["text"]
    assert status["phase"] == {"name": "Refusing", "revision": old.oid}
    assert site.live() == before
    assert site.reconciler("once", old.oid).status == 0
    assert is_routed(site, "before")
    assert site.status()["phase"] == {"name": "Steady"}


def test_deleting_the_branch_is_refused_at_the_push_and_past_the_hook_what_is_live_stays(site: Site) -> None:
    good, before = site.tip(), site.live()
    deleted = site.sh("cd /root/clone && git push origin :main", check=False)
    assert "can't be deleted" in deleted
    site.git("update-ref", "-d", "refs/heads/main")
    status = site.wait_for("Refused")
    assert status["last"]["findings"][0]["rule"] == "branch-deleted"
    assert "the branch main is gone" in status["last"]["findings"][0]["text"]
    assert status["phase"]["name"] == "Retrying"
    assert site.live() == before
    site.git("update-ref", "refs/heads/main", good)
    site.wait_for_phase("Steady")


# ---- rescue ----------------------------------------------------------------------------------------------------------


def test_rescue_is_postfix_as_it_was_before_adoption_until_somebody_resumes() -> None:
    with Site(adopt=False, daemon=False) as site:
        before = {name: site.host.read(f"/etc/postfix/{name}") for name in ("main.cf", "master.cf")}
        listing = site.sh("ls -A /etc/postfix")
        assert site.reconciler("once", "--adopt").status == 0
        site.start_daemon()
        assert site.reconciler("rescue").status == 0
        assert {name: site.host.read(f"/etc/postfix/{name}") for name in before} == before
        assert site.sh("ls -A /etc/postfix") == listing
        assert site.host.send("a@client.test", "root").startswith("250 ")
        site.host.wait_for(lambda: "Hello." in site.sh("cat /var/mail/root", check=False), what="the message")
        push = site.push(route("later"))
        assert "suspended by root: rescue" in push.text
        assert site.host.read("/etc/postfix/main.cf") == before["main.cf"], "a push does not end a rescue"
        assert site.status()["phase"]["name"] == "Suspended"
        assert site.reconciler("resume").status == 0
        site.wait_for("Applied", push.oid)
        assert is_routed(site, "later")


def test_rescue_needs_neither_the_repository_nor_a_living_postfix() -> None:
    with Site(daemon=False) as site:
        site.sh(
            f"kill -KILL {site.master()}; mv {REPOSITORY} {REPOSITORY}.gone; echo 'myhostname =' >>/etc/postfix/main.cf"
        )
        rescued = site.reconciler("rescue")
        assert rescued.status == 0, rescued.text
        assert site.answers()
        assert site.status()["phase"]["name"] == "Suspended"


# ---- exit statuses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", ["nonsense", "once --nonsense", "suspend", "rollback x", "suspend --for 2y --why x"]
)
def test_wrong_usage_is_64(site: Site, command: str) -> None:
    assert site.reconciler(*command.split()).status == 64


@pytest.mark.parametrize("command", ["once", "run", "rollback", "rescue", "resume", "suspend --why x", "log"])
def test_what_only_root_may_do_is_77_for_others(site: Site, command: str) -> None:
    before = site.live()
    ran = site.reconciler(*command.split(), user="nobody")
    assert ran.status == 77, ran.text
    assert "not permitted" in ran.text
    assert site.live() == before


def test_another_pass_that_is_running_is_75(site: Site) -> None:
    site.stop_daemon()
    holder = site.host.start("flock", "/var/lib/reconciler/private/lock", "sh", "-c", "touch /run/held; sleep 600")
    site.host.wait_for(lambda: site.sh("test -e /run/held && echo y", check=False), what="the lock")
    for command in ("once", "rollback", "rescue", "resume"):
        ran = site.reconciler(command)
        assert (ran.status, "another pass is running" in ran.text) == (75, True), f"{command}: {ran.text}"
    site.host.signal(holder, signal.SIGKILL)
    site.sh("rm /run/held")


def test_a_host_that_is_not_adopted_is_75_for_every_change_and_is_not_touched() -> None:
    with Site(adopt=False, daemon=False) as site:
        before = site.live()
        first = site.reconciler("check")
        assert first.status == 0, f"with a table, and without a state directory: {first.text}"
        for command in ("once", "rollback", "rescue"):
            ran = site.reconciler(command)
            assert (ran.status, "not adopted" in ran.text) == (75, True), f"{command}: {ran.text}"
        assert site.reconciler("plan").status == 2
        assert site.reconciler("check").status == 0
        assert site.live() == before
        site.start_daemon()
        assert site.status()["live"] is None
        assert site.live() == before
        assert site.answers()


def test_check_and_plan_say_what_a_commit_would_do_and_touch_nothing(site: Site) -> None:
    before = site.live()
    unpushed = site.commit(route("planned"))
    site.git("fetch", "--quiet", "/root/clone", "+HEAD:refs/heads/topic")
    ran = site.reconciler("plan", "topic")
    assert (ran.status, "+ planned.test" in ran.text) == (2, True), ran.text
    assert site.reconciler("check", unpushed).status == 0
    assert site.reconciler("plan").status == 0, "the tip is live"
    site.commit({"mail.yaml": TYPO})
    site.git("fetch", "--quiet", "/root/clone", "+HEAD:refs/heads/topic")
    for command in ("check", "plan"):
        ran = site.reconciler(command, "topic")
        assert ran.status == 1
        assert "mail.yaml:5:30: " in ran.text
    assert site.reconciler("check", "--tree", "/root/clone").status == 1
    assert site.live() == before
    assert site.git("branch", "--list", "main", where=REPOSITORY)
    assert MAIL.splitlines()[0] in site.git("show", "main:mail.yaml")
