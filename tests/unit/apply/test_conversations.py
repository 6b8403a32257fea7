"""All listeners and all clients at once, over real sockets."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.apply.compare import MailAnswers, MailQuestion, Said, compare
from reconciler.apply.conversations import BRIEF, Conversations, answers_of
from reconciler.apply.questions import Asked, ClientClass
from reconciler.apply.targets import Expected
from reconciler.host.maillog import Mark, UnreadableLog
from reconciler.host.programs.postfix import Instance
from reconciler.model import Interface, Service, Where
from reconciler.postfix.replies import NO_ANSWER
from tests.unit.apply.test_verify import keep_silent, listening, smtpd

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

ASKED = Asked({"local": ("a@own.test",)}, networks=("127.0.0.1/32",))
STRANGER = ClientClass.STRANGER


def heard(
    serve: Callable[[socket.socket], None], before: MailAnswers | None = None, patience: float = 1.5
) -> tuple[int, MailAnswers]:
    """The port, and what this host and a stranger hear of it."""
    values = {"queue_directory": "/nosuch", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4"}
    with listening(serve) as port:
        known = before and MailAnswers({key._replace(listener=f"127.0.0.1:{port}"): said for key, said in
                                    before.replies.items()})  # fmt: skip
        expected = Expected(
            instance=Instance(Path("/etc/postfix"), values), addresses=(Interface.of("127.0.0.1/8"),), ports={},
            services=(Service(name=str(port), type="inet", command="smtpd", where=Where("master.cf")),),
            log=UnreadableLog("none"), mark=Mark(), since=0, settle=0, patience=patience, tries=1, asked=ASKED,
            before=known,
        )  # fmt: skip
        with Conversations(expected) as conversations:
            return port, answers_of(conversations.visits(wait=True), None)


def to_strangers(connection: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    """Serve strangers so, and this host well."""
    (smtpd if connection.getpeername()[0] == "127.0.0.1" else serve)(connection)


def test_each_client_asks_the_listener() -> None:
    _, answers = heard(smtpd)
    assert {key.client: said.reply for key, said in answers.replies.items()} == {
        ClientClass.HERE: "250 ok", STRANGER: "250 ok"
    }  # fmt: skip
    assert not answers.failed


def test_a_listener_that_is_silent_has_failed() -> None:
    port, answers = heard(keep_silent)
    assert answers.failed == {f"127.0.0.1:{port}"}
    assert not answers.replies


def test_silence_for_one_client_is_news_only_where_it_was_answered_before() -> None:
    began = time.monotonic()
    _, answers = heard(lambda connection: to_strangers(connection, keep_silent), patience=60)
    assert {key.client for key in answers.replies} == {ClientClass.HERE}
    assert BRIEF <= time.monotonic() - began < 30, "a slow name server does not delay a push"
    before = MailAnswers({MailQuestion("", STRANGER, "", "local"): Said("a@own.test", "250 ok")})
    port, answers = heard(lambda connection: to_strangers(connection, keep_silent), before)
    asked = MailQuestion(f"127.0.0.1:{port}", STRANGER, "", "local")
    assert answers.replies[asked] == Said("a@own.test", NO_ANSWER)
    assert [one.excuse for one in compare(before, answers)] == [""]
