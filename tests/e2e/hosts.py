"""Throw-away hosts: the real Postfix with the real /etc/postfix and port 25, of which nothing survives.

    with Host(postfix=True) as host:
        assert host.send("a@example.net", "root").startswith("250")

Promises: a host ends with its `with`, or with the thread that made it, however that dies; nothing outside changes.
Raises HostError with the whole story when a host cannot be made, a command fails, or something is waited for in vain.

Known limits: needs root and a kernel with overlayfs and veth. `Host.root` is for looking: an absolute link below it
leads to the machine's files, unlike with `read` and `write`. Names resolve by /etc/hosts only.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import psutil

from tests.e2e import chroot, host_files
from tests.e2e.endings import end_of_command, end_of_program
from tests.e2e.mail_sink import Received, Sink
from tests.e2e.namespaces import CLONE_NEWNET, Entrance, join, opened
from tests.e2e.postfix_start import start_command
from tests.e2e.preloaded import SERVERS, Program

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from io import BufferedRWPair

    from tests.e2e.mail_sink import Login

T = TypeVar("T")

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
NAME = "mx1.example.com"
ADDRESS = "192.0.2.10"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAMS = ("age", "ip", "nsenter", "postfix", "setpriv", "unshare", "vim.tiny", "/lib/systemd/systemd")
UNSHARE = ("unshare", "-m", "-n", "-p", "-u", "-i", "-f", "--kill-child")
MAKER = "import sys; sys.path.append(sys.argv.pop(1)); from tests.e2e.inside.make_host import main; main()"
VISIT = ("sh", "-c", 'echo 0 >/sys/fs/cgroup/visitor/cgroup.procs && exec "$@"', "visit")


class HostError(Exception):
    """A host could not be made, or something in it did not go as the test needs."""


def missing() -> list[str]:
    """What this machine lacks for making hosts; `tests/run` installs it."""
    lacking = [] if os.geteuid() == 0 else ["root"]
    return lacking + [program for program in PROGRAMS if not shutil.which(program, path=PATH)]


class Host:
    """A machine of its own: mounts, network, processes, IPC and name; of its cgroup too when systemd runs it."""

    def __init__(
        self, name: str = NAME, address: str = ADDRESS, *, postfix: bool = False, systemd: bool = False
    ) -> None:
        self.name = name
        self.address = address
        self.systemd = systemd
        self._postfix = postfix
        self._closing = ExitStack()
        self._sinks: dict[int, Sink] = {}
        self._entrance: Entrance | None = None

    def __enter__(self) -> Self:
        try:
            self._make()
            if self.systemd:
                self.wait_for(self._booted, timeout=180, what="systemd to come up")
            self._entrance = self._closing.enter_context(closing(Entrance(self.pid)))
            if self._postfix:
                if not self.systemd:
                    chroot.fill(self)
                self.start_postfix(filled=True)
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    @property
    def root(self) -> Path:
        """The host's root as seen from outside; see the module's known limits."""
        return Path(f"/proc/{self.pid}/root")

    # Processes

    def run(
        self,
        *argv: str | Path,
        user: str | None = None,
        input: str | None = None,  # noqa: A002  # as subprocess.run calls it
        timeout: float = 180,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end; unless told otherwise, a status other than 0 is an error.

        A `reconciler` that is the tests' own, and no installed one, is forked from a process that has imported it.
        """
        try:
            if argv[0] == "reconciler" and self._has_own_command():
                start = partial(self.start_preloaded, *map(str, argv), user=user or "root", env=env)
                ended = end_of_program(start, input or "", timeout, apart=True)
            else:
                ended = end_of_command(self._started(argv, user, env), input or "", timeout)
        except TimeoutError as error:
            raise HostError(_story(argv, f"not done after {timeout} s", "".join(error.__notes__), "")) from None
        if check and ended.status:
            raise HostError(_story(argv, f"status {ended.status}", ended.output, ended.errors))
        return subprocess.CompletedProcess(argv, *ended)

    def _started(
        self, argv: tuple[str | Path, ...], user: str | None, env: Mapping[str, str] | None
    ) -> subprocess.Popen[str]:
        """Start a command with pipes to and from it, in a session of its own."""
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        if not self._entrance:
            command, environment = self._inside(argv, user, env)
            return subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)
        become, environment = self._become(user, env)
        command = [*VISIT * self.systemd, *become * (user not in (None, "root")), *map(str, argv)]
        return self._entrance.start(command, env=environment, start_new_session=True, **pipes)

    def start(
        self,
        *argv: str | Path,
        user: str | None = None,
        env: Mapping[str, str] | None = None,
        output: int | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command inside that ends with the host; it writes to the test's own output, or to *output*.

        Killing the Popen kills the command; any other signal has to go through `signal`.
        """
        command, environment = self._inside(argv, user, env)
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True
        )
        self._closing.push(process)
        self._closing.callback(process.kill)
        return process

    def start_preloaded(
        self, *argv: str, user: str = "root", env: Mapping[str, str] | None = None, cwd: str = "/",
        stdin: int | None = None, output: int = 2, errors: int | None = None,
    ) -> Program:  # fmt: skip
        """Start a reconciler that is imported already, as `start` would; *argv* is its command line."""
        request = {"host": self.pid, "argv": argv, "user": user, "env": _environment(env), "cwd": cwd}
        with Path(os.devnull).open() as nothing:
            own = [nothing.fileno() if stdin is None else stdin, output, output if errors is None else errors]
            program = SERVERS.start(request, own)
        self._closing.callback(program.wait)
        self._closing.callback(program.kill)
        return program

    def run_preloaded(self, *argv: str, user: str = "root", cwd: str = "/", typed: str = "") -> tuple[int, str]:
        """Run a reconciler that is imported already to its end; its exit status and everything it printed."""
        return end_of_program(partial(self.start_preloaded, *argv, user=user, cwd=cwd), typed)[:2]

    def _has_own_command(self) -> bool:
        """Whether the host's `reconciler` is the one of the tests, as make_host.py links it."""
        link = self.root / "usr/local/bin/reconciler"
        return link.is_symlink() and link.readlink() == Path(sys.prefix, "bin/reconciler")

    def signal(self, process: subprocess.Popen[str] | Program, number: signal.Signals) -> None:
        """Send a signal to what was started in the host (the Popen of `start` itself is only the way in)."""
        if isinstance(process, Program):
            process.send_signal(number)
            return
        for child in psutil.Process(process.pid).children():
            child.send_signal(number)

    # Files

    def read(self, path: str | Path) -> str:
        """Return the file's text, with links followed as the host sees them."""
        try:
            return host_files.read(self.root, path).decode()
        except OSError as error:
            raise HostError(str(error)) from error

    def write(self, path: str | Path, text: str, mode: int = 0o644, *, age: float = 0) -> None:
        """Write a file, and the folders above it, to look *age* seconds old."""
        try:
            host_files.write(self.root, path, text.encode(), mode, time.time() - age)
        except OSError as error:
            raise HostError(str(error)) from error

    # Mail

    def start_postfix(self, *, filled: bool = False) -> None:
        """Start Postfix as Debian does: through its unit under systemd, else with its chroot *filled* first."""
        self.run("sh", "-c", start_command(systemd=self.systemd, filled=filled))

    def connect(self, port: int = 25, address: str = "127.0.0.1", timeout: float = 120) -> socket.socket:
        """Open a connection as a process inside would; the socket is then usable from the test."""
        return self.within(lambda: socket.create_connection((address, port), timeout))

    def smtp(self, port: int = 25, address: str = "127.0.0.1") -> smtplib.SMTP:
        """Begin an SMTP conversation with the port inside."""
        return _Conversation(self, port, address)

    def dialogue(
        self, lines: Iterable[str], port: int = 25, address: str = "127.0.0.1", timeout: float = 120
    ) -> list[str]:
        """Send each line and return each whole reply, the banner first; stops where the server hangs up."""
        with self.connect(port, address, timeout) as connection, connection.makefile("rwb") as stream:
            replies = [_reply(stream)]
            for line in lines:
                stream.write(line.encode() + b"\r\n")
                stream.flush()
                replies.append(_reply(stream))
        return [reply for reply in replies if reply]

    def send(
        self, sender: str, recipient: str, body: str = "Subject: test\n\nHello.", port: int = 25,
        address: str = "127.0.0.1",
    ) -> str:  # fmt: skip
        """Send a message to the port, from inside; return the final reply, or the first that refuses."""
        try:
            with self.smtp(port, address) as conversation:
                conversation.ehlo_or_helo_if_needed()
                for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>"):
                    code, text = conversation.docmd(command)
                    if code not in {250, 251}:
                        return f"{code} {text.decode()}"
                code, text = conversation.data(body)
        except smtplib.SMTPResponseException as refusal:
            error = refusal.smtp_error
            return f"{refusal.smtp_code} {error.decode() if isinstance(error, bytes) else error}"
        return f"{code} {text.decode()}"

    def mail_log(self) -> str:
        """Return what programs logged as mail: from /var/log/mail.log, or from the journal under systemd."""
        if self.systemd:
            return self.run("journalctl", "--quiet", "--all", "--facility=mail", "--output=short-iso").stdout
        return self.read("/var/log/mail.log")

    def queue(self) -> list[dict[str, Any]]:
        """Return Postfix's queue, a message an entry, as `postqueue -j` has it."""
        return [json.loads(line) for line in self.run("postqueue", "-j").stdout.splitlines()]

    def wait_for_empty_queue(self) -> None:
        """Wait until no message is left: Postfix removes one from its queue a little after its delivery."""
        try:
            self.wait_for(lambda: not self.queue(), what="an empty queue")
        except HostError as error:
            error.add_note(f"{self.queue()}\n{self.mail_log()[-4000:]}")
            raise

    def sink(
        self,
        port: int,
        address: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
        *,
        wrapped: bool = False,
        login: Login | None = None,
    ) -> Sink:
        """Open a receiver on a port inside; what it gets is in `received(port)`."""
        listener = self.listen(port, address)
        self._sinks[port] = self._closing.enter_context(Sink(listener, tls, wrapped=wrapped, login=login))
        return self._sinks[port]

    def listen(self, port: int, address: str = "127.0.0.1") -> socket.socket:
        """Listen on a port inside; the socket is then usable from the test."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return self.within(lambda: socket.create_server((address, port), family=family))

    def received(self, port: int) -> list[Received]:
        """Return what the sink at this port has received so far."""
        return list(self._sinks[port].received)

    def wait_for(self, predicate: Callable[[], T], timeout: float = 120, what: str = "a condition") -> T:
        """Ask until the answer is true, and return it; what costs much, or lasts long already, is asked less often."""
        began = asked = time.monotonic()
        deadline = began + timeout
        while not (answer := predicate()):
            now = time.monotonic()
            if now > deadline:
                raise HostError(f"waited {timeout} s in vain for {what}")
            time.sleep(min(max(0.02, 5 * (now - asked), (now - began) / 10), 1.0))
            asked = time.monotonic()
        return answer

    # Making

    def _make(self) -> None:
        """Start PID 1 and wait until it says that it is ready."""
        argv = ["setpriv", "--pdeathsig=KILL", *UNSHARE, sys.executable, "-IS", "-c", MAKER, str(CHECKOUT)]
        argv += [self.name, self.address, sys.prefix, "systemd" if self.systemd else "init", *_carried()]
        process = subprocess.Popen(
            argv, env={**os.environ, "PATH": PATH}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._closing.enter_context(process)
        self._closing.callback(process.kill)
        assert process.stdout
        story = []
        for line in process.stdout:
            if line == "ready\n":
                break
            story.append(line)
        else:
            raise HostError(_story(argv, "no host came of it", "".join(story), ""))
        self.pid = int(story[0])
        self._closing.callback(self._end, process)

    def _end(self, process: subprocess.Popen[str]) -> None:
        """Kill PID 1: the kernel lets it go only after every other process of the host is gone."""
        with ExitStack() as opened:
            if self.systemd:
                cgroups = os.open(f"/proc/{process.pid}/root/media/cgroup", os.O_RDONLY)
                opened.callback(os.close, cgroups)
                opened.callback(_remove_folders, f"throw-away-{self.pid}", cgroups)
            if process.poll() is None:
                os.kill(self.pid, signal.SIGKILL)
            process.wait()

    def _booted(self) -> bool:
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in {"running", "degraded"}

    def _inside(
        self, argv: tuple[str | Path, ...], user: str | None, env: Mapping[str, str] | None
    ) -> tuple[list[str], dict[str, str]]:
        """Return what runs *argv* in all of the host's namespaces, dying with its parent: command line, environment."""
        become, environment = self._become(user, env)
        enter = ["nsenter", f"--target={self.pid}", "-m", "-n", "-p", "-u", "-i", "-r", "-w"]
        if self.systemd:
            visitor = self.root / "sys/fs/cgroup/visitor/cgroup.procs"
            enter = ["sh", "-c", 'echo 0 >"$0" && exec "$@"', str(visitor), *enter, "-C"]
        return [*enter, *become, *map(str, argv)], environment

    def _become(self, user: str | None, env: Mapping[str, str] | None) -> tuple[list[str], dict[str, str]]:
        """Return what makes a command inside a user's, dying with its parent, and its environment."""
        name = user or "root"
        users = dict(line.split(":", 1) for line in (self.root / "etc/passwd").read_text().splitlines())
        if name not in users:
            raise HostError(f"the host has no user {name!r}")
        *_, group, _, home, shell = users[name].split(":")
        own = {"HOME": home, "SHELL": shell, "USER": name, "LOGNAME": name, **_environment(env)}
        return ["setpriv", "--pdeathsig=KILL", f"--reuid={name}", f"--regid={group}", "--init-groups"], own

    def call(self, make: Callable[[], T]) -> T:
        """Call *make* in all of the host's namespaces but that of processes, as root, from the thread that is there."""
        assert self._entrance
        return self._entrance.call(make)

    def within(self, make: Callable[[], T]) -> T:
        """Call *make* in the host's network, from a thread of its own: only that thread moves there."""

        def moved() -> T:
            with opened(self.pid) as target:
                join(target, CLONE_NEWNET)
            return make()

        with ThreadPoolExecutor(1) as threads:
            return threads.submit(moved).result()


class _Conversation(smtplib.SMTP):
    """An SMTP client whose socket belongs to the host."""

    def __init__(self, host: Host, port: int, address: str) -> None:
        self._from = host
        super().__init__(address, port, local_hostname="client.test", timeout=120)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._from.connect(port, host, timeout)


def network(*hosts: Host) -> None:
    """Join hosts of different addresses to one Ethernet, whose switch stands in the first."""
    hub = hosts[0].pid
    _ip(hub, "link add hub type bridge")
    _ip(hub, "link set hub up")
    for number, host in enumerate(hosts):
        _ip(host.pid, f"link set wire down netns {hub} name wire{number}")
        _ip(hub, f"link set wire{number} up master hub")


def _ip(pid: int, command: str) -> None:
    subprocess.run(["nsenter", f"--target={pid}", "--net", "ip", *command.split()], check=True, timeout=60)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """Return the environment of a program inside, beside what follows from its user."""
    return {"PATH": PATH, "LANG": "C.UTF-8", **(more or {})}


def _carried() -> list[str]:
    """Return what tests run from and the overlay may lack, wherever it was mounted: checkout, environment, Python."""
    found: list[Path] = []
    for path in (CHECKOUT, Path(sys.prefix), Path(sys.base_prefix)):
        if not any(path.is_relative_to(other) for other in (*found, Path("/usr"))):
            found.append(path)
    return [str(path) for path in found]


def _remove_folders(name: str, within: int) -> None:
    """Remove a tree that has only folders that matter, as the cgroup file system wants it: by rmdir alone.

    A host that begins removes what it finds of hosts that have ended, perhaps at the same time.
    """
    with suppress(FileNotFoundError):
        for _, folders, _, descriptor in os.fwalk(name, topdown=False, dir_fd=within):
            for folder in folders:
                with suppress(FileNotFoundError):
                    os.rmdir(folder, dir_fd=descriptor)
        os.rmdir(name, dir_fd=within)


def _reply(stream: BufferedRWPair) -> str:
    """Read one reply, all its lines; empty if the server has hung up."""
    lines = []
    while line := stream.readline().decode().rstrip("\r\n"):
        lines.append(line)
        if line[3:4] != "-":
            break
    return "\n".join(lines)


def _story(argv: Iterable[str | Path], what: str, stdout: str, stderr: str) -> str:
    """Tell all about a command that failed, for the person who reads the test's output."""
    return f"{shlex.join(map(str, argv))}: {what}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
