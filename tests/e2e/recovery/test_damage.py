"""What time and people do to a host: services that die late, links and manifests that are gone, secrets that rotate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

LIVE = "/var/lib/reconciler/live"
# The smtpd of port 25 under another name: where it locks a file, a folder is in its way, which no rule and no rehearsal
# finds, because a rehearsal has a queue of its own.
IN_THE_WAY = "/var/spool/postfix/pid/inet.25"
DIES = f"services:\n  smtp/inet: null\n  25/inet: {{command: smtpd}}\n{MAIL}"


@pytest.fixture(scope="module")
def shared() -> Iterator[AdoptedHost]:
    with AdoptedHost(settle="1.5s") as made:
        made.sh(f"mkdir {IN_THE_WAY}")
        yield made


def test_a_service_that_dies_at_its_start_is_rolled_back_and_answers_at_once(adopted: AdoptedHost) -> None:
    push = adopted.push({"mail.yaml": DIES}, "A service that dies")

    assert "rolled back" in push.text, push.text
    assert adopted.status()["phase"] == {"name": "Refusing", "revision": push.oid}
    assert adopted.host.send("a@client.test", "root@mx1.example.com").startswith("250 ")


def test_a_fix_for_a_service_that_is_throttled_goes_live(adopted: AdoptedHost) -> None:
    adopted.sh(
        "mv /usr/lib/postfix/sbin/smtpd /usr/lib/postfix/sbin/smtpd.real; ln -s /bin/false /usr/lib/postfix/sbin/smtpd"
    )
    adopted.sh("postfix reload")
    adopted.patiently(lambda: not adopted.sh("pgrep -x smtpd", check=False), "the last smtpd of before to end")
    before = adopted.host.mail_log()
    adopted.host.connect().close()  # master starts an smtpd for it, which never greets
    adopted.patiently(lambda: "throttling" in adopted.host.mail_log().removeprefix(before), "a throttled smtpd")
    adopted.sh("mv -f /usr/lib/postfix/sbin/smtpd.real /usr/lib/postfix/sbin/smtpd")

    push = adopted.push({"mail.yaml": MAIL + "  smtpd_banner: mended ESMTP\n"}, "Mend it")

    assert "live and verified" in push.text, push.text
    assert adopted.host.dialogue(["QUIT"])[0] == "220 mended ESMTP"


def test_a_live_link_that_was_removed_is_made_anew(adopted: AdoptedHost) -> None:
    before = adopted.sh("readlink -e /etc/postfix")

    adopted.sh(f"rm -rf {LIVE}", check=False)  # which may find it made anew already

    adopted.host.wait_for(lambda: adopted.sh("readlink -e /etc/postfix", check=False) == before, what="the link")
    assert adopted.answers()


def test_a_stage_that_is_gone_since_the_check_of_a_push_is_made_anew(adopted: AdoptedHost) -> None:
    adopted.reconciler("suspend", "--why", "somebody cleans up")
    push = adopted.push({"mail.yaml": MAIL + "  smtpd_banner: staged ESMTP\n"}, "Checked while suspended")
    adopted.sh("ls -d /var/lib/reconciler/private/stage/check-*/postfix && rm -r /var/lib/reconciler/private/stage")

    adopted.reconciler("resume")

    adopted.wait_for("Applied", push.oid)
    assert adopted.host.dialogue(["QUIT"])[0] == "220 staged ESMTP"


def test_manifests_full_of_garbage_stop_neither_a_push_nor_a_rescue(adopted: AdoptedHost) -> None:
    adopted.sh("for file in /var/lib/reconciler/generations/*/manifest.json; do echo garbage >$file; done")

    push = adopted.push({"mail.yaml": MAIL + "  smtpd_banner: still ESMTP\n"}, "Still here")

    assert "live and verified" in push.text, push.text
    assert adopted.host.dialogue(["QUIT"])[0] == "220 still ESMTP"
    adopted.sh("for file in /var/lib/reconciler/generations/*/manifest.json; do echo garbage >$file; done")
    assert adopted.reconciler("rescue").status == 0
    assert adopted.answers()


def test_a_suspension_does_not_forget_a_quarantine(adopted: AdoptedHost) -> None:
    push = adopted.push({"mail.yaml": DIES}, "Once more")
    assert adopted.status()["phase"]["name"] == "Refusing"

    assert adopted.reconciler("suspend", "--why", "thinking").status == 0
    assert adopted.reconciler("resume").status == 0

    assert adopted.status()["phase"] == {"name": "Refusing", "revision": push.oid}


def test_records_full_of_garbage_never_end_the_daemon(adopted: AdoptedHost) -> None:
    private = "/var/lib/reconciler/private"
    for garbage in ('{"name": "Retrying", "revision": "x", "attempts": 5000, "reason": "y"}', "{", "[]"):
        adopted.sh(
            f"printf '%s' {garbage!r} >{private}/phase.json; echo '{{\"conclusion\": {{}}}}' >>{private}/journal.jsonl"
        )
        assert adopted.status()["daemon"]
    adopted.reconciler("resume")

    push = adopted.push({"mail.yaml": MAIL}, "All is well")

    assert "live" in push.text, push.text
