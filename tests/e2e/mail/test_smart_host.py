"""Smart hosts that demand TLS and a login: for all mail, on port 465, and for senders of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, AdoptedHost
from tests.e2e.mail.test_features import certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.mail_sink import Received

HERE, FAR = "root@mx1.example.com", "someone@far.test"
ADA, BOB, EVE = ("ada", "geheim-42"), ("bob", "geheim-43"), ("eve", "geheim-44")
LOGINS = "  username: {0}\n  password: !secret {0}\n"
SENDERS = """\
  senders:
    "@bob.test": {nexthop: "[127.0.0.1]:2526", username: bob, password: !secret bob}
    eve@bob.test: {nexthop: "[127.0.0.1]:2527", username: eve, password: !secret eve}
"""


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdoptedHost]:
    folder: Path = tmp_path_factory.mktemp("tls")
    with AdoptedHost(state=STATE | {"tables/transport": None}) as made:
        made.commit({"tables/transport": None}, "An empty clone")
        made.seal({name: f"{password}\n" for name, password in (ADA, BOB, EVE)})
        tls = certificate(folder)
        made.host.sink(2525, tls=tls, login=ADA)
        made.host.sink(2526, tls=tls, login=BOB)
        made.host.sink(2527, tls=tls, login=("eve", "another"))
        made.host.sink(465, tls=tls, wrapped=True, login=ADA)
        yield made


def push(adopted: AdoptedHost, smart_host: str, **files: str | None) -> str:
    """Push a smart host and every secret there is; what the pusher was told."""
    pushed = adopted.push({"mail.yaml": MAIL + smart_host, **adopted.seal({}), **files}, "Relays")
    assert pushed.accepted, pushed.text
    return pushed.text


def arrived(adopted: AdoptedHost, port: int, sender: str) -> Received:
    """Send a message; what arrives of it at the port."""
    count = len(adopted.host.received(port))
    assert adopted.host.send(sender, FAR).startswith("250")
    [message] = adopted.host.wait_for(lambda: adopted.host.received(port)[count:], what=f"{sender}'s message at {port}")
    return message


def test_each_sender_has_a_relay_and_a_login_of_its_own(adopted: AdoptedHost) -> None:
    push(adopted, 'smart_host:\n  nexthop: "[127.0.0.1]:2525"\n' + LOGINS.format("ada") + SENDERS)

    for port, sender, login in ((2525, HERE, "ada"), (2526, "x@bob.test", "bob")):
        message = arrived(adopted, port, sender)
        assert (message.login, message.tls, message.sender) == (login, True, sender)
    assert adopted.host.send("eve@bob.test", FAR).startswith("250")
    adopted.host.wait_for(lambda: "SASL authentication failed" in adopted.host.mail_log(), what="the wrong password")
    adopted.host.wait_for(
        lambda: [one for one in adopted.host.queue() if one["queue_name"] == "deferred"], what="deferral"
    )
    assert adopted.sh("stat -c %a /etc/postfix/sasl_passwd.lmdb /etc/postfix/sender_relayhost.lmdb") == "600\n644"


def test_port_465_begins_with_tls_and_rows_past_the_smart_host_are_told_of(adopted: AdoptedHost) -> None:
    wrapped = 'smart_host:\n  nexthop: "[127.0.0.1]:465"\n' + LOGINS.format("ada")
    told = push(adopted, wrapped, **{"tables/transport": "serial.test  relaylim:\nother.test  relaylim:\n"})
    assert told.count("bypasses the smart host") == 1
    assert "tables/transport:1:1" in told

    message = arrived(adopted, 465, HERE)
    assert (message.login, message.tls) == ("ada", True)
    adopted.host.wait_for(lambda: "postfix/smart_host/smtp" in adopted.host.mail_log(), what="the end of the delivery")

    push(adopted, "", **{"tables/transport": None})
    assert adopted.sh("ls -H /etc/postfix | grep -E 'sasl_passwd|sender_relayhost' || true") == ""
    assert (
        adopted.sh(
            "postconf -n relayhost default_transport; postconf -M smart_host/unix 2>&1 | grep -v warning || true"
        )
        == ""
    )
