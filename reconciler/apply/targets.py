"""What is expected after an activation, and the addresses that every inet service must answer on.

Promises: targets() asks no server; it resolves the names of listeners as Postfix does. Raises nothing.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from reconciler.apply.questions import Asked
from reconciler.model.ascii_text import is_digits
from reconciler.model.facts import by_text
from reconciler.model.past import PastOf
from reconciler.postfix.disabled import DISABLE, is_disabled
from reconciler.postfix.numbers import as_number
from reconciler.postfix.scopes import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.apply.compare import MailAnswers
    from reconciler.host.maillog import MailLog, Mark
    from reconciler.host.programs import postfix
    from reconciler.model import Service, Where
    from reconciler.model.facts import Interfaces

PATIENCE = 5.0
NOTHING_ASKED = Asked()
Fault = tuple[str, str]
"""The name of a program in the mail log, and its fatal error without what varies."""
_loopback: PastOf[list[str]] = PastOf(2)
_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The state that is expected after an activation.

    *since* is processes.boot_clock() right before it, and *mark* the mail log's place; *ports* maps names to TCP ports.
    *master* is the process that must live to the end, zero if there is none, and None if that is not looked at.
    *settle* is how long it must live at least, *patience* how long a service may take to answer, *tries* times. *asked*
    is what listeners are asked, and *before* what they answered before the activation; None if not known. *hand_in*
    tries to hand in mail as a program of this host. *confirmed*: refusals are intended. *old* are the daemons that ran
    before the activation, and *faults* the fatal errors that were logged then. *place* returns where a person writes a
    service.
    """

    instance: postfix.Instance
    services: tuple[Service, ...]
    addresses: Interfaces
    ports: Mapping[str, int]
    log: MailLog
    mark: Mark
    since: float
    settle: float
    master: int | None = None
    patience: float = PATIENCE
    tries: int = 2
    asked: Asked = NOTHING_ASKED
    before: MailAnswers | None = None
    confirmed: bool = False
    old: frozenset[int] = frozenset()
    faults: frozenset[Fault] = frozenset()
    hand_in: Callable[[], str | None] = field(default=lambda: None)
    place: Callable[[Service], Where] = field(default=lambda service: service.where)


class Target(NamedTuple):
    """A service, and an address that it must answer on."""

    service: Service
    address: str
    port: int

    @property
    def place(self) -> str:
        """The address and the port, which stay the same when a commit gives the service another name."""
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{shown}:{self.port}"

    def __str__(self) -> str:
        return f"{self.service.key} on {self.place}"


def targets(expected: Expected) -> list[Target]:
    """Return every address that an inet service must answer on; for all interfaces, the loopback addresses suffice."""
    addresses = []
    for service in started(expected, "inet"):
        host, _, name = service.name.rpartition(":")
        port = as_number(name) if is_digits(name) else expected.ports.get(name, 0)
        hosts = [host.strip("[]")] if host else _interfaces(expected)
        addresses += [Target(service, address, port) for one in hosts for address in _resolved(one, port, expected)]
    return list(dict.fromkeys(addresses))


def started(expected: Expected, kind: str) -> list[Service]:
    """Return the services of a type that master(8) does not leave out."""
    disabled = words(expected.instance.values.get(DISABLE, ""))
    return [one for one in expected.services if one.type == kind and not is_disabled(one, disabled)]


def _interfaces(expected: Expected) -> list[str]:
    """Return the inet_interfaces of main.cf, as names and addresses."""
    named = [word.strip("[]") for word in words(expected.instance.values["inet_interfaces"])]
    if not {"all", "loopback-only"} & set(named):
        return named
    own = by_text(expected.addresses)
    loopback = _loopback.of(own, (), lambda: [text for text, one in own.items() if one.is_loopback])
    others = (text for text, one in own.items() if not one.is_link_local)
    return loopback or list(islice(others, 1))


def _resolved(host: str, port: int, expected: Expected) -> list[str]:
    """Return the addresses of a host, given as address or name, that inet_protocols allows; empty if it has none."""
    protocols = expected.instance.values["inet_protocols"]
    families = {family for name, family in _FAMILIES.items() if name in protocols or "all" in protocols}
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror:
        return []
    here = by_text(expected.addresses)
    addresses = [str(address[0]) for family, *_, address in answers if family in families]
    # A name such as localhost may lead to an IPv6 address where the kernel has IPv6 turned off.
    return [address for address in dict.fromkeys(addresses) if address in here or "." in address]
