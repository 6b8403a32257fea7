"""Who edited: people by their terminals, and a package's own scripts told apart from them."""

from __future__ import annotations

from tests.e2e.adopted_host import MAIL, STATE, AdoptedHost
from tests.e2e.drift.test_drift_commit import BRANCH, COMMIT

NO_FLUSH = {**STATE, "mail.yaml": MAIL + "services:\n  flush/unix: null\n"}
INSTALL = """
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
DEBIAN_FRONTEND=noninteractive dpkg -i /var/cache/apt/archives/postfix_3*.deb 2>&1
"""
# Its log has whole seconds, so that what follows within one counts as its work.
LONG_AGO = "sed -i 's/^[0-9-]* [0-9:]* /2020-01-01 00:00:00 /' /var/log/dpkg.log"


def test_what_a_package_changes_is_not_a_persons_edit() -> None:
    with AdoptedHost(settings=COMMIT, state=NO_FLUSH) as adopted:
        before = adopted.host.read("/etc/postfix/master.cf")
        told = adopted.sh(INSTALL)
        assert "adding missing entry for flush service" in told
        adopted.host.wait_for(lambda: any(line.get("package") for line in adopted.passes()), what="the record")
        adopted.host.wait_for(lambda: adopted.told()["drift"] == [], what="what was there before")
        assert adopted.host.read("/etc/postfix/master.cf") == before
        line = next(line for line in adopted.passes() if line.get("package"))
        assert line["package"].startswith("postfix 3.7.11")
        assert "by package postfix 3.7.11" in adopted.reconciler("log", "-3").text
        shown = adopted.git("log", "-1", "--format=%an: %s", BRANCH)
        assert shown.startswith("dpkg (postfix 3.7.11")
        assert "Package edit on mx1.example.com: flush/unix" in shown
        adopted.sh(LONG_AGO)
        adopted.sh("postconf -e smtpd_banner=hello")
        adopted.host.wait_for(
            lambda: "smtpd_banner" in adopted.git("log", "-1", "--format=%s", BRANCH), what="a commit"
        )
        assert "Hand edit" in adopted.git("log", "-1", "--format=%s", BRANCH)


def test_who_is_on_a_terminal_is_named_and_commands_are_not() -> None:
    with AdoptedHost(settings=COMMIT) as adopted:
        adopted.host.run("useradd", "ada")
        adopted.host.write("/root/edit", "postconf -e smtpd_banner=hello\nuntil [ -e /run/seen ]; do sleep 0.1; done\n")
        terminal = adopted.host.start("script", "-qec", "sh /root/edit", "/dev/null")
        adopted.host.wait_for(lambda: any(line["drift"] for line in adopted.passes()), what="the record")
        adopted.sh("touch /run/seen")
        terminal.wait(120)
        line = next(line for line in adopted.passes() if line["drift"])
        assert line["drift_by"].startswith("while root was on pts/")
        log = adopted.reconciler("log", "-2").text
        assert "reverted a hand edit of main.cf, while root was on pts/" in log
        assert f"on branch {BRANCH}: merge it to keep the edit" in log
        assert adopted.git("log", "-1", "--format=%an", BRANCH) == "root"
        assert "/root/edit" not in adopted.git("log", "-1", "--format=%B", BRANCH)


def test_an_edit_with_sudo_names_the_user_but_not_the_command() -> None:
    with AdoptedHost(settings=COMMIT) as adopted:
        adopted.sh(
            "echo \"$(date '+%b %e %H:%M:%S') mx1 sudo:      ada : TTY=pts/3 ; PWD=/ ; USER=root ;"
            ' COMMAND=/usr/sbin/postconf -e x=hunter2" >>/var/log/auth.log; postconf -e smtpd_banner=hello'
        )
        adopted.host.wait_for(lambda: any(line["drift"] for line in adopted.passes()), what="the record")
        line = next(line for line in adopted.passes() if line["drift"])
        assert line["drift_by"] == "while ada was on pts/3"
        assert "hunter2" not in adopted.git("log", "-1", "--format=%B", BRANCH)
