"""Which row of tables/transport and tables/sender_transport a message takes, by mail that arrives, or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, AdoptedHost
from tests.e2e.mail.test_transports import HERE, bounce, came, push, send, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

RELAY, EXACT, DOMAIN, BELOW, SENDER, NULL, REST = range(2700, 2707)
TO = "smtp:[127.0.0.1]:"
TRANSPORT = f"""\
ada@a.test  {TO}{EXACT}
a.test  {TO}{DOMAIN}
.a.test  {TO}{BELOW}
d.sub.a.test  :[127.0.0.1]:{DOMAIN}
host.test  named:
bad.test  error:Bad domain!
.bad.test  error:5.1.2 Bad, and all below it
gone.test  discard:nobody reads it
later.test  retry:4.3.0 not before noon
"""
SENDERS = f"""\
ada@s.test  named:
off@s.test  DUNNO
bad@s.test  error:5.7.1 Not from you
@s.test  {TO}{SENDER}
<>  {TO}{NULL}
daemon  {TO}{SENDER}
"""
STATES = (
    MAIL
    + f"""\
smart_host:
  nexthop: "[127.0.0.1]:{RELAY}"
transports:
  named: {{helo: named.example.com}}
"""
)
BOTH = {"tables/sender_transport": SENDERS}


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(state=STATE | {"tables/transport": None}) as made:
        for port in range(RELAY, REST + 1):
            made.host.sink(port)
        yield made


@pytest.fixture(scope="module")
def routed(adopted: AdoptedHost) -> AdoptedHost:
    """The host with both tables."""
    told = push(adopted, TRANSPORT, STATES, **BOTH)
    assert "bypasses the smart host" in told
    return adopted


@pytest.mark.parametrize(
    ("recipient", "port"),
    [
        ("ada@a.test", EXACT),
        ("ADA@A.Test", EXACT),
        ("bob@a.test", DOMAIN),
        ("ada@b.a.test", BELOW),
        ("ada@c.b.a.test", BELOW),
        ("bob@d.sub.a.test", DOMAIN),
        ("ada@e.d.sub.a.test", BELOW),
        ("ada@nota.test", RELAY),
    ],
)
def test_the_row_of_the_address_then_the_domain_then_the_nearest_parent(
    routed: AdoptedHost, recipient: str, port: int
) -> None:
    came(routed, port, send(routed, recipient))


def test_error_refuses_discard_drops_and_retry_holds(routed: AdoptedHost) -> None:
    before = len(routed.host.mail_log())
    for recipient, words in (("someone@bad.test", "Bad domain!"), ("someone@sub.bad.test", "Bad, and all below it")):
        said = routed.host.send(HERE, recipient)
        assert said.startswith("550 5.1."), said
        assert words in said
        routed.sh(f"printf 'Subject: to {recipient}\\n\\nHello.\\n' | sendmail -f root {recipient}")
        assert words in bounce(routed, f"Subject: to {recipient}")
    send(routed, "someone@gone.test")
    routed.host.wait_for(lambda: "status=sent (nobody reads it)" in routed.host.mail_log()[before:], what="discard")
    assert "450 4.3.0" in routed.host.send(HERE, "someone@later.test")
    routed.sh("printf 'Subject: later\\n\\nHello.\\n' | sendmail -f root someone@later.test")
    held = routed.host.wait_for(lambda: waiting(routed, "someone@later.test"), what="deferral")
    assert "not before noon" in held
    routed.sh("postsuper -d ALL")


@pytest.mark.parametrize(
    ("sender", "port", "helo"),
    [
        ("ada@s.test", RELAY, "named.example.com"),
        ("bob@s.test", SENDER, "mx1.example.com"),
        ("ada+lists@s.test", SENDER, "mx1.example.com"),
        ("off@s.test", RELAY, "mx1.example.com"),
        ("ada@sub.s.test", RELAY, "mx1.example.com"),
        ("", NULL, "mx1.example.com"),
        (HERE, RELAY, "mx1.example.com"),
        ("daemon@mx1.example.com", SENDER, "mx1.example.com"),
        ("daemon@far.test", RELAY, "mx1.example.com"),
    ],
)
def test_the_senders_row_chooses_the_transport_and_the_smart_host_stays(
    routed: AdoptedHost, sender: str, port: int, helo: str
) -> None:
    assert came(routed, port, send(routed, "someone@far.test", sender)) == helo


def test_a_sender_is_refused_by_a_row_and_recipients_rows_come_first(routed: AdoptedHost) -> None:
    came(routed, DOMAIN, send(routed, "bob@a.test", "bob@s.test"))
    came(routed, DOMAIN, send(routed, "bob@a.test", "bad@s.test"))
    assert "5.7.1 <someone@far.test>: Recipient address rejected: Not from you" in routed.host.send(
        "bad@s.test", "someone@far.test"
    )


def test_a_recipients_row_without_a_next_hop_goes_to_the_domain_itself_past_the_smart_host(routed: AdoptedHost) -> None:
    send(routed, "someone@host.test")
    reason = routed.host.wait_for(lambda: waiting(routed, "someone@host.test"), what="deferral")
    assert "host.test" in reason
    routed.sh("postsuper -d ALL")


def test_mail_for_this_host_minds_the_senders_row_no_more_than_the_smart_host(routed: AdoptedHost) -> None:
    subject = send(routed, HERE, "bad@s.test")
    routed.host.wait_for(lambda: subject in routed.sh("cat /var/mail/root"), what="the mail")


def test_on_changed_and_off_again_each_message_goes_where_the_table_then_says(routed: AdoptedHost) -> None:
    push(routed, f"a.test {TO}{REST}\n", STATES, **{"tables/sender_transport": f"@s.test {TO}{EXACT}\n"})
    came(routed, REST, send(routed, "ada@a.test"))
    came(routed, EXACT, send(routed, "someone@far.test", "ada@s.test"))

    push(routed, None, STATES, **{"tables/sender_transport": None})
    came(routed, RELAY, send(routed, "ada@a.test", "ada@s.test"))
    assert routed.sh("ls -H /etc/postfix | grep transport || true") == ""
    assert routed.sh("postconf -n transport_maps sender_dependent_default_transport_maps") == ""


def test_brackets_skip_the_look_up_of_an_mx(adopted: AdoptedHost) -> None:
    adopted.sh("echo 127.0.0.1 relay.test >>/etc/hosts")
    rows = f"in.test smtp:[relay.test]:{RELAY}\nout.test smtp:relay.test:{RELAY}\n"
    push(adopted, rows, MAIL + "  smtp_host_lookup: native\n")
    came(adopted, RELAY, send(adopted, "someone@in.test"))
    send(adopted, "someone@out.test")
    reason = adopted.host.wait_for(lambda: waiting(adopted, "someone@out.test"), what="deferral")
    assert "name=relay.test type=MX" in reason
    adopted.sh("postsuper -d ALL")


def test_a_star_takes_what_no_other_row_does_and_mail_for_this_host_unless_a_row_keeps_it(adopted: AdoptedHost) -> None:
    kept = "mx1.example.com :\nlocalhost :\n"
    assert "own domains" not in push(adopted, f"{kept}a.test {TO}{DOMAIN}\n* {TO}{REST}\n", STATES)
    came(adopted, DOMAIN, send(adopted, "ada@a.test"))
    came(adopted, REST, send(adopted, "someone@far.test"))
    subject = send(adopted, HERE)
    adopted.host.wait_for(lambda: subject in adopted.sh("cat /var/mail/root"), what="mail for this host")

    assert "mx1.example.com, localhost" in push(adopted, f"a.test {TO}{DOMAIN}\n* {TO}{REST}\n", STATES)
    came(adopted, REST, send(adopted, HERE))


@pytest.mark.parametrize(
    ("path", "row", "meant"),
    [
        ("tables/sender_transport", "@s.test. smtp:", "did you mean @s.test?"),
        ("tables/sender_transport", "s.test smtp:", "did you mean @s.test?"),
        ("tables/transport", "*.a.test smtp:", "did you mean .a.test?"),
        ("tables/transport", "a.test. smtp:", "did you mean a.test?"),
        ("tables/transport", "a.test relaylmi:", "did you mean relaylim?"),
        ("tables/transport", "a.test error Bad domain!", "unknown transport"),
        ("tables/transport", "a.test smtp:[127.0.0.1]", 'this host\'s own service "smtp"'),
        ("tables/sender_transport", "@s.test smtp:[mx1.example.com]:25", 'this host\'s own service "smtp"'),
    ],
)
def test_a_row_that_would_do_nothing_is_refused_with_what_was_meant(
    adopted: AdoptedHost, path: str, row: str, meant: str
) -> None:
    refused = adopted.push({path: f"{row}\n"}, "A slip")
    assert not refused.accepted
    assert f"{path}:1:1" in refused.text
    assert meant in " ".join(refused.text.replace("remote:", "").split())


def test_a_row_that_leads_to_this_host_would_bounce_or_turn_round(adopted: AdoptedHost) -> None:
    second = "10025 inet n - n - - smtpd\n"
    rows = f"a.test {TO}25\nb.test {TO}10025\nc.test {TO}{REST}\n"
    refused = adopted.push({"tables/transport": rows, "master.d/second.cf": second}, "Round")
    assert [f"tables/transport:{line}:1" in refused.text for line in (1, 2, 3)] == [True, True, False]

    allowed = "".join(f"# allow loops-to-self: to see it\n{row}\n" for row in rows.splitlines())
    pushed = adopted.push({"tables/transport": allowed, "master.d/second.cf": second}, "Allowed")
    assert pushed.accepted, pushed.text
    send(adopted, "someone@a.test")
    adopted.host.wait_for(
        lambda: "mail for 127.0.0.1 loops back to myself" in adopted.host.mail_log(), what="the bounce"
    )
    send(adopted, "someone@b.test")
    adopted.host.wait_for(lambda: "too many hops" in adopted.host.mail_log(), what="the last hop")
    came(adopted, REST, send(adopted, "someone@c.test"))
    adopted.push({"master.d/second.cf": None, "tables/transport": f"c.test {TO}{REST}\n"}, "Not round")
