r"""A throw-away host with reconciler on it: its settings, its repository, a clone to push from, and the daemon.

    with Site() as site:
        push = site.push({"tables/transport": "slow.test  relaylim:\n"}, "Send slow.test in serial")
        assert push.accepted

Promises: everything goes through the real programs, as a person would; what is live can be compared byte for byte. On
leaving, a traceback that any daemon wrote fails the test. Raises HostError when something does not come about.

Known limit: `told` asks the daemon's socket from outside, which saves the half second that the command line takes.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import tempfile
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from reconciler.daemon.control import ask
from reconciler.model.errors import ReconcilerError
from reconciler.state.locks import BUSY
from tests.e2e.chroot import FILLED
from tests.e2e.clones import ADDRESS, AUTHOR, commit, has_tip
from tests.e2e.host_files import pack, unpack
from tests.e2e.hosts import Host, HostError
from tests.e2e.kept import kept

if TYPE_CHECKING:
    import os
    import subprocess
    from collections.abc import Callable, Mapping

    from tests.e2e.kept import Copy
    from tests.e2e.preloaded import Program

T = TypeVar("T")
Files = dict[str, str | None]

REPOSITORY = "/srv/mail-state.git"
CLONE = "/root/clone"
SOCKET = "run/reconciler/control.sock"
SETTINGS = """\
[host]
name = "mx1.example.com"
[repository]
path = "/srv/mail-state.git"
[daemon]
settle = "{settle}"
reload_interval = "0s"
"""
UNREHEARSED = '[rehearsal]\nmode = "off"\n'
PROVEN = '[probation]\ntime = "0s"\n'
STATE: Files = {
    "mail.yaml": """\
hostname: mx1.example.com
parameters:
  mynetworks: 127.0.0.0/8
  mydestination: mx1.example.com, localhost
""",
    "tables/transport": "old.test  smtp:[127.0.0.1]:2525\n",
}
MAIL = STATE["mail.yaml"] or ""
TYPO = MAIL + "  smtpd_sender_restrictions: reject_unknown_sender_domian\n"
LIVE = r"""
stat -c '%n %F %a %U:%G %N' /etc/postfix
find /etc/postfix/ -printf '%p %y %m %u:%g %l\n' | sort
readlink /var/lib/reconciler/live/postfix
find -H /etc/postfix/ -type f -exec sha256sum {} + | sort
"""
UNASKED = 3.0  # seconds
# What an adoption leaves on disk, and a start in the chroot. A host whose adoption would be equal gets a copy.
LEFT = f"etc/postfix etc/reconciler root/state {REPOSITORY[1:]} {CLONE[1:]} var/lib/reconciler var/backups/reconciler"
IDENTITY = ("-c", f"user.name={AUTHOR}", "-c", f"user.email={ADDRESS}", "-c", "init.defaultBranch=main")


@dataclass(frozen=True, slots=True)
class Push:
    """What came of a git push: its exit status, and all that the pusher read."""

    accepted: bool
    text: str
    oid: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a reconciler command."""

    status: int
    text: str


def unfolded(text: str) -> str:
    """Return what git shows of a hook, with the lines whole that the hook had folded to the width of a terminal."""
    return re.sub(r" *\nremote: {5,}(?=\S)", " ", text)


class AdoptedHost:
    """A host, the repository it follows, and a clone; adopted and with its daemon running unless told otherwise."""

    systemd = False
    expected_tracebacks = False
    preloaded = True
    """Whether reconciler is forked from a process that has imported it already (preloaded.py)."""

    def __init__(
        self,
        *,
        state: Mapping[str, str | None] = STATE,
        settings: str = "",
        settle: str = "100ms",
        owner: str = "root",
        adopt: bool = True,
        daemon: bool = True,
    ) -> None:
        proven = PROVEN * ("[probation]" not in settings)
        self._state, self._provisional = state, not proven or "[confirm]" in settings
        self._settings = proven + SETTINGS.format(settle=settle) + settings
        self._owner, self._adopt, self._daemon = owner, adopt, daemon
        self._closing = ExitStack()
        self._passes, self._read = list[dict[str, Any]](), 0
        self.daemon: subprocess.Popen[str] | Program | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._log = opened.enter_context(tempfile.TemporaryFile("w+"))
            key = self._adoption()
            with kept(key) if key else nullcontext() as copy:
                self._make(opened, copy)
            if self._daemon:
                self.start_daemon()
            self._closing = opened.pop_all()
        return self

    def _make(self, opened: ExitStack, copy: Copy | None) -> None:
        """Make the host up to its adoption: as a copy of an equal one if there is one, else as one to be copied."""
        self.host = opened.enter_context(Host(postfix=not (copy and copy.text), systemd=self.systemd))
        self.host.write("/etc/reconciler.toml", self._settings)
        if copy and copy.text:
            unpack(self.host.root, copy.file)
            self.host.start_postfix(filled=True)
            return
        self._prepare()
        if copy:
            pack(self.host.root, (*LEFT.split(), *FILLED), copy.file)
            copy.keep("in the file")

    def __exit__(self, kind: object, *_: object) -> None:
        log = self.daemon_log()
        self._closing.close()
        if kind is None and not self.expected_tracebacks:
            assert "Traceback" not in log, log

    def _adoption(self) -> str:
        """Return what an adoption depends on; empty for one that is made anew: a probation knows this host's log."""
        copied = self._adopt and self._owner == "root" and not (self.systemd or self._provisional)
        return json.dumps(dict(self._state)) if copied else ""

    def _prepare(self) -> None:
        for path, text in self._state.items():
            self.host.write(f"/root/state/{path}", text or "")
        if self._owner != "root":
            self.host.run("useradd", "--system", "--create-home", "--shell", "/bin/sh", self._owner)
            self.host.run("install", "-d", "-o", self._owner, "-g", self._owner, "/srv")
        self._run_well("init", REPOSITORY, "--from", "/root/state")
        if self._owner != "root":
            self.host.run("chmod", "755", "/root")
        self.sh(f"install -d -o {self._owner} {CLONE}")
        self.host.run("git", "clone", "--quiet", REPOSITORY, CLONE, user=self._owner)
        if self._adopt:
            self._run_well("once", "--adopt")

    def _run_well(self, *arguments: str) -> None:
        ran = self.reconciler(*arguments)
        if ran.status:
            raise HostError(f"reconciler {shlex.join(arguments)}: status {ran.status}\n{ran.text}")

    # The daemon

    def start_daemon(self, *argv: str) -> None:
        """Start the daemon as systemd would, and wait until it says that it is ready: its first pass is over."""
        preloaded = self.preloaded and not argv
        argv = argv or ("reconciler", "run")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            path = self.host.root / "run/notify"
            path.unlink(missing_ok=True)
            channel.bind(str(path))
            channel.settimeout(120)
            environment = {"NOTIFY_SOCKET": "/run/notify"}
            start = self.host.start_preloaded if preloaded else self.host.start
            self.daemon = start(*argv, env=environment, output=self._log.fileno())
            while b"READY=1" not in channel.recv(4096):
                pass

    def stop_daemon(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the daemon a signal that ends it, and wait for its end; its exit status."""
        assert self.daemon is not None
        self.host.signal(self.daemon, number)
        status = self.daemon.wait(120)
        self.daemon = None
        return status

    def signal_daemon(self, number: signal.Signals) -> None:
        """Send the daemon a signal that it survives."""
        assert self.daemon is not None
        self.host.signal(self.daemon, number)

    def daemon_log(self) -> str:
        """Everything that daemons have written so far."""
        return self.log_file().read_text(errors="replace")

    def log_file(self) -> Path:
        """Where daemons write, while this host is there."""
        return Path(f"/proc/self/fd/{self._log.fileno()}")

    def passes(self) -> list[dict[str, Any]]:
        """The daemon's canonical lines, oldest first."""
        with self.log_file().open("rb") as log:
            log.seek(self._read)
            whole, end, _ = log.read().rpartition(b"\n")
        self._read += len(whole + end)
        lines = (json.loads(line) for line in whole.decode(errors="replace").split("\n") if line.startswith("{"))
        self._passes += [line for line in lines if line["event"] == "passed"]
        return list(self._passes)

    def told(self) -> dict[str, Any]:
        """What the daemon answers when asked for its status; empty while there is none."""
        try:
            for message in ask(self.host.root / SOCKET, {"do": "status"}, 10.0):
                if "done" in message:
                    return dict(message["done"])
        except ReconcilerError:
            return {}
        return {}

    def wait_for(self, outcome: str, revision: str = "", timeout: float = 120) -> dict[str, Any]:
        """Wait until the last pass on record ended so, for that revision; the daemon's status then."""
        told = self._told_of_changes()

        def ended() -> dict[str, Any]:
            status = told()
            last = status.get("last") or {}
            return status if last.get("outcome") == outcome and revision in ("", last["revision"]) else {}

        return self.patiently(ended, f"{outcome} {revision[:7]}", timeout)

    def wait_for_phase(self, name: str, timeout: float = 120) -> dict[str, Any]:
        """Wait until the daemon is in that phase; its status then."""
        told = self._told_of_changes()

        def reached() -> dict[str, Any]:
            status = told()
            return status if status.get("phase", {}).get("name") == name else {}

        return self.patiently(reached, f"phase {name}", timeout)

    def wait_for_limit(self, text: str) -> str:
        """Wait until the daemon's status has that limit, which it may know only after the pass is on record."""
        return self.patiently(lambda: next((one for one in self.told()["limits"] if text in one), ""), text)

    def _told_of_changes(self) -> Callable[[], dict[str, Any]]:
        """Return what asks the daemon when something was written down, or seconds after it was asked last.

        For a status the daemon starts two programs: asking all the time takes as much of a processor as a pass. A pass
        and a phase are written down, so that asking without that is for a daemon that has nowhere to write.
        """
        files = [self.host.root / "var/lib/reconciler/private" / name for name in ("journal.jsonl", "phase.json")]
        asked: list[tuple[float, object]] = []

        def told() -> dict[str, Any]:
            written = [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for file in files if (stat := _stat(file))]
            if asked and asked[0][1] == written and time.monotonic() - asked[0][0] < UNASKED:
                return {}
            status = self.told()
            asked[:] = [(time.monotonic(), written)] if status else []
            return status

        return told

    def patiently(self, answer: Callable[[], T], what: str, timeout: float = 120) -> T:
        """Ask until the answer is true, and return it; a failure has the status and the daemon's log with it."""
        try:
            return self.host.wait_for(answer, timeout, what)
        except Exception as error:
            error.add_note(f"status: {json.dumps(self.told())}\ndaemon's log:\n{self.daemon_log()[-4000:]}")
            raise

    # Commands

    def reconciler(self, *arguments: str, user: str | None = None, cwd: str = "/", typed: str = "") -> Ran:
        """Run a command of reconciler's; its exit status and everything it printed."""
        argv = ("reconciler", *arguments)
        if not self.preloaded:
            command = f"cd {cwd} && exec {shlex.join(argv)} 2>&1"
            done = self.host.run("sh", "-c", command, check=False, user=user, input=typed)
            ran = Ran(done.returncode, done.stdout)
        else:
            ran = Ran(*self.host.run_preloaded(*argv, user=user or "root", cwd=cwd, typed=typed))
        assert "Traceback" not in ran.text, ran.text
        return ran

    def once(self, *arguments: str) -> Ran:
        """Run `reconciler once`, and again while it meets a pass of the daemon's own; how it ended."""
        return self.retried_while_busy(lambda: self.reconciler("once", *arguments))

    def retried_while_busy(self, run: Callable[[], Ran]) -> Ran:
        """Run a command, and again while it meets a pass of the daemon's own; how it ended."""
        last: list[Ran] = []

        def is_made() -> bool:
            last[:] = [run()]
            return BUSY not in last[0].text

        self.patiently(is_made, "a pass of its own")
        return last[0]

    def status(self) -> dict[str, Any]:
        """What `reconciler status --json` prints."""
        return dict(json.loads(self.reconciler("status", "--json").text))

    def limits(self) -> list[str]:
        """What `reconciler status --json` says is not done, beside rehearsals that the test turned off."""
        return [one for one in self.status()["limits"] if "rehearsal.mode is off" not in one]

    def log(self, *arguments: str) -> list[dict[str, Any]]:
        """What `reconciler log --json` prints, newest first."""
        return [json.loads(line) for line in self.reconciler("log", "--json", *arguments).text.splitlines()]

    def sh(self, script: str, *, check: bool = True, user: str | None = None) -> str:
        """Run a shell script inside; what it printed."""
        done = self.host.run("bash", "-c", f"exec 2>&1; {script}", check=check, user=user)
        return done.stdout.rstrip("\n")

    # The repository

    def git(self, *arguments: str, where: str = REPOSITORY, check: bool = True) -> str:
        """Run git as the repository's owner; what it printed."""
        done = self.host.run("git", "-C", where, *IDENTITY, *arguments, check=check, user=self._owner)
        return done.stdout.strip()

    def tip(self) -> str:
        """The commit that the branch names."""
        return self.git("rev-parse", "refs/heads/main")

    def notes(self, oid: str) -> str:
        """The git notes on a commit."""
        return self.git("notes", "--ref=reconciler", "show", oid, check=False)

    def commit(self, files: Mapping[str, str | None], message: str = "Change") -> str:
        """Commit in the clone, on top of what the branch is now; None removes a file."""
        clone, origin = Path(CLONE), Path(REPOSITORY)
        if not self.host.call(lambda: has_tip(clone, origin)):
            self.git("fetch", "--quiet", where=CLONE)
        return self.host.call(lambda: commit(clone, origin, files, message))

    def push(self, files: Mapping[str, str | None] | None = None, message: str = "Change", *options: str) -> Push:
        """Commit, unless told no files, and push; what the pusher saw."""
        oid = self.commit(files, message) if files is not None else self.git("rev-parse", "HEAD", where=CLONE)
        argv = ("git", "-C", CLONE, "push", *options, "origin", "HEAD:main")
        done = self.host.run(*argv, check=False, user=self._owner)
        return Push(done.returncode == 0, unfolded(done.stdout + done.stderr), oid)

    def write_past_hook(self, files: Mapping[str, str | None], message: str = "Change") -> str:
        """Commit, and have the branch name that commit without any hook being asked."""
        oid = self.commit(files, message)
        self.git("fetch", "--quiet", CLONE, "+HEAD:refs/heads/main")
        return oid

    def write_tree_past_hook(self, entries: str) -> str:
        """Have the branch name a new commit of these `git ls-tree` lines, whatever they hold."""
        script = (
            'tree=$(git mktree --missing) && commit=$(git commit-tree "$tree" -p refs/heads/main -m "By hand") && '
            'git update-ref refs/heads/main "$commit" && echo "$commit"'
        )
        env = {f"GIT_{role}_{what}": f"{what}@x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = self.host.run(
            "sh", "-c", f"cd {REPOSITORY} && {script}", input=entries, user=self._owner, env=env, check=True
        )
        return done.stdout.strip()

    def seal(self, secrets: Mapping[str, str]) -> Files:
        """Seal secrets for this host in the clone, as a person would; all sealed files that are there, to be pushed."""
        self.sh(f"mkdir -p {CLONE}/secrets && age-keygen -y /etc/reconciler/identity.age >{CLONE}/secrets/recipients")
        for name, value in secrets.items():
            ran = self.reconciler("secret", "set", name, cwd=CLONE, typed=value)
            assert ran.status == 0, ran.text
        return {path: self.host.read(f"{CLONE}/{path}") for path in self.sh(f"cd {CLONE} && ls secrets/*").split()}

    def blob(self, text: str) -> str:
        """Store a file's bytes in the repository; their name."""
        argv = ("git", "-C", REPOSITORY, "hash-object", "-w", "--stdin")
        return self.host.run(*argv, input=text, user=self._owner).stdout.strip()

    # What is live

    def live(self) -> str:
        """Everything that is live: names, kinds, modes, owners, link targets and bytes."""
        return self.sh(LIVE)

    def generations(self) -> list[str]:
        """The generations on disk, by name."""
        return self.sh("ls /var/lib/reconciler/generations").split()

    def master(self) -> str:
        """The process id of Postfix's master."""
        return self.host.read("/var/spool/postfix/pid/master.pid").strip()

    def postconf(self, name: str) -> str:
        """A parameter as the live main.cf has it."""
        return self.host.run("postconf", "-h", name).stdout.strip()

    def answers(self, port: int = 25) -> bool:
        """Whether Postfix greets on that port."""
        try:
            return "".join(self.host.dialogue(["QUIT"], port)[:1]).startswith("220 ")
        except OSError:
            return False


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None
