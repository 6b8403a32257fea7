"""What DNS says of mail servers, and of this host's own addresses; the door to dnspython.

Promises: each look-up ends within LIFETIME. So does reverse_names() for all addresses at once, which waits in vain but
once: many.PATIENCE for the first name server, and BRIEFLY for all. Answers say whether the resolver vouches for them
(DNSSEC's AD bit), which is worth as much as the way to it: Postfix too believes the resolver that /etc/resolv.conf
names. Raises nothing. dnspython is imported by the first look-up, for most commands make none.

Known limits: a name server that is silent leaves threads waiting for it. Where _AT_ONCE addresses are not answered, the
addresses that were not asked by then count as not answered either.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from reconciler.host.dns import many
from reconciler.host.dns.many import DnsQuestion
from reconciler.host.regular_files import start_of
from reconciler.host.together import together
from reconciler.model.ascii_text import split_lines, split_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

LIFETIME, BRIEFLY, _EDNS = 10.0, 1.0, 1232
_MOST = 8  # names of one address that are followed
_AT_ONCE = 32
_LARGEST = 1 << 16
_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6}


class Answer(NamedTuple):
    """What was found; *missing*: the name itself does not exist; *problem*: DNS did not answer, and why."""

    found: tuple[Any, ...] = ()
    secure: bool = False
    missing: bool = False
    problem: str = ""


class Association(NamedTuple):
    """A TLSA record."""

    usage: int
    selector: int
    matching: int
    data: bytes


def exchangers(domain: str, lifetime: float = LIFETIME) -> Answer:
    """The domain's mail servers, best first; an empty name is a null MX."""

    def name(record: Any) -> tuple[int, str]:  # noqa: ANN401 - dnspython's
        return int(record.preference), str(record.exchange).rstrip(".")

    answer = _ask(domain, "MX", name, lifetime)
    return answer._replace(found=tuple(host for _, host in sorted(answer.found)))


def addresses(host: str, kinds: tuple[str, ...], *, native: bool, lifetime: float = LIFETIME) -> Answer:
    """The host's addresses; *native* asks as other programs do, /etc/hosts included (smtp_host_lookup)."""
    if native:
        return _native(host, kinds, lifetime)
    answers = [_ask(host, kind, lambda record: str(record.address), lifetime) for kind in kinds]
    return Answer(
        found=tuple(one for answer in answers for one in answer.found),
        secure=all(answer.secure for answer in answers if answer.found),
        missing=all(answer.missing for answer in answers),
        problem=next((answer.problem for answer in answers if answer.problem), ""),
    )


def associations(host: str, port: int, lifetime: float = LIFETIME) -> Answer:
    """The server's TLSA records."""
    return _ask(
        f"_{port}._tcp.{host}", "TLSA",
        lambda record: Association(int(record.usage), int(record.selector), int(record.mtype), bytes(record.cert)),
        lifetime,
    )  # fmt: skip


def native_addresses(names: Collection[str]) -> dict[str, tuple[str, ...] | None]:
    """Return the addresses of each name as other programs find them, /etc/hosts included; None where unknown."""
    found = together({name: partial(_of_library, name, ("A", "AAAA")) for name in names}, BRIEFLY)
    return {name: (found[name].found or None) if name in found else None for name in names}


def name_servers(path: str) -> tuple[str, ...] | None:
    """Return the name servers that a file lists as resolv.conf(5) does; None for a file that can't be read."""
    try:
        text = start_of(path, _LARGEST).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None
    lines = (split_words(line) for line in split_lines(text))
    return tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver" and _is_address(words[1]))


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def reverse_names(addresses: Collection[str]) -> dict[str, tuple[str, ...] | None]:
    """The names of each address that lead back to it, in lower case and without the last dot; None where unknown.

    Only DNS is asked, for /etc/hosts is not what receivers see.
    """
    unknown: dict[str, tuple[str, ...] | None] = dict.fromkeys(addresses)
    until = time.monotonic() + LIFETIME
    found = _in_one_go(addresses)

    waiting = deque(address for address in addresses if address not in found)

    def ask() -> None:
        """Ask until none is left; a thread that has waited in vain asks no more, so all of them wait but once."""
        with suppress(IndexError):  # none is left
            while time.monotonic() < until:
                address, began = waiting.popleft(), time.monotonic()
                found[address] = _leading_back(address)
                if time.monotonic() - began >= BRIEFLY:
                    return

    threads = [threading.Thread(target=ask, daemon=True, name="lookup") for _ in range(min(len(waiting), _AT_ONCE))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return unknown | found.copy()


def _in_one_go(addresses: Collection[str]) -> dict[str, tuple[str, ...] | None]:
    """The names of those addresses whose questions are all answered for certain, which is usual, and fast."""
    reverse = {address: DnsQuestion(ip_address(address).reverse_pointer, "PTR") for address in addresses}
    records = many.ask(reverse.values())
    named = {
        address: sorted(str(record.target).rstrip(".").lower() for record in records[question])[:_MOST]
        for address, question in reverse.items()
        if question in records
    }
    forward = {
        address: [DnsQuestion(name, "AAAA" if ":" in address else "A") for name in names]
        for address, names in named.items()
    }
    there = many.ask(dict.fromkeys(question for questions in forward.values() for question in questions))
    return {
        address: tuple(
            question.name
            for question in questions
            if ip_address(address) in {ip_address(record.address) for record in there[question]}
        )
        for address, questions in forward.items()
        if there.keys() >= {*questions}
    }


def _leading_back(address: str) -> tuple[str, ...] | None:
    """The names that lead back; one of several whose own zone does not answer is taken to."""
    wanted = ip_address(address)
    kind = "AAAA" if ":" in address else "A"
    named = _ask(wanted.reverse_pointer, "PTR", lambda record: str(record.target).rstrip(".").lower(), BRIEFLY)
    names = sorted(named.found)[:_MOST]
    each = BRIEFLY / max(len(names), 1)
    answers = {name: _ask(name, kind, lambda record: ip_address(record.address), each) for name in names}
    if named.problem or (names and all(answer.problem for answer in answers.values())):
        return None
    return tuple(name for name, answer in answers.items() if answer.problem or wanted in answer.found)


def _native(host: str, kinds: tuple[str, ...], lifetime: float) -> Answer:
    """Ask the C library, whose time depends on /etc/resolv.conf, and wait no longer than *lifetime*."""
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.append(_of_library(host, kinds)), daemon=True, name="lookup")
    thread.start()
    thread.join(lifetime)
    return found[0] if found else Answer(problem="no answer")


def _of_library(host: str, kinds: tuple[str, ...]) -> Answer:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return Answer(problem=error.strerror or "", missing=error.errno == socket.EAI_NONAME)
    except UnicodeError:
        return Answer(missing=True)
    families = {_FAMILIES[kind] for kind in kinds}
    return Answer(tuple(dict.fromkeys(str(address[0]) for family, *_, address in found if family in families)))


def _ask(name: str, kind: str, read: Callable[[Any], Any], lifetime: float = LIFETIME) -> Answer:
    import dns.exception  # noqa: PLC0415
    import dns.flags  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        resolver = dns.resolver.Resolver()
        resolver.use_edns(0, int(dns.flags.DO), _EDNS)
        resolver.flags = int(dns.flags.RD | dns.flags.AD)
        answer = resolver.resolve(name, kind, raise_on_no_answer=False, lifetime=lifetime, search=False)
    except dns.resolver.NXDOMAIN:
        return Answer(missing=True)
    except dns.exception.DNSException as error:
        return Answer(problem=str(error).rstrip(".").partition(":")[0].lower() or "no answer")
    except (OSError, UnicodeError) as error:
        return Answer(problem=str(error))
    secure = bool(answer.response.flags & dns.flags.AD)
    return Answer(tuple(read(record) for record in answer.rrset or ()), secure)
