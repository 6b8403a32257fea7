"""SRS by the real PostSRSd: forwarded mail is rewritten and bounces find back, and what is our own never is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import CLONE, MAIL, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.sink import Received

SINK = 2525
STRANGER, FRIEND = "ann@outside.example", "bea@elsewhere.example"
TABLES = {
    "tables/transport": f"elsewhere.example  smtp:[127.0.0.1]:{SINK}\noutside.example  smtp:[127.0.0.1]:{SINK}\n",
    "tables/virtual": f"hosted.example  -\nbea@hosted.example  {FRIEND}\n",
}
OFF = MAIL
ON = MAIL + "sender_rewriting: {{secrets: [{}]}}\n"
ONE, TWO = "!secret srs", "!secret newer"


def with_secrets(site: Site) -> None:
    site.sh(f"mkdir -p {CLONE}/secrets && age-keygen -y /etc/reconciler/identity.age >{CLONE}/secrets/recipients")
    for name, value in (("srs", "old-secret-of-24-letters"), ("newer", "new-secret-of-24-letters")):
        typed = site.reconciler("secret", "set", name, cwd=CLONE, typed=f"{value}\n")
        assert typed.status == 0, typed.text
    sealed = {
        f"secrets/{name}": site.host.read(f"{CLONE}/secrets/{name}") for name in ("recipients", "srs.age", "newer.age")
    }
    assert site.push(TABLES | sealed, "Tables and secrets").accepted


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as made:
        made.host.sink(SINK)
        with_secrets(made)
        yield made


def push(site: Site, mail: str, message: str = "Change") -> None:
    pushed = site.push({"mail.yaml": mail}, message)
    assert pushed.accepted, pushed.text
    site.wait_for("Applied", pushed.oid)


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
