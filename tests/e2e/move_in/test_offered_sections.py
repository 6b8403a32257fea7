"""Sections that import offers for what a host has: mail is taken and delivered as before."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.hosts import Host, network
from tests.e2e.mail.test_submission import knows_logins, spoken
from tests.e2e.move_in.shaped import imported, lay_out
from tests.shapes import files_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.mail_sink import Received, Sink

SUBJECT = "openssl req -x509 -newkey ec -pkeyopt group:P-256 -nodes -days 90 -subj /CN=mx1.example.com"
KEY = f"cd /etc/ssl && {SUBJECT} -keyout key -out cert && cat key cert >mx.pem && chmod 600 mx.pem"
REPOSITORY = "/srv/mail-state.git"


def running(shape: str, host: Host) -> None:
    """Start a server of a shape."""
    lay_out(host, shape, "/etc/postfix")
    host.start_postfix()


def taken_over(host: Host, name: str, asked: str = "") -> list[str]:
    """Import a host, make the commits of offers that are *asked* for, adopt them, and return what to confirm of one."""
    first = imported(host)
    assert first.status == 0, first.said
    offers = {one["name"]: one for one in first.said["offers"]}
    assert name in offers, (first.said, host.run("reconciler", "import", "--then", name, check=False).stdout)
    made = host.run("reconciler", "import", "--then", asked or name, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    adopted = host.run("reconciler", "once", "--adopt", check=False)
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert host.run("reconciler", "plan", check=False).returncode == 0
    again = imported(host)
    assert (again.status, name in {one["name"] for one in again.said["offers"]}) == (0, False), again.said
    return list(offers[name]["confirm"])


def in_services(host: Host, *keys: str) -> dict[str, str]:
    """Return what every parameter means in these services, as Postfix says."""
    found: dict[str, str] = {}
    for key in keys:
        said = host.run("postconf", "-P", f"{key}/*").stdout.splitlines()
        options = [line.partition(" = ")[::2] for line in said if line]
        words = [word for name, value in options for word in ("-o", f"{name.rpartition('/')[2].strip(' =')}={value}")]
        for line in host.run("postconf", "-x", *words).stdout.splitlines():
            name, _, value = line.partition(" =")
            found[f"{key} {name}"] = " ".join(value.replace(",", " ").split())
    return {name: value for name, value in found.items() if not name.endswith(" process_id")}


def handed_in(host: Host, port: int) -> None:
    """Hand in a message with a login, and be refused without one."""
    with spoken(host, port) as client:
        client.mail("someone@far.test")
        assert client.rcpt("root@mx1.example.com")[0] == 554
    with spoken(host, port) as client:
        client.login("ada", "geheim-42")
        client.sendmail("ada@mx1.example.com", ["root@mx1.example.com"], f"Subject: by {port}\n\nHello.\n")


def delivered(host: Host, count: int) -> Callable[[], bool]:
    return lambda: host.mail_log().count("status=sent (delivered to mailbox)") >= count


def test_people_hand_in_mail_as_before_when_submission_is_a_section() -> None:
    with Host() as host:
        host.run("sh", "-c", KEY)
        running("mail-programs", host)
        knows_logins(host)
        before = in_services(host, "submission/inet", "submissions/inet")
        handed_in(host, 587)
        host.wait_for(delivered(host, 1), what="the first message")

        confirmed = taken_over(host, "submission")

        assert "submission/inet has main.cf's present value of local_header_rewrite_clients" in "\n".join(confirmed)
        mail = host.run("git", "-C", REPOSITORY, "show", "main:mail.yaml").stdout
        assert "# agreed with the unions: no account sends as another\n" in mail
        assert "# for the telephones, which know no STARTTLS\n" in mail
        assert "\nsubmission" not in host.run("git", "-C", REPOSITORY, "show", "main:master.d/host.cf").stdout
        assert in_services(host, "submission/inet", "submissions/inet") == before
        for number, port in enumerate((587, 465), 2):
            handed_in(host, port)
            host.wait_for(delivered(host, number), what=f"the message by {port}")
        with spoken(host, 587) as client:
            client.login("ada", "geheim-42")
            client.mail("eve@mx1.example.com")
            assert client.rcpt("root@mx1.example.com")[0] == 553


@pytest.mark.parametrize("asked", ["sites", "all"])
def test_mail_leaves_from_the_addresses_of_its_senders_when_they_are_sites(asked: str) -> None:
    with Host() as host, Host("relay.test", "192.0.2.20") as other:
        network(host, other)
        for address in ("192.0.2.11/24", "192.0.2.12/24"):
            host.run("ip", "addr", "add", address, "dev", "eth0")
        host.run("sh", "-c", "printf '192.0.2.20 relay.test\\n' >>/etc/hosts")
        sink = other.sink(2525, "192.0.2.20")
        running("several-senders", host)
        before = left_from(host, sink)

        confirmed = taken_over(host, "sites", asked)

        assert "mail of site1-out waits if this host loses 192.0.2.11" in "\n".join(confirmed)
        assert (left_from(host, sink), before["a@shop.test"]) == (before, ("192.0.2.11", "mail.shop.test"))
        assert before["a@other.test"] == before["a@private.test"] == ("192.0.2.10", "mx1.example.com")
        host.wait_for(lambda: host.mail_log().count("postfix/site1-out/smtp") >= 2, what="the end of the deliveries")
        site = host.run("git", "-C", REPOSITORY, "show", "main:sites/site1/site.yaml").stdout
        assert "# moved here in spring\n  - shop.example\n" in site
        assert "# the shop asked for an address of its own\n" in site
        assert host.read("/etc/postfix/senders") == "@private.test       smtp:[relay.test]:2525\n"
        rescued = host.run("reconciler", "rescue", check=False)
        assert rescued.returncode == 0, rescued.stdout + rescued.stderr
        assert host.read("/etc/postfix/senders").encode() == files_of("several-senders")["senders"]
        assert left_from(host, sink) == before


SENDERS = ("a@shop.test", "a@shop.example", "a@books.test", "a@private.test", "a@other.test", "b@sub.shop.test")


def left_from(host: Host, sink: Sink) -> dict[str, tuple[str, str]]:
    """Send a message of each sender, and return the address and the name that it came from."""
    count = len(sink.received)
    for sender in SENDERS:
        assert host.send(sender, "someone@far.test").startswith("250")
    host.wait_for(lambda: len(sink.received) >= count + len(SENDERS), what="all messages")
    return {one.sender: (one.peer, one.helo) for one in sink.received[count:]}


def test_a_section_that_would_change_a_parameter_of_a_service_is_not_offered() -> None:
    with Host() as host:
        running("mail-programs", host)
        host.run("postconf", "-e", "multi_instance_name = postfix-people")  # the section's services log by this name

        result = imported(host)
        made = host.run("reconciler", "import", "--then", "submission", check=False)

        assert result.status == 0, result.said
        assert "submission" not in {one["name"] for one in result.said["offers"]}
        assert made.returncode == 1
        assert "effects: - submission/inet: syslog_name = postfix/submission" in made.stdout


POSTSRSD = """\
# set up in 2019
SRS_DOMAIN=srs.example.com
SRS_EXCLUDE_DOMAINS="mx1.example.com, .friends.example"
SRS_SEPARATOR==
SRS_SECRET=/etc/postsrsd.secret
SRS_HASHLENGTH=4
SRS_HASHMIN=4
SRS_FORWARD_PORT=10001
SRS_REVERSE_PORT=10002
RUN_AS=postsrsd
SRS_LISTEN_ADDR=127.0.0.1
CHROOT=/var/lib/postsrsd
"""
SRS_SECRET = "geheim-of-24-letters-abc"


def forwarded(host: Host, sink: Sink, sender: str, recipient: str = "bea@club.example") -> Received:
    """Send a message to a member, and return what left."""
    count = len(sink.received)
    said = host.send(sender, recipient, "From: a@b.example\nSubject: x\n\nHello.")
    assert said.startswith("250"), said
    [message] = host.wait_for(lambda: sink.received[count:], what=f"mail from {sender}")
    return message


def test_senders_are_rewritten_as_before_when_postsrsd_is_a_section() -> None:
    with Host() as host:
        host.write("/etc/default/postsrsd", POSTSRSD)
        host.write("/etc/postsrsd.secret", f"{SRS_SECRET}\n", 0o600)
        host.run("service", "postsrsd", "start")
        sink = host.sink(2525)
        running("forwarding", host)
        old = forwarded(host, sink, "ann@outside.example")
        assert re.fullmatch(r"SRS0=[^=]{4}=..=outside\.example=ann@srs\.example\.com", old.sender)
        assert forwarded(host, sink, "a@x.friends.example").sender == "a@x.friends.example"
        assert forwarded(host, sink, "cay@club.example").sender.startswith("SRS0=")

        confirmed = "\n".join(taken_over(host, "sender_rewriting"))

        assert "senders in club.example are rewritten no longer, because this host handles their mail" in confirmed
        assert "senders of mail from sendmail(1) are rewritten no longer" in confirmed
        new = forwarded(host, sink, "ann@outside.example")
        assert re.fullmatch(r"SRS0=[^=]{8}=..=outside\.example=ann@srs\.example\.com", new.sender)
        for known in (old, new):
            assert forwarded(host, sink, "", known.sender).recipients == ("ann@outside.example",)
        for excluded in ("a@x.friends.example", "cay@club.example"):
            assert forwarded(host, sink, excluded).sender == excluded
        everything = host.run("git", "-C", REPOSITORY, "log", "-p", "main").stdout
        assert "# so that the members' providers take it\n" in everything
        assert SRS_SECRET not in everything
        rescued = host.run("reconciler", "rescue", check=False)
        assert rescued.returncode == 0, rescued.stdout + rescued.stderr
        assert forwarded(host, sink, "", new.sender).recipients == ("ann@outside.example",)
        assert host.read("/etc/default/postsrsd") == POSTSRSD
