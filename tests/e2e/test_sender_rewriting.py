"""SRS by the real PostSRSd: forwarded mail is rewritten and bounces find back, and what is our own never is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import MAIL, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.sink import Received

SINK = 2525
STRANGER, FRIEND = "ann@outside.example", "bea@elsewhere.example"
TABLES = {
    "tables/transport": (
        f"elsewhere.example  smtp:[127.0.0.1]:{SINK}\noutside.example  smtp:[127.0.0.1]:{SINK}\n"
        "void.example  discard:\n"
    ),
    "tables/virtual": f"hosted.example  -\nbea@hosted.example  {FRIEND}\nload@hosted.example  load@void.example\n",
}
OFF = MAIL
ON = MAIL + "sender_rewriting: {{secrets: [{}]}}\n"
ONE, TWO = "!secret srs", "!secret newer"


def with_secrets(site: Site, *, daemon: bool = True) -> None:
    """Have the repository hold both secrets, and the tables; past the hook where no daemon answers it."""
    sealed = site.seal({"srs": "old-secret-of-24-letters\n", "newer": "new-secret-of-24-letters\n"})
    if daemon:
        assert site.push(TABLES | sealed, "Tables and secrets").accepted
    else:
        site.write_past_hook(TABLES | sealed, "Tables and secrets")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as made:
        made.host.sink(SINK)
        with_secrets(made)
        yield made


def push(site: Site, mail: str, message: str = "Change") -> None:
    pushed = site.push({"mail.yaml": mail}, message)
    assert pushed.accepted, pushed.text
    site.wait_for("Unchanged" if "no changes" in pushed.text else "Applied", pushed.oid)


def arrived(site: Site, sender: str, recipient: str, body: str = "From: a@b.example\nSubject: x\n\nHello.") -> Received:
    count = len(site.host.received(SINK))
    said = site.host.send(sender, recipient, body)
    assert said.startswith("250"), said
    [message] = site.host.wait_for(lambda: site.host.received(SINK)[count:], what=f"mail from {sender}")
    return message


def test_three_pushes_turn_it_on_change_its_secret_and_turn_it_off_without_a_trace(site: Site) -> None:
    before = site.sh("ls -l --time-style=+ /etc/default/postsrsd /etc/postsrsd.secret; md5sum /etc/default/postsrsd")

    push(site, ON.format(ONE), "On")
    old = arrived(site, STRANGER, "bea@hosted.example")
    assert re.fullmatch(r"SRS0=[^=]{8}=..=outside\.example=ann@mx1\.example\.com", old.sender)
    assert old.recipients == (FRIEND,)
    assert "From: a@b.example" in old.data
    assert "SRS0" not in old.data.partition("\n\n")[0].replace("Return-Path", "")
    back = arrived(site, "<>".strip("<>"), old.sender)
    assert back.recipients == (STRANGER,)
    assert site.status()["companions"] == {"postsrsd": {"running": True, "why": None}}

    push(site, ON.format(f"{TWO}, {ONE}"), "A new secret, the old still good")
    assert arrived(site, "", old.sender).recipients == (STRANGER,)
    new = arrived(site, STRANGER, "bea@hosted.example")
    assert new.sender != old.sender

    push(site, ON.format(TWO), "Only the new")
    assert arrived(site, "", new.sender).recipients == (STRANGER,)
    assert site.host.send("", old.sender).startswith("550")

    push(site, OFF, "Off")
    assert arrived(site, STRANGER, "bea@hosted.example").sender == STRANGER
    assert site.sh("pgrep -x postsrsd || true") == ""
    assert site.sh("ls /var/lib/reconciler/live /var/lib/reconciler/rescue") == (
        "/var/lib/reconciler/live:\npostfix\n\n/var/lib/reconciler/rescue:\npostfix"
    )
    after = site.sh("ls -l --time-style=+ /etc/default/postsrsd /etc/postsrsd.secret; md5sum /etc/default/postsrsd")
    assert after == before
    assert site.sh("grep -rl srs /etc/postfix/ || true") == ""


def test_what_comes_from_here_is_never_rewritten_and_from_never_shows_srs(site: Site) -> None:
    push(site, ON.format(ONE), "On")

    assert arrived(site, "cay@hosted.example", FRIEND).sender == "cay@hosted.example"
    for sender in ("cay@hosted.example", "ann@outside.example"):
        count = len(site.host.received(SINK))
        site.host.run("sendmail", "-f", sender, "bea@hosted.example", input="Subject: no From\n\nHello.\n")
        [message] = site.host.wait_for(lambda: site.host.received(SINK)[count:], what="mail by sendmail")  # noqa: B023
        assert message.sender == sender
        assert f"From: root <{sender}>" in message.data
        assert "SRS0" not in message.data
    count = len(site.host.received(SINK))
    site.host.run("sendmail", "bea@hosted.example", input="Subject: root\n\nHello.\n")
    [message] = site.host.wait_for(lambda: site.host.received(SINK)[count:], what="root's mail")
    assert message.sender == "root@mx1.example.com"
    assert "SRS0" not in message.data


def test_what_is_edited_by_hand_is_put_back_and_what_died_is_started(site: Site) -> None:
    push(site, ON.format(ONE), "On")
    link = site.sh("readlink /etc/default/postsrsd")
    assert link == "/var/lib/reconciler/live/postsrsd/default"

    site.sh("echo SRS_DOMAIN=evil.example >/root/mine && mv /root/mine /etc/default/postsrsd")
    site.host.wait_for(lambda: site.sh("readlink /etc/default/postsrsd || true") == link, what="the link")
    site.sh("echo stolen >/etc/postsrsd.secret")
    site.host.wait_for(lambda: "old-secret" in site.sh("cat /etc/postsrsd.secret"), what="the secret")
    site.sh("sed -i s/mx1.example.com/evil.example/ /var/lib/reconciler/live/postsrsd/default")
    site.host.wait_for(lambda: "evil" not in site.sh("cat /etc/default/postsrsd || true"), what="the file")
    site.host.wait_for(lambda: site.status()["drift"] == [], what="no drift")
    assert arrived(site, STRANGER, "bea@hosted.example").sender.endswith("@mx1.example.com")

    before = site.sh("pgrep -x postsrsd")
    site.sh("pkill -KILL -x postsrsd")
    site.host.wait_for(lambda: site.sh("pgrep -x postsrsd || true") not in ("", before), what="another PostSRSd")
    assert arrived(site, STRANGER, "bea@hosted.example").sender.startswith("SRS0=")
    site.host.wait_for(lambda: "postsrsd had died and was started" in site.reconciler("log").text, what="the record")


def test_on_a_crash_and_off_under_load_cost_no_message(site: Site) -> None:
    push(site, OFF, "Off")
    load = ("smtp-source", "-s", "4", "-m", "1500", "-f", STRANGER, "-t", "load@hosted.example", "127.0.0.1:25")
    mark = len(site.host.mail_log())
    running = site.host.start(*load)

    push(site, ON.format(ONE), "On")
    assert running.poll() is None, "the load must last"
    site.sh("pkill -KILL -x postsrsd")
    site.host.wait_for(lambda: site.sh("pgrep -x postsrsd || true"), what="another PostSRSd")
    push(site, ON.format(f"{TWO}, {ONE}"), "Changed")
    push(site, OFF, "Off")
    assert running.wait(120) == 0
    log = site.host.mail_log()[mark:]
    assert "from=<SRS0=" in log
    assert [line for line in log.splitlines() if " 451 " in line or "table lookup problem" in line] == []


def test_a_secret_that_nobody_wrote_is_refused_with_the_way_to_make_one(site: Site) -> None:
    pushed = site.push({"mail.yaml": MAIL + "sender_rewriting: {enabled: true}\n"}, "No secret")
    assert not pushed.accepted
    assert "reconciler secret set srs" in pushed.text
    pushed = site.push({"mail.yaml": MAIL + "sender_rewriting: {key: hunter2}\n"}, "Plain")
    assert not pushed.accepted
    assert "hunter2" not in pushed.text.replace("key: hunter2", "")
    pushed = site.push(
        {"mail.yaml": ON.format(ONE).replace("{secrets", "{domain: far.example, secrets")}, "No way back"
    )
    assert not pushed.accepted
    assert '"far.example" is not among the domains' in pushed.text


def test_one_that_does_not_come_up_is_rolled_back_and_mail_flows(site: Site) -> None:
    push(site, OFF, "Off")
    own = site.sh("md5sum /etc/default/postsrsd")
    site.sh(
        "mv /usr/sbin/postsrsd /root/postsrsd; printf '#!/bin/sh\\nexit 1\\n' >/usr/sbin/postsrsd;"
        " chmod 755 /usr/sbin/postsrsd"
    )
    try:
        pushed = site.push({"mail.yaml": ON.format(ONE)}, "It can't start")
        assert pushed.accepted, pushed.text
        told = site.wait_for("RolledBack", pushed.oid)
        assert told["last"]["findings"][0]["rule"] == "silent-companion"
        assert "PostSRSd does not come up" in told["last"]["findings"][0]["text"]
        assert arrived(site, STRANGER, "bea@hosted.example").sender == STRANGER
        assert site.sh("md5sum /etc/default/postsrsd") == own
        assert site.sh("ls /var/lib/reconciler/live") == "postfix"
    finally:
        site.sh("mv /root/postsrsd /usr/sbin/postsrsd")


def test_without_the_package_it_is_refused_before_anything_changed(site: Site) -> None:
    push(site, OFF, "Off")
    site.sh("dpkg --remove postsrsd")
    live = site.live()
    pushed = site.push({"mail.yaml": ON.format(ONE)}, "No program")
    assert not pushed.accepted
    assert "this needs the package postsrsd, which is not installed: apt install postsrsd" in pushed.text
    assert site.live() == live


class Booted(Site):
    """A site that systemd runs."""

    systemd = True


def test_systemd_runs_it_while_it_is_on_and_as_before_when_it_is_off() -> None:
    with Booted() as site:
        site.host.sink(SINK)
        with_secrets(site)
        state = "systemctl is-enabled postsrsd; systemctl is-active postsrsd || true"
        assert site.sh(state, check=False).split()[-2:] == ["disabled", "inactive"]

        push(site, ON.format(ONE), "On")
        assert site.sh(state, check=False).split()[-2:] == ["enabled", "active"]
        old = arrived(site, STRANGER, "bea@hosted.example")
        assert old.sender.startswith("SRS0=")
        push(site, ON.format(f"{TWO}, {ONE}"), "Changed")
        assert arrived(site, "", old.sender).recipients == (STRANGER,)

        site.sh("chmod 000 /usr/share/postsrsd/postsrsd-systemd-launcher")
        pushed = site.push({"mail.yaml": ON.format(TWO)}, "It can't start")
        told = site.wait_for("Broken", pushed.oid)
        assert "PostSRSd does not come up" in told["last"]["findings"][0]["text"]
        site.sh("chmod 755 /usr/share/postsrsd/postsrsd-systemd-launcher")
        assert site.reconciler("resume").status == 0
        site.wait_for("Applied", pushed.oid)

        push(site, MAIL, "Off")
        assert site.sh(state, check=False).split()[-2:] == ["disabled", "inactive"]
