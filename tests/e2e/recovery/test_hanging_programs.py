"""What a machine does to a daemon: disks that turn read-only, programs that hang, an inotify used up, no socket."""

from __future__ import annotations

import signal
import sys
import time

import pytest

from tests.e2e.adopted_host import CLONE, IDENTITY, MAIL, UNREHEARSED, AdoptedHost

STATE_DIRECTORY = "/var/lib/reconciler"
BRANCH = "refs/heads/drift/mx1.example.com"
# Hangs for the daemon alone, and holds its pipes open in another session too, as a git with a credential helper would.
HANG = """#!/bin/sh
case "$*" in *safe.directory=*) setsid sleep 300 & exec sleep 300;; esac
exec /usr/bin/git "$@"
"""
# The limits of inotify belong to a user namespace: in one of its own the daemon has few, and the machine what it had.
# The kernel makes none for a process in a chroot, as a throw-away host is; so its root first becomes the real one.
LEAVE_CHROOT = """
import os, subprocess, sys
os.chroot("/tmp")
os.chdir("../" * 9)
os.chroot(".")
os.chdir("/media/root")
subprocess.run(["mount", "--move", ".", "/"], check=True)
os.chroot(".")
os.execvp(sys.argv[1], sys.argv[1:])
"""
FEW = """
unshare -U sh -c 'until grep -q . /proc/self/uid_map; do sleep 0.01; done
    exec sh -c "echo $1 >/proc/sys/user/$0 && exec reconciler run"' "$0" "$1" &
for map in uid_map gid_map; do
    until echo 0 0 4294967295 2>/dev/null >/proc/$!/$map; do sleep 0.01; done
done
wait
"""

RESTARTS = MAIL.replace("parameters:", "parameters:\n  inet_interfaces: 127.0.0.1")


def banner(text: str) -> dict[str, str | None]:
    """The state with that banner."""
    return {"mail.yaml": f"{MAIL}  smtpd_banner: {text} ESMTP\n"}


def greets(adopted: AdoptedHost, text: str) -> bool:
    """Whether that banner is what clients see."""
    return adopted.host.dialogue(["QUIT"])[0] == f"220 {text} ESMTP"


# ---- file systems ----------------------------------------------------------------------------------------------------


# Once: the next start finds the disk as it is then.
TURNS_READ_ONLY = f"""#!/bin/sh
case "$*" in *start) ;; *) exec /usr/sbin/postfix.works "$@";; esac
mv /usr/sbin/postfix.works /usr/sbin/postfix && /usr/sbin/postfix "$@" &&
mount --bind {STATE_DIRECTORY} {STATE_DIRECTORY} && mount -o remount,ro,bind {STATE_DIRECTORY}
"""


def test_a_state_directory_that_turns_read_only_while_a_pass_is_verified_is_told_and_mended_after() -> None:
    with AdoptedHost(settle="20ms") as adopted:
        before = adopted.sh(f"readlink {STATE_DIRECTORY}/live/postfix")
        adopted.sh("mv /usr/sbin/postfix /usr/sbin/postfix.works")
        adopted.host.write("/usr/sbin/postfix", TURNS_READ_ONLY, 0o755)
        oid = adopted.write_past_hook({"mail.yaml": RESTARTS})
        adopted.wait_for_limit("nothing can be recorded")
        assert adopted.sh(f"readlink {STATE_DIRECTORY}/live/postfix") != before
        assert adopted.answers()
        again = adopted.write_past_hook(banner("later"))
        adopted.sh(f"mount -o remount,rw,bind {STATE_DIRECTORY}")
        adopted.wait_for("Applied", again)
        assert greets(adopted, "later")
        adopted.host.wait_for(lambda: adopted.told()["limits"] == [], what="nothing more to tell")
        assert adopted.told()["phase"] == {"name": "Steady"}
        assert oid != again


# ---- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("date", ["@0 +0000", "1970-01-02T00:00:00 -1200", "2099-12-31T23:59:59 +1400"])
def test_a_commit_of_another_time_is_applied_and_main_cf_is_old_enough_to_be_read(date: str) -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        adopted.commit(banner("odd"), "Odd")
        amend = ("git", "-C", CLONE, *IDENTITY, "commit", "--amend", "--quiet", "--no-edit", "--date", date)
        adopted.host.run(*amend, env={"GIT_COMMITTER_DATE": date})
        push = adopted.push()
        assert "live and verified" in push.text, push.text
        assert greets(adopted, "odd")
        assert int(adopted.sh("echo $(( $(date +%s) - $(stat -L -c %Y /etc/postfix/main.cf) ))")) >= 10
        assert adopted.log("-1")[0]["revision"] == push.oid


# ---- git -------------------------------------------------------------------------------------------------------------


def test_a_git_that_hangs_holds_up_neither_mail_nor_the_record_and_status_says_what_is_not_written() -> None:
    with AdoptedHost(settle="20ms", settings='[drift]\npolicy = "commit"\n') as adopted:
        adopted.host.write("/usr/sbin/git", HANG, 0o755)
        adopted.sh("postconf -e smtpd_banner=by-hand")
        adopted.patiently(lambda: adopted.postconf("smtpd_banner") != "by-hand", "the edit to be put back")
        adopted.wait_for_limit("a hand edit is not on drift/")
        oid = adopted.write_past_hook(banner("meanwhile"))
        adopted.wait_for("Applied", oid)
        assert greets(adopted, "meanwhile")
        adopted.wait_for_limit(f"can't add a note to {oid[:7]}")
        adopted.wait_for_limit("a hand edit is not on drift/")
        adopted.sh("rm /usr/sbin/git")
        push = adopted.push(banner("after"))
        assert push.accepted, push.text
        adopted.wait_for("Applied", push.oid)
        adopted.patiently(lambda: adopted.told()["limits"] == [], "everything to be written")
        assert "by-hand" in adopted.git("log", "-p", BRANCH)
        assert "live" in adopted.notes(push.oid)


# ---- Postfix's programs ----------------------------------------------------------------------------------------------

CHANGE = {**banner("later"), "tables/transport": "new.test  smtp:[127.0.0.1]:2525\n"}
PROVEN_WITHIN = 15.0  # seconds in which a dead master must be back
HANGING = {"a compile": ("postmap", "*lmdb:*"), "a check": ("postconf", "*-x"), "a rehearsal": ("unshare", "*play*")}


def hang(adopted: AdoptedHost, program: str, pattern: str) -> None:
    """Have calls of the program whose arguments match hang; the others work."""
    path = adopted.sh(f"readlink -f $(command -v {program})")
    adopted.sh(f"mv {path} {path}.works")
    text = f'#!/bin/sh\ncase "$*" in {pattern}) : >/tmp/hangs; exec sleep 321;; esac\nexec {path}.works "$@"\n'
    adopted.host.write(path, text, 0o755)


def runs(adopted: AdoptedHost) -> bool:
    """Whether a master runs; the smtpd of one that was killed answers for a while longer."""
    return bool(adopted.sh("pid=$(cat /var/spool/postfix/pid/master.pid) && ps -o comm= -p $pid || :"))


def works_again(adopted: AdoptedHost, program: str) -> None:
    """End the hang."""
    adopted.sh(f"path=$(readlink -f $(command -v {program})) && mv $path.works $path")


@pytest.mark.parametrize("what", HANGING)
def test_beside_a_program_that_hangs_a_dead_master_is_started_status_answers_and_a_stop_is_quick(what: str) -> None:
    with AdoptedHost(settle="20ms") as adopted:
        hang(adopted, *HANGING[what])
        oid = adopted.write_past_hook(CHANGE)
        adopted.patiently(lambda: adopted.sh("ls /tmp/hangs", check=False) == "/tmp/hangs", "the hang")

        adopted.sh("pkill -KILL -x master")
        adopted.patiently(lambda: runs(adopted), "Postfix to be back", PROVEN_WITHIN)
        adopted.patiently(adopted.answers, "an answer")  # master listens a moment after it locks its pid file
        assert adopted.sh("pgrep -f 'sleep 321'")
        limits = adopted.patiently(
            lambda: [one for one in adopted.told()["limits"] if "has been busy for" in one], "a word about the hang", 30
        )
        assert what == "a check" or f"it waits for {HANGING[what][0]}" in limits[0]  # its programs have own threads

        asked = time.monotonic()
        assert adopted.stop_daemon() == 0
        assert time.monotonic() - asked < PROVEN_WITHIN
        assert not adopted.sh("pgrep -f 'sleep 321'", check=False)

        works_again(adopted, HANGING[what][0])
        adopted.start_daemon()
        adopted.wait_for("Applied", oid)
        assert any(one["revived"] for one in adopted.log())
        assert adopted.told()["limits"] == []


def test_a_master_is_not_started_beside_an_activation() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        hang(adopted, *HANGING["a compile"])
        adopted.write_past_hook(CHANGE)
        adopted.patiently(lambda: adopted.sh("ls /tmp/hangs", check=False) == "/tmp/hangs", "the hang")
        holder = adopted.host.start("flock", f"{STATE_DIRECTORY}/private/activation", "sleep", "300")
        adopted.sh("until ! flock -n /var/lib/reconciler/private/activation true; do sleep 0.1; done")
        adopted.sh("pkill -KILL -x master")
        time.sleep(7)  # the guard looks three times
        assert not runs(adopted)
        adopted.sh("pkill -f 'sleep 300'")
        holder.wait()
        adopted.patiently(lambda: runs(adopted), "Postfix to be back", PROVEN_WITHIN)


def test_a_pass_holds_the_activation_lock_while_postfix_restarts_and_a_stop_waits_for_that() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        probe = "flock -n /var/lib/reconciler/private/activation true; echo $? >>/tmp/locked; sleep 5"
        adopted.sh("mv /usr/sbin/postfix /usr/sbin/postfix.works")
        text = f'#!/bin/sh\ncase "$*" in *start) {probe};; esac\nexec /usr/sbin/postfix.works "$@"\n'
        adopted.host.write("/usr/sbin/postfix", text, 0o755)
        oid = adopted.write_past_hook({"mail.yaml": RESTARTS})
        adopted.patiently(lambda: adopted.sh("ls /tmp/locked", check=False) == "/tmp/locked", "the restart")
        assert adopted.stop_daemon() == 0
        assert adopted.sh("cat /tmp/locked") == "1"
        assert adopted.answers()
        assert adopted.log()[0]["outcome"] == "Applied", adopted.log()[0]
        assert adopted.log()[0]["revision"] == oid


# ---- the socket ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gone",
    [
        "rm -r /run/reconciler || test -S /run/reconciler/control.sock",  # it may be back before the folder is gone
        "rm /run/reconciler/control.sock",
        "mv /run/reconciler /run/x",
    ],
)
def test_a_socket_that_was_removed_is_made_again_and_no_second_daemon_starts_meanwhile(gone: str) -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        assert adopted.daemon is not None
        adopted.sh(gone)
        second = adopted.reconciler("run")
        assert second.status == 75, second.text
        adopted.patiently(adopted.told, "the socket to be back")
        push = adopted.push(banner("heard"))
        assert "live and verified" in push.text, push.text
        assert adopted.daemon.poll() is None
        adopted.patiently(lambda: adopted.reconciler("once").status == 0, "the daemon's last pass to end")


def test_no_second_daemon_starts_with_the_same_state_though_its_socket_is_another() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        adopted.sh("sed 's|^.daemon.$|&\\nsocket = \"/run/other/s\"|' /etc/reconciler.toml >/etc/other.toml")
        told = adopted.sh("RECONCILER_SETTINGS=/etc/other.toml timeout 60 reconciler run; echo $?")
        assert "another reconciler daemon runs with /var/lib/reconciler\n75" in told
        adopted.stop_daemon()
        told = adopted.sh("RECONCILER_SETTINGS=/etc/other.toml timeout 10 reconciler run; echo $?")
        assert "another reconciler" not in told


def test_a_socket_that_is_lost_while_a_program_hangs_is_made_again() -> None:
    with AdoptedHost(settle="20ms", settings=UNREHEARSED) as adopted:
        hang(adopted, *HANGING["a compile"])
        adopted.write_past_hook(CHANGE)
        adopted.patiently(lambda: adopted.sh("ls /tmp/hangs", check=False) == "/tmp/hangs", "the hang")
        adopted.sh("rm -r /run/reconciler")
        adopted.patiently(adopted.told, "the socket to be back", PROVEN_WITHIN)


# ---- inotify ---------------------------------------------------------------------------------------------------------


def test_a_commit_whose_event_was_lost_in_an_overflowing_queue_is_applied() -> None:
    with AdoptedHost(settle="20ms", settings='resync = "5m"\n') as adopted:
        most = int(adopted.host.read("/proc/sys/fs/inotify/max_queued_events"))
        adopted.signal_daemon(signal.SIGSTOP)
        oid = adopted.commit(banner("unheard"))
        adopted.sh(f"cd /etc/postfix; n=0; while [ $n -lt {most} ]; do : >a; : >b; n=$((n + 1)); done; rm a b")
        adopted.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/main")
        adopted.signal_daemon(signal.SIGCONT)
        adopted.wait_for("Applied", oid)
        adopted.patiently(lambda: "the kernel dropped events" in adopted.daemon_log(), "word of the events")
        later = adopted.write_past_hook(banner("heard"))
        adopted.wait_for("Applied", later)


@pytest.mark.parametrize(
    ("limit", "number", "told"),
    [
        ("max_inotify_instances", 0, "nothing is watched; changes are noticed only at the next resync"),
        ("max_inotify_watches", 3, "is not watched; changes there are noticed only at the next resync"),
    ],
)
def test_without_inotify_the_timer_notices_changes_and_status_says_so(limit: str, number: int, told: str) -> None:
    with AdoptedHost(settle="20ms", settings='resync = "1s"\n' + UNREHEARSED, daemon=False) as adopted:
        leave = ("unshare", "-m", sys.executable, "-c", LEAVE_CHROOT)
        adopted.start_daemon(*leave, "sh", "-c", FEW, limit, str(number))
        assert any(told in one and "inotify" in one for one in adopted.told()["limits"]), adopted.told()["limits"]
        adopted.wait_for("Applied", adopted.write_past_hook(banner("pushed")))
        assert greets(adopted, "pushed")
        adopted.sh("postconf -e smtpd_banner=by-hand")
        adopted.host.wait_for(
            lambda: adopted.postconf("smtpd_banner") == "pushed ESMTP", what="the edit to be put back"
        )
