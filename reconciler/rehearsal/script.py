"""Write the script of a rehearsal: the candidate's surroundings, the listeners to talk to, and the mail to send.

write() is pure: the same commit on the same host gives the same script. Its *play* goes to the program in `inside/`,
which imports nothing from here. Raises nothing.

Known limits: tables in a database or a directory are empty in a rehearsal (*databases* names them). A rehearsal talks
to the smtpd behind postscreen, not to postscreen.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.desired.flows import STRANGER, Flow, Flows
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.numbers import as_number
from reconciler.postfix.references import own_name, tables_of
from reconciler.postfix.restrictions import depends_on_client
from reconciler.postfix.routed import routed
from reconciler.postfix.scopes import Scope, scopes
from reconciler.postfix.tables import Entries
from reconciler.rehearsal import named, outside
from reconciler.rehearsal.inside import messages
from reconciler.rehearsal.master_cf import (
    LMTP,
    SMTP,
    STRANGER6,
    agent_recipient,
    agents,
    free_ports,
    own_ports,
    played_master,
    twin_port,
)
from reconciler.rehearsal.outside import LOOPBACK, SMTPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.model import Contribution, Desired, Facts, Service, Table

_CLASS_RECIPIENTS = ("virtual_alias_maps", "virtual_mailbox_maps", "relay_recipient_maps")
_MAIL_PORTS = (LMTP, SMTP, SMTPS, 587)
_NAME_SERVER = ("127.0.0.1", 53)
_SAMPLES, _BEGINNING = 2, 4096
# What all of Postfix needs by far not, and what each service adds to it: a process or two for each dialogue.
_MEMORY, _PROCESSES, _MORE_MEMORY, _MORE_PROCESSES = 1 << 30, 1000, 4 << 20, 4
_FOLDERS = {"command_directory": "postconf", "daemon_directory": "master", "shlib_directory": "libpostfix-global.so"}
_SIZES, _LEAST_SPACE = ("message_size_limit", "queue_minfree"), 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The play of a rehearsal, and the values that its verdict needs.

    *services* are in the order of their tags (``r0``, ``r1``). *flows* are played in this order; *unserved* are the
    flows whose port no listener serves, and *ports* are the port names of this host. *databases* are the tables that
    are empty, *doubted* those that are empty if others may not read their files, by their paths. *master_cf* replaces
    the candidate's, whose *directory* Postfix uses. Mail may reach the services in *routed*.
    """

    services: tuple[Service, ...]
    play: messages.Play
    flows: tuple[Flow, ...]
    unserved: tuple[Flow, ...]
    databases: tuple[str, ...]
    doubted: Mapping[str, str]
    ports: frozenset[str]
    master_cf: str
    routed: frozenset[str]
    directory: str
    merged: Contribution = field(compare=False)
    facts: Facts = field(compare=False)

    def known(self) -> tuple[str, ...]:
        """Return the texts that a finding may quote."""
        return named.known(Scope(self.merged, self.facts), f"{self.master_cf}\n{json.dumps(self.play)}")


def write(desired: Desired, facts: Facts, merged: Contribution) -> Script:
    """Write the script for a commit's target on this host."""
    main = Scope(merged, facts)
    services = tuple(merged.entries)
    ports = free_ports(services, facts)
    listeners = [
        listener for number, service in enumerate(services) for listener in _listeners(service, number, main, ports)
    ]
    section = desired.section(Flows)
    reached = [(flow, _reached(flow, listeners, main)) for flow in (section.all if section else ())]
    injector = messages.Endpoint(address=outside.loopback(main), port=ports[0], wrapped=False, proxy=False)
    play = messages.Play(
        room=_room(main),
        world=_world(main, listeners),
        dialogues=list(_dialogues(listeners)),
        recipients=_recipients(desired, main),
        injector=injector,
        agents=[messages.Agent(name=f"agent-{n}", recipient=agent_recipient(n)) for n in agents(main)],
        flows=[_flow(f"flow-{n}", flow, goal, main) for n, (flow, goal) in enumerate(reached) if goal],
    )
    return Script(
        services=services,
        play=play,
        flows=tuple(flow for flow, listener in reached if listener),
        unserved=tuple(flow for flow, listener in reached if not listener),
        databases=outside.databases(merged, facts),
        doubted=named.doubted(main),
        ports=frozenset(facts.ports),
        master_cf=played_master(main, services, ports),
        routed=routed(main),
        facts=facts,
        directory=facts.parameters.get("config_directory", "/etc/postfix"),
        merged=merged,
    )


# ---- the room and the world ------------------------------------------------------------------------------------------


def _room(main: Scope) -> messages.Room:
    mailboxes = main.value("virtual_mailbox_base")
    parameters = messages.Parameters(
        queue_directory=main.value("queue_directory"),
        data_directory=main.value("data_directory"),
        daemon_directory=main.value("daemon_directory"),
        process_id_directory=main.value("process_id_directory"),
        mail_owner=main.value("mail_owner"),
        setgid_group=main.value("setgid_group"),
        maillog_file=main.value("maillog_file"),
    )
    return messages.Room(
        parameters=parameters,
        files=named.files(main),
        folders_of_files=named.folders(main),
        chains=named.loaded_together(main.merged, main.facts),
        compiled=named.compiled(main),
        texts=named.logins(main),
        folders=[mailboxes] if mailboxes else [],
        folders_of_caches=sorted({path.rpartition("/")[0] for path in named.caches(main)}),
        programs=_programs(main),
        chroot=any(service.chroot == "y" for service in main.merged.entries),
        limits=messages.Bounds(
            space=_space(main),
            memory=_MEMORY + len(main.merged.entries) * _MORE_MEMORY,
            processes=_PROCESSES + len(main.merged.entries) * _MORE_PROCESSES,
        ),
    )


def _programs(main: Scope) -> dict[str, str]:
    """Return the folders of a Postfix that is installed outside of /usr, with a file that each must hold."""
    values = {main.value(name): marker for name, marker in _FOLDERS.items()}
    return {path: marker for path, marker in values.items() if path.startswith("/") and not path.startswith("/usr/")}


def _space(main: Scope) -> int:
    """Return how many bytes may be written: Postfix requires free space for 1.5 times its largest message."""
    sizes = [scope.value(name) for scope in scopes(main.merged, main.facts) for name in _SIZES]
    return _LEAST_SPACE + 2 * max(as_number(size) for size in (*sizes, "0") if is_digits(size))


def _world(main: Scope, listeners: list[messages.PlayedListener]) -> messages.WorldParameters:
    addresses, own = main.facts.addresses, own_ports(main.merged.entries, main.facts)
    texts = outside.texts(main)
    # A port that the candidate listens on gets no stand-in, so mail loops as it would live.
    stand_ins = [
        server
        for server in outside.stand_ins(main, texts)
        if "path" in server or not (server["near"] and server["port"] in own)
    ]
    served = {server["port"] for server in stand_ins if "path" not in server}
    return messages.WorldParameters(
        addresses=[str(address) for address in addresses],
        names=_names(main),
        speaks_only_ipv6=outside.loopback(main) != LOOPBACK,
        serves_names=all((one["address"], one["port"]) != _NAME_SERVER for one in listeners),
        block_lists=sorted(set(outside.block_lists(main))),
        ports=sorted({*_MAIL_PORTS, *outside.ports(texts)} - served),
        wrapped_ports=sorted(outside.wrapped_ports(main)),
        stand_ins=stand_ins,
    )


def _names(main: Scope) -> dict[str, list[str]]:
    """Return the addresses of names: this host's own, and as the host finds them, those that services listen on."""
    found = {name.lower(): list(addresses) for name, addresses in main.facts.hosts.items() if addresses}
    own = [str(one.ip) for one in main.facts.addresses if not one.is_loopback]
    return found | {main.value("myhostname").lower(): own}


# ---- listeners -------------------------------------------------------------------------------------------------------


def _listeners(service: Service, number: int, main: Scope, ports: list[int]) -> Iterator[messages.PlayedListener]:
    """Return the addresses of an smtpd to talk to: loopback if it listens there, and one that strangers reach."""
    if service.command != "smtpd" or service.type not in {"inet", "pass"}:
        return
    scope = Scope(main.merged, main.facts, service)
    if service.type == "pass":
        hosts, port = main.words("inet_interfaces"), twin_port(number, ports)
    else:
        host, _, name = service.name.rpartition(":")
        port = as_number(name) if is_digits(name) else main.facts.ports.get(name, 0)
        hosts = [host.strip("[]")] if host else main.words("inet_interfaces")
    for address in _addresses(hosts, main):
        yield messages.PlayedListener(
            address=address,
            port=port,
            wrapped=scope.is_on("smtpd_tls_wrappermode"),
            proxy=scope.value("smtpd_upstream_proxy_protocol") == "haproxy",
            service=number,
            tls=scope.value("smtpd_tls_security_level"),
            sasl=scope.is_on("smtpd_sasl_auth_enable"),
            choosy=depends_on_client(scope),
            asks_certificate=scope.is_on("smtpd_tls_req_ccert") or scope.is_on("smtpd_tls_ask_ccert"),
        )


def _addresses(hosts: list[str], main: Scope) -> list[str]:
    """Return the addresses to talk to: at most one loopback address, and one public address of each family."""
    reached = [str(one.ip) for one in main.facts.addresses if not one.is_loopback and not one.is_link_local]
    every = [LOOPBACK, "::1", *reached]
    listening: list[str] = []
    for host in hosts:
        if host in {"all", "0.0.0.0", "::"}:  # noqa: S104 - compared, never bound
            listening += every if host == "all" else [one for one in every if (":" in one) == (host == "::")]
        elif found := main.facts.hosts.get(host):
            listening += found
        elif host.lower() == main.value("myhostname").lower():
            listening += reached
        elif host in {"loopback-only", "localhost"}:
            listening += [LOOPBACK, "::1"]
        else:
            listening += [host.strip("[]")] if _is_address(host.strip("[]")) else []
    protocols = main.words("inet_protocols")
    kinds: dict[tuple[bool, bool], str] = {}
    for address in listening:
        if "all" in protocols or ("ipv6" if ":" in address else "ipv4") in protocols:
            loopback = _is_loopback(address)
            # 127.0.0.1 and ::1 are treated alike, but strangers of the two families may be treated differently.
            kinds.setdefault((loopback, ":" in address and not loopback), address)
    return list(kinds.values())


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _dialogues(listeners: list[messages.PlayedListener]) -> Iterator[messages.Dialogue]:
    """Yield a dialogue for each listener: on loopback as a local client that may log in, elsewhere as a stranger."""
    for listener in listeners:
        if _is_loopback(listener["address"]):
            client, login = listener["address"], "rehearsal" if listener["sasl"] else ""
        else:
            client, login = STRANGER6 if ":" in listener["address"] else STRANGER, ""
        yield messages.Dialogue(
            id=f"dialogue-{listener['service']}-{len(client)}",
            listener=listener,
            client=client,
            login=login,
            sender="somebody@sender.rehearsal.example",
        )


# ---- flows -----------------------------------------------------------------------------------------------------------


def _reached(flow: Flow, listeners: list[messages.PlayedListener], main: Scope) -> messages.PlayedListener | None:
    """Return the listener that the client of a flow would reach, if one serves its port."""
    port = as_number(flow.port) if is_digits(flow.port) else main.facts.ports.get(flow.port, 0)
    client = _client_of(flow, main)
    near = _is_loopback(client)
    # On port 25 the smtpd behind postscreen takes postscreen's place.
    behind = {one["port"] for one in listeners if main.merged.entries[one["service"]].type == "pass"}
    fitting = [one for one in listeners if one["port"] == port or (one["port"] in behind and port == SMTP)]
    same = [one for one in fitting if (":" in one["address"]) == (":" in client)]
    best = [one for one in same if _is_loopback(one["address"]) == near] or (same if near else [])
    return best[0] if best else None


def _client_of(flow: Flow, main: Scope) -> str:
    is_new = flow.client == STRANGER and outside.loopback(main) != LOOPBACK
    return STRANGER6 if is_new else flow.client


def _flow(identity: str, flow: Flow, listener: messages.PlayedListener, main: Scope) -> messages.PlayedFlow:
    return messages.PlayedFlow(
        id=identity,
        listener=listener,
        client=_client_of(flow, main),
        helo=flow.helo,
        tls=flow.tls,
        login=flow.login,
        sender=main.expanded(flow.sender) or flow.sender,
        recipients=[main.expanded(recipient) or recipient for recipient in flow.recipients],
        header=flow.header,
        is_delivered=flow.expect.is_delivered,
    )


# ---- recipients ------------------------------------------------------------------------------------------------------


def _recipients(desired: Desired, main: Scope) -> list[str]:
    """Return a recipient of every address class, and some recipients from tables."""
    recipients = [
        f"postmaster@{main.value('myhostname')}",
        f"root@{main.value('myhostname')}",
        "somebody@remote.rehearsal.example",
    ]
    recipients += [f"postmaster@{word}" for word in main.words("mydestination")[:1] if _is_domain(word)]
    recipients += [f"somebody@{word}" for word in main.words("relay_domains")[:1] if _is_domain(word)]
    for name in _CLASS_RECIPIENTS:
        parameter = main.parameter(name)
        for reference in tables_of(main, parameter) if parameter else ():
            table = desired.tables.get(own_name(reference.name) or "")
            recipients += _sampled(table) if table else []
    return list(dict.fromkeys(recipients))


def _is_domain(word: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", word))


def _sampled(table: Table) -> list[str]:
    """Return the first full addresses of a table; only the beginning of a long one is read."""
    beginning = table.source[:_BEGINNING].rpartition(b"\n")[0] if len(table.source) > _BEGINNING else table.source
    keys = (entry.key for entry in Entries(replace(table, source=beginning)))
    return list(islice((key for key in keys if re.fullmatch(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+", key)), _SAMPLES))
