"""Starts reconciler in throw-away hosts from one process that has imported it: an import takes half a second.

    preloaded.py                    standard input is a socket of packets; each packet asks for one program

A packet is JSON, {"host": pid of the host's PID 1, "argv": [...], "user": name, "env": {...}, "cwd": path}, and carries
four descriptors: standard input, output, error, and a socket for the answers: {"pid": n} of the program as this server
sees it, and {"status": n} at the end, as wait(2) gives it. The program is reconciler's command line, `rehearse`
(rehearse.py) or `crash-server` (crash_server.py). Promises: the program is in all namespaces of the host that
nsenter(1) would enter, has the environment, the user and the command line that it would have had, and dies with this
server. It is forked once, because a copy of this process takes as long as a small command.

Known limits: its modules were imported before it was in the host; the templates and the files of Postfix's programs,
alike in all hosts, were read then, and what these programs say of themselves was asked in the first host; where systemd
does not run the host, it is in the cgroup of the test.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import pickle
import pwd
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from reconciler.commands import edges
from reconciler.commands import main as cli
from reconciler.commands.edges import templates
from reconciler.desired.lint import lint
from reconciler.desired.load import load
from reconciler.features.composition import compose
from reconciler.host import facts
from reconciler.host.effects import Host
from reconciler.host.facts import gather
from reconciler.host.settings import Settings, shipped
from reconciler.model import File
from reconciler.trees.render import render
from tests.e2e.inside import crash_server, rehearse
from tests.e2e.namespaces import ALL, CLONE_NEWPID, LIBC, enter, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model import Facts

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # <linux/prctl.h>
HOST = Host()
STARTER = shipped("desired-state")
LIBC.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: the packet, and its *descriptors*."""

    host: int
    argv: list[str]
    user: str
    env: dict[str, str]
    cwd: str
    descriptors: list[int]


def receive(control: socket.socket) -> Request | None:
    """Return the next request; None when the test run is over."""
    packet, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 4)
    return Request(**json.loads(packet), descriptors=descriptors) if packet else None


def become(request: Request) -> None:
    """Be the program that was asked for: descriptors, user, environment and command line."""
    for number, descriptor in enumerate(request.descriptors[:3]):
        os.dup2(descriptor, number)
    os.closerange(3, 1 << 16)
    os.setsid()
    user = pwd.getpwnam(request.user)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(HOME=user.pw_dir, SHELL=user.pw_shell, USER=user.pw_name, LOGNAME=user.pw_name, **request.env)
    sys.argv = request.argv
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115 - for all its life
    sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def prctl(option: int, *arguments: int) -> None:
    """Call prctl of the C library; raises OSError as the kernel gives it."""
    if LIBC.prctl(option, *arguments, *[0] * (4 - len(arguments))):
        raise OSError(ctypes.get_errno(), "prctl")


def show(argv: list[str]) -> None:
    """Have ps(1) show this command line, as far as there is room where the one of this server stands."""
    start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])  # proc(5): 48 and 49
    line = b"\0".join(map(os.fsencode, argv))[: end - start - 1]
    ctypes.memmove(start, line.ljust(end - start, b"\0"), end - start)
    name = ctypes.create_string_buffer(os.fsencode(Path(argv[0]).name))
    prctl(PR_SET_NAME, ctypes.addressof(name))


def start(request: Request, control: socket.socket) -> int:
    """Start the program as a child in the host, and return its process id here; 0 if the host has ended."""
    try:
        target = os.pidfd_open(request.host)
        join(target, CLONE_NEWPID)
    except OSError:
        return 0
    if pid := os.fork():
        os.close(target)
        return pid
    control.close()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with suppress(FileNotFoundError):  # only a host that systemd runs has a cgroup for visitors
        Path(f"/proc/{request.host}/root/sys/fs/cgroup/visitor/cgroup.procs").write_text("0")
    enter(target, request.host, ALL & ~CLONE_NEWPID)
    show(request.argv)
    become(request)
    programs = {"rehearse": rehearse.answer, "crash-server": crash_server.main, "tell-installed": tell_installed}
    return end(programs.get(request.argv[0], cli.main))


def end(program: Callable[[], None]) -> NoReturn:
    """Run the program and end as it says, without what Python does last: to free what was imported copies it."""
    status = 0
    try:
        program()
    except SystemExit as told:
        status = told.code if isinstance(told.code, int) else int(told.code is not None)
        if isinstance(told.code, str):
            print(told.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as Python ends with any other
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    os._exit(status)


def answer(answers: int, **told: int) -> None:
    """Tell the test, which may be over already."""
    with suppress(OSError):
        os.write(answers, json.dumps(told).encode())


def judge_starter(facts: Facts) -> None:
    """Judge the starter state as a pass does: expressions, schemas and templates are compiled at their first use."""
    paths = [path for path in STARTER.rglob("*") if path.is_file()]
    desired = load({str(path.relative_to(STARTER)): File.of(path.read_bytes()) for path in paths}, facts.host, {})
    merged = compose(desired, facts)
    lint(desired, facts, merged)
    render(merged, templates())
    datetime.strptime("2000", "%Y")  # noqa: DTZ007 - for what it imports


def import_all() -> None:
    """Import every command, and do once for every child what a process does once."""
    for name in cli.COMMANDS:
        cli.imported(name)
    vars(edges)["Host"] = lambda: HOST  # what was read of the machine is kept for this one
    judge_starter(gather(HOST, Settings()))
    gc.collect()
    gc.freeze()  # a collection in a child would write to, and so copy, all that is shared


def tell_installed() -> None:
    """Gather the facts in a host, and print what its Postfix's programs say of themselves."""
    gather(HOST, Settings())
    ((_, *beside), installed) = facts._kept[0]  # noqa: SLF001
    os.write(1, pickle.dumps((beside, installed)))


def learn(request: Request, control: socket.socket) -> None:
    """Keep for every child what Postfix's programs say in the host of this request: in most hosts they say the same."""
    reading, writing = os.pipe()
    asking = replace(request, argv=["tell-installed"], user="root", cwd="/", descriptors=[0, writing, 2])
    if pid := start(asking, control):
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            beside, installed = pickle.load(told)
        os.waitpid(pid, 0)
        facts._kept[:] = [((HOST, *beside), installed)]  # noqa: SLF001


def ended() -> Iterator[tuple[int, int]]:
    """Yield the children that have ended, with their status."""
    with suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG))[0]:
            yield child


def main() -> None:
    """Serve until the test run ends."""
    import_all()
    running: dict[int, int] = {}
    has_learnt = False
    control, (woken, wakes) = socket.socket(fileno=os.dup(0)), os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes)
    awaited: list[socket.socket | int] = [control, woken]
    while True:
        ready, _, _ = select.select(awaited, [], [])
        if woken in ready:
            os.read(woken, 4096)
            for pid, status in ended():
                answers = running.pop(pid)
                answer(answers, status=status)
                os.close(answers)
        if control in ready:
            if not (request := receive(control)):
                return
            if not has_learnt:
                learn(request, control)
                has_learnt = True
            *own, answers = request.descriptors
            if pid := start(request, control):
                running[pid] = answers
                answer(answers, pid=pid)
            else:
                os.close(answers)
            for descriptor in own:
                os.close(descriptor)


if __name__ == "__main__":
    main()
