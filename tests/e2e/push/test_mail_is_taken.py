"""Live and verified means that mail is taken: by each listener, from each client, for each kind of recipient."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, UNREHEARSED, AdoptedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.adopted_host import Push

ROUTE = "old.test  smtp:[127.0.0.1]:2525\n"
VERIFIED = "verified: 1 listener, 2 kinds of recipient, sendmail"
# It is there when it is looked for, and hangs up on smtpd: 451 4.3.5 for every client.
HANGS_UP = "import socket; s = socket.create_server(('127.0.0.1', 9998))\nwhile True: s.accept()[0].close()"
POLICY = MAIL + "  smtpd_recipient_restrictions: reject_unauth_destination, check_policy_service inet:127.0.0.1:9998\n"
# A milter that wants to see nothing: it answers the negotiation with every protocol step switched off.
MILTER = """
import socket, struct, threading
def serve(peer):
    while head := peer.recv(4, socket.MSG_WAITALL):
        packet = peer.recv(struct.unpack("!I", head)[0], socket.MSG_WAITALL)
        if packet[:1] == b"O":
            version, _, steps = struct.unpack("!III", packet[1:13])
            peer.sendall(struct.pack("!Ic3I", 13, b"O", version, 0, steps))
server = socket.create_server(("127.0.0.1", 9997))
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
MILTERED = MAIL + "  smtpd_milters: inet:127.0.0.1:9997\n  milter_default_action: tempfail\n"


@pytest.fixture(scope="module")
def _verifying() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=UNREHEARSED) as adopted:  # a rehearsal would meet what is planted here before the swap
        yield adopted


@pytest.fixture
def adopted(_verifying: AdoptedHost) -> AdoptedHost:
    """A host whose mail flows."""
    _verifying.push({**STATE, "tables/relay_domains": None} if _has_relay(_verifying) else STATE)
    return _verifying


def _has_relay(adopted: AdoptedHost) -> bool:
    return "relay_domains" in adopted.git("ls-tree", "-r", "--name-only", "main")


def program(adopted: AdoptedHost, text: str, port: int) -> str:
    """Run a Python program until kill(); its process id."""
    adopted.host.write("/root/server.py", text)
    pid = adopted.sh("setsid python3 /root/server.py >/dev/null 2>&1 </dev/null & echo $!")
    adopted.host.wait_for(lambda: adopted.sh(f"ss -tln | grep ':{port} '", check=False), what=f"port {port}")
    return pid


def taken(adopted: AdoptedHost) -> bool:
    """Whether a message is taken."""
    return adopted.host.send("ada@client.test", "root@mx1.example.com").startswith("250 ")


def rules_of(adopted: AdoptedHost, push: Push) -> list[tuple[str, str]]:
    """The findings on record for a push."""
    return [(one["rule"], one["severity"]) for one in adopted.log(push.oid)[0]["findings"]]


def test_a_push_says_what_was_verified_and_leaves_no_mail_behind(adopted: AdoptedHost) -> None:
    push = adopted.push({"tables/transport": ROUTE + "a.test  smtp:[127.0.0.1]:2526\n"})
    assert "live and verified" in push.text
    assert VERIFIED in push.text
    assert adopted.log(push.oid)[0]["verified"] == VERIFIED.removeprefix("verified: ")
    assert adopted.host.queue() == []
    files = "find /var/spool/postfix/{maildrop,incoming,active,deferred,hold} -type f"  # Postfix removes one a bit late
    adopted.patiently(lambda: not adopted.sh(files, check=False), "the queue's files to be gone")
    log = adopted.host.mail_log()
    assert "from=<" not in "".join(line for line in log.splitlines() if "qmgr" in line), "nothing was queued"
    for client in ("localhost[127.0.0.1]", "localhost[::1]", "mx1.example.com[192.0.2.10]"):
        assert f"connect from {client}" in log
    more = adopted.push({"tables/relay_domains": "relay.test  OK\n"})
    assert "verified: 1 listener, 3 kinds of recipient, sendmail" in more.text


def test_trouble_for_every_client_after_the_swap_goes_back_with_its_line(adopted: AdoptedHost) -> None:
    before = adopted.live()
    push = adopted.push({"mail.yaml": MAIL + "  virtual_alias_maps: fail:planted\n"})
    assert push.accepted
    assert "rolled back" in push.text, push.text
    assert "mail.yaml:5:23: smtp/inet on 127.0.0.1:25: it answers" in push.text
    assert '"451 4.3.0 <' in push.text
    assert "fail:planted" in push.text
    assert rules_of(adopted, push) == [("mail-waits", "error")]
    assert adopted.live() == before
    assert taken(adopted)
    pid = program(adopted, HANGS_UP, 9998)
    push = adopted.push({"mail.yaml": POLICY})
    assert "rolled back" in push.text, push.text
    assert "451 4.3.5" in push.text
    assert adopted.live() == before
    adopted.sh(f"kill {pid}")


def test_a_recipient_who_is_refused_now_goes_back_and_a_client_who_is_refused_now_is_a_warning(
    adopted: AdoptedHost,
) -> None:
    closed = "  smtpd_recipient_restrictions: permit_mynetworks, reject\n"
    push = adopted.push({"mail.yaml": MAIL + closed})
    assert "rolled back" in push.text, push.text
    assert rules_of(adopted, push) == [("mail-refused", "error")]
    assert "Recipient address rejected: Access denied" in push.text
    push = adopted.push({"mail.yaml": MAIL + closed}, "Close it\n\nConfirm: refusals")
    assert "live and verified" in push.text, push.text
    assert ("mail-refused", "warning") in rules_of(adopted, push)
    adopted.push({"mail.yaml": MAIL})
    private = "  smtpd_client_restrictions: permit_mynetworks, reject\n"
    push = adopted.push({"mail.yaml": MAIL + private})
    assert "live and verified" in push.text, push.text
    assert ("mail-refused", "warning") in rules_of(adopted, push)
    assert "Client host rejected: Access denied" in push.text


def test_what_fails_as_before_is_a_warning_and_its_repair_goes_live_also_when_halted(adopted: AdoptedHost) -> None:
    pid = program(adopted, MILTER, 9997)
    push = adopted.push({"mail.yaml": MILTERED})
    assert VERIFIED in push.text, push.text
    adopted.sh(f"kill {pid}")
    adopted.host.wait_for(lambda: not taken(adopted), what="mail that waits for the milter")
    harmless = adopted.push({"tables/transport": ROUTE + "b.test  smtp:[127.0.0.1]:2526\n"})
    assert adopted.told()["last"]["outcome"] == "Applied", harmless.text
    assert "live after" in harmless.text, "mail waits, so that it is not verified"
    assert "it was so before" in harmless.text
    assert adopted.told()["phase"]["name"] == "Steady"
    adopted.stop_daemon()
    phase = "/var/lib/reconciler/private/phase.json"
    adopted.host.write(phase, json.dumps({"name": "Halted", "reason": "planted"}), 0o600)
    adopted.start_daemon()
    assert adopted.told()["phase"]["name"] == "Halted"
    adopted.sh("mkdir /var/spool/postfix/private/extra")  # no rule looks there, and master can't put its socket there
    worse = adopted.push({"master.d/extra.cf": "extra unix - - n - - smtp\n"})
    assert adopted.told()["phase"]["name"] == "Halted", worse.text
    assert adopted.log(worse.oid)[0]["outcome"] == "RolledBack"
    errors = [one for one in adopted.log(worse.oid)[0]["findings"] if one["severity"] == "error"]
    assert {(one["file"], one["line"]) for one in errors} == {("master.d/extra.cf", 1)}, errors
    repair = adopted.push({"mail.yaml": MAIL, "master.d/extra.cf": None})
    assert VERIFIED in repair.text, repair.text
    assert adopted.told()["phase"]["name"] == "Steady"
    assert taken(adopted)


def test_postscreen_is_waited_out_and_strangers_behind_it_count(adopted: AdoptedHost) -> None:
    screened = MAIL.replace("127.0.0.0/8", "127.0.0.0/8 [::1]/128") + "  postscreen_greet_wait: 2s\n"
    services = "services:\n  smtp/inet: {command: postscreen, maxproc: 1}\n"
    behind = {"master.d/behind.cf": "smtpd pass - - n - - smtpd\n"}
    push = adopted.push({"mail.yaml": screened + services, **behind})
    assert VERIFIED in push.text, push.text
    pid = program(adopted, HANGS_UP, 9998)
    policy = POLICY.rpartition("\n  ")[2].replace("reject_unauth", "permit_mynetworks, reject_unauth")
    push = adopted.push({"mail.yaml": f"{screened}  {policy}{services}"})
    adopted.sh(f"kill {pid}")
    assert "rolled back" in push.text, push.text
    assert "a stranger, from <> to the local recipient" in push.text, push.text
    assert adopted.host.queue() == []
    adopted.push({"master.d/behind.cf": None, "mail.yaml": MAIL})


def test_each_finding_is_where_a_person_writes(adopted: AdoptedHost) -> None:
    findings = [one for record in adopted.log("-100") for one in record["findings"]]
    generated = ("main.cf", "master.cf", "/etc/postfix/main.cf", "/etc/postfix/master.cf")
    assert not [one for one in findings if one["file"] in generated or (one["file"], one["line"]) == ("mail.yaml", 1)]
