"""Next hops: HOST, [HOST], HOST:PORT and [HOST]:PORT, as host_port(3) and smtp(8) read them.

smtp(8) exits at a next hop of another form, and the mail that it was delivering waits. Such a relayhost stops all
outbound mail. Other programs (pipe, error, virtual) read next hops in their own way. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.model import closest, meant
from reconciler.model.ascii_text import NON_ASCII, SPACE, is_digits
from reconciler.model.hidden_values import without_login
from reconciler.postfix.derived import derived
from reconciler.postfix.numbers import as_number
from reconciler.postfix.scopes import Scope, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Facts

_BRACKETED = re.compile(r"\[(?P<host>[^\]]*)\](?::(?P<port>.*))?")
_NUMBER = re.compile(r"[0-9]*")
_MAX_NAME = 255  # RFC 1035
_LABEL = re.compile(rf"(?!-)[\w{NON_ASCII}-]{{1,63}}(?<!-)", re.ASCII)
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class MailRoutes:
    """The transports, of these the ones of smtp(8) and of lmtp(8), and the known port names."""

    transports: frozenset[str]
    smtp: frozenset[str]
    lmtp: frozenset[str]
    ports: frozenset[str]


@derived
def mail_routes(merged: Contribution, facts: Facts) -> MailRoutes:
    """Collect the transports of master.cf and the port names; qmgr(8) reaches only private services of type unix."""
    transports = frozenset(service.name for service in merged.of_type("unix") if service.private != "n")
    smtp, lmtp = (
        frozenset(service.name for service in merged.running(command) if service.type == "unix") & transports
        for command in ("smtp", "lmtp")
    )
    return MailRoutes(
        transports=transports,
        smtp=smtp,
        lmtp=lmtp,
        ports=frozenset(port_names(Scope(merged, facts))),
    )


def port_names(main: Scope) -> dict[str, int]:
    """Return the port names of the host, and those of Postfix itself (known_tcp_ports)."""
    known = dict(main.facts.ports)
    for group in words(main.value("known_tcp_ports")):
        *names, number = group.split("=")
        known |= {name: as_number(number) for name in names if is_digits(number)}
    return known


def bad_route(value: str, routes: MailRoutes) -> str | None:
    """Return the problem with the next hop of ``transport:nexthop``, or None."""
    transport, _, nexthop = value.partition(":")
    if transport.strip(SPACE) in routes.lmtp:
        return bad_nexthop(nexthop, routes, lmtp=True)
    return bad_nexthop(nexthop, routes) if transport.strip(SPACE) in routes.smtp else None


def bad_nexthop(text: str, routes: MailRoutes, *, lmtp: bool = False) -> str | None:
    """Return the problem with a next hop or a list of them, or None; an empty list has none."""
    if lmtp and text.startswith("unix:"):
        return None
    for hop in words(text.removeprefix("inet:") if lmtp else text):
        if problem := _problem(hop, routes.ports):
            candidates = (other for other in _candidates(text, hop, routes) if _is_fine(other, routes))
            hint = meant(next(candidates, None))
            if hop.startswith("#"):
                hint = "; a comment needs a line of its own"
            then = f"and {'lmtp' if lmtp else 'smtp'} would die at every delivery{hint}"
            return without_login(f'malformed nexthop "{text.strip(SPACE)}": {problem}, {then}')
    return None


def _problem(hop: str, ports: frozenset[str]) -> str | None:
    """Return the error of host_port(3) or smtp_parse_destination() for one next hop, or None."""
    if hop.startswith("["):
        match = _BRACKETED.fullmatch(hop)
        if not match:
            return "a closing bracket is missing" if "]" not in hop else "only :PORT may follow the brackets"
        host, port = match["host"], match["port"] or ""
    else:
        host, colon, port = hop.rpartition(":")
        host, port = (host, port) if colon else (hop, "")
    if not is_host(host):
        return f'"{host}" is not a host' if host else "the host is missing"
    if is_digits(port):
        return None if 0 < as_number(port) <= _MAX_PORT else f"port {port} is not between 1 and {_MAX_PORT}"
    return f'unknown port "{port}"' if port and port not in ports else None


def is_host(text: str) -> bool:
    """Return whether the text is a valid name or address for valid_hostname(3) and valid_hostaddr(3)."""
    try:
        return bool(ip_address(text.removeprefix("IPv6:").removeprefix("ipv6:")))
    except ValueError:
        labels = text.split(".")
        return all(map(_LABEL.fullmatch, labels)) and not all(map(_NUMBER.fullmatch, labels)) and len(text) <= _MAX_NAME


def _is_fine(text: str, routes: MailRoutes) -> bool:
    return bool(text) and not any(_problem(hop, routes.ports) for hop in words(text))


def _candidates(text: str, hop: str, routes: MailRoutes) -> Iterator[str]:
    """Yield the next hops that were probably meant."""
    host, _, port = text.strip(SPACE).partition(" ")
    if is_digits(port.strip(SPACE)) or port.strip(SPACE) in routes.ports:
        yield f"{host}:{port.strip(SPACE)}"
    yield re.sub(r"\s+", "", text, flags=re.ASCII)
    bare = re.sub(r"^[a-z]+:/*|^//|/+$", "", hop)
    yield bare
    yield re.sub(r"^\[([^\]:]+)(:\w+)?$", r"[\1]\2", bare, flags=re.ASCII)
    yield f"[{bare}]"
    front, colon, port = hop.rpartition(":")
    yield front + colon + (closest(port, routes.ports) or port)
