"""Who may relay over TCP without authenticating: by a message that arrived, or by what the client was told."""

from __future__ import annotations

from tests.e2e.site import MAIL, STATE, Site

CONFIGURATION = "cd /etc/postfix && sha256sum main.cf master.cf"
FAR = "someone@far.test"
ROUTES = {"tables/transport": "far.test  smtp:[127.0.0.1]:2525\n"}
HELD = MAIL + "  smtpd_relay_restrictions: permit_mynetworks, reject_unauth_destination\n"


def test_local_clients_relay_by_authenticating_or_by_sendmail_which_leaves_its_uid() -> None:
    with Site(state=STATE | ROUTES) as site:
        site.host.sink(2525)
        before = site.sh(CONFIGURATION)
        assert site.host.send("root@mx1.example.com", FAR).startswith("250")
        site.host.wait_for(lambda: site.host.received(2525), what="the message")

        off = site.push({"mail.yaml": MAIL + "relay_mynetworks: no\n"}, "Nobody relays")
        assert off.accepted, off.text
        assert site.host.send("root@mx1.example.com", FAR).startswith("554 5.7.1")
        assert site.host.send("root@mx1.example.com", "root@mx1.example.com").startswith("250")
        site.host.run(
            "sendmail", "-f", "root@mx1.example.com", FAR, user="nobody", input="Subject: hi\n\nby sendmail\n"
        )
        site.host.wait_for(lambda: len(site.host.received(2525)) == 2, what="sendmail's message")
        assert f"uid={site.sh('id -u nobody')}" in site.host.mail_log()

        prevails = site.push({"mail.yaml": HELD + "relay_mynetworks: no\n"}, "A parameter prevails")
        assert prevails.accepted, prevails.text
        assert "relay_mynetworks is no, but smtpd_relay_restrictions says otherwise" in prevails.text
        assert site.host.send("root@mx1.example.com", FAR).startswith("250")

        on = site.push({"mail.yaml": MAIL + "relay_mynetworks: yes\n"}, "The networks relay")
        assert on.accepted, on.text
        assert site.host.send("root@mx1.example.com", FAR).startswith("250")

        assert site.push({"mail.yaml": MAIL}, "Unset").accepted
        assert site.sh(CONFIGURATION) == before
