"""A helper that fails, or own mail that is turned away, takes a commit back; the noise of the internet does not."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import closing, suppress
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.e2e.adopted_host import MAIL, STATE, AdoptedHost
from tests.e2e.push.test_probation import LONG, mailed

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY = MAIL + "  smtpd_recipient_restrictions: check_policy_service inet:127.0.0.1:{port}, permit\n"
MILTER = MAIL + "  smtpd_milters: inet:127.0.0.1:{port}\n"
LINE = POLICY.count("\n")
# SMFIC_OPTNEG of milter protocol 6, which leaves out every step that a milter may leave out (libmilter/mfdef.h).
NEGOTIATED = struct.pack("!IcIII", 13, b"O", 6, 0, 0x1FFFFF)
CONTINUE = struct.pack("!Ic", 1, b"c")  # at the end of a message, the one step that no milter may leave out
REST = 8.0  # seconds in which a fault would have lasted, and a rollback begun


class Helper:
    """A policy service and a milter that find no fault with anything, until they are closed."""

    def __init__(self, adopted: AdoptedHost) -> None:
        self._listener = adopted.host.listen(0)
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Refuse every connection, and end those that are open."""
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                Thread(target=self._answer, args=(connection,), daemon=True).start()

    @staticmethod
    def _answer(connection: socket.socket) -> None:
        with suppress(OSError), closing(connection):
            data = b""
            while more := connection.recv(65536):
                data += more
                if data.endswith(b"\n\n"):
                    connection.sendall(b"action=dunno\n\n")
                    data = b""
                while data[:1] == b"\0" and len(data) >= 4 + (length := int.from_bytes(data[:4], "big")):
                    step, data = data[4:5], data[4 + length :]
                    connection.sendall({b"O": NEGOTIATED, b"E": CONTINUE}.get(step, b""))


@pytest.fixture(scope="module")
def _proving() -> Iterator[AdoptedHost]:
    with AdoptedHost(settings=LONG) as adopted:
        adopted.sh("useradd --create-home bea")
        yield adopted


@pytest.fixture
def adopted(_proving: AdoptedHost) -> AdoptedHost:
    """A host with a good commit live and proven, on which mail flows."""
    _proving.push({**STATE, "tables/transport": f"good.test  smtp:[127.0.0.1]:2525\n# {time.monotonic_ns()}\n"})
    assert _proving.reconciler("confirm").status == 0
    _proving.wait_for_phase("Steady")
    assert mailed(_proving).startswith("250")
    return _proving


def stays(adopted: AdoptedHost, oid: str) -> None:
    time.sleep(REST)
    status = adopted.told()
    assert (status["phase"]["name"], status["live"]["revision"]) == ("Probation", oid)


@pytest.mark.parametrize(
    ("text", "warning"),
    [(POLICY, "problem talking to server 127.0.0.1:"), (MILTER, "connect to Milter service inet:127.0.0.1:")],
    ids=["a policy service", "a milter"],
)
def test_a_helper_that_fails_only_later_takes_the_commit_back(adopted: AdoptedHost, text: str, warning: str) -> None:
    with closing(Helper(adopted)) as helper:
        push = adopted.push({"mail.yaml": text.format(port=helper.port)})
        assert push.accepted
        assert mailed(adopted).startswith("250")
        assert adopted.told()["phase"]["name"] == "Probation"
    assert mailed(adopted).startswith("451 4.")
    status = adopted.wait_for("RolledBack", push.oid)
    (finding,) = status["last"]["findings"]
    assert f"smtpd logged: warning: {warning}{helper.port}" in finding["text"]
    assert (finding["rule"], finding["file"], finding["line"]) == ("cause-in-traffic", "mail.yaml", LINE)
    assert mailed(adopted).startswith("250")


def test_the_same_warning_from_before_takes_nothing_back(adopted: AdoptedHost) -> None:
    with closing(Helper(adopted)) as helper:
        text = POLICY.format(port=helper.port)
        adopted.push({"mail.yaml": text})
        assert adopted.reconciler("confirm").status == 0
    assert mailed(adopted).startswith("451 4.3.5")
    push = adopted.push({"tables/transport": "harmless.test  relaylim:\n"})
    assert push.accepted
    assert mailed(adopted).startswith("451 4.3.5")
    stays(adopted, push.oid)
    adopted.push({"mail.yaml": MAIL})
    assert mailed(adopted).startswith("250")


def test_a_burst_of_refusals_of_unknown_users_takes_nothing_back(adopted: AdoptedHost) -> None:
    push = adopted.push({"tables/transport": "burst.test  relaylim:\n"})
    with adopted.host.smtp(address="::1") as stranger:
        stranger.ehlo()
        for number in range(40):
            stranger.docmd("MAIL FROM:<spam@example.net>")
            assert stranger.docmd(f"RCPT TO:<guess{number}@mx1.example.com>")[0] in {550, 421}
            if number % 15 == 14:
                stranger.quit()
                stranger.connect("::1", 25)
                stranger.ehlo()
            stranger.rset()
    stays(adopted, push.oid)


def test_mail_for_own_recipients_that_bounces_since_the_commit_takes_it_back(adopted: AdoptedHost) -> None:
    text = MAIL + "  home_mailbox: Maildir/\n"
    adopted.push({"mail.yaml": text})
    for _ in range(5):
        assert adopted.host.send("ada@example.net", "bea@mx1.example.com").startswith("250")
    adopted.host.wait_for(lambda: "delivered to maildir" in adopted.host.mail_log(), what="mail in the maildir")
    adopted.reconciler("confirm")
    push = adopted.push({"tables/transport": "maildir.test  relaylim:\n"})
    adopted.sh("chown -R root ~bea && chmod 700 ~bea")
    for _ in range(5):
        assert adopted.host.send("ada@example.net", "bea@mx1.example.com").startswith("250")
    status = adopted.wait_for("RolledBack", push.oid)
    (finding,) = status["last"]["findings"]
    assert finding["rule"] == "turned-away"
    assert "Permission denied" in finding["text"]
    assert (finding["file"], finding["line"]) == ("mail.yaml", LINE)
