"""What somebody changes by hand below /etc/postfix is put back or reported, and a Postfix that died is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = UNREHEARSED  # of the host that these tests share
ROUTE = "old.test  smtp:[127.0.0.1]:2525\n"
EDITS = {
    "vi": ("main.cf", r"TERM=dumb vim.tiny -e -s -c 'g/^myhostname/s/mx1/evil/' -c wq /etc/postfix/main.cf"),
    "vi on a terminal": (
        "master.cf",
        r"printf 'Go# by hand\033:wq\r' | TERM=xterm script -qec 'vim.tiny -u NONE /etc/postfix/master.cf' /dev/null",
    ),
    "postconf -e": ("main.cf", "postconf -e smtpd_banner=hello"),
    "postconf -M": ("master.cf", "postconf -M evil/inet='2599 inet n - n - - smtpd'"),
    "sed -i": ("main.cf", "sed -i s/^myhostname.*/myhostname=evil.example.com/ /etc/postfix/main.cf"),
    "a file appended to": ("transport", "echo 'evil.test discard:' >>/etc/postfix/transport"),
    "a rename over it": (
        "main.cf",
        "cp /etc/postfix/main.cf /tmp/m; echo '# x' >>/tmp/m; mv /tmp/m /etc/postfix/main.cf",
    ),
    "a rename away": ("transport", "mv /etc/postfix/transport /etc/postfix/transport.old"),
    "chmod": ("main.cf", "chmod 600 /etc/postfix/main.cf"),
    "chown": ("transport", "chown nobody /etc/postfix/transport"),
    "a deletion": ("main.cf", "rm /etc/postfix/main.cf"),
    # The daemon may have put the file back before the second command of an edit.
    "a link in its place": (
        "master.cf",
        "cp /etc/postfix/master.cf /tmp/away; ln -sf /tmp/away /etc/postfix/master.cf",
    ),
    "a folder in its place": (
        "transport",
        "until rm /etc/postfix/transport && mkdir /etc/postfix/transport; do :; done",
    ),
    "a compiled map rebuilt": (
        "transport.lmdb",
        "printf 'old.test  discard:\\n' | postmap -i -r lmdb:/etc/postfix/transport",
    ),
    "a compiled map deleted": ("transport.lmdb", "rm /etc/postfix/transport.lmdb"),
    "rm -rf of all that is ours": ("main.cf", "rm /etc/postfix/main.cf /etc/postfix/master.cf /etc/postfix/transport*"),
}


@pytest.fixture
def adopted(shared: AdoptedHost) -> Iterator[AdoptedHost]:
    """A site without what hand edits may leave beside: foreign files are nobody's to put back."""
    yield shared
    shared.sh("rm -rf /etc/postfix/*.old /etc/postfix/*~ /tmp/away")


@pytest.mark.parametrize("edit", EDITS)
def test_a_hand_edit_is_put_back_and_told(adopted: AdoptedHost, edit: str) -> None:
    file, script = EDITS[edit]
    before, generation, passes = owned(adopted), adopted.told()["live"]["generation"], len(adopted.passes())
    adopted.sh(script)
    adopted.host.wait_for(lambda: owned(adopted) == before, what="what was there before")
    adopted.host.wait_for(lambda: any(file in line["drift"] for line in adopted.passes()[passes:]), what="the record")
    status = adopted.wait_for("Applied")
    assert status["live"]["generation"] > generation, "the edited one is kept as evidence"
    adopted.host.wait_for(adopted.answers, what="Postfix")
    assert "smtp:[127.0.0.1]:2525" in adopted.sh("postmap -q old.test lmdb:/etc/postfix/transport")


def test_an_edited_generation_is_tainted_and_no_way_back(adopted: AdoptedHost) -> None:
    generation = adopted.told()["live"]["generation"]
    adopted.sh("postconf -e smtpd_banner=hello")
    adopted.host.wait_for(lambda: adopted.told()["live"]["generation"] > generation, what="a new generation")
    ran = adopted.reconciler("rollback", str(generation))
    assert ran.status == 1
    assert "was edited while it was live" in ran.text
    assert adopted.told()["phase"] == {"name": "Steady"}


def test_a_foreign_file_is_no_drift_and_comes_along_unchanged(adopted: AdoptedHost) -> None:
    adopted.host.write("/etc/postfix/notes.txt", "remember the milk\n", 0o640)
    push = adopted.push({"tables/transport": f"{ROUTE}carried.test  relaylim:\n"})
    adopted.wait_for("Applied", push.oid)
    assert adopted.told()["drift"] == []
    assert adopted.sh("cat /etc/postfix/notes.txt; stat -c %a /etc/postfix/notes.txt") == "remember the milk\n640"
    adopted.sh("rm /etc/postfix/notes.txt")


def test_with_policy_report_an_edit_is_reported_and_stays_until_the_next_push() -> None:
    with AdoptedHost(settings=UNREHEARSED + '[drift]\npolicy = "report"\n') as adopted:
        adopted.sh("postconf -e smtpd_banner=hello")
        adopted.host.wait_for(lambda: adopted.told()["drift"] == ["main.cf"], what="the report")
        adopted.host.wait_for(
            lambda: any(line["drift"] == ["main.cf"] for line in adopted.passes()), what="a pass that tells"
        )
        assert adopted.postconf("smtpd_banner") == "hello"
        status = adopted.status()
        assert status["drift"] == ["main.cf"]
        assert status["phase"] == {"name": "Steady"}
        adopted.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n"})
        assert adopted.postconf("smtpd_banner") != "hello"
        assert adopted.status()["drift"] == []


def test_an_edit_that_was_made_while_no_daemon_ran_is_put_back_at_its_start(adopted: AdoptedHost) -> None:
    before = owned(adopted)
    adopted.stop_daemon()
    adopted.sh("postconf -e smtpd_banner=hello")
    adopted.start_daemon()
    adopted.host.wait_for(lambda: owned(adopted) == before, what="what was there before")


def test_an_edit_is_put_back_even_while_the_branch_holds_a_refused_commit(adopted: AdoptedHost) -> None:
    before, good = owned(adopted), adopted.tip()
    broken = adopted.write_past_hook({"mail.yaml": MAIL + "  mynetworks: $my_netz\n"})
    adopted.wait_for("Refused", broken)
    adopted.sh("postconf -e smtpd_banner=hello")
    adopted.host.wait_for(lambda: owned(adopted) == before, what="what was there before")
    adopted.git("update-ref", "refs/heads/main", good)
    adopted.wait_for_phase("Steady")


def test_a_master_that_was_killed_is_started_again(adopted: AdoptedHost) -> None:
    killed, passes = adopted.master(), len(adopted.passes())
    adopted.sh(f"kill -KILL {killed}")
    adopted.host.wait_for(lambda: adopted.master() != killed and adopted.answers(), what="a new master")
    adopted.host.wait_for(lambda: any(line["revived"] for line in adopted.passes()[passes:]), what="the record")


def test_what_a_killed_master_leaves_in_a_session_keeps_no_client_waiting(adopted: AdoptedHost) -> None:
    killed = adopted.master()
    with adopted.host.connect() as session:
        assert session.recv(512).startswith(b"220 ")
        adopted.sh(f"kill -KILL {killed}")
        adopted.host.wait_for(lambda: adopted.master() != killed and adopted.answers(), what="a new master")
        assert [adopted.answers() for _ in range(24)] == [True] * 24, "half of them met a socket that nobody looks at"


def test_an_edit_that_postfix_died_of_is_put_back_and_postfix_started(adopted: AdoptedHost) -> None:
    adopted.host.wait_for(adopted.answers, what="Postfix")
    killed, passes = adopted.master(), len(adopted.passes())
    adopted.sh(f"sed -i 's/^smtp .*inet.*/smtp inet n - n - nonsense/' /etc/postfix/master.cf; kill -KILL {killed}")
    adopted.host.wait_for(lambda: adopted.master() != killed and adopted.answers(), what="a new master")
    assert "nonsense" not in adopted.host.read("/etc/postfix/master.cf")
    put_back = "master.cf"
    adopted.host.wait_for(
        lambda: any(put_back in line["drift"] for line in adopted.passes()[passes:]), what="the record"
    )


def test_a_postfix_that_an_administrator_stopped_stays_stopped_while_a_push_is_applied(adopted: AdoptedHost) -> None:
    adopted.host.run("postfix", "stop")
    push = adopted.push({"tables/transport": f"{ROUTE}stopped.test  relaylim:\n"})
    adopted.wait_for("Applied", push.oid)
    assert not adopted.told()["postfix"]["running"]
    assert not adopted.answers()
    assert adopted.sh("postmap -q stopped.test lmdb:/etc/postfix/transport") == "relaylim:"
    adopted.host.run("postfix", "start")
    adopted.host.wait_for(adopted.answers, what="Postfix")


def owned(adopted: AdoptedHost) -> str:
    """What is live and ours: without foreign files, and without the generation's own number."""
    ours = ("main.cf", "master.cf", "transport", "oneshot_dsn")
    lines = adopted.live().splitlines()
    return "\n".join(line for line in lines if any(f"/etc/postfix/{name} " in f"{line} " for name in ours))
