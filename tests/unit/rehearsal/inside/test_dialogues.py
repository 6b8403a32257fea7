"""Which mail-flow tests share a connection, and what becomes of those whose connection breaks."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Self

from reconciler.rehearsal.inside.dialogues import send_flows, sessions
from reconciler.rehearsal.inside.talk import Talks
from tests.unit.rehearsals import script_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.rehearsal.inside.messages import PlayedFlow


def flows(number: int, **more: object) -> list[PlayedFlow]:
    named = {f"f{one}": {"to": f"a{one}@b.test", "expect": "accepted", **more} for one in range(number)}
    return script_of(files={"flows/f.yaml": json.dumps(named)}).play["flows"]


def test_few_flows_have_a_connection_each_and_many_share_one_with_their_like() -> None:
    assert [len(one) for one in sessions(flows(12), 12)] == [1] * 12
    assert [len(one) for one in sessions(flows(13), 12)] == [2] * 6 + [1]
    assert [len(one) for one in sessions(flows(1000), 12)] == [20] * 50
    unlike = [*flows(30), *flows(30, login="ada")]
    assert all(len({flow["login"] for flow in one}) == 1 for one in sessions(unlike, 2))


class Server:
    """Takes mail, and hangs up after so many recipients of one connection; *helos* counts the connections."""

    def __init__(self, most: int) -> None:
        self._most, self.helos = most, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with closing(connection), connection.makefile("rw", newline="\r\n") as stream:
                    for answer in self._answers(iter(stream.readline, "")):
                        stream.write(answer + "\r\n")
                        stream.flush()

    def _answers(self, lines: Iterator[str]) -> Iterator[str]:
        yield "220 hello"
        left = self._most
        for line in lines:
            verb = line[:4].upper()
            self.helos += verb == "EHLO"
            left -= verb == "RCPT"
            if left < 0:
                return
            if verb == "DATA":
                yield "354 go"
                while next(lines, ".\r\n") != ".\r\n":
                    pass
                yield "250 2.0.0 Ok: queued as 1A2B"
            else:
                yield "550 5.1.1 unknown" if verb == "RCPT" and re.search("a[37]@", line) else "250 ok"


def played(number: int, most: int) -> tuple[list[bool], list[list[str]], int]:
    """Return whether each flow was sent, the commands of each, and how many connections it took."""
    with Server(most) as server:
        asked = flows(number)
        for flow in asked:
            flow["listener"] |= {"address": "127.0.0.1", "port": server.port}
            flow["client"] = "127.0.0.1"
        results = send_flows(asked, Talks(lambda *_: socket.socket()))
        told = [results[flow["id"]] for flow in asked]
        return [one["sent"] for one in told], [[step[0] for step in one["steps"]] for one in told], server.helos


def test_flows_over_one_connection_are_told_apart() -> None:
    sent, commands, connections = played(9, 99)
    assert sent == [number not in {3, 7} for number in range(9)]
    assert connections == 1
    for number, one in enumerate(commands):
        assert [command for command in one if "RCPT" in command] == [f"RCPT TO:<a{number}@b.test>"]
        assert one[0] == "(connect)"


def test_a_flow_whose_connection_breaks_is_sent_over_another() -> None:
    sent, _, connections = played(9, 4)
    assert sent == [number not in {3, 7} for number in range(9)]
    assert connections == 3
