"""Who may relay over TCP without authenticating: by a message that arrived, or by what the client was told."""

from __future__ import annotations

from tests.e2e.adopted_host import MAIL, STATE, AdoptedHost

CONFIGURATION = "cd /etc/postfix && sha256sum main.cf master.cf"
FAR = "someone@far.test"
ROUTES = {"tables/transport": "far.test  smtp:[127.0.0.1]:2525\n"}
HELD = MAIL + "  smtpd_relay_restrictions: permit_mynetworks, reject_unauth_destination\n"


def test_local_clients_relay_by_authenticating_or_by_sendmail_which_leaves_its_uid() -> None:
    with AdoptedHost(state=STATE | ROUTES) as adopted:
        adopted.host.sink(2525)
        before = adopted.sh(CONFIGURATION)
        assert adopted.host.send("root@mx1.example.com", FAR).startswith("250")
        adopted.host.wait_for(lambda: adopted.host.received(2525), what="the message")

        off = adopted.push({"mail.yaml": MAIL + "relay_mynetworks: no\n"}, "Nobody relays")
        assert off.accepted, off.text
        assert adopted.host.send("root@mx1.example.com", FAR).startswith("554 5.7.1")
        assert adopted.host.send("root@mx1.example.com", "root@mx1.example.com").startswith("250")
        adopted.host.run(
            "sendmail", "-f", "root@mx1.example.com", FAR, user="nobody", input="Subject: hi\n\nby sendmail\n"
        )
        adopted.host.wait_for(lambda: len(adopted.host.received(2525)) == 2, what="sendmail's message")
        assert f"uid={adopted.sh('id -u nobody')}" in adopted.host.mail_log()

        prevails = adopted.push({"mail.yaml": HELD + "relay_mynetworks: no\n"}, "A parameter prevails")
        assert prevails.accepted, prevails.text
        assert "relay_mynetworks is no, but smtpd_relay_restrictions prevails over it" in prevails.text
        assert adopted.host.send("root@mx1.example.com", FAR).startswith("250")

        on = adopted.push({"mail.yaml": MAIL + "relay_mynetworks: yes\n"}, "The networks relay")
        assert on.accepted, on.text
        assert adopted.host.send("root@mx1.example.com", FAR).startswith("250")

        assert adopted.push({"mail.yaml": MAIL}, "Unset").accepted
        assert adopted.sh(CONFIGURATION) == before
