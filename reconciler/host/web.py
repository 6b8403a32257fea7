"""Send JSON to a server of the web; the only importer of urllib.request.

Promises: one request, no redirection is followed, because the token in the headers is meant for one server alone, and
no more than MOST bytes of the answer are read. Raises Unavailable if no answer comes, and ValueError for a URL that
protects nothing.

Known limit: the time-out is for each step of the exchange, so a server that sends a byte now and then takes longer.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from reconciler.model import printable
from reconciler.model.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPMessage
    from typing import IO

TIMEOUT = 20.0
MOST = 64 << 10
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class WebAnswer(NamedTuple):
    """The status of an answer, and the beginning of its text."""

    status: int
    text: str


class _Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow nothing: the answer is the redirection itself."""


def post(url: str, headers: Mapping[str, str], content: Mapping[str, object]) -> WebAnswer:
    """Send *content* as JSON, and return the answer, whatever its status is."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ValueError(f"{url}: expected https, because a token is sent")
    body = json.dumps(content).encode()
    all_headers = {"Content-Type": "application/json", "User-Agent": "reconciler", **headers}
    request = urllib.request.Request(url, body, all_headers, method="POST")  # noqa: S310 - the scheme was looked at
    try:
        try:
            answer = urllib.request.build_opener(_Straight).open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return WebAnswer(int(answer.status), _text(answer))
    except (OSError, HTTPException) as error:
        raise Unavailable(f"{parts.netloc}: {getattr(error, 'reason', None) or error}") from error


def _text(answer: IO[bytes]) -> str:
    return printable(answer.read(MOST).decode("utf-8", "replace"))
