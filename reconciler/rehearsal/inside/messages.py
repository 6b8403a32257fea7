"""What goes into a rehearsal and what comes out of it, as JSON: a Request and an Answer.

These are the dictionaries themselves: whoever writes one and whoever reads it, inside and outside of the namespaces,
has the same names and types. Raises nothing.
"""

from __future__ import annotations

from typing import TypedDict, final

Step = list[str]
"""A command, and the whole reply to it."""
CLIENT, LOGIN, FORGED, SCREENED = "client", "login", "forged", "screened"
"""The kinds of dialogues: as anybody, after a login, as another's login, and with postscreen."""


# ---- what is to be played --------------------------------------------------------------------------------------------


class Endpoint(TypedDict):
    """Where an smtpd listens: *wrapped* if TLS comes first, *proxy* if it expects the header of a proxy."""

    address: str
    port: int
    wrapped: bool
    proxy: bool


class PlayedListener(Endpoint):
    """An smtpd of the candidate: the number of its *service*, and what its settings promise to clients.

    *tls* is the security level, *sasl* whether it offers logins. A *choosy* one accepts mail of some clients only.
    """

    service: int
    tls: str
    sasl: bool
    choosy: bool
    asks_certificate: bool


class Dialogue(TypedDict):
    """A client that tries every recipient at a listener; *login* is the name under which it has authenticated.

    Its *kind* is one of those above.
    """

    id: str
    kind: str
    listener: PlayedListener
    client: str
    login: str
    sender: str
    recipients: list[str]


class Listing(TypedDict):
    """A table of the host that lists recipients, and the *domain* of those that are local names."""

    table: str
    domain: str


class Submission(TypedDict):
    """The program with which others on this host send mail, the recipient, and whether a pickup(8) takes the mail."""

    program: str
    recipient: str
    picks_up: bool


class Agent(TypedDict):
    """A delivery agent, and the recipients whose mail is handed to it, in one message."""

    name: str
    recipients: list[str]


class PlayedFlow(TypedDict):
    """A mail-flow test; *is_delivered* if it takes a delivery to judge it, *is_routed* if it takes the next hop."""

    id: str
    listener: PlayedListener
    client: str
    helo: str
    tls: bool
    login: str
    sender: str
    recipients: list[str]
    header: str
    is_delivered: bool
    is_routed: bool


@final
class SocketServer(TypedDict):
    """A server that the configuration asks at a path."""

    kind: str
    path: str


@final
class PortServer(TypedDict):
    """A server that the configuration asks at an address, which is *near* if it is one of this host."""

    kind: str
    address: str
    port: int
    near: bool


StandIn = SocketServer | PortServer


class Parameters(TypedDict):
    """The parameters of main.cf that decide where a Postfix keeps its things."""

    queue_directory: str
    data_directory: str
    daemon_directory: str
    process_id_directory: str
    mail_owner: str
    setgid_group: str
    maillog_file: str


class Bounds(TypedDict):
    """What all processes of a rehearsal may take together: *memory* in bytes, files in *space*, and *processes*.

    *more_seconds* is the time that so much mail may take beyond what a little may.
    """

    space: int
    memory: int
    processes: int
    more_seconds: float


class Room(TypedDict):
    """What the candidate's root is made of: *files* are shown, *folders* are made.

    Of *folders_of_files* the files are shown. *folders_of_caches* can be written, with the owner and the mode that they
    have on the host. A folder of *programs* is shown if a file of that name is in it. The files of one of the *chains*
    are loaded together. *compiled* has the type and the suffix of each table that is read in a compiled form, by its
    path; *texts* are what stands in the files of secret tables instead. *sockets* are those below the queue_directory
    that lead to the one of another service, each with its name.
    """

    parameters: Parameters
    files: list[str]
    folders_of_files: list[str]
    chains: list[list[str]]
    compiled: dict[str, tuple[str, str]]
    texts: dict[str, str]
    folders: list[str]
    folders_of_caches: list[str]
    programs: dict[str, str]
    chroot: bool
    sockets: dict[str, str]
    limits: Bounds


class WorldParameters(TypedDict):
    """What is outside of the candidate's host, whose *addresses*, *networks* and *names* these are.

    *addresses* are on an interface there; all addresses in *networks* are the host's as well.
    Mail servers listen on *ports*, on *wrapped_ports* with TLS first. Names below *block_lists* do not exist. Of the
    clients of one address and one name, the first *encrypted* are offered TLS, and each that delivers to *goal*; all of
    them if it is None.
    """

    addresses: list[str]
    networks: list[str]
    names: dict[str, list[str]]
    speaks_only_ipv6: bool
    serves_names: bool
    block_lists: list[str]
    ports: list[int]
    wrapped_ports: list[int]
    encrypted: int | None
    goal: str
    stand_ins: list[StandIn]


class Play(TypedDict):
    """Everything that is played; mail for *agents* enters at the *injector*.

    *recipients* are all that a client sends to; of those that are *asked*, and of what the *listings* list, it only
    tries whether they are accepted.
    """

    room: Room
    world: WorldParameters
    dialogues: list[Dialogue]
    recipients: list[str]
    asked: list[str]
    listings: list[Listing]
    submission: Submission
    injector: Endpoint
    agents: list[Agent]
    flows: list[PlayedFlow]


class Candidate(TypedDict):
    """The configuration: the folder where it is staged, the one that Postfix knows, and *replaced* files by name.

    *links* are paths outside of that folder, each with the file of it that it leads to. *returning* are others, which
    lead there today, each with the copy of what the host has in its place.
    """

    stage: str
    directory: str
    replaced: dict[str, str]
    links: dict[str, str]
    returning: dict[str, str]


class Request(TypedDict):
    """What the program reads; *stand_ins* are a certificate and its key, as PEM, by their kind: rsa and ec."""

    play: Play
    candidate: Candidate
    stand_ins: dict[str, str]


# ---- what has happened -----------------------------------------------------------------------------------------------


class DialogueResult(TypedDict):
    """What was said, and why it ended early, if it did."""

    steps: list[Step]
    error: str


class AgentResult(DialogueResult):
    """Whether a message was accepted."""

    sent: bool


class FlowResult(AgentResult):
    """The queue id under which it was accepted, if it was."""

    queue: str


class Submitted(TypedDict):
    """How sendmail(1) ended: its status, -1 if there is no such program, and what it said."""

    status: int
    said: str


class Message(TypedDict):
    """A message that a server of the world took: its envelope, the lines of its header, and where it came from."""

    source: str
    helo: str
    sender: str
    recipients: list[str]
    header: list[str]


class Times(TypedDict):
    """Seconds from the start until the room was built, the master was up, all was said, and all was over."""

    built: float
    up: float
    spoken: float
    over: float


@final
class Report(TypedDict):
    """What has happened; results stand in the order of the play.

    *start_failure* is empty when the master came up; otherwise there are no results. *closed* are the named files that
    others may not read, which had a stand-in. *listed* are the recipients of each listing. *routes* are the next hops
    of each flow's message, by the flow's id.
    """

    start_failure: str
    closed: list[str]
    alive: bool
    listed: list[list[str]]
    dialogues: list[DialogueResult]
    submitted: Submitted
    agents: list[AgentResult]
    flows: list[FlowResult]
    routes: dict[str, list[str]]
    received: list[Message]
    log: list[str]
    seconds: Times


@final
class Exceeded(TypedDict):
    """What the candidate took too much of, so that its rehearsal ended."""

    exceeded: str


@final
class Trouble(TypedDict):
    """The traceback of a rehearsal that broke down."""

    trouble: str


Answer = Report | Exceeded | Trouble
