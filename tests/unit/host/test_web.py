"""Requests to the web, by a real server on this host."""

from __future__ import annotations

import socket
import threading

import pytest

from reconciler.host import web
from reconciler.host.web import post
from reconciler.model.errors import Unavailable
from tests.unit.web_recorder import recorder


def test_json_is_sent_and_the_answer_is_returned_whatever_its_status_is() -> None:
    with recorder() as server:
        server.answers = [201, 422]
        answers = [post(f"{server.url}/a?b", {"X-Token": "t0ken"}, {"state": "é"}) for _ in range(2)]
    (path, headers, content), _ = server.got
    assert (path, content, headers["X-Token"]) == ("/a?b", {"state": "é"}, "t0ken")
    assert headers["Content-Type"] == "application/json"
    assert [answer.status for answer in answers] == [201, 422]
    assert answers[0].text.startswith("what became")
    assert answers[0].text.isprintable()
    assert len(answers[0].text) <= web.MOST * 2


def test_a_token_is_not_carried_elsewhere() -> None:
    with recorder() as server:
        server.answers = [302]
        assert post(server.url, {"X-Token": "t0ken"}, {}).status == 302
    assert len(server.got) == 1


@pytest.mark.parametrize("url", ["http://forge.example.com/x", "ftp://forge.example.com/x", "file:///etc/passwd"])
def test_a_connection_that_anybody_reads_gets_no_token(url: str) -> None:
    with pytest.raises(ValueError, match="expected https"):
        post(url, {}, {})


def test_what_is_no_answer_of_a_web_server_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Unavailable, match="SSH-2"):
            post(f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, {})
        thread.join()


def test_a_server_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with recorder() as server:
        url = server.url
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:[0-9]+: .*refused"):
        post(url, {}, {})
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    with recorder() as server:
        server.shutdown()
        with pytest.raises(Unavailable, match="timed out"):
            post(server.url, {}, {})
