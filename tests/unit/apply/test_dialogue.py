"""A dialogue down to the recipient, with a server that replies as it is told."""

from __future__ import annotations

import socket
import time
from contextlib import closing, suppress
from threading import Thread

import pytest

from reconciler.apply.dialogue import Hangs, Heard, NotYet, Speaker, Wrong
from reconciler.apply.patience import Thinking
from reconciler.host import facts, processes
from reconciler.rehearsal.inside.smtp_client import SmtpClient

OK, DENIED = "250 2.1.5 Ok", "554 5.7.1 <x@other.test>: Relay access denied"
PID = 7
RECIPIENTS = {"local": ("a@own.test", "b@own.test"), "remote": ("x@other.test",)}


def held(
    replies: dict[str, str], *, banner: str = "220 mx ESMTP", screened: bool = False, proxied: bool = False,
    late: float = 0.0, thinks: Thinking | None = None,
) -> tuple[Heard, list[str]]:  # fmt: skip
    """What is heard of a server that replies to the longest of these commands, and the commands that it saw.

    It is *late* with its answer for the recipient at other.test, and its client waits for a second.
    """
    near, far = socket.socketpair()
    seen: list[str] = []

    def serve() -> None:
        with suppress(BrokenPipeError), far, far.makefile("rwb") as stream:  # who hangs up does not hear the rest
            stream.write(f"{banner}\r\n".encode())
            stream.flush()
            for line in stream:
                seen.append(line.decode().strip())
                time.sleep(late * ("other.test" in seen[-1]))
                reply = max((key for key in replies if seen[-1].startswith(key)), key=len, default="")
                stream.write(f"{replies.get(reply, '250 ok')}\r\n".encode())
                stream.flush()

    near.settimeout(1 if late else 5)
    serving = Thread(target=serve)
    serving.start()
    values = {"smtpd_upstream_proxy_protocol": "haproxy"} if proxied else {}
    speaker = Speaker(
        address="127.0.0.1", value=lambda name: values.get(name, ""), since=0, old=frozenset(),
        senders=("", "p@own.test"), recipients=RECIPIENTS, screened=screened, thinks=thinks,
    )  # fmt: skip
    try:
        with closing(SmtpClient(near)) as client:
            return speaker.converse(client), seen
    finally:
        serving.join(5)


def test_each_sender_asks_for_each_kind_and_no_mail_is_sent() -> None:
    heard, seen = held({"RCPT TO:<x@other": DENIED, "DATA": "354 go", "EHLO": "250-mx\r\n250 AUTH PLAIN"})
    assert {key: said.reply[:3] for key, said in heard.replies.items()} == {
        ("", "local"): "250", ("", "remote"): "554",
        ("p@own.test", "local"): "250", ("p@own.test", "remote"): "554",
    }  # fmt: skip
    assert heard.logins
    assert seen[0] == "EHLO [127.0.0.1]"
    assert seen[-3:] == ["MAIL FROM:<>", "RCPT TO:<a@own.test>", "DATA"], "it hangs up before a message"
    assert "RCPT TO:<b@own.test>" not in seen, "one that is taken is enough"


def test_another_recipient_of_the_kind_is_tried() -> None:
    heard, _ = held({"RCPT TO:<a@own": "550 5.1.1 unknown", "DATA": "354 go"})
    assert heard.replies["", "local"] == ("b@own.test", "250 ok")


def test_a_queue_that_takes_no_data_is_the_answer() -> None:
    heard, _ = held({"DATA": "451 4.3.0 Error: queue file write error"})
    assert heard.replies["", "local"].reply.startswith("451 4.3.0")


def test_a_refusal_of_data_is_asked_for_everybody_who_was_taken() -> None:
    heard, seen = held({"DATA": "450 4.7.1 <x[127.0.0.1]>: Client host rejected: later"})
    assert {said.reply[:3] for said in heard.replies.values()} == {"450"}
    assert seen.count("DATA") == len(heard.replies)
    assert seen[-1] == "QUIT"


def test_a_refusal_of_the_client_or_the_sender_answers_for_all() -> None:
    heard, seen = held({"RCPT": "554 5.7.1 <x[127.0.0.1]>: Client host rejected: Access denied"})
    assert {said.reply[:3] for said in heard.replies.values()} == {"554"}
    assert seen.count("RCPT TO:<b@own.test>") == 0
    heard, _ = held({"MAIL FROM:<>": "550 5.7.1 <>: Sender address rejected: Access denied", "DATA": "354 go"})
    assert {key[0]: said.reply[:3] for key, said in heard.replies.items()} == {"": "550", "p@own.test": "250"}
    heard, _ = held({}, banner="554 mx not accepting messages")
    assert {said.reply for said in heard.replies.values()} == {"554 mx not accepting messages"}


@pytest.mark.parametrize(
    ("replies", "banner"),
    [
        ({}, "421 4.3.0 mx out of order"),
        ({"EHLO": "250 STARTTLS", "STARTTLS": "454 4.7.0 TLS not available"}, "220 mx"),
    ],
)
def test_trouble_before_the_recipients_is_wrong(replies: dict[str, str], banner: str) -> None:
    with pytest.raises(Wrong):
        held(replies, banner=banner)


@pytest.mark.parametrize(
    ("pid", "started", "counts"),
    [
        (PID, 100.0, False),  # it may have started a moment before the activation, or a moment after
        (8, 100.0, True),
        (8, 99.99, False),
        (PID, 100.01, True),  # another process of the same number
        (None, 0.0, True),
    ],
)
def test_only_a_process_that_has_read_the_new_configuration_counts(
    monkeypatch: pytest.MonkeyPatch, pid: int | None, started: float, counts: bool
) -> None:
    monkeypatch.setattr(facts, "owner_of_connection", lambda *_: pid)
    monkeypatch.setattr(processes, "started", lambda _: started)
    speaker = Speaker("127.0.0.1", lambda _: "", since=100.001, old=frozenset({PID}), senders=(), recipients={})
    near, far = socket.socketpair()
    far.sendall(b"220 mx ESMTP\r\n")
    far.shutdown(socket.SHUT_WR)
    with far, closing(SmtpClient(near)) as client, pytest.raises(OSError if counts else NotYet):
        speaker.converse(client)


def test_postscreen_asks_to_come_back() -> None:
    with pytest.raises(NotYet):
        held({"RCPT": "450 4.3.2 Service currently unavailable"}, screened=True)
    with pytest.raises(NotYet):
        held({}, banner="421 4.3.2 All server ports are busy", screened=True)
    heard, _ = held({"RCPT": "450 4.3.2 Service currently unavailable"})
    assert heard.replies["", "local"].reply.startswith("450 4.3.2"), "an smtpd that says so means it"


def test_an_answer_that_is_only_late_is_waited_for_and_then_no_more_is_asked() -> None:
    heard, _ = held({"DATA": "354 go"}, late=1.5, thinks=Thinking(60))
    assert set(heard.replies) == {("", "local"), ("", "remote")}
    assert heard.replies["", "remote"].taken


def test_silence_is_not_waited_for_any_longer() -> None:
    with pytest.raises(Hangs, match=r"no answer to MAIL, RCPT or DATA in 1\.1 s"):
        held({"DATA": "354 go"}, late=3, thinks=Thinking(0.1))
    with pytest.raises(TimeoutError):
        held({"DATA": "354 go"}, late=3)


def test_an_answer_that_may_come_later_still_is_not_known_and_what_came_counts() -> None:
    heard, _ = held({"DATA": "354 go"}, late=3, thinks=Thinking(0.1, later=True))
    assert set(heard.replies) == {("", "local")}


def test_a_limit_of_the_clients_rate_is_no_trouble_with_tls() -> None:
    limited = "454 4.7.0 Error: too many new TLS sessions from localhost[127.0.0.1]"
    heard, _ = held({"EHLO": "250 STARTTLS", "STARTTLS": limited})
    assert {said.reply for said in heard.replies.values()} == {limited}
