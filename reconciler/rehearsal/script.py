"""Write the script of a rehearsal: the candidate's surroundings, the listeners to talk to, and the mail to send.

write() is pure: the same commit on the same host gives the same script. Its *play* goes to the program in `inside/`,
which imports nothing from here. Raises nothing.

Known limits: tables in a database or a directory are empty in a rehearsal (*databases* names them). Of postscreen only
the way to the smtpd behind it is tried; recipients and flows go to that smtpd itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from reconciler.desired.flows import Flow, Flows
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.alike import with_alike
from reconciler.postfix.disabled import started
from reconciler.postfix.numbers import as_number
from reconciler.postfix.reached import routed
from reconciler.postfix.scopes import Scope, scopes
from reconciler.rehearsal import clients, named, outside, recipients
from reconciler.rehearsal.inside import messages
from reconciler.rehearsal.kinds import Kinds, with_few_scopes
from reconciler.rehearsal.master_cf import (
    LMTP,
    SMTP,
    agent_recipients,
    agents,
    free_ports,
    goal_of_agents,
    own_ports,
    played_master,
)
from reconciler.rehearsal.outside import LOOPBACK, SMTPS
from reconciler.rehearsal.own_addresses import placed
from reconciler.rehearsal.strangers import strangers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.model import Contribution, Desired, Facts, Service
    from reconciler.model.facts import Interfaces
    from reconciler.rehearsal.kinds import Changed
    from reconciler.rehearsal.recipients import Listed

_MAIL_PORTS = (LMTP, SMTP, SMTPS, 587)
_ENCRYPTED = 64
"""How many deliveries from one address and name are encrypted where none must be: half of their time is a handshake."""
_NAME_SERVER = ("127.0.0.1", 53)
# What all of Postfix needs by far not, and what each service adds to it: a process or two for each dialogue.
_MEMORY, _PROCESSES, _MORE_MEMORY, _MORE_PROCESSES = 1 << 30, 1000, 4 << 20, 4
_LITTLE, _MORE_SECONDS = 100, 0.1  # messages that take no longer than few, and what each more may take
_FOLDERS = {"command_directory": "postconf", "daemon_directory": "master", "shlib_directory": "libpostfix-global.so"}
_SIZES, _LEAST_SPACE = ("message_size_limit", "queue_minfree"), 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The play of a rehearsal, and the values that its verdict needs.

    *services* are in the order of their tags (``r0``, ``r1``). *flows* are played in this order; *unserved* are the
    flows whose port no listener serves, and *ports* are the port names of this host. *listed* are the tables that say
    who exists; those with a listing are in the order of the play. *databases* are the tables that are empty, *doubted*
    those that are empty if others may not read their files, by their paths. *master_cf* replaces the candidate's, whose
    *directory* Postfix uses. Mail may reach the services in *routed*. *played* are the keys of those that are played.
    *returning* as in Candidate.
    """

    services: tuple[Service, ...]
    play: messages.Play
    flows: tuple[Flow, ...]
    unserved: tuple[Flow, ...]
    listed: tuple[Listed, ...]
    databases: tuple[str, ...]
    doubted: Mapping[str, str]
    ports: frozenset[str]
    master_cf: str
    routed: frozenset[str]
    played: frozenset[str]
    directory: str
    merged: Contribution = field(compare=False)
    facts: Facts = field(compare=False)
    returning: Mapping[str, str] = field(default_factory=dict)

    def known(self) -> tuple[str | bytes, ...]:
        """Return the texts that a finding may quote."""
        return named.known(Scope(self.merged, self.facts), f"{self.master_cf}\n{json.dumps(self.play)}")


def write(desired: Desired, facts: Facts, merged: Contribution, changed: Changed | None = None) -> Script:
    """Write the script for a commit's target on this host; what *changed* is played, and of what is alike a few.

    Without *changed*, all of it counts as changed.
    """
    merged = started(merged, facts)
    main = Scope(merged, facts)
    told, services, kinds = with_few_scopes(main), tuple(merged.entries), Kinds(main, changed)
    names = routed(Scope(with_alike(merged, facts), facts))  # what is alike names no service
    ports = free_ports(services, facts)
    listeners = list(clients.listeners(services, main, ports))
    section = desired.section(Flows)
    unknown = strangers(told)
    any_client = unknown.facing(outside.loopback(main))
    flows = [replace(flow, client=flow.client or any_client) for flow in (section.all if section else ())]
    reached = [(flow, _reached(flow, listeners, services, facts)) for flow in flows]
    listed = recipients.listed(main, changed.rows if changed else {})
    tried = recipients.tried(main, listed)
    injector = messages.Endpoint(address=outside.loopback(main), port=ports[0], wrapped=False, proxy=False)
    spoken_to = set(kinds.chosen(dict.fromkeys(one["service"] for one in listeners)))
    dialogues = list(clients.dialogues([one for one in listeners if one["service"] in spoken_to], main, tried, unknown))
    fed = kinds.chosen(agents(main, names))
    played = [_flow(f"flow-{n}", flow, goal, main) for n, (flow, goal) in enumerate(reached) if goal]
    sent = sum(len(one["recipients"]) for one in (*dialogues, *played)) + 2 * len(fed)
    # A flow may expect one of them, by its tag.
    left_out = {} if flows else kinds.represented({*spoken_to, *fed})
    play = messages.Play(
        room=_room(told, services, sent, left_out),
        world=_world(told, services, listeners, flows),
        dialogues=dialogues,
        recipients=tried,
        asked=recipients.asked(listed),
        listings=[one.listing for one in listed if one.listing],
        submission=_submission(main, tried[0]),
        injector=injector,
        agents=[messages.Agent(name=f"agent-{n}", recipients=agent_recipients(n)) for n in fed],
        flows=played,
    )
    return Script(
        services=services,
        play=play,
        flows=tuple(flow for flow, listener in reached if listener),
        unserved=tuple(flow for flow, listener in reached if not listener),
        listed=tuple(listed),
        databases=outside.databases(told.merged, facts),
        doubted=named.doubted(told),
        ports=frozenset(facts.ports),
        master_cf=played_master(main, services, ports, fed, left_out),
        routed=names,
        played=frozenset(services[number].key for number in (*spoken_to, *fed)),
        facts=facts,
        directory=facts.directory,
        merged=merged,
    )


def _submission(main: Scope, recipient: str) -> messages.Submission:
    picks_up = bool(main.merged.running("pickup"))
    return messages.Submission(program=main.value("sendmail_path"), recipient=recipient, picks_up=picks_up)


# ---- the room and the world ------------------------------------------------------------------------------------------


def _room(main: Scope, services: tuple[Service, ...], sent: int, left_out: Mapping[int, int]) -> messages.Room:
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
        sockets={_socket(services[number]): services[other].name for number, other in left_out.items()},
        limits=messages.Bounds(
            space=_space(main),
            memory=_MEMORY + len(services) * _MORE_MEMORY,
            processes=_PROCESSES + len(services) * _MORE_PROCESSES,
            more_seconds=max(sent - _LITTLE, 0) * _MORE_SECONDS,
        ),
    )


def _socket(service: Service) -> str:
    """Return the socket of a service, below the queue_directory."""
    return f"{'public' if service.private == 'n' else 'private'}/{service.name}"


def _programs(main: Scope) -> dict[str, str]:
    """Return the folders of a Postfix that is installed outside of /usr, with a file that each must hold."""
    values = {main.value(name): marker for name, marker in _FOLDERS.items()}
    return {path: marker for path, marker in values.items() if path.startswith("/") and not path.startswith("/usr/")}


def _space(main: Scope) -> int:
    """Return how many bytes may be written: Postfix requires free space for 1.5 times its largest message."""
    sizes = [scope.value(name) for scope in scopes(main.merged, main.facts) for name in _SIZES]
    return _LEAST_SPACE + 2 * max(as_number(size) for size in (*sizes, "0") if is_digits(size))


def _world(
    main: Scope, services: tuple[Service, ...], listeners: list[messages.PlayedListener], flows: list[Flow]
) -> messages.WorldParameters:
    own, texts = own_ports(services, main.facts), outside.texts(main)
    addresses = placed(main, flows)
    # A port that the candidate listens on gets no stand-in, so mail loops as it would live.
    stand_ins = [
        server
        for server in outside.stand_ins(main, services, texts)
        if "path" in server or not (server["near"] and server["port"] in own)
    ]
    served = {server["port"] for server in stand_ins if "path" not in server}
    return messages.WorldParameters(
        addresses=[str(address) for address in addresses.on_interfaces],
        networks=list(addresses.networks),
        names=_names(main, addresses.on_interfaces),
        speaks_only_ipv6=outside.loopback(main) != LOOPBACK,
        serves_names=all((one["address"], one["port"]) != _NAME_SERVER for one in listeners),
        block_lists=sorted(set(outside.block_lists(main))),
        ports=sorted({*_MAIL_PORTS, *outside.ports(texts)} - served),
        wrapped_ports=sorted(outside.wrapped_ports(main)),
        encrypted=_ENCRYPTED if outside.never_needs_tls(main) else None,
        goal=goal_of_agents(main),
        stand_ins=stand_ins,
    )


def _names(main: Scope, addresses: Interfaces) -> dict[str, list[str]]:
    """Return the addresses of names: this host's own, and as the host finds them, those that services listen on."""
    found = {name.lower(): list(addresses) for name, addresses in main.facts.hosts.items() if addresses}
    own = [str(one.ip) for one in addresses if not one.ip.is_loopback]
    return found | {main.value("myhostname").lower(): own}


# ---- flows -----------------------------------------------------------------------------------------------------------


def _reached(
    flow: Flow, listeners: list[messages.PlayedListener], services: tuple[Service, ...], facts: Facts
) -> messages.PlayedListener | None:
    """Return the listener that the client of a flow would reach, if one serves its port."""
    port = as_number(flow.port) if is_digits(flow.port) else facts.ports.get(flow.port, 0)
    near = clients.is_loopback(flow.client)
    # The smtpd behind postscreen takes postscreen's place.
    screened = {SMTP, *(one["port"] for one in listeners if services[one["service"]].command == "postscreen")}
    played = [one for one in listeners if services[one["service"]].command != "postscreen"]
    behind = {one["port"] for one in played if services[one["service"]].type == "pass"}
    fitting = [one for one in played if one["port"] == port or (one["port"] in behind and port in screened)]
    same = [one for one in fitting if (":" in one["address"]) == (":" in flow.client)]
    best = [one for one in same if clients.is_loopback(one["address"]) == near] or (same if near else [])
    return best[0] if best else None


def _flow(identity: str, flow: Flow, listener: messages.PlayedListener, main: Scope) -> messages.PlayedFlow:
    return messages.PlayedFlow(
        id=identity,
        listener=listener,
        client=flow.client,
        helo=flow.helo,
        tls=flow.tls,
        login=flow.login,
        sender=main.expanded(flow.sender) or flow.sender,
        recipients=[main.expanded(recipient) or recipient for recipient in flow.recipients],
        header=flow.header,
        is_delivered=flow.expect.is_delivered,
        is_routed=flow.expect.nexthop is not None,
    )
