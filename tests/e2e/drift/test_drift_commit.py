"""With policy ``commit`` a hand edit is put back and becomes a commit on drift/HOST, live for good when merged."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import CLONE, MAIL, REPOSITORY, STATE, UNREHEARSED, AdoptedHost, Push
from tests.e2e.push.test_secrets import PASSWORD, set_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

BRANCH = "drift/mx1.example.com"
COMMIT = UNREHEARSED + '[drift]\npolicy = "commit"\n'
KEPT = {
    "vi": (
        r"TERM=dumb vim.tiny -e -s -c 'g/^mynetworks/s/127/126/' -c wq /etc/postfix/main.cf",
        "mynetworks",
        "+  mynetworks: 126.0.0.0/8",
    ),
    "postconf -e": ("postconf -e 'smtpd_banner=hello: you'", "smtpd_banner", "+  smtpd_banner: 'hello: you'"),
    "postconf -X": ("postconf -X mydestination", "mydestination", "-  mydestination: mx1.example.com, localhost"),
    "postconf -M": (
        "postconf -M 2599/inet='2599 inet n - n - - smtpd -o smtpd_banner=2599'",
        "2599/inet",
        "+2599 inet n - n - - smtpd\n+    -o smtpd_banner=2599",
    ),
    "postconf -F": ("postconf -F smtp/inet/process_limit=7", "smtp/inet", "+  smtp/inet: {maxproc: 7}"),
    "postconf -P": ("postconf -P smtp/inet/smtpd_banner=x", "smtp/inet", "+  smtp/inet: {options: {smtpd_banner: x}}"),
    "postconf -MX": ("postconf -MX flush/unix", "flush/unix", "+  flush/unix: null"),
    "sed -i": ("sed -i s/2525/2526/ /etc/postfix/transport", "transport", "+old.test  smtp:[127.0.0.1]:2526"),
    "a comment": ("echo '# remember' >>/etc/postfix/main.cf", "main.cf", ""),
    "chmod": ("chmod 600 /etc/postfix/main.cf", "main.cf", ""),
    "postmap": ("printf 'x.test  discard:\\n' | postmap -i -r lmdb:/etc/postfix/transport", "transport.lmdb", ""),
    "a deletion": ("rm /etc/postfix/master.cf", "master.cf", ""),
    "garbage": ("echo 'what is this' >>/etc/postfix/master.cf", "master.cf", ""),
    "a link in its place": ("cp /etc/postfix/master.cf /tmp/m; ln -sf /tmp/m /etc/postfix/master.cf", "master.cf", ""),
    "a value that is no UTF-8": (r"printf 'mail_name = \351\n' >>/etc/postfix/main.cf", "mail_name", ""),
}


@pytest.fixture(scope="module")
def module() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=COMMIT) as made:
        yield made


@pytest.fixture
def adopted(module: AdoptedHost) -> AdoptedHost:
    """A site without edits that nobody has merged."""
    module.git("update-ref", "-d", f"refs/heads/{BRANCH}")
    return module


def kept(adopted: AdoptedHost, passes: int, name: str) -> str:
    """The commit that the edit became, once everything is as it was."""
    adopted.host.wait_for(lambda: any(line["kept"] for line in adopted.passes()[passes:]), what="a commit")
    oid = adopted.git("rev-parse", f"refs/heads/{BRANCH}")
    assert [line["kept"] for line in adopted.passes()[passes:] if line["kept"]][-1] == oid
    assert name in adopted.git("log", "-1", "--format=%s", oid)
    return oid


@pytest.mark.parametrize("edit", KEPT)
def test_a_hand_edit_is_put_back_and_kept(adopted: AdoptedHost, edit: str) -> None:
    script, name, line = KEPT[edit]
    before, passes, tip = (
        adopted.sh("cat /etc/postfix/m*.cf /etc/postfix/transport"),
        len(adopted.passes()),
        adopted.tip(),
    )
    adopted.sh(script)
    oid = kept(adopted, passes, name)
    assert adopted.sh("cat /etc/postfix/m*.cf /etc/postfix/transport") == before
    assert adopted.git("rev-parse", f"{oid}^") == tip
    shown = adopted.git("show", "--format=", oid)
    assert line in shown if line else not shown
    assert adopted.told()["drift"] == []
    assert adopted.told()["phase"] == {"name": "Steady"}


def test_a_merge_of_the_branch_makes_the_edit_last(adopted: AdoptedHost) -> None:
    passes = len(adopted.passes())
    adopted.sh("postconf -e smtpd_banner=hello; echo 'new.test  discard:' >>/etc/postfix/transport")
    kept(adopted, passes, "smtpd_banner, transport")
    assert adopted.postconf("smtpd_banner") != "hello"
    push = merged(adopted)
    assert push.accepted, push.text
    adopted.wait_for("Applied", push.oid)
    assert adopted.postconf("smtpd_banner") == "hello"
    assert "discard:" in adopted.sh("postmap -q new.test lmdb:/etc/postfix/transport")
    passes = len(adopted.passes())
    adopted.sh("postconf -e smtpd_banner=again")
    oid = kept(adopted, passes, "smtpd_banner")
    assert adopted.git("rev-parse", f"{oid}^") == push.oid, "what was merged is no parent any more"


def test_edits_that_nobody_has_merged_pile_up(adopted: AdoptedHost) -> None:
    for script, name in (("postconf -e smtpd_banner=one", "smtpd_banner"), ("postconf -e mail_name=two", "mail_name")):
        passes = len(adopted.passes())
        adopted.sh(script)
        kept(adopted, passes, name)
    passes = len(adopted.passes())
    adopted.sh("postconf -e mail_name=two")
    adopted.host.wait_for(lambda: adopted.passes()[passes:] and adopted.told()["drift"] == [], what="a pass")
    assert adopted.git("rev-list", "--count", f"main..{BRANCH}") == "2", "the same again is no news"
    text = adopted.git("show", f"{BRANCH}:mail.yaml")
    assert "smtpd_banner: one" in text
    assert "mail_name: two" in text


def test_edits_in_a_storm_are_all_kept(adopted: AdoptedHost) -> None:
    names = [f"drift_{number}" for number in range(12)]
    script = "; ".join(
        f"postconf -e smtpd_banner={name}; postconf -e {name}={name}; sleep 0.1$RANDOM" for name in names
    )
    adopted.host.run("bash", "-c", script, timeout=120)
    adopted.host.wait_for(
        lambda: adopted.told()["drift"] == [] and "drift_11" in kept_text(adopted), what="the last edit"
    )
    text = kept_text(adopted)
    assert [name for name in names if name not in text] == []


def test_an_edit_during_a_pushs_pass_is_kept(adopted: AdoptedHost) -> None:
    slow = adopted.host.start("sh", "-c", "for n in 1 2 3 4 5 6 7 8; do postconf -e during_$n=x; sleep 0.05; done")
    push = adopted.push({"mail.yaml": MAIL + "  smtpd_helo_required: yes\n"})
    assert push.accepted, push.text
    slow.wait(120)
    adopted.host.wait_for(
        lambda: adopted.told()["drift"] == [] and "during_8" in kept_text(adopted), what="the last edit"
    )
    assert [n for n in range(1, 9) if f"during_{n}" not in kept_text(adopted)] == []
    adopted.push({"mail.yaml": MAIL})


def test_an_edit_while_the_repository_can_not_be_written_is_put_back_and_kept_later(adopted: AdoptedHost) -> None:
    passes = len(adopted.passes())
    adopted.sh(f"mount --bind {REPOSITORY} {REPOSITORY} && mount -o remount,ro,bind {REPOSITORY}")
    try:
        adopted.sh("postconf -e smtpd_banner=later")
        adopted.host.wait_for(
            lambda: adopted.passes()[passes:] and adopted.postconf("smtpd_banner") != "later", what="a pass"
        )
        adopted.host.wait_for(lambda: adopted.told()["drift"] == [], what="what was there before")
        adopted.wait_for_limit(f"is not on {BRANCH} yet and exists only in /var/lib")
        adopted.patiently(
            lambda: any(line["not_kept"] for line in adopted.passes()[passes:]), "the pass in the journal"
        )
        adopted.stop_daemon(signal.SIGKILL)
    finally:
        adopted.sh(f"umount -l {REPOSITORY}")  # a git of the killed daemon may be in it
    adopted.start_daemon()
    assert "smtpd_banner: later" in kept_text(adopted)
    assert adopted.limits() == []


def test_no_password_enters_a_commit(adopted: AdoptedHost) -> None:
    set_secret(adopted)
    passes = len(adopted.passes())
    adopted.sh(r"""
        postconf -e 'smtp_sasl_password_maps=static:ada:hunter2' smtpd_banner=x
        postconf -P 'smtp/unix/smtp_sasl_password_maps=inline:{a=ada:hunter2}'
        sed -i s/someone:.*/someone:hunter2/ /etc/postfix/sasl_passwd
    """)
    adopted.host.wait_for(
        lambda: adopted.told()["drift"] == [] and "smtpd_banner: x" in kept_text(adopted), what="a commit"
    )
    adopted.host.wait_for(lambda: "sasl_passwd" in adopted.git("log", "-p", "--all"), what="all edits in commits")
    adopted.host.wait_for(lambda: len(adopted.passes()) > passes, what="the record")
    everything = adopted.git("log", "-p", "--all")
    for text in (everything, adopted.daemon_log(), adopted.reconciler("log").text):
        assert "hunter2" not in text
        assert PASSWORD not in text


def test_one_hosts_edit_is_not_merged_into_the_others() -> None:
    state = {**STATE, "hosts/mx2.example.com.yaml": "hostname: mx2.example.com\n"}
    with AdoptedHost(settings=COMMIT, state=state, owner="git") as adopted:
        adopted.sh("postconf -e smtpd_banner=hello; postconf -M 2599/inet='2599 inet n - n - - smtpd'")
        adopted.host.wait_for(lambda: BRANCH in adopted.git("branch", "--list"), what="a commit")
        adopted.host.wait_for(lambda: adopted.told()["drift"] == [], what="what was there before")
        assert adopted.git("diff", "--name-only", "main", BRANCH) == "hosts/mx1.example.com.yaml"
        assert adopted.sh(f"find {REPOSITORY} -not -user git") == ""
        push = merged(adopted)
        assert push.accepted, push.text
        assert adopted.postconf("smtpd_banner") == "hello"
        adopted.host.wait_for(lambda: adopted.answers(2599), what="the service")


def merged(adopted: AdoptedHost) -> Push:
    """Merge the branch in the clone, and push."""
    ident = "-c user.name=Ada -c user.email=ada@example.com"
    script = f"cd {CLONE} && git fetch -q && git reset -q --hard origin/main && git {ident} merge -q origin/{BRANCH}"
    owner = adopted.sh(f"stat -c %U {CLONE}")
    adopted.sh(script, user=owner)
    return adopted.push()


def kept_text(adopted: AdoptedHost) -> str:
    """mail.yaml on the branch, or nothing."""
    done = adopted.host.run("git", "-C", REPOSITORY, "show", f"{BRANCH}:mail.yaml", check=False)
    return done.stdout
