"""Ask the first name server many questions at once, over one socket; a question by itself takes three times as long.

Promises: ask() ends when all is answered, when nothing has been for PATIENCE, or after LONGEST. It returns what the
server answered for certain: that records exist, that there are none, or that the name does not exist. What is missing
must be asked by itself: the server failed, did not answer, or had more to say than fits. Raises nothing.

Known limit: only the first name server of /etc/resolv.conf is asked.
"""

from __future__ import annotations

import secrets
import select
import socket
import time
from contextlib import suppress
from ipaddress import ip_address
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from dns.message import Message

PATIENCE, LONGEST = 0.3, 5.0
_UNDER_WAY, _LARGEST, _EDNS = 100, 1 << 16, 1232


class DnsQuestion(NamedTuple):
    """A name, and the kind of its records."""

    name: str
    kind: str


def ask(questions: Iterable[DnsQuestion]) -> dict[DnsQuestion, tuple[Any, ...]]:
    """Return the records of each question that was answered; none where there are none, or the name does not exist."""
    import dns.exception  # noqa: PLC0415 - as in resolver.py
    import dns.resolver  # noqa: PLC0415

    with suppress(dns.exception.DNSException, OSError, ValueError):
        resolver = dns.resolver.Resolver()
        server, port = str(resolver.nameservers[0]), resolver.port
        family = socket.AF_INET if ip_address(server.partition("%")[0]).version == 4 else socket.AF_INET6  # noqa: PLR2004
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.connect((server, port))
            connection.setblocking(False)
            return _asked(connection, questions)
    return {}


def _asked(connection: socket.socket, questions: Iterable[DnsQuestion]) -> dict[DnsQuestion, tuple[Any, ...]]:
    waiting = iter(questions)
    sent: dict[int, tuple[DnsQuestion, Message]] = {}
    found: dict[DnsQuestion, tuple[Any, ...]] = {}
    end = time.monotonic() + LONGEST
    until = time.monotonic() + PATIENCE
    with suppress(OSError):  # nothing listens there
        while True:
            for question in islice(waiting, _UNDER_WAY - len(sent)):
                query = _query(question, sent)
                sent[query.id] = question, query
                connection.send(query.to_wire())
            left = min(until, end) - time.monotonic()
            if not sent or left <= 0 or not select.select([connection], [], [], left)[0]:
                break
            if answer := _answer(connection.recv(_LARGEST), sent):
                found |= answer
                until = time.monotonic() + PATIENCE
    return found


def _query(question: DnsQuestion, sent: Container[int]) -> Message:
    """Return a query with a number of its own."""
    import dns.message  # noqa: PLC0415 - as above

    query = dns.message.make_query(question.name, question.kind, use_edns=0, payload=_EDNS)
    while query.id in sent:
        query.id = secrets.randbits(16)
    return query


def _answer(wire: bytes, sent: dict[int, tuple[DnsQuestion, Message]]) -> dict[DnsQuestion, tuple[Any, ...]]:
    """Return the answer to one of the questions that were *sent*, which then waits no longer."""
    import dns.exception  # noqa: PLC0415 - as above
    import dns.flags  # noqa: PLC0415
    import dns.message  # noqa: PLC0415
    import dns.rcode  # noqa: PLC0415

    question, query = sent.get(int.from_bytes(wire[:2]), (None, None))
    if question is None or query is None:
        return {}
    try:
        response = dns.message.from_wire(wire)
        if not isinstance(response, dns.message.QueryMessage) or not query.is_response(response):
            return {}
        del sent[query.id]
        certain = response.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN} and not response.flags & dns.flags.TC
        return {question: tuple(response.resolve_chaining().answer or ())} if certain else {}
    except dns.exception.DNSException:
        return {}
