"""What a rehearsal plays: the candidate's services, whom to talk to, what to send, and who must stand in.

write() is pure: the same commit on the same host gives the same script, as JSON for those in `rehearsal/`, who know
nothing of ours. Raises nothing.

Known limits: tables that a database or a directory answers are empty in a rehearsal (*outside* names them). postscreen
is not spoken to, but the smtpd behind it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from reconciler.desired.flows import STRANGER, Flow, Flows
from reconciler.features import services as stock
from reconciler.model import Parameter, Service, Where
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.restrictions import depends_on_client
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.syntax import read_master, show_service
from reconciler.postfix.tables import Entries
from reconciler.rehearsal import outside as surroundings
from reconciler.rehearsal.outside import HERE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reconciler.model import Contribution, Desired, Facts, Table

STRANGER6 = "2001:db8:ffff::7"
_AGENTS = frozenset({"smtp", "lmtp", "local", "virtual", "pipe", "error", "discard"})
_VALUES = (
    "queue_directory", "data_directory", "daemon_directory", "process_id_directory", "mail_owner", "setgid_group",
    "maillog_file", "myhostname",
)  # fmt: skip
_INJECTOR = {
    "smtpd_relay_restrictions": "", "smtpd_client_restrictions": "", "smtpd_helo_restrictions": "",
    "smtpd_sender_restrictions": "", "smtpd_data_restrictions": "", "smtpd_end_of_data_restrictions": "",
    "smtpd_milters": "", "smtpd_proxy_filter": "", "smtpd_tls_security_level": "none", "smtpd_tls_wrappermode": "no",
    "smtpd_upstream_proxy_protocol": "", "smtpd_sasl_auth_enable": "no", "smtpd_command_filter": "",
    "smtpd_helo_required": "no", "smtpd_delay_reject": "yes", "smtpd_reject_unlisted_recipient": "no",
    "smtpd_reject_unlisted_sender": "no", "content_filter": "", "mynetworks": "127.0.0.0/8 [::1]/128",
    "receive_override_options": "no_unknown_recipient_checks,no_address_mappings,no_header_body_checks,no_milters",
}  # fmt: skip
_CLASS_RECIPIENTS = ("virtual_alias_maps", "virtual_mailbox_maps", "relay_recipient_maps")
_MAIL_PORTS = (24, 25, surroundings.SMTPS, 587)
_SAMPLES, _BEGINNING = 2, 4096
_SIZES, _ROOM = ("message_size_limit", "queue_minfree"), 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """*services* in the order of their tags (``r0``, ``r1``), and *play*, which goes to the namespaces as JSON.

    *flows* are played, and nobody listens for those in *unheard*; *outside* are the tables that are empty there, and
    *ports* the names of ports that this host knows.
    """

    services: tuple[Service, ...]
    flows: tuple[Flow, ...]
    unheard: tuple[Flow, ...]
    outside: tuple[str, ...]
    play: dict[str, Any]
    ports: frozenset[str]
    merged: Contribution = field(compare=False)


def write(desired: Desired, facts: Facts, merged: Contribution) -> Script:
    """The script for a commit's target on this host."""
    main = Scope(merged, facts)
    written = tuple(merged.entries)
    ports = [port for port in range(61000, 61100) if port not in _own_ports(written, facts) | set(facts.ports.values())]
    listeners = [one for number, service in enumerate(written) for one in _listeners(service, number, main, ports)]
    agents = [{"name": f"agent-{number}", "recipient": f"agent-{number}@rehearsal.example"} for number in _agents(main)]
    texts = surroundings.texts(main)
    own = _own_ports(written, facts)
    partners = [one for one in surroundings.partners(main, texts) if not (one.get("near") and one["port"] in own)]
    heard, unheard = _flows(_tests(desired), listeners, main)
    play: dict[str, Any] = {
        "values": {name: main.value(name) for name in _VALUES},
        "directory": facts.parameters.get("config_directory", "/etc/postfix"),
        "files": sorted(path for path, is_there in facts.files.items() if is_there),
        "folders": [main.value("virtual_mailbox_base")] if main.value("virtual_mailbox_base") else [],
        "chroot": any(service.chroot == "y" for service in written),
        "addresses": [str(address) for address in facts.addresses],
        "names": {main.value("myhostname").lower(): [str(one.ip) for one in facts.addresses if not one.is_loopback]},
        "speaks_only_ipv6": surroundings.here(main) != HERE,
        "space": _space(main),
        "absent": sorted(surroundings.block_lists(main)),
        "taken": sorted({f"{one['address']}:{one['port']}" for one in listeners}),
        "ports": sorted(
            {24, 25, 465, 587, *surroundings.ports(texts)} - {one["port"] for one in partners if not one.get("path")}
        ),
        "wrapped_ports": sorted(surroundings.wrapped(main)),
        "partners": partners,
        "dialogues": list(_dialogues(listeners)),
        "recipients": _recipients(desired, main),
        "injector": {
            "address": surroundings.here(main),
            "port": ports[0],
            "wrapped": False,
            "proxy": False,
            "silent": False,
        },
        "agents": agents,
        "flows": heard,
        "instead": {"master.cf": _master(main, written, ports)},
    }
    outside = surroundings.databases(merged, facts)
    known = {one["id"] for one in heard}
    flows = tuple(flow for number, flow in enumerate(_tests(desired)) if f"flow-{number}" in known)
    return Script(
        services=written,
        flows=flows,
        unheard=tuple(unheard),
        outside=outside,
        play=play,
        ports=frozenset(facts.ports),
        merged=merged,
    )


# ---- services --------------------------------------------------------------------------------------------------------


def _own_ports(services: Iterable[Service], facts: Facts) -> set[int]:
    """The ports that the candidate itself listens on."""
    names = [service.name.rpartition(":")[2] for service in services if service.type == "inet"]
    return {int(name) if name.isdigit() else facts.ports.get(name, 0) for name in names}


def _master(main: Scope, services: tuple[Service, ...], ports: list[int]) -> str:
    """master.cf as it is played: each service logs under a tag of its own, and says who a client is when told."""
    lines = [show_service(_tagged(service, number)) for number, service in enumerate(services)]
    for number, service in enumerate(services):
        if service.type == "pass" and service.command == "smtpd":
            twin = replace(service, name=str(_port_of(number, ports)), type="inet", private="n")
            lines.append(show_service(_tagged(twin, number)))
    filters = "".join(
        f"{{ agent-{number}@rehearsal.example = FILTER {services[number].name}:{_goal(services[number], main)} }}, "
        for number in _agents(main)
    ).removesuffix(", ")
    access = f"check_recipient_access inline:{{ {filters} }}, " if filters else ""
    options = {
        **_INJECTOR,
        "smtpd_recipient_restrictions": f"{access}permit_mynetworks, reject",
        "syslog_name": "injector",
    }
    overrides = tuple(Parameter(name, value, Where("master.cf")) for name, value in options.items())
    injector = Service(
        name=_shown(surroundings.here(main), ports[0]),
        type="inet",
        private="n",
        command="smtpd",
        overrides=overrides,
        where=Where("master.cf"),
    )
    return "\n".join([*lines, show_service(injector), ""])


def _tagged(service: Service, number: int) -> Service:
    """The service under its tag; what a daemon reads last counts."""
    options = {"syslog_name": f"r{number}"}
    if service.command == "smtpd":
        options |= {
            "smtpd_authorized_xclient_hosts": "0.0.0.0/0,[::]/0",
            "smtpd_error_sleep_time": "0",
            "smtpd_client_event_limit_exceptions": "static:all",
            "smtpd_soft_error_limit": "1000",
            "smtpd_hard_error_limit": "1000",
            "address_verify_poll_delay": "1",
            "address_verify_poll_count": "5",
        }
    kept = tuple(
        replace(one, value=surroundings.without_databases(one.value))
        for one in service.overrides
        if one.name not in options
    )
    added = tuple(Parameter(name, value, service.where) for name, value in options.items())
    return replace(service, overrides=(*kept, *added))


def _agents(main: Scope) -> list[int]:
    """The delivery services that mail may reach, by number: those that a value or table names, and those of our own."""
    usual = {show_service(one) for one in read_master(stock.STOCK, "")[0]}
    values = (parameter.value.encode("utf-8", "replace") for parameter in main.merged.parameters.values())
    texts = b"\n".join([*values, *(table.source for table in main.merged.tables.values() if b":" in table.source)])
    classes = {"mydestination": "local_transport", "virtual_mailbox_domains": "virtual_transport"}
    by_class = {
        main.value(transport).partition(":")[0] for domains, transport in classes.items() if main.value(domains)
    }
    found = []
    for number, service in enumerate(main.merged.entries):
        is_agent = service.command in _AGENTS or service.command not in main.facts.programs
        if not is_agent or service.type not in {"unix", "fifo"}:
            continue
        is_named = re.search(rb"(?<![\w.-])" + re.escape(service.name.encode()) + rb":", texts) is not None
        is_ours = show_service(service) not in usual and service.where.file != "mail.yaml"
        is_usual = service.name in {*by_class, "smtp", main.value("default_transport").partition(":")[0]}
        if is_named or is_ours or is_usual:
            found.append(number)
    return found


def _goal(service: Service, main: Scope) -> str:
    scope = Scope(main.merged, main.facts, service)
    wrapped = scope.is_on("smtp_tls_wrappermode")
    port = 465 if wrapped else 24 if service.command == "lmtp" else 25
    return f"[{'198.18.0.1' if surroundings.here(main) == HERE else STRANGER6}]:{port}"


def _shown(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _space(main: Scope) -> int:
    """How many bytes may be written: Postfix wants room for its largest message, one and a half times."""
    sizes = [scope.value(name) for scope in scopes(main.merged, main.facts) for name in _SIZES]
    return _ROOM + 2 * max(int(size) for size in (*sizes, "0") if size.isdigit())


# ---- listeners -------------------------------------------------------------------------------------------------------


def _port_of(number: int, ports: list[int]) -> int:
    return ports[1 + number % (len(ports) - 1)]


def _listeners(service: Service, number: int, main: Scope, ports: list[int]) -> Iterator[dict[str, Any]]:
    """Where to talk to an smtpd: on loopback if it listens there, and on an address that strangers reach."""
    if service.command != "smtpd" or service.type not in {"inet", "pass"}:
        return
    scope = Scope(main.merged, main.facts, service)
    if service.type == "pass":
        hosts, port = main.words("inet_interfaces"), _port_of(number, ports)
    else:
        host, _, name = service.name.rpartition(":")
        port = int(name) if name.isdigit() else main.facts.ports.get(name, 0)
        hosts = [host.strip("[]")] if host else main.words("inet_interfaces")
    about = {
        "service": number, "port": port, "wrapped": scope.is_on("smtpd_tls_wrappermode"),
        "proxy": scope.value("smtpd_upstream_proxy_protocol") == "haproxy", "silent": False,
        "sasl": scope.is_on("smtpd_sasl_auth_enable"), "tls": scope.value("smtpd_tls_security_level"),
        "choosy": depends_on_client(scope),
        "asks_certificate": scope.is_on("smtpd_tls_req_ccert") or scope.is_on("smtpd_tls_ask_ccert"),
    }  # fmt: skip
    yield from ({**about, "address": address} for address in _addresses(hosts, main))


def _addresses(hosts: list[str], main: Scope) -> list[str]:
    """The addresses to talk to: at most one of loopback, and one of each family that strangers reach."""
    here = [str(one.ip) for one in main.facts.addresses if not one.is_loopback and not one.is_link_local]
    every = [HERE, "::1", *here]
    found: list[str] = []
    for host in hosts:
        if host in {"all", "0.0.0.0", "::"}:  # noqa: S104 - compared, never bound
            found += every if host == "all" else [one for one in every if (":" in one) == (host == "::")]
        elif host.lower() == main.value("myhostname").lower():
            found += here
        elif host in {"loopback-only", "localhost"}:
            found += [HERE, "::1"]
        else:
            found += [host.strip("[]")] if re.fullmatch(r"\[?[0-9a-fA-F.:]+\]?", host) else []
    protocols = main.words("inet_protocols")
    spoken = [
        one for one in dict.fromkeys(found) if "all" in protocols or ("ipv6" if ":" in one else "ipv4") in protocols
    ]
    kinds: dict[tuple[bool, bool], str] = {}
    for one in spoken:
        kinds.setdefault((_is_loopback(one), ":" in one and not _is_loopback(one)), one)
    return list(kinds.values())


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _dialogues(listeners: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each listener once as whoever may use it, and once as a stranger where strangers come."""
    for listener in listeners:
        if _is_loopback(listener["address"]):
            client, login = listener["address"], "rehearsal" if listener["sasl"] else ""
        else:
            client, login = STRANGER6 if ":" in listener["address"] else STRANGER, ""
        identity = f"dialogue-{listener['service']}-{len(client)}"
        sender = "somebody@sender.rehearsal.example"
        yield {"listener": listener, "client": client, "login": login, "sender": sender, "id": identity}


def _tests(desired: Desired) -> tuple[Flow, ...]:
    section = desired.section(Flows)
    return section.all if section else ()


def _flows(
    flows: Iterable[Flow], listeners: list[dict[str, Any]], main: Scope
) -> tuple[list[dict[str, Any]], list[Flow]]:
    """The flows with the listener that each reaches, and those whose port nobody serves."""
    heard, unheard = [], []
    for number, flow in enumerate(flows):
        port = int(flow.port) if flow.port.isdigit() else main.facts.ports.get(flow.port, 0)
        behind = {one["port"] for one in listeners if main.merged.entries[one["service"]].type == "pass"}
        fitting = [one for one in listeners if one["port"] == port or (one["port"] in behind and port == 25)]  # noqa: PLR2004 - smtp
        client = STRANGER6 if flow.client == STRANGER and surroundings.here(main) != HERE else flow.client
        near = ipaddress.ip_address(client).is_loopback
        same = [one for one in fitting if (":" in one["address"]) == (":" in client)]
        best = [one for one in same if _is_loopback(one["address"]) == near] or (same if near else [])
        if not best:
            unheard.append(flow)
            continue
        expand = [main.expanded(one) or one for one in (flow.sender, *flow.recipients)]
        heard.append({
            "id": f"flow-{number}", "listener": best[0], "client": client, "helo": flow.helo, "tls": flow.tls,
            "login": flow.login, "sender": expand[0], "recipients": expand[1:], "header": flow.header,
            "deliver": flow.expect.is_delivered,
        })  # fmt: skip
    return heard, unheard


# ---- recipients ------------------------------------------------------------------------------------------------------


def _recipients(desired: Desired, main: Scope) -> list[str]:
    """A recipient of every class of addresses, and some that tables speak of."""
    found = [
        f"postmaster@{main.value('myhostname')}",
        f"root@{main.value('myhostname')}",
        "somebody@remote.rehearsal.example",
    ]
    found += [f"postmaster@{word}" for word in main.words("mydestination")[:1] if _is_domain(word)]
    found += [f"somebody@{word}" for word in main.words("relay_domains")[:1] if _is_domain(word)]
    for name in _CLASS_RECIPIENTS:
        parameter = main.parameter(name)
        for reference in tables_of(main, parameter) if parameter else ():
            table = desired.tables.get(own_name(reference.name) or "")
            found += _sampled(table) if table else []
    return list(dict.fromkeys(found))


def _is_domain(word: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", word))


def _sampled(table: Table) -> list[str]:
    """The first full addresses; of a long table only its beginning is read."""
    beginning = table.source[:_BEGINNING].rpartition(b"\n")[0] if len(table.source) > _BEGINNING else table.source
    keys = (entry.key for entry in Entries(replace(table, source=beginning)))
    return list(islice((key for key in keys if re.fullmatch(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+", key)), _SAMPLES))
