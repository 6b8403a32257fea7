"""A real web server for the tests, which records what it is sent."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWER = b"what became\nof it" + b"." * 100_000


class Recorder(ThreadingHTTPServer):
    """A server that records what it is sent, and gives the next answer, 201 without one."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got = list[tuple[str, dict[str, str], Any]]()
        self.answers = list[int]()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Recorder

    def do_POST(self) -> None:
        """Record the request."""
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.got.append((self.path, dict(self.headers), json.loads(content) if content else None))
        status = self.server.answers.pop(0) if self.server.answers else 201
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def do_GET(self) -> None:
        """Record the request."""
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def recorder(certificate: Path | None = None) -> Iterator[Recorder]:
    """Run a server, with TLS if there is a file with its certificate and key."""
    with Recorder() as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
