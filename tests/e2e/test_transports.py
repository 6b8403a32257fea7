"""Transports and the tables that choose them, by mail: what is tried once, what goes in serial, and which row wins."""

from __future__ import annotations

import re
import time
from collections import Counter
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.site import MAIL, STATE, Site
from tests.e2e.standin import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator


HERE = "root@mx1.example.com"
QUICK = MAIL + "  smtp_helo_timeout: 1s\n  smtp_connect_timeout: 2s\n"
GREY = "4.7.1 come back in an hour, dear {}"
ONCE, SERIAL, OWN = "once.test oneshot:[127.0.0.1]:{}\n", "serial.test relaylim:[127.0.0.1]:{}\n", "own.test slow:{}\n"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(state=STATE | {"tables/transport": None}) as made:
        yield made


def push(site: Site, table: str | None, mail: str = QUICK, **files: str | None) -> str:
    """Push a transport table and mail.yaml; what the pusher was told."""
    pushed = site.push({"mail.yaml": mail, "tables/transport": table, **files}, "Transports")
    assert pushed.accepted, pushed.text
    return pushed.text


def send(site: Site, recipient: str, sender: str = HERE) -> str:
    """Send a message of its own; its subject."""
    subject = f"no. {time.monotonic_ns()}"
    said = site.host.send(sender, recipient, f"Subject: {subject}\n\nHello.")
    assert said.startswith("250"), said
    return subject


def bounce(site: Site, subject: str) -> str:
    """What root is told of that message, which then waits no longer."""

    def told() -> str:
        box = site.sh("cat /var/mail/root 2>/dev/null || true")
        return next((one for one in re.split(r"^From ", box, flags=re.MULTILINE) if subject in one), "")

    found = site.host.wait_for(told, what=f"the bounce of {subject}")
    return re.sub(r"\s+", " ", found)


def send_to_many(site: Site, domain: str) -> None:
    """Send a message for which qmgr asks for twelve deliveries, more than it begins before the first has failed."""
    many = " ".join(f"reader{number}@{domain}" for number in range(600))
    site.sh(f"printf 'Subject: to all\\n\\nHello.\\n' | sendmail -f root {many}")


def came(site: Site, port: int, subject: str) -> str:
    """Wait for the message at the port; the name that its client said."""

    def there() -> str:
        return next((one.helo for one in site.host.received(port) if subject in one.data), "")

    return site.host.wait_for(there, what=f"{subject} at {port}")


def waiting(site: Site, recipient: str) -> str:
    """Why the message for that recipient is in the queue; empty while it is not deferred."""
    told = [one for message in site.host.queue() for one in message["recipients"] if one["address"] == recipient]
    return told[0].get("delay_reason", "") if told else ""


# ---- oneshot ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "script", "words"),
    [
        (2601, {"greeting": f"450 {GREY.format('caller')}"}, ("5.7.1", GREY.format("caller"))),
        (2602, {verb: f"450 {GREY.format('caller')}" for verb in ("EHLO", "HELO")}, ("5.7.1", GREY.format("caller"))),
        (2603, {"MAIL": f"450 {GREY.format('sender')}"}, ("5.7.1", GREY.format("sender"), "MAIL FROM")),
        (2604, {"RCPT": f"450 {GREY.format('reader')}"}, ("5.7.1", GREY.format("reader"), "RCPT TO")),
        (2605, {"DATA": f"450 {GREY.format('data')}"}, ("5.7.1", GREY.format("data"), "DATA")),
        (2606, {"silent": True}, ("5.4.2", "timed out while receiving the initial server greeting")),
    ],
)
def test_oneshot_tries_once_and_its_bounce_quotes_the_other_server(
    site: Site, port: int, script: dict[str, Any], words: tuple[str, ...]
) -> None:
    replies = {verb: reply for verb, reply in script.items() if verb.isupper()}
    rest = {name: value for name, value in script.items() if not name.isupper()}
    push(site, ONCE.format(f"{port}"))
    far = StandIn(listener=site.host.listen(port), network=site.host.pid, replies=replies, **rest)
    with closing(far):
        text = bounce(site, send(site, "someone@once.test"))

    assert all(word.replace("4.7.1 ", "") in text for word in words), text
    assert len(far.peers) == 1
    assert site.host.queue() == []


def test_oneshot_tries_once_at_the_end_of_data_where_nobody_listens_and_without_tls(site: Site) -> None:
    sink = site.host.sink(2610)
    sink.verdict = f"451 {GREY.format('message')}"
    push(site, ONCE.format(2610) + "refused.test oneshot:[127.0.0.1]:2611\nnowhere.test oneshot:\n")
    assert "dear message" in bounce(site, send(site, "someone@once.test"))
    assert "Connection refused" in bounce(site, send(site, "someone@refused.test"))
    assert "Name service error for name=nowhere.test" in bounce(site, send(site, "someone@nowhere.test"))

    sink.verdict = "250 2.0.0 kept"
    tls = QUICK + 'tls:\n  destinations:\n    "[127.0.0.1]:2610": encrypt\n'
    push(site, ONCE.format(2610), tls)
    assert "TLS is required, but was not offered" in bounce(site, send(site, "someone@once.test"))
    assert (sink.received, site.host.queue()) == ([], [])


def test_oneshot_tries_once_where_nothing_ever_answers(site: Site) -> None:
    push(site, ONCE.format(2613))
    site.sh(
        "nft add table inet void; nft add chain inet void output '{ type filter hook output priority 0; }';"
        " nft add rule inet void output tcp dport 2613 drop"
    )
    assert "connect to 127.0.0.1[127.0.0.1]:2613: Connection timed out" in bounce(site, send(site, "someone@once.test"))
    assert site.host.queue() == []
    site.sh("nft delete table inet void")


def test_mail_of_oneshot_for_a_server_that_is_down_never_waits_behind_it(site: Site) -> None:
    push(site, ONCE.format(2612))
    send_to_many(site, "once.test")

    assert bounce(site, "Subject: to all").count("Connection refused") >= 600
    assert "delivery temporarily suspended" not in site.host.mail_log()
    assert site.host.queue() == []


def test_with_a_transport_that_tries_again_the_same_mail_waits(site: Site) -> None:
    push(site, "again.test smtp:[127.0.0.1]:2612\n")
    send_to_many(site, "again.test")

    suspended = "delivery temporarily suspended"
    site.host.wait_for(lambda: suspended in site.host.mail_log(), what="a destination taken for dead")
    assert "Connection refused" in site.host.wait_for(lambda: waiting(site, "reader0@again.test"), what="deferral")
    site.sh("postsuper -d ALL")


# ---- relaylim --------------------------------------------------------------------------------------------------------


def test_relaylim_opens_one_connection_to_each_destination_and_holds_no_other_up(site: Site) -> None:
    slow, quick, usual = (site.host.sink(port) for port in (2620, 2621, 2622))
    rows = "slow.test relaylim:[127.0.0.1]:2620\nquick.test relaylim:[127.0.0.1]:2621\n"
    push(site, f"{rows}usual.test smtp:[127.0.0.1]:2622\n")
    slow.pause, quick.pause, usual.pause = 1.5, 0.1, 1.0

    held = [send(site, f"reader{number}@slow.test") for number in range(6)]
    fast = [send(site, f"reader{number}@quick.test") for number in range(6)]
    many = [send(site, f"reader{number}@usual.test") for number in range(6)]
    for subject in fast:
        came(site, 2621, subject)
    assert len(slow.received) < len(held), "the slow one was done before the quick one"
    for port, subjects in ((2620, held), (2622, many)):
        for subject in subjects:
            came(site, port, subject)

    assert (slow.most, quick.most) == (1, 1)
    assert usual.most > 1, "the usual transport is to show that these sinks count"


# ---- a transport of one's own ----------------------------------------------------------------------------------------


def test_a_declared_transport_does_all_that_it_says(site: Site) -> None:
    sink = site.host.sink(2630)
    sink.pause = 0.5
    own = "transports:\n  slow: {{concurrency: 2, recipient_limit: {}, address: 127.0.0.9, helo: slow.example.com}}\n"
    push(site, OWN.format("[127.0.0.1]:2630"), QUICK + own.format(2))
    for number in range(6):
        send(site, f"reader{number}@own.test")
    site.host.wait_for(lambda: len(sink.received) == 6, what="six messages")
    assert sink.most == 2
    assert {(one.peer, one.helo) for one in sink.received} == {("127.0.0.9", "slow.example.com")}

    site.sh("printf 'Subject: three\\n\\nHello.\\n' | sendmail -f root x@own.test y@own.test z@own.test")
    site.host.wait_for(lambda: len(sink.received) == 8, what="one message as two")
    assert sorted(len(one.recipients) for one in sink.received[6:]) == [1, 2]

    told = push(site, OWN.format("[127.0.0.1]:2630"), QUICK + own.format(1))
    assert "each recipient by itself" in told
    for number in range(6):
        send(site, f"reader{number}@own.test")
    site.host.wait_for(lambda: len(sink.received) == 14, what="six messages more")
    assert sink.most > 2


def test_a_pause_between_deliveries_is_kept(site: Site) -> None:
    sink = site.host.sink(2631)
    push(site, OWN.format("[127.0.0.1]:2631"), QUICK + "transports: {slow: {rate_delay: 2s, retry: no}}\n")
    begun = time.monotonic()
    for number in range(3):
        send(site, f"reader{number}@own.test")
    site.host.wait_for(lambda: len(sink.received) == 3, what="three messages")
    assert time.monotonic() - begun >= 4
    assert sink.most == 1

    sink.verdict = f"451 {GREY.format('message')}"
    assert "dear message" in bounce(site, send(site, "once@own.test"))


def test_on_changed_and_off_again_cost_no_message_and_leave_no_trace(site: Site) -> None:
    sink = site.host.sink(2640)
    usual, own = "own.test smtp:[127.0.0.1]:2640\n", OWN.format("[127.0.0.1]:2640")
    push(site, usual)
    before = site.sh("cat /etc/postfix/main.cf /etc/postfix/master.cf")
    sent: list[str] = []
    over = Event()

    def flow() -> None:
        while not over.wait(0.05):
            sent.append(send(site, "someone@own.test"))

    sender = Thread(target=flow)
    sender.start()
    try:
        push(site, own, QUICK + "transports: {slow: {helo: one.example.com}}\n")
        push(site, own, QUICK + "transports: {slow: {helo: two.example.com, concurrency: 1}}\n")
        push(site, usual)
    finally:
        over.set()
        sender.join()

    site.host.wait_for(lambda: len(sink.received) >= len(sent), 60, "every message")
    arrived = Counter(re.findall(r"Subject: (no\. \d+)", "".join(one.data for one in sink.received)))
    assert arrived == Counter(sent)
    assert {"one.example.com", "two.example.com"} <= {one.helo for one in sink.received}
    assert site.sh("cat /etc/postfix/main.cf /etc/postfix/master.cf") == before
    assert site.host.queue() == []


def test_a_transport_is_not_removed_while_rows_name_it(site: Site) -> None:
    push(site, OWN.format("[127.0.0.1]:2640"), QUICK + "transports: {slow: {}}\n")
    before = site.live()

    for files in ({"mail.yaml": QUICK}, {"mail.yaml": QUICK, "tables/sender_transport": "@s.test slow:\n"}):
        refused = site.push(files, "Slow no more")
        assert not refused.accepted
        assert 'unknown transport "slow"' in refused.text
        assert "tables/transport:1:1" in refused.text
    assert site.live() == before
