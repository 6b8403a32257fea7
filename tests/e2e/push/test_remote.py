"""A host that follows a remote, over a real sshd: what is pushed there goes live here, and what it does wrong does not.

The forge is on the same throw-away host, under another name: what is tested is what goes over ssh.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, REPOSITORY, UNREHEARSED, AdoptedHost
from tests.e2e.hosts import CHECKOUT
from tests.e2e.pages import run_page

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

HOOK = f"{sys.executable} -SEB {CHECKOUT}/hooks/site-removed"
SITE = "domains: [twelve.test]\n"
URL = "ssh://git@forge.example.com/srv/mail-state.git"
MIRROR = "/var/lib/reconciler/remote/mirror.git"
FORGE = """
set -e
echo 127.0.0.1 forge.example.com >>/etc/hosts
rm -f /srv/mail-state.git/hooks/*
git config --file /srv/mail-state.git/config receive.denyNonFastForwards false
chown git:git /srv/mail-state.git/config
install -d -o git -g git -m 700 ~git/.ssh && install -o git -g git -m 600 /dev/null ~git/.ssh/authorized_keys
install -d /run/sshd
usermod -p '*' git
id sshd >/dev/null 2>&1 || useradd --system --home /run/sshd --shell /usr/sbin/nologin sshd
ssh-keygen -q -t ed25519 -N "" -f /root/host_key
printf 'HostKey /root/host_key\\nStrictModes no\\nPidFile /run/sshd.pid\\n' >/root/sshd_config
sed -i 's|^path = .*|url = "URL"\\npoll = "1s"\\npush = "on"|; s|^.daemon.$|&\\ngroup = "git"|' /etc/reconciler.toml
rm -rf /etc/reconciler
""".replace("URL", URL)


class FollowingHost(AdoptedHost):
    """An adopted host, and the sshd of its forge."""

    sshd: subprocess.Popen[str]


@pytest.fixture(scope="module")
def follower() -> Iterator[FollowingHost]:
    """A host that follows a forge as docs/remote.md says, adopted, with its daemon."""
    with FollowingHost(settings=UNREHEARSED, owner="git", adopt=False, daemon=False) as site:
        site.sh(FORGE)
        site.sshd = site.host.start("/usr/sbin/sshd", "-D", "-e", "-f", "/root/sshd_config")
        site.host.wait_for(lambda: site.sh("ss -Hltn sport = :22"), what="sshd")
        refused = site.reconciler("fetch")
        assert refused.status == 75, refused.text
        assert "there is no user reconciler" in refused.text
        assert "secrets/recipients: age1" in refused.text
        site.host.write("/root/token", "t0ken")

        def root(command: str) -> str:
            told = site.sh(f"set -e; cd /root; {command}")
            site.sh("cp /etc/reconciler/deploy_key.pub /root/mx1.pub 2>/dev/null || true")
            return told

        printed = run_page("remote", {"mx1": root, "forge": root})
        assert f"fetched {URL}: main is at " in str(printed["reconciler fetch"])
        site.start_daemon()
        yield site


def problem(site: FollowingHost) -> dict[str, Any]:
    """What `status` says of the remote, once there is a problem."""

    def found() -> dict[str, Any]:
        remote: dict[str, Any] = site.told().get("remote") or {}
        return remote if remote.get("problem") else {}

    return site.patiently(found, "a problem")


def well(site: FollowingHost) -> None:
    """Wait until the remote is followed again."""
    site.patiently(lambda: (site.told().get("remote") or {}).get("problem") == "", "no problem")


def test_a_push_to_the_forge_is_live_after_fetch_which_needs_no_root(follower: FollowingHost) -> None:
    push = follower.push({"tables/transport": "one.test  relaylim:\n"}, "One")
    assert push.accepted
    ran = follower.reconciler("fetch", user="git")
    assert ran.status == 0, ran.text
    assert f"{URL}: main is at {push.oid[:7]}" in ran.text
    assert "one.test" in follower.host.read("/etc/postfix/transport")
    assert follower.sh(f"find {MIRROR} ! -user reconciler") == ""
    assert follower.sh(f"cat {MIRROR}/config; ls {MIRROR}/..", user="git", check=False).count("Permission denied") == 2


def test_a_push_is_live_without_fetch_as_well_and_a_bad_one_is_refused(follower: FollowingHost) -> None:
    good = follower.push({"tables/transport": "two.test  relaylim:\n"}, "Two")
    follower.wait_for("Applied", good.oid)
    bad = follower.push({"mail.yaml": MAIL + "  smtpd_sender_restrictions: reject_unknwon\n"}, "Typo")
    assert bad.accepted, "the forge knows nothing of mail"
    ran = follower.reconciler("fetch")
    assert ran.status == 1, ran.text
    assert "unknown restriction" in ran.text
    assert "two.test" in follower.host.read("/etc/postfix/transport")
    fixed = follower.push({"mail.yaml": MAIL}, "Fixed")
    assert follower.reconciler("fetch").status == 0
    follower.wait_for("Unchanged", fixed.oid)


def test_a_rewritten_history_changes_nothing_until_it_is_accepted(follower: FollowingHost) -> None:
    before, live = follower.tip(), follower.live()
    follower.sh(f"cd {CLONE} && git fetch -q && git reset -q --hard origin/main~3", user="git")
    follower.git("-c", "core.editor=true", "commit", "-q", "--allow-empty", "-m", "Other", where=CLONE)
    follower.git("push", "-q", "--force", "origin", "HEAD:main", where=CLONE)
    other = follower.tip()
    remote = problem(follower)
    assert remote["next"] == "reconciler fetch --accept-rewrite"
    assert f"{other[:7]} does not contain {before[:7]}" in remote["problem"]
    assert follower.told()["verdict"]["next"] == remote["next"]
    ran = follower.reconciler("fetch")
    assert ran.status == 1, ran.text
    assert follower.live() == live

    ran = follower.reconciler("fetch", "--accept-rewrite")
    assert ran.status == 0, ran.text
    follower.wait_for("Applied", other)
    assert "one.test" in follower.host.read("/etc/postfix/transport")
    well(follower)
    push = follower.push({"tables/transport": "three.test  relaylim:\n"}, "Three")
    follower.wait_for("Applied", push.oid)


def test_a_remote_that_stalls_delays_no_pass(follower: FollowingHost) -> None:
    follower.host.signal(follower.sshd, signal.SIGSTOP)
    try:
        remote = problem(follower)
        assert remote["next"] == "reconciler fetch, when forge.example.com answers again"
        follower.sh("postconf -e smtpd_banner=hello")
        follower.patiently(lambda: "smtpd_banner" not in follower.host.read("/etc/postfix/main.cf"), "the revert", 5)
    finally:
        follower.host.signal(follower.sshd, signal.SIGCONT)
    assert follower.reconciler("fetch").status == 0
    well(follower)


def test_a_remote_that_vanishes_or_is_another_host_changes_nothing(follower: FollowingHost) -> None:
    live = follower.live()
    follower.sh(f"mv {REPOSITORY} /srv/elsewhere")
    remote = problem(follower)
    assert "does not appear to be a git repository" in remote["problem"]
    assert follower.reconciler("status").status == 0, "a short trouble of the network is no reason to act"
    follower.sh(f"sed -i 's/{remote['since']}/2026-01-01T00:00:00Z/' /var/lib/reconciler/private/remote.json")
    assert follower.reconciler("status").status == 1
    follower.sh(f"mv /srv/elsewhere {REPOSITORY}")
    assert follower.reconciler("fetch").status == 0
    well(follower)

    follower.sh("ssh-keygen -q -t ed25519 -N '' -f /root/another")
    follower.sh("sed 's/^/forge.example.com /' /root/another.pub >/etc/reconciler/known_hosts")
    remote = problem(follower)
    assert "the key of forge.example.com is not in /etc/reconciler/known_hosts" in remote["problem"]
    assert follower.live() == live
    follower.sh("ssh-keyscan forge.example.com 2>/dev/null >/etc/reconciler/known_hosts")
    well(follower)


def test_the_results_and_commits_of_this_host_are_on_the_forge(follower: FollowingHost) -> None:
    push = follower.push({"tables/transport": "four.test  relaylim:\n", "sites/site12/site.yaml": SITE}, "Four")
    follower.wait_for("Applied", push.oid)
    follower.patiently(lambda: "live and verified" in follower.notes(push.oid), "the note")

    ran = follower.reconciler("set", "message_size_limit", "20480000")
    assert ran.status == 0, ran.text
    assert follower.git("log", "--format=%s", "-1", "main") == "Set message_size_limit to 20480000"
    assert follower.postconf("message_size_limit") == "20480000"

    follower.sh(f"{HOOK} 12")
    follower.patiently(lambda: follower.git("log", "--format=%s", "-1", "main") == "Remove site12", "the removal")
    follower.wait_for("Unchanged", follower.tip())


def test_a_hook_of_the_forge_that_asks_for_a_fetch_holds_no_push_of_the_host_up(follower: FollowingHost) -> None:
    hook = f"{REPOSITORY}/hooks/post-receive"
    follower.host.write(hook, "#!/bin/sh\nexec reconciler fetch\n", 0o755)
    push = follower.push({"tables/transport": "five.test  relaylim:\n"}, "Five")
    follower.patiently(lambda: "live and verified" in follower.notes(push.oid), "the note")
    ran = follower.reconciler("set", "maximal_queue_lifetime", "4d")
    assert ran.status == 0, ran.text
    last = follower.push({"tables/transport": "six.test  relaylim:\n"}, "Six")
    follower.wait_for("Applied", last.oid)
    follower.sh(f"rm {hook}")


def test_a_commit_that_the_forge_does_not_take_is_on_a_branch_there(follower: FollowingHost) -> None:
    hook = '#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo "main is protected"; exit 1; }\n'
    follower.host.write(f"{REPOSITORY}/hooks/update", hook, 0o755)
    before = follower.tip()
    ran = follower.reconciler("set", "message_size_limit", "30720000")
    assert ran.status == 75, ran.text
    assert "the commit is on the remote's branch reconciler/mx1.example.com: merge it there" in ran.text
    assert (follower.tip(), follower.postconf("message_size_limit")) == (before, "20480000")

    follower.sh(f"rm {REPOSITORY}/hooks/update")
    follower.git("update-ref", "refs/heads/main", "refs/heads/reconciler/mx1.example.com")
    assert follower.reconciler("fetch").status == 0
    assert follower.postconf("message_size_limit") == "30720000"
