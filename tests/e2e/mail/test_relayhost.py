"""A second host relays for this one, as smart hosts do: a real Postfix that demands TLS, and a login Dovecot knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, AdoptedHost
from tests.e2e.hosts import Host, network
from tests.e2e.mail.test_submission import knows_logins

if TYPE_CHECKING:
    from collections.abc import Iterator

FAR = "root@far.test"
RELAY = """\
smart_host:
  nexthop: "[relay.test]:587"
  username: ada
  password: !secret {0}
"""
DEMANDS = {
    "mydestination": "far.test", "smtpd_tls_chain_files": "/etc/ssl/relay.pem", "smtpd_tls_auth_only": "yes",
    "smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth",
    "smtpd_relay_restrictions": "permit_sasl_authenticated, reject", "mynetworks": "127.0.0.1",
    "inet_interfaces": "all",
}  # fmt: skip


@pytest.fixture(scope="module")
def relay() -> Iterator[tuple[AdoptedHost, Host]]:
    """An adopted host, and the host that it is to send its mail through."""
    state = STATE | {"mail.yaml": MAIL + "  smtp_host_lookup: native\n", "tables/transport": None}
    with AdoptedHost(state=state) as adopted, Host("relay.test", "192.0.2.20", postfix=True) as other:
        network(adopted.host, other)
        adopted.sh("echo '192.0.2.20 relay.test' >>/etc/hosts")
        subject = "openssl req -x509 -newkey ec -pkeyopt group:P-256 -nodes -days 90 -subj /CN=relay.test"
        other.run("bash", "-c", f"cd /etc/ssl && {subject} -keyout key -out cert && cat key cert >relay.pem")
        knows_logins(other)
        other.run("postconf", "-e", *(f"{name}={value}" for name, value in DEMANDS.items()))
        other.run("postconf", "-M", "587/inet=587 inet n - n - - smtpd -o smtpd_tls_security_level=encrypt")
        other.run("postfix", "stop")
        other.start_postfix()
        adopted.seal({"right": "geheim-42\n", "wrong": "geheim-43\n"})
        yield adopted, other


def push(adopted: AdoptedHost, smart_host: str) -> None:
    pushed = adopted.push(
        {"mail.yaml": MAIL + "  smtp_host_lookup: native\n" + smart_host, **adopted.seal({})}, "Relay"
    )
    assert pushed.accepted, pushed.text


def test_the_right_login_delivers_and_the_wrong_one_waits_and_status_says_why(relay: tuple[AdoptedHost, Host]) -> None:
    adopted, other = relay

    push(adopted, RELAY.format("right"))
    assert adopted.host.send("a@mx1.example.com", FAR, "Subject: first\n\nHello.").startswith("250")
    other.wait_for(lambda: "Subject: first" in mailbox(other), what="the message")
    assert "with ESMTPSA" in mailbox(other)
    assert "sasl_username=ada" in other.mail_log()
    adopted.host.wait_for(lambda: adopted.status()["queue"] == [], what="the end of the delivery")

    push(adopted, RELAY.format("wrong"))
    assert adopted.host.send("a@mx1.example.com", FAR, "Subject: second\n\nHello.").startswith("250")
    [told] = adopted.host.wait_for(lambda: adopted.status()["queue"], what="the reason")
    assert told["messages"] == 1
    assert "SASL authentication failed" in told["why"]
    assert "said: 535 5.7.8" in told["why"]
    assert f"queue      1 message waits: {told['why']}" in adopted.reconciler("status").text
    assert "Subject: second" not in mailbox(other)

    push(adopted, RELAY.format("right"))
    adopted.sh("postqueue -f")
    other.wait_for(lambda: "Subject: second" in mailbox(other), what="the message that waited")
    adopted.host.wait_for(lambda: adopted.status()["queue"] == [], what="an empty queue")

    push(adopted, "")
    assert (
        adopted.sh("postconf -n relayhost smtp_sasl_password_maps; ls -H /etc/postfix | grep sasl_passwd || true") == ""
    )


def mailbox(host: Host) -> str:
    """What has been delivered to root."""
    return host.run("cat", "/var/mail/root", check=False).stdout
