"""SRS by the real PostSRSd: forwarded mail is rewritten and bounces find back, and what is our own never is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, AdoptedHost
from tests.e2e.special_hosts import BootedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.mail_sink import Received

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


def with_secrets(adopted: AdoptedHost, *, daemon: bool = True) -> None:
    """Have the repository hold both secrets, and the tables; past the hook where no daemon answers it."""
    sealed = adopted.seal({"srs": "old-secret-of-24-letters\n", "newer": "new-secret-of-24-letters\n"})
    if daemon:
        assert adopted.push(TABLES | sealed, "Tables and secrets").accepted
    else:
        adopted.write_past_hook(TABLES | sealed, "Tables and secrets")


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost() as made:
        made.host.sink(SINK)
        with_secrets(made)
        yield made


def push(adopted: AdoptedHost, mail: str, message: str = "Change") -> None:
    pushed = adopted.push({"mail.yaml": mail}, message)
    assert pushed.accepted, pushed.text
    adopted.wait_for("Unchanged" if "no changes" in pushed.text else "Applied", pushed.oid)


def arrived(
    adopted: AdoptedHost, sender: str, recipient: str, body: str = "From: a@b.example\nSubject: x\n\nHello."
) -> Received:
    count = len(adopted.host.received(SINK))
    said = adopted.host.send(sender, recipient, body)
    assert said.startswith("250"), said
    [message] = adopted.host.wait_for(lambda: adopted.host.received(SINK)[count:], what=f"mail from {sender}")
    return message


def test_three_pushes_turn_it_on_change_its_secret_and_turn_it_off_without_a_trace(adopted: AdoptedHost) -> None:
    before = adopted.sh("ls -l --time-style=+ /etc/default/postsrsd /etc/postsrsd.secret; md5sum /etc/default/postsrsd")

    push(adopted, ON.format(ONE), "On")
    old = arrived(adopted, STRANGER, "bea@hosted.example")
    assert re.fullmatch(r"SRS0=[^=]{8}=..=outside\.example=ann@mx1\.example\.com", old.sender)
    assert old.recipients == (FRIEND,)
    assert "From: a@b.example" in old.data
    assert "SRS0" not in old.data.partition("\n\n")[0].replace("Return-Path", "")
    back = arrived(adopted, "<>".strip("<>"), old.sender)
    assert back.recipients == (STRANGER,)
    assert adopted.status()["companions"] == {"postsrsd": {"running": True, "why": None}}

    push(adopted, ON.format(f"{TWO}, {ONE}"), "A new secret, the old still good")
    assert arrived(adopted, "", old.sender).recipients == (STRANGER,)
    new = arrived(adopted, STRANGER, "bea@hosted.example")
    assert new.sender != old.sender

    push(adopted, ON.format(TWO), "Only the new")
    assert arrived(adopted, "", new.sender).recipients == (STRANGER,)
    assert adopted.host.send("", old.sender).startswith("550")

    push(adopted, OFF, "Off")
    assert arrived(adopted, STRANGER, "bea@hosted.example").sender == STRANGER
    assert adopted.sh("pgrep -x postsrsd || true") == ""
    assert adopted.sh("ls /var/lib/reconciler/live /var/lib/reconciler/rescue") == (
        "/var/lib/reconciler/live:\npostfix\n\n/var/lib/reconciler/rescue:\npostfix"
    )
    after = adopted.sh("ls -l --time-style=+ /etc/default/postsrsd /etc/postsrsd.secret; md5sum /etc/default/postsrsd")
    assert after == before
    assert adopted.sh("grep -rl srs /etc/postfix/ || true") == ""


def test_what_comes_from_here_is_never_rewritten_and_from_never_shows_srs(adopted: AdoptedHost) -> None:
    push(adopted, ON.format(ONE), "On")

    assert arrived(adopted, "cay@hosted.example", FRIEND).sender == "cay@hosted.example"
    for sender in ("cay@hosted.example", "ann@outside.example"):
        count = len(adopted.host.received(SINK))
        adopted.host.run("sendmail", "-f", sender, "bea@hosted.example", input="Subject: no From\n\nHello.\n")
        [message] = adopted.host.wait_for(lambda: adopted.host.received(SINK)[count:], what="mail by sendmail")  # noqa: B023
        assert message.sender == sender
        assert f"From: root <{sender}>" in message.data
        assert "SRS0" not in message.data
    count = len(adopted.host.received(SINK))
    adopted.host.run("sendmail", "bea@hosted.example", input="Subject: root\n\nHello.\n")
    [message] = adopted.host.wait_for(lambda: adopted.host.received(SINK)[count:], what="root's mail")
    assert message.sender == "root@mx1.example.com"
    assert "SRS0" not in message.data


def test_what_is_edited_by_hand_is_put_back_and_what_died_is_started(adopted: AdoptedHost) -> None:
    push(adopted, ON.format(ONE), "On")
    link = adopted.sh("readlink /etc/default/postsrsd")
    assert link == "/var/lib/reconciler/live/postsrsd/default"

    adopted.sh("echo SRS_DOMAIN=evil.example >/root/mine && mv /root/mine /etc/default/postsrsd")
    adopted.host.wait_for(lambda: adopted.sh("readlink /etc/default/postsrsd || true") == link, what="the link")
    adopted.sh("echo stolen >/etc/postsrsd.secret")
    adopted.host.wait_for(lambda: "old-secret" in adopted.sh("cat /etc/postsrsd.secret"), what="the secret")
    adopted.sh("sed -i s/mx1.example.com/evil.example/ /var/lib/reconciler/live/postsrsd/default")
    adopted.host.wait_for(lambda: "evil" not in adopted.sh("cat /etc/default/postsrsd || true"), what="the file")
    adopted.host.wait_for(lambda: adopted.status()["drift"] == [], what="no drift")
    assert arrived(adopted, STRANGER, "bea@hosted.example").sender.endswith("@mx1.example.com")

    before = adopted.sh("pgrep -x postsrsd")
    adopted.sh("pkill -KILL -x postsrsd")
    adopted.host.wait_for(lambda: adopted.sh("pgrep -x postsrsd || true") not in ("", before), what="another PostSRSd")
    assert arrived(adopted, STRANGER, "bea@hosted.example").sender.startswith("SRS0=")
    adopted.host.wait_for(
        lambda: "postsrsd had died and was started" in adopted.reconciler("log").text, what="the record"
    )


def test_on_a_crash_and_off_under_load_cost_no_message(adopted: AdoptedHost) -> None:
    push(adopted, OFF, "Off")
    load = f"smtp-source -s 4 -m 100 -f {STRANGER} -t load@hosted.example 127.0.0.1:25"
    mark = len(adopted.host.mail_log())
    running = adopted.host.start("sh", "-c", f"until [ -e /run/enough ]; do {load} || exit 1; done")

    push(adopted, ON.format(ONE), "On")
    adopted.sh("pkill -KILL -x postsrsd")
    adopted.host.wait_for(lambda: adopted.sh("pgrep -x postsrsd || true"), what="another PostSRSd")
    push(adopted, ON.format(f"{TWO}, {ONE}"), "Changed")
    push(adopted, OFF, "Off")
    adopted.sh("touch /run/enough")
    assert running.wait(120) == 0, "no client was refused"
    log = adopted.host.mail_log()[mark:]
    assert "from=<SRS0=" in log
    assert [line for line in log.splitlines() if " 451 " in line or "table lookup problem" in line] == []


def test_a_secret_that_nobody_wrote_is_refused_with_the_way_to_make_one(adopted: AdoptedHost) -> None:
    pushed = adopted.push({"mail.yaml": MAIL + "sender_rewriting: {enabled: true}\n"}, "No secret")
    assert not pushed.accepted
    assert "reconciler secret set srs" in pushed.text
    pushed = adopted.push({"mail.yaml": MAIL + "sender_rewriting: {key: hunter2}\n"}, "Plain")
    assert not pushed.accepted
    assert "hunter2" not in pushed.text.replace("key: hunter2", "")
    pushed = adopted.push(
        {"mail.yaml": ON.format(ONE).replace("{secrets", "{domain: far.example, secrets")}, "No way back"
    )
    assert not pushed.accepted
    assert 'does not accept mail for "far.example"' in pushed.text


def test_one_that_does_not_come_up_is_rolled_back_and_mail_flows(adopted: AdoptedHost) -> None:
    push(adopted, OFF, "Off")
    own = adopted.sh("md5sum /etc/default/postsrsd")
    adopted.sh(
        "mv /usr/sbin/postsrsd /root/postsrsd; printf '#!/bin/sh\\nexit 1\\n' >/usr/sbin/postsrsd;"
        " chmod 755 /usr/sbin/postsrsd"
    )
    try:
        pushed = adopted.push({"mail.yaml": ON.format(ONE)}, "It can't start")
        assert pushed.accepted, pushed.text
        told = adopted.wait_for("RolledBack", pushed.oid)
        assert told["last"]["findings"][0]["rule"] == "silent-companion"
        assert "PostSRSd does not start" in told["last"]["findings"][0]["text"]
        assert arrived(adopted, STRANGER, "bea@hosted.example").sender == STRANGER
        assert adopted.sh("md5sum /etc/default/postsrsd") == own
        assert adopted.sh("ls /var/lib/reconciler/live") == "postfix"
    finally:
        adopted.sh("mv /root/postsrsd /usr/sbin/postsrsd")


def test_without_the_package_it_is_refused_before_anything_changed(adopted: AdoptedHost) -> None:
    push(adopted, OFF, "Off")
    adopted.sh("dpkg --remove postsrsd")
    live = adopted.live()
    pushed = adopted.push({"mail.yaml": ON.format(ONE)}, "No program")
    assert not pushed.accepted
    assert "this needs the package postsrsd, which is not installed: apt install postsrsd" in pushed.text
    assert adopted.live() == live


def test_systemd_runs_it_while_it_is_on_and_as_before_when_it_is_off() -> None:
    with BootedHost() as adopted:
        adopted.host.sink(SINK)
        with_secrets(adopted)
        state = "systemctl is-enabled postsrsd; systemctl is-active postsrsd || true"
        assert adopted.sh(state, check=False).split()[-2:] == ["disabled", "inactive"]

        push(adopted, ON.format(ONE), "On")
        assert adopted.sh(state, check=False).split()[-2:] == ["enabled", "active"]
        old = arrived(adopted, STRANGER, "bea@hosted.example")
        assert old.sender.startswith("SRS0=")
        push(adopted, ON.format(f"{TWO}, {ONE}"), "Changed")
        assert arrived(adopted, "", old.sender).recipients == (STRANGER,)

        adopted.sh("chmod 000 /usr/share/postsrsd/postsrsd-systemd-launcher")
        pushed = adopted.push({"mail.yaml": ON.format(TWO)}, "It can't start")
        told = adopted.wait_for("Broken", pushed.oid)
        assert "PostSRSd does not start" in told["last"]["findings"][0]["text"]
        adopted.sh("chmod 755 /usr/share/postsrsd/postsrsd-systemd-launcher")
        assert adopted.reconciler("resume").status == 0
        adopted.wait_for("Applied", pushed.oid)

        push(adopted, MAIL, "Off")
        assert adopted.sh(state, check=False).split()[-2:] == ["disabled", "inactive"]
