"""Transports and the tables that choose them, by mail: what is tried once, what goes in serial, and which row wins."""

from __future__ import annotations

import re
import time
from collections import Counter
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.adopted_host import MAIL, STATE, AdoptedHost
from tests.e2e.scripted_server import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator


HERE = "root@mx1.example.com"
QUICK = MAIL + "  smtp_helo_timeout: 1s\n  smtp_connect_timeout: 2s\n"
GREY = "4.7.1 come back in an hour, dear {}"
ONCE, SERIAL, OWN = "once.test oneshot:[127.0.0.1]:{}\n", "serial.test relaylim:[127.0.0.1]:{}\n", "own.test slow:{}\n"


@pytest.fixture(scope="module")
def adopted() -> Iterator[AdoptedHost]:
    with AdoptedHost(state=STATE | {"tables/transport": None}) as made:
        yield made


def push(adopted: AdoptedHost, table: str | None, mail: str = QUICK, **files: str | None) -> str:
    """Push a transport table and mail.yaml; what the pusher was told."""
    pushed = adopted.push({"mail.yaml": mail, "tables/transport": table, **files}, "Transports")
    assert pushed.accepted, pushed.text
    return pushed.text


def send(adopted: AdoptedHost, recipient: str, sender: str = HERE) -> str:
    """Send a message of its own; its subject."""
    subject = f"no. {time.monotonic_ns()}"
    said = adopted.host.send(sender, recipient, f"Subject: {subject}\n\nHello.")
    assert said.startswith("250"), said
    return subject


def bounce(adopted: AdoptedHost, subject: str) -> str:
    """What root is told of that message, which then waits no longer."""

    def told() -> str:
        box = adopted.sh("cat /var/mail/root 2>/dev/null || true")
        return next((one for one in re.split(r"^From ", box, flags=re.MULTILINE) if subject in one), "")

    found = adopted.host.wait_for(told, what=f"the bounce of {subject}")
    return re.sub(r"\s+", " ", found)


def send_to_many(adopted: AdoptedHost, domain: str) -> None:
    """Send a message for which qmgr asks for twelve deliveries, more than it begins before the first has failed."""
    many = " ".join(f"reader{number}@{domain}" for number in range(600))
    adopted.sh(f"printf 'Subject: to all\\n\\nHello.\\n' | sendmail -f root {many}")


def came(adopted: AdoptedHost, port: int, subject: str) -> str:
    """Wait for the message at the port; the name that its client said."""

    def there() -> str:
        return next((one.helo for one in adopted.host.received(port) if subject in one.data), "")

    return adopted.host.wait_for(there, what=f"{subject} at {port}")


def waiting(adopted: AdoptedHost, recipient: str) -> str:
    """Why the message for that recipient is in the queue; empty while it is not deferred."""
    told = [one for message in adopted.host.queue() for one in message["recipients"] if one["address"] == recipient]
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
    adopted: AdoptedHost, port: int, script: dict[str, Any], words: tuple[str, ...]
) -> None:
    replies = {verb: reply for verb, reply in script.items() if verb.isupper()}
    rest = {name: value for name, value in script.items() if not name.isupper()}
    push(adopted, ONCE.format(f"{port}"))
    far = StandIn(listener=adopted.host.listen(port), network=adopted.host.pid, replies=replies, **rest)
    with closing(far):
        text = bounce(adopted, send(adopted, "someone@once.test"))

    assert all(word.replace("4.7.1 ", "") in text for word in words), text
    assert len(far.peers) == 1
    adopted.host.wait_for_empty_queue()


def test_oneshot_tries_once_at_the_end_of_data_where_nobody_listens_and_without_tls(adopted: AdoptedHost) -> None:
    sink = adopted.host.sink(2610)
    sink.verdict = f"451 {GREY.format('message')}"
    push(adopted, ONCE.format(2610) + "refused.test oneshot:[127.0.0.1]:2611\nnowhere.test oneshot:\n")
    assert "dear message" in bounce(adopted, send(adopted, "someone@once.test"))
    assert "Connection refused" in bounce(adopted, send(adopted, "someone@refused.test"))
    assert "Name service error for name=nowhere.test" in bounce(adopted, send(adopted, "someone@nowhere.test"))

    sink.verdict = "250 2.0.0 kept"
    tls = QUICK + 'tls:\n  destinations:\n    "[127.0.0.1]:2610": encrypt\n'
    push(adopted, ONCE.format(2610), tls)
    assert "TLS is required, but was not offered" in bounce(adopted, send(adopted, "someone@once.test"))
    adopted.host.wait_for_empty_queue()
    assert sink.received == []


def test_oneshot_tries_once_where_nothing_ever_answers(adopted: AdoptedHost) -> None:
    push(adopted, ONCE.format(2613))
    adopted.sh(
        "nft add table inet void; nft add chain inet void output '{ type filter hook output priority 0; }';"
        " nft add rule inet void output tcp dport 2613 drop"
    )
    assert "connect to 127.0.0.1[127.0.0.1]:2613: Connection timed out" in bounce(
        adopted, send(adopted, "someone@once.test")
    )
    adopted.host.wait_for_empty_queue()
    adopted.sh("nft delete table inet void")


def test_mail_of_oneshot_for_a_server_that_is_down_never_waits_behind_it(adopted: AdoptedHost) -> None:
    push(adopted, ONCE.format(2612))
    send_to_many(adopted, "once.test")

    assert bounce(adopted, "Subject: to all").count("Connection refused") >= 600
    assert "delivery temporarily suspended" not in adopted.host.mail_log()
    adopted.host.wait_for_empty_queue()


def test_with_a_transport_that_tries_again_the_same_mail_waits(adopted: AdoptedHost) -> None:
    push(adopted, "again.test smtp:[127.0.0.1]:2612\n")
    send_to_many(adopted, "again.test")

    suspended = "delivery temporarily suspended"
    adopted.host.wait_for(lambda: suspended in adopted.host.mail_log(), what="a destination taken for dead")
    assert "Connection refused" in adopted.host.wait_for(
        lambda: waiting(adopted, "reader0@again.test"), what="deferral"
    )
    adopted.sh("postsuper -d ALL")


# ---- relaylim --------------------------------------------------------------------------------------------------------


def test_relaylim_opens_one_connection_to_each_destination_and_holds_no_other_up(adopted: AdoptedHost) -> None:
    slow, quick, usual = (adopted.host.sink(port) for port in (2620, 2621, 2622))
    rows = "slow.test relaylim:[127.0.0.1]:2620\nquick.test relaylim:[127.0.0.1]:2621\n"
    push(adopted, f"{rows}usual.test smtp:[127.0.0.1]:2622\n")
    slow.pause, quick.pause, usual.pause = 1.5, 0.1, 1.0

    held = [send(adopted, f"reader{number}@slow.test") for number in range(6)]
    fast = [send(adopted, f"reader{number}@quick.test") for number in range(6)]
    many = [send(adopted, f"reader{number}@usual.test") for number in range(6)]
    for subject in fast:
        came(adopted, 2621, subject)
    assert len(slow.received) < len(held), "the slow one was done before the quick one"
    for port, subjects in ((2620, held), (2622, many)):
        for subject in subjects:
            came(adopted, port, subject)

    assert (slow.most, quick.most) == (1, 1)
    assert usual.most > 1, "the usual transport is to show that these sinks count"


# ---- a transport of one's own ----------------------------------------------------------------------------------------


def test_a_declared_transport_does_all_that_it_says(adopted: AdoptedHost) -> None:
    sink = adopted.host.sink(2630)
    sink.pause = 0.5
    own = "transports:\n  slow: {{concurrency: 2, recipient_limit: {}, address: 127.0.0.9, helo: slow.example.com}}\n"
    push(adopted, OWN.format("[127.0.0.1]:2630"), QUICK + own.format(2))
    for number in range(6):
        send(adopted, f"reader{number}@own.test")
    adopted.host.wait_for(lambda: len(sink.received) == 6, what="six messages")
    assert sink.most == 2
    assert {(one.peer, one.helo) for one in sink.received} == {("127.0.0.9", "slow.example.com")}

    adopted.sh("printf 'Subject: three\\n\\nHello.\\n' | sendmail -f root x@own.test y@own.test z@own.test")
    adopted.host.wait_for(lambda: len(sink.received) == 8, what="one message as two")
    assert sorted(len(one.recipients) for one in sink.received[6:]) == [1, 2]

    told = push(adopted, OWN.format("[127.0.0.1]:2630"), QUICK + own.format(1))
    assert "each recipient instead of each destination" in told
    for number in range(6):
        send(adopted, f"reader{number}@own.test")
    adopted.host.wait_for(lambda: len(sink.received) == 14, what="six messages more")
    assert sink.most > 2


def test_a_pause_between_deliveries_is_kept(adopted: AdoptedHost) -> None:
    sink = adopted.host.sink(2631)
    push(adopted, OWN.format("[127.0.0.1]:2631"), QUICK + "transports: {slow: {rate_delay: 2s, retry: no}}\n")
    begun = time.monotonic()
    for number in range(3):
        send(adopted, f"reader{number}@own.test")
    adopted.host.wait_for(lambda: len(sink.received) == 3, what="three messages")
    assert time.monotonic() - begun >= 4
    assert sink.most == 1

    sink.verdict = f"451 {GREY.format('message')}"
    assert "dear message" in bounce(adopted, send(adopted, "once@own.test"))


def test_on_changed_and_off_again_cost_no_message_and_leave_no_trace(adopted: AdoptedHost) -> None:
    sink = adopted.host.sink(2640)
    usual, own = "own.test smtp:[127.0.0.1]:2640\n", OWN.format("[127.0.0.1]:2640")
    push(adopted, usual)
    before = adopted.sh("cat /etc/postfix/main.cf /etc/postfix/master.cf")
    sent: list[str] = []
    over = Event()

    def flow() -> None:
        while not over.wait(0.05):
            sent.append(send(adopted, "someone@own.test"))

    sender = Thread(target=flow)
    sender.start()
    try:
        for helo, more in (("one.example.com", ""), ("two.example.com", ", concurrency: 1")):
            push(adopted, own, f"{QUICK}transports: {{slow: {{helo: {helo}{more}}}}}\n")
            adopted.host.wait_for(lambda: any(one.helo == helo for one in sink.received), what=helo)  # noqa: B023
        push(adopted, usual)
    finally:
        over.set()
        sender.join()

    adopted.host.wait_for(lambda: len(sink.received) >= len(sent), what="every message")
    arrived = Counter(re.findall(r"Subject: (no\. \d+)", "".join(one.data for one in sink.received)))
    assert arrived == Counter(sent)
    assert {"one.example.com", "two.example.com"} <= {one.helo for one in sink.received}
    assert adopted.sh("cat /etc/postfix/main.cf /etc/postfix/master.cf") == before
    # A reload may meet a message that is delivered and not removed yet; Postfix removes it when it next looks.
    adopted.sh("postqueue -f")
    adopted.host.wait_for_empty_queue()


def test_a_transport_is_not_removed_while_rows_name_it(adopted: AdoptedHost) -> None:
    push(adopted, OWN.format("[127.0.0.1]:2640"), QUICK + "transports: {slow: {}}\n")
    before = adopted.live()

    for files in ({"mail.yaml": QUICK}, {"mail.yaml": QUICK, "tables/sender_transport": "@s.test slow:\n"}):
        refused = adopted.push(files, "Slow no more")
        assert not refused.accepted
        assert 'unknown transport "slow"' in refused.text
        assert "tables/transport:1:1" in refused.text
    assert adopted.live() == before
