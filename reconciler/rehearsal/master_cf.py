"""Write master.cf for a rehearsal: each service with its own tag, and additional entry points for test messages.

Pure. The tag (``r0``, ``r1``) connects a log line with its service. Clients may choose their identity (XCLIENT), and
another smtpd, the injector, passes a message to each delivery agent that mail can reach. Raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import Enum
from functools import cache, partial
from typing import TYPE_CHECKING

from reconciler.features import services as stock
from reconciler.model import Parameter, Service, Where
from reconciler.model.ascii_text import is_digits
from reconciler.model.past import PastOfEach
from reconciler.postfix.numbers import as_number
from reconciler.postfix.restrictions import LISTS, classes_of
from reconciler.postfix.scopes import Scope
from reconciler.postfix.syntax import read_master, show_service
from reconciler.rehearsal.outside import LOOPBACK, SMTPS, loopback, without_databases

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from reconciler.model import Facts

SMTP, LMTP = 25, 24
_WORLD, _WORLD6 = "198.18.0.1", "2001:db8:ffff::7"
AGENTS = frozenset({"smtp", "lmtp", "local", "virtual", "pipe", "error", "discard"})
_FREE = range(61000, 61100)
_PLACE = Where("master.cf")
_INJECTOR = {
    "smtpd_relay_restrictions": "", "smtpd_client_restrictions": "", "smtpd_helo_restrictions": "",
    "smtpd_sender_restrictions": "", "smtpd_data_restrictions": "", "smtpd_end_of_data_restrictions": "",
    "smtpd_milters": "", "smtpd_proxy_filter": "", "smtpd_tls_security_level": "none", "smtpd_tls_wrappermode": "no",
    "smtpd_upstream_proxy_protocol": "", "smtpd_sasl_auth_enable": "no", "smtpd_command_filter": "",
    "smtpd_helo_required": "no", "smtpd_delay_reject": "yes", "smtpd_reject_unlisted_recipient": "no",
    "smtpd_reject_unlisted_sender": "no", "content_filter": "", "mynetworks": "127.0.0.0/8 [::1]/128",
    "receive_override_options": "no_unknown_recipient_checks,no_address_mappings,no_header_body_checks,no_milters",
}  # fmt: skip
# A rehearsal's client plays any client, makes many mistakes, and must not be delayed.
_SMTPD = {
    "smtpd_authorized_xclient_hosts": "0.0.0.0/0,[::]/0", "smtpd_error_sleep_time": "0",
    "smtpd_client_event_limit_exceptions": "static:all", "smtpd_soft_error_limit": "1000",
    "smtpd_hard_error_limit": "1000", "address_verify_poll_delay": "1", "address_verify_poll_count": "5",
}  # fmt: skip
# The shortest time that postscreen may wait for a client to speak too early.
_SCREEN = {"postscreen_greet_wait": "1s"}
QUEUE_MANAGERS = frozenset({"qmgr", "oqmgr"})
# An agent that finds a mailbox locked sleeps for half a second or more (deliver_lock_delay), and mail waits behind it.
_ONE_AT_A_TIME = {"local_destination_concurrency_limit": "1", "virtual_destination_concurrency_limit": "1"}
# What delivers instead of the agent itself needs no such lock, and may take long for each message.
_INSTEAD = ("mailbox_command", "mailbox_command_maps", "mailbox_transport", "mailbox_transport_maps")
_SLEEP = re.compile(r"(?<!\S)(sleep[\s,]+)[0-9]+(?![^\s,])", re.ASCII | re.IGNORECASE)
_PLAYED = {"smtpd": _SMTPD, "postscreen": _SCREEN}
_CLIENTS, _MOST_CLIENTS = frozenset({"smtp", "lmtp"}), 12
"""How many processes a service may have that speaks TLS: to start one takes as long as ten deliveries."""


def own_ports(services: Iterable[Service], facts: Facts) -> set[int]:
    """Return the ports that the candidate itself listens on."""
    names = [service.name.rpartition(":")[2] for service in services if service.type == "inet"]
    return {as_number(name) if is_digits(name) else facts.ports.get(name, 0) for name in names}


def free_ports(services: Iterable[Service], facts: Facts) -> list[int]:
    """Return the ports that only a rehearsal uses; the first is the injector's."""
    taken = own_ports(services, facts) | set(facts.ports.values())
    return [port for port in _FREE if port not in taken]


def twin_port(number: int, ports: list[int]) -> int:
    """Return the port of each smtpd that postscreen passes its clients to, by the number of the service."""
    return ports[1 + number % (len(ports) - 1)]


def played_master(
    main: Scope, services: tuple[Service, ...], ports: list[int], fed: Sequence[int], left_out: Collection[int] = ()
) -> str:
    """Return the text of master.cf: the services, twins of those behind postscreen, and the injector.

    The injector has a way to each agent that is *fed*. Services are left out by their numbers.
    """
    usual = main.value("default_process_limit")
    lines = [_shown(service, number, main, usual) for number, service in enumerate(services) if number not in left_out]
    for number, service in enumerate(services):
        if service.type == "pass" and service.command == "smtpd":
            twin = replace(service, name=str(twin_port(number, ports)), type="inet", private="n")
            lines.append(_shown(twin, number, main, usual))
    return "\n".join([*lines, show_service(_injector(main, services, ports[0], fed)), ""])


def _shown(service: Service, number: int, main: Scope, usual: str) -> str:
    """Return the service as a line with its tag; the last value of an option takes effect.

    *usual* is the process limit of services without one of their own.
    """
    limit = _limit(service, usual)
    if service.command in _CLIENTS and not service.arguments and not any(":" in one.value for one in service.overrides):
        kept = [option for option in service.overrides if option.name != "syslog_name"]
        return f"{show_service(service, kept, limit)} -o syslog_name=r{number}"  # as of thousands of sites
    options = {"syslog_name": f"r{number}"} | _PLAYED.get(service.command, {})
    options |= _awake(service, main) | _one_at_a_time(service, main)
    kept = [
        replace(option, value=without_databases(option.value)) if ":" in option.value else option
        for option in service.overrides
        if option.name not in options
    ]
    added = [Parameter(name, value, service.where) for name, value in options.items()]
    return show_service(service, [*kept, *added], limit)


def _limit(service: Service, usual: str) -> str:
    """Return the process limit of a service; 0 is none (master(5))."""
    limit = usual if service.maxproc == "-" else service.maxproc
    is_few = is_digits(limit) and 0 < as_number(limit) <= _MOST_CLIENTS
    return service.maxproc if is_few or service.command not in _CLIENTS else str(_MOST_CLIENTS)


def _awake(service: Service, main: Scope) -> dict[str, str]:
    """Return the restriction lists of an smtpd that sleep, without their sleep."""
    if service.command != "smtpd":
        return {}
    scope = Scope(main.merged, main.facts, service)
    values = {name: scope.value(name) for name in (*LISTS, *classes_of(scope))}
    return {
        name: without_databases(_SLEEP.sub(r"\g<1>0", text)) for name, text in values.items() if _SLEEP.search(text)
    }


def _one_at_a_time(service: Service, main: Scope) -> dict[str, str]:
    """Return the limits by which a mailbox that Postfix itself writes gets one message at a time."""
    writes = service.command in QUEUE_MANAGERS and not any(map(main.value, _INSTEAD))
    return _ONE_AT_A_TIME if writes else {}


def _injector(main: Scope, services: tuple[Service, ...], port: int, fed: Sequence[int]) -> Service:
    """Return an smtpd without restrictions, whose access table sends each agent's recipient to that agent."""
    filters = ", ".join(
        f"{{ {recipient} = FILTER {services[number].name}:{_goal(services[number], main)} }}"
        for number in fed
        for recipient in agent_recipients(number)
    )
    access = f"check_recipient_access inline:{{ {filters} }}, " if filters else ""
    options = {
        **_INJECTOR,
        "smtpd_recipient_restrictions": f"{access}permit_mynetworks, reject",
        "syslog_name": "injector",
    }
    address = loopback(main)
    return Service(
        name=f"[{address}]:{port}" if ":" in address else f"{address}:{port}",
        type="inet",
        private="n",
        command="smtpd",
        overrides=tuple(Parameter(name, value, _PLACE) for name, value in options.items()),
        where=_PLACE,
    )


def agent_recipients(number: int) -> list[str]:
    """Return the recipients whose mail the injector passes to that service.

    There are two, because some options of an agent hold for one recipient at a time only, and must be said so.
    """
    return [f"agent-{number}@rehearsal.example", f"agent-{number}-too@rehearsal.example"]


class _Agent(Enum):
    """What a service is among those that deliver: none of them, one as it is in STOCK, or one that a commit writes."""

    NONE = 0
    STOCK = 1
    ADDED = 2


_agents: PastOfEach[Service, _Agent] = PastOfEach()


def agents(main: Scope, names: Collection[str]) -> list[int]:
    """Return the delivery services that mail may reach, by number, and those that a commit writes.

    Mail may reach the services with these *names*.
    """
    services, programs = main.merged.entries, main.facts.programs
    found = _agents.of(services, (programs,), partial(_agent, programs=programs))
    return [
        number
        for number, agent in enumerate(found)
        if agent is _Agent.ADDED or (agent is _Agent.STOCK and services[number].name in names)
    ]


def _agent(service: Service, programs: Collection[str]) -> _Agent:
    is_agent = service.command in AGENTS or service.command not in programs
    # Only the unused examples of Debian's master.cf are left out.
    if not is_agent or service.type not in {"unix", "fifo"}:
        return _Agent.NONE
    usual = _stock_lines().get(service.key, "")
    is_added = service.where.file != "mail.yaml" and (not usual or show_service(service) != usual)
    return _Agent.ADDED if is_added else _Agent.STOCK


@cache
def _stock_lines() -> dict[str, str]:
    return {service.key: show_service(service) for service in read_master(stock.STOCK, "")[0]}


def _goal(service: Service, main: Scope) -> str:
    """Return the next hop at which a stand-in server speaks the agent's protocol."""
    scope = Scope(main.merged, main.facts, service)
    port = SMTPS if scope.is_on("smtp_tls_wrappermode") else LMTP if service.command == "lmtp" else SMTP
    return f"[{goal_of_agents(main)}]:{port}"


def goal_of_agents(main: Scope) -> str:
    """Return the address of the world that each agent which is fed delivers to."""
    return _WORLD if loopback(main) == LOOPBACK else _WORLD6
