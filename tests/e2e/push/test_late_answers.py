"""An answer that is only late rolls nothing back, and a listener that hangs does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, UNREHEARSED, AdoptedHost
from tests.e2e.push.test_mail_is_taken import program, rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Next hosts, one that never greets and one that knows no recipient; policy servers, one that thinks and one that hangs.
SERVERS = """
import socket, threading, time
def silent(stream):
    time.sleep(900)
def refusing(stream):
    stream.write(b"220 next\\r\\n"); stream.flush()
    for line in stream:
        stream.write(b"550 5.1.1 no such user\\r\\n" if line.upper().startswith(b"RCPT") else b"250 ok\\r\\n")
        stream.flush()
def thinking(stream):
    for line in stream:
        if line == b"\\n":
            time.sleep(6)
            stream.write(b"action=DUNNO\\n\\n"); stream.flush()
def serve(port, speak):
    server = socket.create_server(("127.0.0.1", port))
    while True:
        stream = server.accept()[0].makefile("rwb")
        threading.Thread(target=speak, args=(stream,), daemon=True).start()
for port, speak in ((2601, silent), (2602, refusing), (2603, thinking)):
    threading.Thread(target=serve, args=(port, speak), daemon=True).start()
serve(2604, silent)
"""
VERIFIED = "  smtpd_recipient_restrictions: reject_unauth_destination, reject_unverified_recipient\n"
POLICY = "  smtpd_recipient_restrictions: reject_unauth_destination, check_policy_service inet:127.0.0.1:{port}\n"


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    """A host with slow and silent servers, whose own mail flows."""
    with AdoptedHost(settings=UNREHEARSED) as adopted:
        program(adopted, SERVERS, 2604)
        yield adopted


@pytest.mark.parametrize(("port", "warned"), [(2601, False), (2602, True)])
def test_a_relay_domain_whose_recipients_are_verified_goes_live(adopted: AdoptedHost, port: int, warned: bool) -> None:
    domain = f"r{port}.test"
    relay = f"{MAIL}  relay_domains: {domain}\n"
    route = {"tables/transport": f"{STATE['tables/transport']}{domain}  smtp:[127.0.0.1]:{port}\n"}
    before = adopted.push({"mail.yaml": relay, **route})
    assert "verified: 1 listener, 3 kinds of recipient" in before.text, before.text
    push = adopted.push({"mail.yaml": relay + VERIFIED})
    assert "live and verified" in push.text, push.text
    assert (("mail-refused", "warning") in rules_of(adopted, push)) is warned, push.text
    assert not [one for one in rules_of(adopted, push) if one[1] == "error"]


def test_a_policy_server_that_thinks_goes_live_and_one_that_hangs_goes_back(adopted: AdoptedHost) -> None:
    adopted.push({"mail.yaml": MAIL})
    push = adopted.push({"mail.yaml": MAIL + POLICY.format(port=2603)})
    assert "live and verified" in push.text, push.text
    adopted.push({"mail.yaml": MAIL})
    before = adopted.live()
    push = adopted.push({"mail.yaml": MAIL + POLICY.format(port=2604)})
    assert adopted.log(push.oid)[0]["outcome"] == "RolledBack", push.text
    assert ("service-silent", "error") in rules_of(adopted, push)
    texts = "".join(one["text"] for one in adopted.log(push.oid)[0]["findings"])
    assert re.search(r"no answer to MAIL, RCPT or DATA in 3[0-5](\.\d)? s", texts), texts
    assert adopted.live() == before
