"""A git push changes a real Postfix before the prompt is back, or nothing changes and the pusher reads why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, TYPO, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUTE = "old.test  smtp:[127.0.0.1]:2525\n"
LISTENER = "127.0.0.1:2599 inet n - n - - smtpd\n"
# postmap runs when the tables are compiled: after the rules have seen that the port is free, before Postfix binds it.
GRABBER = """\
#!/bin/sh
case "$*" in *private/stage*)
    test -e /run/grabbed || setsid python3 -c '
import socket, time
listener = socket.create_server(("127.0.0.1", 2599))
open("/run/grabbed", "w").close()
time.sleep(600)' >/dev/null 2>&1 &
    until test -e /run/grabbed; do sleep 0.01; done
esac
exec /usr/sbin/postmap.real "$@"
"""


@pytest.fixture
def adopted(shared: AdoptedHost) -> Iterator[AdoptedHost]:
    """A site that is steady at its branch, whatever the test before did."""
    yield shared
    if shared.told()["phase"]["name"] != "Steady":
        shared.git("update-ref", "refs/heads/main", shared.told()["live"]["revision"])
        shared.wait_for_phase("Steady")


def test_a_push_is_live_before_the_prompt_is_back_and_mail_takes_the_new_route(adopted: AdoptedHost) -> None:
    adopted.host.sink(2526)
    push = adopted.push({"tables/transport": f"{ROUTE}new.test  smtp:[127.0.0.1]:2526\n"}, "Route new.test")
    assert (
        adopted.host.run("postmap", "-q", "new.test", "lmdb:/etc/postfix/transport").stdout == "smtp:[127.0.0.1]:2526\n"
    )
    assert push.accepted
    assert "+ new.test  smtp:[127.0.0.1]:2526" in push.text
    assert "tables/transport:2" in push.text
    assert "live and verified" in push.text
    assert adopted.host.send("a@client.test", "b@new.test").startswith("250 ")
    adopted.host.wait_for(lambda: adopted.host.received(2526), what="the message at the new route")
    assert adopted.host.received(2526)[0].recipients == ("b@new.test",)


def test_a_warning_that_was_true_before_a_push_is_only_counted(adopted: AdoptedHost) -> None:
    told = "[unused-table]"
    assert told in adopted.push({"tables/unused": "a b\n"}, "Leave a table unused").text

    push = adopted.push({"tables/transport": f"{ROUTE}later.test  relaylim:\n"}, "Later")

    assert told not in push.text
    assert "  1 warning as before; `reconciler explain` shows it" in push.text
    assert "tables/unused:1:1: warning: " in adopted.reconciler("explain").text
    plan = adopted.reconciler("plan").text
    assert told not in plan
    assert " as before; " in plan
    for all_of_them in (("plan", "--all"), ("plan", "--json"), ("check",)):
        assert told.strip("[]") in adopted.reconciler(*all_of_them).text
    adopted.push({"tables/unused": None}, "Remove it")


def test_a_push_is_on_record_in_status_log_and_git_notes(adopted: AdoptedHost) -> None:
    push = adopted.push({"tables/transport": f"{ROUTE}recorded.test  relaylim:\n"}, "Send it in serial")
    status, (line, *_) = adopted.status(), adopted.log(push.oid)
    assert status["phase"] == {"name": "Steady"}
    assert status["live"]["revision"] == push.oid
    assert status["last"]["outcome"] == "Applied"
    assert status["postfix"]["running"]
    assert (line["outcome"], line["author"], line["subject"]) == (
        "Applied",
        "Ada <ada@example.com>",
        "Send it in serial",
    )
    assert line["generation"] == status["live"]["generation"]
    assert "signer" in line
    assert "live and verified" in adopted.notes(push.oid)


def test_the_pusher_reads_what_makes_an_author_root_and_reads_it_once(adopted: AdoptedHost) -> None:
    mail = MAIL + "  debugger_command: /usr/bin/logger debugged\n"
    pipe = "logged unix - n n - - pipe user=nobody argv=/usr/bin/logger\n"
    files = {"mail.yaml": mail, "master.d/pipe.cf": pipe, "tables/aliases": 'logged: "|/usr/bin/logger"\n'}
    adopted.commit(files, "Give the author rights")
    told = [
        "this makes its author root: debugger_command (mail.yaml:5:21)",
        "this runs commands as nobody: service logged/unix (master.d/pipe.cf:1:1)",
        'this runs commands as nobody: "logged" in aliases (tables/aliases:1:1)',
    ]
    adopted.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/feature")
    plan = adopted.reconciler("plan", "feature").text
    assert [line for line in told if line not in plan] == []
    shown = json.loads(adopted.reconciler("plan", "feature", "--json").text)["powers"]
    assert [(one["what"], one["root"]) for one in shown] == [
        ("debugger_command", True), ("service logged/unix", False), ('"logged" in aliases', False)
    ]  # fmt: skip
    push = adopted.push(None)
    assert push.accepted
    assert [line for line in told if line not in push.text] == []
    again = adopted.push({"tables/aliases": 'logged: "|/usr/bin/logger"\nlisted: "|/usr/bin/logger -t x"\n'})
    assert again.accepted
    assert [line for line in again.text.splitlines() if "  this " in line] == [
        'remote:   this runs commands as nobody: "listed" in aliases (tables/aliases:2:1)        '
    ]
    assert adopted.push({"mail.yaml": MAIL, "master.d/pipe.cf": None, "tables/aliases": None}).accepted


def test_a_push_that_changes_nothing_says_so(adopted: AdoptedHost) -> None:
    generation = adopted.told()["live"]["generation"]
    push = adopted.push({}, "Nothing at all")
    assert push.accepted
    assert "nothing to do" in push.text
    assert adopted.log(push.oid)[0]["outcome"] == "Unchanged"
    assert adopted.told()["live"]["generation"] == generation


def test_a_broken_push_is_rejected_with_its_place_and_the_likely_intent(adopted: AdoptedHost) -> None:
    before, tip = adopted.live(), adopted.tip()
    push = adopted.push({"mail.yaml": TYPO}, "A typo")
    assert not push.accepted
    assert "mail.yaml:5:30: " in push.text
    assert '"reject_unknown_sender_domian"' in push.text
    assert "did you mean reject_unknown_sender_domain?" in push.text
    assert (adopted.live(), adopted.tip()) == (before, tip)
    assert adopted.told()["phase"]["name"] == "Steady"


def test_a_refused_push_is_on_record_with_the_user_who_asked(adopted: AdoptedHost) -> None:
    push = adopted.push({"mail.yaml": TYPO}, "A typo")
    assert not push.accepted
    line = next(one for one in adopted.log() if one["revision"] == push.oid)  # a pass may have ended in the same second
    assert (line["outcome"], line["uid"], line["user"]) == ("CheckRefused", 0, "root")
    assert "reject_unknown_sender_domian" in line["findings"][0]["text"]
    assert "asked for by root (uid 0)" in adopted.reconciler("log", "-2").text
    lines = [json.loads(one) for one in adopted.daemon_log().splitlines() if one.startswith("{")]
    refused = [one for one in lines if one["event"] == "check_refused"]
    assert refused[-1]["uid"] == 0
    assert line["revision"] == refused[-1]["revision"]


def test_the_same_commit_written_past_the_hook_is_refused_and_nothing_live_changes_by_a_byte(
    adopted: AdoptedHost,
) -> None:
    before, master, generations = adopted.live(), adopted.master(), adopted.generations()
    live = adopted.told()["live"]
    oid = adopted.write_past_hook({"mail.yaml": TYPO}, "A typo")
    adopted.wait_for("Refused", oid)
    assert (adopted.live(), adopted.master(), adopted.generations()) == (before, master, generations)
    status = adopted.status()
    assert status["phase"] == {"name": "Refusing", "revision": oid}
    assert {key: status["live"][key] for key in ("revision", "generation")} == {
        "revision": live["revision"],
        "generation": live["generation"],
    }
    assert status["last"]["outcome"] == "Refused"
    assert status["last"]["revision"] == oid
    assert status["last"]["at"].endswith("Z")
    assert status["last"]["seconds"] > 0
    (finding,) = status["last"]["findings"]
    place = {"file": "mail.yaml", "line": 5, "column": 30, "severity": "error", "lasting": True}
    assert finding.items() >= ({"rule": "unknown-restriction"} | place).items()
    assert "did you mean reject_unknown_sender_domain?" in finding["text"]
    assert status["drift"] == []
    assert status["postfix"]["running"] is True
    assert status["limits"] == []
    adopted.patiently(lambda: "refused" in adopted.notes(oid), "the note")


def test_a_quarantined_commit_is_not_tried_again_until_the_branch_moves(adopted: AdoptedHost) -> None:
    broken = adopted.write_past_hook({"mail.yaml": TYPO})
    adopted.wait_for("Refused", broken)
    tries = len(adopted.log(broken))
    assert adopted.once().status == 1
    assert len(adopted.log(broken)) == tries
    push = adopted.push({"mail.yaml": MAIL}, "Mended")
    assert push.accepted
    status = adopted.status()
    assert status["phase"] == {"name": "Steady"}
    assert (status["last"]["outcome"], status["last"]["revision"]) == ("Unchanged", push.oid)


def test_of_two_pushes_at_once_one_wins_the_other_is_told_so_and_both_land_in_the_end(adopted: AdoptedHost) -> None:
    adopted.sh(f"rm -rf /root/other && git clone -q {CLONE} /root/other")
    adopted.git("remote", "set-url", "origin", "/srv/mail-state.git", where="/root/other")
    adopted.commit({"tables/transport": f"{ROUTE}one.test  relaylim:\n"})
    adopted.sh(
        "cd /root/other && git fetch -q && git reset -q --hard origin/main && git config user.name Bob &&"
        " git config user.email b@x && echo 'two.test  relaylim:' >tables/relay_domains &&"
        " git add . && git commit -qm Two"
    )
    adopted.sh(
        "for c in clone other; do"
        " (cd /root/$c; git push origin HEAD:main >/tmp/$c 2>&1; echo $? >/tmp/$c.rc) & done; wait"
    )
    told = {
        name: (adopted.host.read(f"/tmp/{name}.rc").strip(), adopted.host.read(f"/tmp/{name}"))
        for name in ("clone", "other")
    }
    (winner,) = [name for name, (status, _) in told.items() if status == "0"]
    (loser,) = told.keys() - {winner}
    assert "rejected" in told[loser][1]
    adopted.wait_for("Applied", adopted.git("rev-parse", "HEAD", where=f"/root/{winner}"))
    adopted.sh(
        f"cd /root/{loser} && git config user.name Bob && git config user.email b@x && git pull -q --rebase origin main"
    )
    pushed = adopted.sh(f"cd /root/{loser} && git push origin HEAD:main")
    assert "live and verified" in pushed
    assert adopted.host.run("postmap", "-q", "one.test", "lmdb:/etc/postfix/transport").stdout == "relaylim:\n"
    assert adopted.postconf("relay_domains") == "lmdb:$config_directory/relay_domains"


def test_after_three_pushes_without_a_daemon_the_latest_goes_live_and_the_others_are_on_record(
    adopted: AdoptedHost,
) -> None:
    assert adopted.stop_daemon() == 0
    pushes = [
        adopted.push({"tables/transport": f"{ROUTE}{name}.test  relaylim:\n"}, f"Push {name}")
        for name in ("a", "b", "c")
    ]
    for push in pushes:
        assert push.accepted
        assert push.text.count("reconciler is not running") == 2, "both hooks say what they could not do"
    adopted.start_daemon()
    first, second, third = (push.oid for push in pushes)
    adopted.wait_for("Applied", third)
    assert adopted.host.run("postmap", "-q", "c.test", "lmdb:/etc/postfix/transport").stdout == "relaylim:\n"
    for oid in (first, second):
        assert [(line["outcome"], line["by"]) for line in adopted.log(oid)] == [("Superseded", third)]
        assert f"superseded by {third[:7]}" in adopted.notes(oid)


def test_an_ordinary_user_sends_mail_and_reads_the_queue_after_a_swap(adopted: AdoptedHost) -> None:
    adopted.host.sink(2525)
    adopted.push({"tables/transport": f"{ROUTE}swap.test  relaylim:\n"}, "A swap")
    adopted.host.run(
        "sendmail", "-f", "nobody@mx1.example.com", "x@old.test", input="Subject: x\n\nHi.\n", user="nobody"
    )
    adopted.host.wait_for(lambda: adopted.host.received(2525), what="the user's message")
    assert adopted.host.received(2525)[0].recipients == ("x@old.test",)
    assert "Mail queue is empty" in adopted.host.run("mailq", user="nobody").stdout


def test_a_configuration_that_kills_the_master_after_a_clean_reload_is_rolled_back() -> None:
    with AdoptedHost(settle="1.5s") as adopted:
        before, generation, master = adopted.live(), adopted.told()["live"]["generation"], adopted.master()
        adopted.host.run(
            "mkdir", "/var/spool/postfix/private/extra"
        )  # no rule looks there; master can't put its socket
        push = adopted.push({"master.d/extra.cf": "extra unix - - n - - smtp\n"}, "Looks harmless")
        assert push.accepted, "the push itself was over"
        assert "rolled back" in push.text
        assert "private/extra" in push.text
        assert adopted.live() == before
        assert adopted.answers()
        assert adopted.master() != master, "it had died and was started again"
        status = adopted.status()
        assert status["last"]["outcome"] == "RolledBack"
        assert status["phase"] == {"name": "Refusing", "revision": push.oid}
        assert status["live"]["generation"] == generation
        assert "master-died" in {finding["rule"] for finding in status["last"]["findings"]}
        assert adopted.once().status == 1, "quarantined: refused without another try"
        assert "rolled back" in adopted.notes(push.oid)


def test_a_port_that_is_taken_between_check_and_reload_is_rolled_back_and_once_says_3() -> None:
    with AdoptedHost(settle="1.5s", daemon=False) as adopted:
        before = adopted.live()
        adopted.sh("mv /usr/sbin/postmap /usr/sbin/postmap.real")
        adopted.host.write("/usr/sbin/postmap", GRABBER, 0o755)
        adopted.write_past_hook({"master.d/extra.cf": LISTENER, "tables/transport": f"{ROUTE}x.test  relaylim:\n"})
        ran = adopted.reconciler("once")
        assert ran.status == 3, ran.text
        assert "2599" in ran.text, "\n" + ran.text
        assert adopted.live() == before
        assert adopted.answers()
