"""A rehearsal: the candidate's own master(8) in a room and a world of its own, and every dialogue of the play.

    setpriv --pdeathsig KILL unshare -m -n -p -i -u -f --kill-child python3 -IS -c '...play.main()' <request >answer

Promises: prints one JSON object and ends; whatever it started ends with it, for it is PID 1 of its namespace. Raises
nothing that is not printed as ``{"trouble": text}``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from reconciler.rehearsal.inside import deliveries, limits, listings, master, room, spool, stand_ins
from reconciler.rehearsal.inside.dialogues import feed_agent, send_flows, sessions, try_listener
from reconciler.rehearsal.inside.log import RehearsalLog
from reconciler.rehearsal.inside.mailserver import Offers, mail_server
from reconciler.rehearsal.inside.messages import CLIENT, Exceeded, Report, Submitted, Times, Trouble
from reconciler.rehearsal.inside.network import Network
from reconciler.rehearsal.inside.talk import PATIENCE, Talks
from reconciler.rehearsal.inside.world import World, context

if TYPE_CHECKING:
    import ssl

    from reconciler.rehearsal.inside import messages

DIALOGUES = 12
QUIET, SOON = 1.5, 0.5  # seconds, on a host with time to spare
MOST_PATIENCE = 10.0
_STARTS = 10  # as many starts of the master take as long as the deliveries of a rehearsal, at most
LONGEST = 60.0
_ANSWERING = threading.Lock()


class Prepared(NamedTuple):
    """What takes no request to make: the TLS of the world's servers, its network, and the sockets of the host."""

    tls: ssl.SSLContext
    network: Network
    sockets: list[Path]


def prepare() -> Prepared:
    """Make ready while the commit is still being judged."""
    return Prepared(context(Path(__file__).with_name("world.pem")), Network(), room.sockets_of_host())


def play(request: messages.Request, prepared: Prepared) -> Report:
    """Do what the request says."""
    began = time.monotonic()
    asked, candidate = request["play"], request["candidate"]
    parameters = asked["room"]["parameters"]
    try:
        built = room.build(request, prepared.sockets)
    except spool.Unusable as problem:
        return _unheld(str(problem))
    limits.inherit(asked["room"]["limits"])
    limits.guard(asked["room"]["limits"], lambda excess: _end(Exceeded(exceeded=excess)))
    world = World(asked["world"], prepared.tls, prepared.network)
    room.compile_tables(built.tables)
    log = RehearsalLog(parameters["maillog_file"], parameters["queue_directory"])
    talks = Talks(world.connect, PATIENCE + asked["room"]["limits"]["more_seconds"])
    log.hurry = talks.hurry
    _open(asked["world"], world)
    ready = time.monotonic() - began
    # Thousands of links take as long as master does to start.
    linked = ThreadPoolExecutor(1).submit(spool.link, parameters["queue_directory"], asked["room"]["sockets"])
    failure = master.start(parameters, candidate["directory"], asked["room"]["limits"]["processes"])
    linked.result()
    report = _unheld(failure)
    report["closed"], report["received"] = built.closed, world.received
    report["seconds"] |= {"built": ready, "up": time.monotonic() - began}
    if not failure:
        _speak(asked, talks, report, candidate["directory"])
        report["seconds"]["spoken"] = time.monotonic() - began
        _await_deliveries(asked, log, report)
        report["alive"] = master.is_alive(parameters)
    report["log"] = log.all()
    report["seconds"]["over"] = time.monotonic() - began
    return report


def _unheld(failure: str) -> Report:
    """Return the report of a rehearsal in which nothing was said."""
    return Report(
        start_failure=failure, closed=[], alive=False, listed=[], dialogues=[], submitted=Submitted(status=-1, said=""),
        agents=[], flows=[], routes={}, received=[], log=[], seconds=Times(built=0, up=0, spoken=0, over=0),
    )  # fmt: skip


def _open(asked: messages.WorldParameters, world: World) -> None:
    """Have the world answer: its name server, its mail servers, and those that stand in for others."""
    if asked["serves_names"]:
        world.serve_names()
    offers = None if asked["encrypted"] is None else Offers(asked["encrypted"], asked["goal"])
    for port in asked["ports"]:
        wrapped = port in asked["wrapped_ports"]
        world.listen(port, mail_server(world.received, world.tls, wrapped=wrapped, offers=offers))
    stand_ins.open_all(asked["stand_ins"], world)


def _speak(asked: messages.Play, talks: Talks, report: Report, directory: str) -> None:
    """Hold every dialogue, many at the same time."""
    with ThreadPoolExecutor(DIALOGUES) as threads:
        agents = [threads.submit(feed_agent, agent, asked["injector"], talks) for agent in asked["agents"]]
        submission = asked["submission"]
        submitted = threads.submit(
            master.submit, directory, submission["program"], submission["recipient"], deliveries.SUBMITTED
        )
        listed = [threads.submit(_listed, directory, listing) for listing in asked["listings"]]
        report["listed"] = [future.result() for future in listed]
        found = {address for addresses in (asked["asked"], *report["listed"]) for address in addresses}
        more = sorted(found - set(asked["recipients"]))
        dialogues = [
            threads.submit(try_listener, each, more if each["kind"] == CLIENT else [], talks)
            for each in asked["dialogues"]
        ]
        flows = [threads.submit(send_flows, shared, talks) for shared in sessions(asked["flows"], DIALOGUES)]
    report["submitted"] = submitted.result()
    report["dialogues"] = [future.result() for future in dialogues]
    sent = {flow: result for future in flows for flow, result in future.result().items()}
    report["flows"] = [sent[flow["id"]] for flow in asked["flows"]]
    report["agents"] = [future.result() for future in agents]


def _listed(directory: str, listing: messages.Listing) -> list[str]:
    """Return some recipients that a table of the host lists."""
    return listings.recipients(master.rows(directory, listing["table"]), listing["domain"])


def _await_deliveries(asked: messages.Play, log: RehearsalLog, report: Report) -> None:
    """Wait for what is judged by its delivery, and a little for the rest; then ask where it went."""
    agents = zip(asked["agents"], report["agents"], strict=True)
    flows = list(zip(asked["flows"], report["flows"], strict=True))
    awaited = {agent["name"] for agent, result in agents if result["sent"]}
    awaited |= {flow["id"] for flow, result in flows if result["sent"] and flow["is_delivered"]}
    course = deliveries.Course({result["queue"]: flow["id"] for flow, result in flows if result["queue"]})
    longest = MOST_PATIENCE + asked["room"]["limits"]["more_seconds"]
    quiet, soon = (patience(usual, report["seconds"]) for usual in (QUIET, SOON))
    log.wait(course, lambda: deliveries.all_ended(course, awaited), quiet, longest)
    is_submitted = report["submitted"]["status"] == 0
    if is_submitted and asked["submission"]["picks_up"]:
        log.wait(course, lambda: course.is_picked_up, MOST_PATIENCE, MOST_PATIENCE)
    log.wait(course, lambda: deliveries.all_tried(course, is_submitted=is_submitted), soon, longest)
    report["routes"] = deliveries.routes(course, asked["flows"], asked["room"]["parameters"]["queue_directory"])


def patience(usual: float, seconds: messages.Times) -> float:
    """Return how long to wait, in seconds: longer on a host that was slow to start the master a moment ago."""
    start = seconds["up"] - seconds["built"]
    return min(max(usual, _STARTS * start), MOST_PATIENCE)


def _end_with_the_reader() -> None:
    """End when nothing can read the answer any more: who would kill this process may have died before it began."""
    reader = select.poll()
    reader.register(1, 0)  # poll(2): POLLERR comes without being asked for
    reader.poll()
    os._exit(1)


def _be_ended_first() -> None:
    """When memory is short, the kernel is to end a rehearsal before the host's own Postfix and before the daemon."""
    with suppress(OSError):  # where /proc can't be written, the kernel takes the largest process
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")


def main() -> None:
    """Read the request, play it, print the answer."""
    os.umask(0o022)  # whatever the daemon's is: Postfix's users pass through the folders that are made here
    _be_ended_first()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_reader).start()
    answer: messages.Answer
    try:
        prepared = prepare()
        request: messages.Request = json.load(sys.stdin)
        threading.Timer(LONGEST + request["play"]["room"]["limits"]["more_seconds"], os._exit, (1,)).start()
        answer = play(request, prepared)
    except BaseException:  # noqa: BLE001 - it is the answer, in full
        answer = Trouble(trouble=traceback.format_exc())
    _end(answer)


def _end(answer: messages.Answer) -> NoReturn:
    """Print the answer and end, with all that was started; the first answer is the only one."""
    _ANSWERING.acquire()  # for good
    text = json.dumps(answer).encode("utf-8", "replace")
    while text:
        select.select([], [1], [])
        text = text[os.write(1, text) :]
    os._exit(0)  # threads of stand-ins never end
