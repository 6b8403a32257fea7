"""Smart hosts that demand TLS and a login: for all mail, on port 465, and for senders of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.site import MAIL, STATE, Site
from tests.e2e.test_features import certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.sink import Received

HERE, FAR = "root@mx1.example.com", "someone@far.test"
ADA, BOB, EVE = ("ada", "geheim-42"), ("bob", "geheim-43"), ("eve", "geheim-44")
LOGINS = "  username: {0}\n  password: !secret {0}\n"
SENDERS = """\
  senders:
    "@bob.test": {nexthop: "[127.0.0.1]:2526", username: bob, password: !secret bob}
    eve@bob.test: {nexthop: "[127.0.0.1]:2527", username: eve, password: !secret eve}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("tls")
    with Site(state=STATE | {"tables/transport": None}) as made:
        made.commit({"tables/transport": None}, "An empty clone")
        made.seal({name: f"{password}\n" for name, password in (ADA, BOB, EVE)})
        tls = certificate(folder)
        made.host.sink(2525, tls=tls, login=ADA)
        made.host.sink(2526, tls=tls, login=BOB)
        made.host.sink(2527, tls=tls, login=("eve", "another"))
        made.host.sink(465, tls=tls, wrapped=True, login=ADA)
        yield made


def push(site: Site, smart_host: str, **files: str | None) -> str:
    """Push a smart host and every secret there is; what the pusher was told."""
    pushed = site.push({"mail.yaml": MAIL + smart_host, **site.seal({}), **files}, "Relays")
    assert pushed.accepted, pushed.text
    return pushed.text


def arrived(site: Site, port: int, sender: str) -> Received:
    """Send a message; what arrives of it at the port."""
    count = len(site.host.received(port))
    assert site.host.send(sender, FAR).startswith("250")
    [message] = site.host.wait_for(lambda: site.host.received(port)[count:], what=f"{sender}'s message at {port}")
    return message


def test_each_sender_has_a_relay_and_a_login_of_its_own(site: Site) -> None:
    push(site, 'smart_host:\n  nexthop: "[127.0.0.1]:2525"\n' + LOGINS.format("ada") + SENDERS)

    for port, sender, login in ((2525, HERE, "ada"), (2526, "x@bob.test", "bob")):
        message = arrived(site, port, sender)
        assert (message.login, message.tls, message.sender) == (login, True, sender)
    assert site.host.send("eve@bob.test", FAR).startswith("250")
    site.host.wait_for(lambda: "SASL authentication failed" in site.host.mail_log(), what="the wrong password")
    site.host.wait_for(lambda: [one for one in site.host.queue() if one["queue_name"] == "deferred"], what="deferral")
    assert site.sh("stat -c %a /etc/postfix/sasl_passwd.lmdb /etc/postfix/sender_relayhost.lmdb") == "600\n644"


def test_port_465_begins_with_tls_and_rows_past_the_smart_host_are_told_of(site: Site) -> None:
    wrapped = 'smart_host:\n  nexthop: "[127.0.0.1]:465"\n' + LOGINS.format("ada")
    told = push(site, wrapped, **{"tables/transport": "serial.test  relaylim:\nother.test  relaylim:\n"})
    assert told.count("goes past the smart host") == 1
    assert "tables/transport:1:1" in told

    message = arrived(site, 465, HERE)
    assert (message.login, message.tls) == ("ada", True)
    assert "postfix/smart_host/smtp" in site.host.mail_log()

    push(site, "", **{"tables/transport": None})
    assert site.sh("ls -H /etc/postfix | grep -E 'sasl_passwd|sender_relayhost' || true") == ""
    assert (
        site.sh("postconf -n relayhost default_transport; postconf -M smart_host/unix 2>&1 | grep -v warning || true")
        == ""
    )
