"""Services that answer late, never, and without end, as verify() finds them over real sockets."""

from __future__ import annotations

import socket
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread, Timer
from typing import TYPE_CHECKING

import pytest

from reconciler.apply.questions import Asked
from reconciler.apply.targets import Expected
from reconciler.apply.verify import Verified, fatal_since, verify, working
from reconciler.host.maillog import LogFile, Mark, UnreadableLog
from reconciler.host.programs.postfix import Instance
from reconciler.model import Interface, Service, Where, taking_mail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 1.0


def smtpd(connection: socket.socket) -> None:
    """Answer like an smtpd."""
    connection.sendall(b"220 mx ESMTP\r\n")
    while connection.recv(1000):
        connection.sendall(b"250 ok\r\n")


def keep_silent(connection: socket.socket) -> None:
    """Say nothing until the client leaves."""
    connection.recv(1)


def drip(connection: socket.socket) -> None:
    """Send a reply byte by byte, without end."""
    while True:
        connection.sendall(b"2")
        time.sleep(0.05)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A service on a port of its own."""

    def session(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                Thread(target=session, args=(listener.accept()[0],), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def expected_on(port: int) -> Expected:
    """What is expected of an smtpd on that port, whose master verify() does not look at."""
    values = {
        "queue_directory": "/nosuch", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "syslog_name": "postfix"
    }  # fmt: skip
    service = Service(name=str(port), type="inet", command="smtpd", where=Where("master.cf"))
    return Expected(
        instance=Instance(Path("/etc/postfix"), values), services=(service,),
        addresses=(Interface.of("127.0.0.1/8"),), ports={}, log=UnreadableLog("none"), mark=Mark(), since=0,
        settle=0, patience=PATIENCE,
    )  # fmt: skip


def verified(port: int) -> Verified:
    """What verify() says of an smtpd on that port."""
    return verify(expected_on(port))


def test_what_clients_can_use_are_the_services_that_answer() -> None:
    with listening(smtpd) as port:
        assert working(expected_on(port)) == {f"{port}/inet"}
    with listening(keep_silent) as port:
        assert working(replace(expected_on(port), tries=1)) == frozenset()


@pytest.mark.parametrize(
    ("reply", "takes"),
    [(b"250 ok", True), (b"451 4.3.5 Server configuration error", False), (b"550 5.1.1 unknown", False)],
)
def test_a_service_takes_mail_if_it_does_for_a_recipient_that_is_asked_for(reply: bytes, *, takes: bool) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"220 mx ESMTP\r\n")
        while line := connection.recv(1000):
            connection.sendall((reply if line.startswith(b"RCPT") else b"250 ok") + b"\r\n")

    asked = Asked(recipients={"local": ("root@mx.example",)}, networks=("127.0.0.0/8",))
    with listening(serve) as port:
        found = working(replace(expected_on(port), asked=asked))
    assert (taking_mail(f"{port}/inet") in found) is takes
    assert f"{port}/inet" in found


def test_a_service_that_answers_at_the_second_try_of_a_busy_machine_is_well() -> None:
    began = time.monotonic()

    def late(connection: socket.socket) -> None:
        while time.monotonic() < began + PATIENCE * 1.4:
            time.sleep(0.01)
        smtpd(connection)

    with listening(late) as port:
        assert verified(port).findings == ()
    assert time.monotonic() - began > PATIENCE


def test_a_service_that_stays_silent_is_blamed_after_both_tries() -> None:
    with listening(keep_silent) as port:
        seen = verified(port)
    assert [(one.rule, one.text.partition(": ")[2]) for one in seen.findings] == [
        ("service-silent", f"no answer in {2 * PATIENCE:g} s: timed out")
    ]
    assert seen.silent


UNKNOWN = 'postfix/smtpd[9]: fatal: proxymap service is not configured for table "sqlite:/etc/postfix/people"'


@pytest.mark.parametrize(
    ("more", "silent"), [("", True), (UNKNOWN, True), ("postfix/smtpd[9]: fatal: no SASL mechanisms", False)]
)
def test_a_service_that_is_throttled_for_a_process_of_before_may_need_a_new_master(
    tmp_path: Path, more: str, *, silent: bool
) -> None:
    log, instance = LogFile(tmp_path / "mail.log"), expected_on(0).instance
    queue = {"queue_directory": str(tmp_path), "process_id_directory": "pid", "daemon_directory": "/usr/lib/postfix"}
    instance = replace(instance, values={**instance.values, **queue})
    lines = ("postfix/master[7]: warning: /usr/lib/postfix/sbin/smtpd: bad command startup -- throttling", more)
    log.path.write_text("".join(f"Nov 26 12:00:00 mx {line}\n" for line in lines if line))
    with listening(keep_silent) as port:
        seen = verify(replace(expected_on(port), instance=instance, log=log))
    assert {one.rule for one in seen.findings} == {"fatal-in-log", "service-silent"}
    assert seen.silent is silent


def test_a_silent_service_that_logs_why_is_not_waited_for(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "mail.log", forgeable=False)
    log.path.touch()
    line = "Nov 26 12:00:00 mx postfix/smtpd[7]: fatal: open lock file pid/inet.2599: cannot open file\n"
    late = Timer(0.3, lambda: log.path.write_text(line, encoding="utf-8"))
    began = time.monotonic()
    with listening(keep_silent) as port:
        late.start()
        seen = verify(replace(expected_on(port), log=log, mark=log.mark(), patience=600))
        late.join()
    assert [(one.rule, one.subject) for one in seen.findings] == [("fatal-in-log", "smtpd")]
    assert not seen.silent
    assert time.monotonic() - began < 600


def test_a_reply_that_drips_without_end_ends_the_verification() -> None:
    began = time.monotonic()
    with listening(drip) as port:
        seen = verified(port)
    assert [one.rule for one in seen.findings] == ["service-silent"]
    assert "its reply does not end in time" in seen.findings[0].text
    assert time.monotonic() - began < PATIENCE * 20


def test_the_last_line_of_a_master_that_died_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.touch()
    values = {"queue_directory": str(tmp_path), "process_id_directory": "pid", "syslog_name": "postfix"}
    line = "Nov 26 12:00:00 mx postfix/master[7]: fatal: bind 127.0.0.1 port 2599: Address already in use\n"
    late = Timer(0.3, lambda: log.write_text(line, encoding="utf-8"))
    late.start()

    seen = verify(
        Expected(
            instance=Instance(Path("/etc/postfix"), values), services=(), addresses=(), ports={},
            log=LogFile(log), mark=LogFile(log).mark(), since=0, settle=1, master=7, patience=PATIENCE,
        )
    )  # fmt: skip

    late.join()
    assert seen.died
    assert [one.rule for one in seen.findings] == ["master-died", "fatal-in-log"]
    assert "port 2599" in seen.findings[1].text


def test_a_master_that_ends_after_the_settle_time_ends_the_verification_and_answers_count_for_nothing() -> None:
    with listening(keep_silent) as port:
        values = {**expected_on(port).instance.values, "process_id_directory": "pid"}
        instance = Instance(Path("/etc/postfix"), values)
        seen = verify(replace(expected_on(port), instance=instance, master=7, patience=600))
    assert [one.rule for one in seen.findings] == ["master-died"]
    assert seen.died
    assert seen.silent


def test_what_a_daemon_of_before_logs_is_not_of_the_commit(tmp_path: Path) -> None:
    log, instance = LogFile(tmp_path / "mail.log"), Instance(Path("/etc/postfix"), {"syslog_name": "postfix"})
    log.path.write_text("Nov 26 12:00:00 mx postfix/cleanup[7]: error: open /etc/postfix/checks: No such file\n")
    expected = Expected(
        instance=instance, services=(), addresses=(), ports={}, log=log, mark=Mark(), since=0, settle=0
    )  # fmt: skip
    assert [one.rule for one in fatal_since(expected)] == ["fatal-in-log"]
    assert fatal_since(replace(expected, old=frozenset({7}))) == []
    known = ("postfix/cleanup", "error: open /etc/postfix/checks: No such file")
    assert fatal_since(replace(expected, faults=frozenset({known}))) == [], "it was logged before a first activation"
