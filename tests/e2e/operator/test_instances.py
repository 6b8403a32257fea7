"""Two Postfix instances on one host, made by postmulti(1): each has a daemon, and none disturbs the other."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.adopted_host import unfolded
from tests.e2e.hosts import CHECKOUT, Host

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = {"": 25, "in": 2525}
FOLDERS = {"": "/etc/postfix", "in": "/etc/postfix-in"}
SETTINGS = '[daemon]\nsettle = "100ms"\nreload_interval = "0s"\n[probation]\ntime = "0s"\n'
MAKE = r"""
postmulti -e init
postmulti -I postfix-in -G mx -e create
postconf -c /etc/postfix-in -X master_service_disable
postconf -c /etc/postfix-in -e mydestination=in.test mynetworks=127.0.0.0/8 virtual_alias_domains=v.in.test \
    virtual_alias_maps=hash:/etc/postfix-in/virtual alias_maps=hash:/etc/aliases
sed -i 's/^smtp      inet/2525      inet/; s|postfix/\$serv|$multi_instance_name/$serv|' /etc/postfix-in/master.cf
echo 'info@v.in.test  root@in.test' >/etc/postfix-in/virtual
postmap /etc/postfix-in/virtual
postconf -e 'transport_maps = inline:{waits.test=smtp:[127.0.0.1]:9}'
touch -d '1 minute ago' /etc/postfix/main.cf /etc/postfix-in/main.cf
postmulti -i postfix-in -e enable
"""
PUSH = """
cd /root/clone$1 && sed -i '/^  smtpd_banner:/d' mail.yaml && printf '  smtpd_banner: "%s"\\n' "$2" >>mail.yaml &&
git commit --quiet --all --message "Say $2" && git push 2>&1"""


def reconciler(host: Host, instance: str, *arguments: str, status: int = 0) -> str:
    """Run a command for an instance; what it printed."""
    chosen = ("--instance", instance) if instance else ()
    done = host.run("reconciler", *chosen, *arguments, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def told(host: Host, instance: str) -> dict[str, Any]:
    """What `status --json` says of an instance, whatever its exit status."""
    chosen = ("--instance", instance) if instance else ()
    return dict(json.loads(host.run("reconciler", *chosen, "status", "--json", check=False).stdout))


def push(host: Host, instance: str, banner: str) -> str:
    """Push another banner to the branch of an instance; what the pusher reads."""
    return host.run("bash", "-c", PUSH, "push", instance, banner, check=False).stdout


def banner(host: Host, instance: str) -> str:
    """What an instance says first."""
    return host.dialogue(["QUIT"], PORTS[instance])[0]


def master(host: Host, instance: str) -> str:
    """The process id of an instance's master."""
    return host.read(f"/var/spool/postfix{'-' if instance else ''}{instance}/pid/master.pid").strip()


def generations(host: Host, instance: str) -> list[str]:
    """The generations of an instance on disk."""
    return host.run("ls", f"/var/lib/reconciler{'-' if instance else ''}{instance}/generations").stdout.split()


def drifts(host: Host) -> list[dict[str, Any]]:
    """The passes of the second instance that reverted a hand edit."""
    lines = reconciler(host, "in", "log", "--json").splitlines()
    return [one for one in map(json.loads, lines) if one.get("drift")]


def delivered(host: Host, subject: str) -> None:
    """Wait until root has the message."""
    host.wait_for(lambda: f"Subject: {subject}\n" in host.run("cat", "/var/mail/root", check=False).stdout)


@pytest.fixture(scope="module")
def two() -> Iterator[Host]:
    """Return a host with two instances that postmulti made, both imported and adopted, with two daemons."""
    with Host() as host:
        host.run("bash", "-ec", MAKE)
        host.start_postfix()
        host.wait_for(lambda: host.run("postfix", "-c", "/etc/postfix-in", "status", check=False).returncode == 0)
        host.write("/etc/reconciler.toml", SETTINGS)
        host.write("/etc/reconciler/in.toml", SETTINGS)
        for instance, folder in FOLDERS.items():
            before = host.run("postconf", "-c", folder, "-n").stdout
            assert "equal: /srv/mail-state.git has commit" in reconciler(host, instance, "import")
            reconciler(host, instance, "once", "--adopt")
            assert host.run("postconf", "-c", folder, "-n").stdout == before
        host.run("git", "config", "--global", "user.email", "ada@example.com")
        host.run("git", "config", "--global", "user.name", "Ada")
        for instance, branch in {"": "main", "in": "in"}.items():
            host.run("git", "clone", "--quiet", "--branch", branch, "/srv/mail-state.git", f"/root/clone{instance}")
            host.start_preloaded("reconciler", "run", env={"RECONCILER_INSTANCE": instance})
            host.wait_for(lambda instance=instance: told(host, instance)["daemon"])  # type: ignore[misc]
        yield host


def test_a_push_to_a_branch_goes_to_its_own_instance(two: Host) -> None:
    masters, first = {name: master(two, name) for name in PORTS}, generations(two, "")
    assert "virtual" in two.run("ls", "/root/clonein/tables").stdout, "its own table is in its commit"
    told_pusher = push(two, "in", "in one")
    assert "mx1.example.com@in" in told_pusher
    assert "live" in told_pusher
    assert (banner(two, "in"), generations(two, "")) == ("220 in one", first)
    assert "live" in push(two, "", "default one")
    assert (banner(two, ""), banner(two, "in")) == ("220 default one", "220 in one")
    assert two.send("a@client.test", "info@v.in.test", "Subject: by in\n\nHello.", 2525).startswith("250")
    assert two.send("a@client.test", "root@localhost", "Subject: by default\n\nHello.").startswith("250")
    delivered(two, "by in")
    delivered(two, "by default")
    two.wait_for(lambda: " postfix-in/local[" in two.mail_log(), what="the end of the delivery")
    assert " postfix-in/virtual[" not in two.mail_log()
    assert {name: master(two, name) for name in PORTS} == masters


def test_status_and_rollback_are_about_one_instance(two: Host) -> None:
    push(two, "in", "in two")
    default, count = told(two, ""), generations(two, "")
    assert (default["instance"], default["branch"]["name"]) == ("", "main")
    own = told(two, "in")
    assert (own["instance"], own["branch"]["name"]) == ("in", "in")
    shown = two.run("reconciler", "--instance", "postfix-in", "status", check=False).stdout
    assert shown.startswith("mx1.example.com@in   ")
    assert "\n  branch     in is at " in shown
    reconciler(two, "in", "rollback")
    assert banner(two, "in") == "220 in one"
    assert told(two, "in")["phase"]["name"] == "Suspended"
    now = told(two, "")
    assert (now["phase"], now["live"], generations(two, "")) == (default["phase"], default["live"], count)
    assert "live" in push(two, "in", "in three")


def test_a_hand_edit_of_one_is_reverted_in_it_even_if_it_points_at_the_other(two: Host) -> None:
    assert two.send("a@client.test", "late@waits.test").startswith("250")
    masters, count = {name: master(two, name) for name in PORTS}, generations(two, "")
    two.wait_for(lambda: any("deferred" in one["queue_name"] for one in two.queue()), what="mail that waits")
    waiting = two.queue()
    for script in (
        "postconf -c /etc/postfix-in -e smtpd_banner=by-hand",
        "sed -i /^queue_directory/d /etc/postfix-in/main.cf",
        "echo '${' >>/etc/postfix-in/main.cf; : >/etc/postfix-in/master.cf",
    ):
        before = len(drifts(two))
        two.run("sh", "-c", script)
        two.wait_for(lambda before=before: len(drifts(two)) > before, what=script)  # type: ignore[misc]
        assert banner(two, "in") == "220 in three"
        assert {name: master(two, name) for name in PORTS} == masters
    assert [one["queue_id"] for one in two.queue()] == [one["queue_id"] for one in waiting]
    assert (generations(two, ""), told(two, "")["drift"]) == (count, [])


def test_a_panel_removes_a_site_of_the_instance_that_it_names(two: Host) -> None:
    script = r"""
        cd "/root/clone$1" && mkdir -p sites/site12 && echo "domains: [twelve.test]" >sites/site12/site.yaml &&
        git add . && git commit --quiet --message "Add site12" && git push 2>&1"""
    assert "live" in two.run("bash", "-c", script, "push", "in").stdout
    before = two.run("git", "-C", "/srv/mail-state.git", "rev-parse", "main").stdout
    for _ in range(2):
        two.run(sys.executable, "-SEB", CHECKOUT / "hooks/site-removed", "--instance", "in", "site12")
        two.wait_for(lambda: "removals" not in two.run("find", "/var/lib/reconciler-in/removals", "-type", "f").stdout)
    sites = ("git", "-C", "/srv/mail-state.git", "ls-tree", "-r", "--name-only", "in", "sites/")
    assert two.run(*sites).stdout == ""
    assert two.run("git", "-C", "/srv/mail-state.git", "rev-parse", "main").stdout == before
    assert two.run("ls", "-d", "/var/lib/reconciler/removals", check=False).stdout == ""
    two.run("git", "-C", "/root/clonein", "pull", "--quiet")


def test_a_master_that_dies_is_started_by_its_own_daemon(two: Host) -> None:
    other, pid = master(two, ""), master(two, "in")
    two.run("kill", "-KILL", pid)
    two.wait_for(lambda: master(two, "in") != pid and banner(two, "in") == "220 in three", what="a new master")
    assert master(two, "") == other
    assert told(two, "in")["postfix"]["running"]


def test_what_would_hurt_the_other_instance_is_refused(two: Host) -> None:
    refused = two.run(
        "bash", "-c",
        "cd /root/clonein && sed -i 's|^  queue_directory:.*|  queue_directory: /var/spool/postfix|' mail.yaml &&"
        " git commit --quiet --all --message x && git push 2>&1; git reset --quiet --hard origin/in",
        check=False,
    ).stdout  # fmt: skip
    assert "is that of the instance /etc/postfix" in unfolded(refused)
    refused = two.run(
        "bash", "-c",
        "cd /root/clone && sed -i '/^  multi_instance_directories:/d' mail.yaml &&"
        " git commit --quiet --all --message x && git push 2>&1; git reset --quiet --hard origin/main",
        check=False,
    ).stdout  # fmt: skip
    assert "leaves out /etc/postfix-in" in unfolded(refused)
    assert (banner(two, ""), banner(two, "in")) == ("220 default one", "220 in three")
