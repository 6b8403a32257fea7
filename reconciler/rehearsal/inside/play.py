"""A rehearsal: the candidate's own master(8) in a room and a world of its own, and every dialogue of the script.

    setpriv --pdeathsig KILL unshare -m -n -p -i -u -f --kill-child python3 -IS -c '...play.main()' <script >report

Promises: prints one JSON object and ends; whatever it started ends with it, for it is PID 1 of its namespace. Raises
nothing that is not printed as ``{"trouble": text}``.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - getaddrinfo() wants it, and in the new root there is no library to find it in
import errno
import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.rehearsal.inside import room, stand_ins
from reconciler.rehearsal.inside.mailserver import mail_server
from reconciler.rehearsal.inside.talk import Talks
from reconciler.rehearsal.inside.world import World, context

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.rehearsal.inside.talk import Talk

DIALOGUES = 12
START = 8.0
GRACE = 1.5
QUIET, SOON = 1.5, 0.5
LONGEST = 60.0
PROCESSES = 1000
_THREADS = Path("/proc/loadavg")
_PASSING = {errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EIO, errno.EDQUOT}
_CAPABILITIES = (
    "chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "net_bind_service", "sys_chroot",
)  # fmt: skip
_DELIVERED = re.compile(r": (?P<queue>[0-9A-Za-z]+): to=<(?P<to>[^>]*)>.* status=(?P<status>\w+)")
_MESSAGE_ID = re.compile(r"cleanup\[\d+\]: (?P<queue>[0-9A-Za-z]+): message-id=<(?P<id>[^>]*)@rehearsal\.example>")
_SENDER = re.compile(r": (?P<queue>[0-9A-Za-z]+): from=<(?P<from>[^>]*)>")
_ACTIVE = re.compile(r": (?P<queue>[0-9A-Za-z]+): from=<[^>]*>, size=\d+, nrcpt=(?P<count>\d+) ")
_QUEUED = re.compile(r"queued as (\w+)")
_DEAD = re.compile(r"fatal: |panic: |bad command startup -- throttling|malformed response|transport unavailable")


class Log:
    """What Postfix logs: a datagram socket at /dev/log, and the file that maillog_file names.

    *hurry* is called soon after master(8) has given up a service: for a minute nobody will be answered there.
    """

    def __init__(self, maillog_file: str) -> None:
        self.lines: list[str] = []
        self.news = threading.Condition()
        self.hurry: Callable[[], None] = lambda: None
        self._file = Path(maillog_file) if maillog_file and not maillog_file.startswith("/dev/") else None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self._socket.bind("/dev/log")
        Path("/dev/log").chmod(0o666)
        threading.Thread(target=self._read, name="log", daemon=True).start()

    def _read(self) -> None:
        while True:
            text = self._socket.recv(65536).decode("utf-8", "replace").rstrip("\0\n")
            with self.news:
                self.lines.append(re.sub(r"\A<\d+>(?:\w{3} [ \d]\d [\d:]{8} )?", "", text))
                self.news.notify_all()
            if "-- throttling" in text:
                threading.Timer(GRACE, self.hurry).start()

    def all(self) -> list[str]:
        """Everything so far."""
        with self.news:
            lines = list(self.lines)
        if self._file and self._file.exists():
            lines += self._file.read_text("utf-8", "replace").splitlines()
        return lines

    def wait(self, done: Any, patience: float) -> None:  # noqa: ANN401 - a predicate on lines
        """Wait until the lines say so, or patience is over."""
        deadline = time.monotonic() + patience
        with self.news:
            while not done(self.lines) and (left := deadline - time.monotonic()) > 0:
                self.news.wait(min(left, 0.05) if self._file else left)
                if self._file and self._file.exists():
                    self.lines = [*self.lines, *self._file.read_text("utf-8", "replace").splitlines()]
                    self._file.write_text("")


def play(script: dict[str, Any]) -> dict[str, Any]:
    """Do what the script says."""
    began = time.monotonic()
    try:
        room.build(script)
        tls = context(script["certificate"], "/dev/shm")  # noqa: S108 - the room's own, not the host's
        world = World(script["addresses"], script["names"], script["absent"], tls, is_new=script["speaks_only_ipv6"])
    except OSError as error:
        if error.errno in _PASSING:
            raise
        return {"impossible": str(error)}
    log = Log(script["values"].get("maillog_file", ""))
    talks = Talks(world.connect)
    log.hurry = talks.hurry
    if "127.0.0.1:53" not in script["taken"]:
        world.serve_names()
    for port in script["ports"]:
        world.listen(port, mail_server(world.received, tls, wrapped=port in script["wrapped_ports"]))
    stand_ins.open_all(script["partners"], world)
    report: dict[str, Any] = {"built": time.monotonic() - began, "dialogues": [], "flows": []}
    master = _start(script)
    report |= {"started": master, "up": time.monotonic() - began}
    if not master:
        with ThreadPoolExecutor(DIALOGUES) as threads:
            dialogues = [threads.submit(_dialogue, one, script, talks) for one in script["dialogues"]]
            flows = [threads.submit(_flow, one, script, talks) for one in script["flows"]]
            agents = [threads.submit(_agent, one, script, talks) for one in script["agents"]]
        report["dialogues"] = [one.result() for one in dialogues]
        report["flows"] = [one.result() for one in flows]
        report["agents"] = [one.result() for one in agents]
        report["spoken"] = time.monotonic() - began
        awaited = [one["name"] for one, asked in zip(script["agents"], report["agents"], strict=True) if asked["sent"]]
        awaited += [
            one["id"]
            for one, told in zip(script["flows"], report["flows"], strict=True)
            if told["sent"] and one["deliver"]
        ]
        queued = {
            told["queue"]: one["id"]
            for one, told in zip(script["flows"], report["flows"], strict=True)
            if told["queue"]
        }
        log.wait(lambda lines: _all_ended(lines, awaited, queued), QUIET)
        log.wait(_all_tried, SOON)
        report["routes"] = _routes(log.all(), script, queued)
        report["alive"] = _alive(script)
    return report | {"log": log.all(), "received": world.received, "seconds": time.monotonic() - began}


def _start(script: dict[str, Any]) -> str:
    """Start the master without its scripts; empty when it is up, else why not."""
    values = script["values"]
    threads = int(_THREADS.read_text().split()[3].partition("/")[2])
    resource.setrlimit(resource.RLIMIT_NPROC, (threads + PROCESSES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))  # 1 is what keeps the kernel from asking the host's own handler
    argv = [
        "setpriv", "--bounding-set", "-all," + ",".join(f"+{name}" for name in _CAPABILITIES), "--",
        f"{values['daemon_directory']}/master", "-w", "-c", script["config_directory"],
    ]  # fmt: skip
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": script["config_directory"], "LANG": "C"}
    try:
        done = subprocess.run(  # noqa: S603 - the script is ours
            argv, env=environment, cwd=values["queue_directory"], capture_output=True, timeout=START, check=False
        )
    except subprocess.TimeoutExpired:
        return "it does not come up"
    return (
        ""
        if done.returncode == 0
        else done.stderr.decode(errors="replace").strip() or f"it exits with {done.returncode}"
    )


def _alive(script: dict[str, Any]) -> bool:
    """Whether the master still runs."""
    try:
        pid = int(
            (
                Path(script["values"]["queue_directory"]) / script["values"]["process_id_directory"] / "master.pid"
            ).read_text()
        )
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return False
    return state != "Z"


# ---- what is said ----------------------------------------------------------------------------------------------------


def _dialogue(one: dict[str, Any], script: dict[str, Any], talks: Talks) -> dict[str, Any]:
    """A listener's dialogue: the greeting, a recipient of each class, and a message for those that are accepted."""
    talk = talks.begin(one["listener"], one["client"])
    if talk.greet("client.rehearsal.example", login=one.get("login", "")) and not one["listener"]["silent"]:
        taken = []
        if talk.say(f"MAIL FROM:<{one['sender']}>").startswith("2"):
            taken = [address for address in script["recipients"] if talk.say(f"RCPT TO:<{address}>").startswith("2")]
        for address in taken:
            talk.say("RSET")
            if talk.say(f"MAIL FROM:<{one['sender']}>").startswith("2") and talk.say(f"RCPT TO:<{address}>").startswith(
                "2"
            ):
                _message(talk, f"{one['id']}", one["sender"], address)
        talk.say("QUIT")
    talk.close()
    return {"steps": talk.steps, "error": talk.error}


def _message(talk: Talk, identity: str, sender: str, recipient: str, more: str = "") -> bool:
    if not talk.say("DATA").startswith("3"):
        return False
    header = f"From: <{sender}>\nTo: <{recipient}>\nSubject: rehearsal\nMessage-ID: <{identity}@rehearsal.example>\n"
    date = time.strftime("Date: %a, %d %b %Y %H:%M:%S +0000\n", time.gmtime())
    return talk.send(f"{header}{date}{more}\nA rehearsal.").startswith("2")


def _agent(one: dict[str, Any], script: dict[str, Any], talks: Talks) -> dict[str, Any]:
    """A message for one delivery agent, past all that could keep it from there."""
    talk = talks.begin(script["injector"], script["injector"]["address"])
    sent = talk.greet("localhost", tls=False) and all(
        talk.say(command).startswith("2") for command in ("MAIL FROM:<>", f"RCPT TO:<{one['recipient']}>")
    )
    sent = bool(sent) and _message(talk, one["name"], "", one["recipient"])
    talk.close()
    return {"sent": sent, "steps": talk.steps, "error": talk.error}


def _flow(one: dict[str, Any], script: dict[str, Any], talks: Talks) -> dict[str, Any]:  # noqa: ARG001 - as the others
    """A mail-flow test: who sends what to whom."""
    talk = talks.begin(one["listener"], one["client"])
    sent = False
    if talk.greet(one["helo"], tls=one["tls"], login=one["login"]):
        said = [talk.say(f"MAIL FROM:<{one['sender']}>")]
        said += [talk.say(f"RCPT TO:<{address}>") for address in one["recipients"]] if said[0].startswith("2") else []
        if all(reply.startswith("2") for reply in said):
            sent = _message(talk, one["id"], one["sender"], one["recipients"][0], one["header"])
        talk.say("QUIT")
    talk.close()
    queued = _QUEUED.search(talk.steps[-2][1]) if sent else None
    return {"sent": sent, "queue": queued[1] if queued else "", "steps": talk.steps, "error": talk.error}


# ---- what became of it -----------------------------------------------------------------------------------------------


def _all_ended(lines: list[str], awaited: list[str], queued: dict[str, str]) -> bool:
    """Whether every message has met its end, or something died of one."""
    names = _names(lines, queued)
    wanted = {match["queue"]: int(match["count"]) for line in lines if (match := _ACTIVE.search(line))}
    ends = Counter(match["queue"] for line in lines if (match := _DELIVERED.search(line)))
    ended = {names.get(queue) for queue, count in ends.items() if count >= wanted.get(queue, 1)}
    missing = [name for name in awaited if name not in ended]
    return not missing or sum(1 for line in lines if _DEAD.search(line)) >= len(missing)


def _all_tried(lines: list[str]) -> bool:
    """Whether each message that was taken was tried once; what a dialogue has sent is awaited no longer than that."""
    taken = {match["queue"] for line in lines if (match := _MESSAGE_ID.search(line))}
    return taken <= {match["queue"] for line in lines if (match := _DELIVERED.search(line))}


def _names(lines: list[str], queued: dict[str, str]) -> dict[str, str]:
    """Whose each queue file is: by what smtpd answered, or by the message's own name, which a header check may drop."""
    return queued | {match["queue"]: match["id"] for line in lines if (match := _MESSAGE_ID.search(line))}


def _routes(lines: list[str], script: dict[str, Any], queued: dict[str, str]) -> dict[str, list[str]]:
    """The next hops to which qmgr(8) sends each flow's message, by its id: one for each final recipient."""
    senders = {one["id"]: one["sender"] for one in script["flows"] if one["deliver"]}
    queues = {match["queue"]: match["from"] for line in lines if (match := _SENDER.search(line))}
    names = _names(lines, queued)
    found: dict[str, list[str]] = {}
    for line in lines:
        if (match := _DELIVERED.search(line)) and (name := names.get(match["queue"], "")) in senders:
            route = _resolve(script, queues.get(match["queue"], senders[name]), match["to"])
            found.setdefault(name, []).append(route.get("nexthop", ""))
    return found


def _resolve(script: dict[str, Any], sender: str, address: str) -> dict[str, str]:
    """Ask trivial-rewrite(8) as qmgr(8) does: transport and next hop of a recipient."""
    path = Path(script["values"]["queue_directory"], "private", "rewrite")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
            request = {"request": "resolve", "sender": sender, "address": address}
            connection.sendall(b"".join(f"{name}\0{value}\0".encode() for name, value in request.items()) + b"\0")
            answer = b""
            while b"\0transport\0" not in answer or not answer.endswith(b"\0\0"):
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        except OSError:
            return {}
    words = answer.decode("utf-8", "replace").split("\0")
    return {name: words[words.index(name) + 1] for name in ("transport", "nexthop") if name in words}


def main() -> None:
    """Read the script, play it, print the report."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    threading.Timer(LONGEST, os._exit, (1,)).start()  # whoever started us may have died before they could say so
    script = json.load(sys.stdin)
    try:
        report = play(script)
    except BaseException:  # noqa: BLE001 - told in full to whoever started us
        report = {"trouble": traceback.format_exc()}
    os.write(1, b"")  # whoever asked may be gone
    text = json.dumps(report).encode("utf-8", "replace")
    while text:
        select.select([], [1], [])
        text = text[os.write(1, text) :]
    os._exit(0)  # threads of stand-ins never end
