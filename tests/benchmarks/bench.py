"""The measuring behind `python -m tests.benchmarks`: two hosts that take turns, and the daemon seen from outside."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.e2e.adopted_host import CLONE, IDENTITY, REPOSITORY
from tests.e2e.hosts import Host, missing
from tests.e2e.special_hosts import MeasuredHost

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CASES", "Bench", "Figures", "missing"]

HERE = Path(__file__).resolve().parent
CASES = ("parameter", "small", "large")
WAYS = ("floor", "checked", "unchecked")
SOCKET = "/run/reconciler/control.sock"
FLOOR_REPOSITORY = "/srv/floor.git"
MAIL = """\
hostname: mx1.example.com
parameters:
  mynetworks: 127.0.0.0/8
  mydestination: mx1.example.com, localhost
  virtual_alias_domains: bench.test
  smtpd_banner: mx1.example.com ESMTP bench-0
"""
FLOWS = """\
strangers: {to: a@elsewhere.test, expect: refused}
an alias: {to: a@bench.test, expect: {recipient: root@mx1.example.com, status: sent}}
out: {client: 127.0.0.1, to: b@elsewhere.test, expect: {transport: smtp, nexthop: elsewhere.test}}
"""
# A commit whose objects are in the bare repository before anything is measured; prints its name.
COMMIT = """\
set -e; cd {clone}; {edit}; git {identity} commit -qam 'Bench {number}'
git --git-dir={repository} fetch -q {clone} +HEAD:refs/bench/next; git rev-parse HEAD~1 HEAD
"""
# git push with and without the hook, in turns that start at the same state.
PUSH = """\
set -e; cd {clone}; {edit}; git {identity} commit -qam 'Push {number}'
git --git-dir={repository} config core.hooksPath {hooks}
began=$(date +%s%N); git push -q origin HEAD:main 2>/dev/null; echo $((($(date +%s%N) - began) / 1000))
git --git-dir={repository} config --unset core.hooksPath; git rev-parse HEAD
"""


@dataclass(slots=True)
class Figures:
    """What was measured, in seconds and MiB; the lists of one case go together, round by round."""

    rounds: int
    titles: dict[str, str]
    idle: float
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    hook: dict[str, list[float]] = field(default_factory=dict)
    idle_pass: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    wakes: dict[str, int] = field(default_factory=dict)
    passes: dict[str, list[float]] = field(default_factory=dict)


class Bench:
    """Measures case by case, each on two fresh hosts."""

    def __init__(self, rounds: int, entries: tuple[int, int], idle: float) -> None:
        small, large = entries
        titles = {
            "parameter": "one parameter",
            "small": f"one entry among {small:,}",
            "large": f"one entry among {large:,}",
        }
        self._entries = {"parameter": small, "small": small, "large": large}
        self._rounds, self._number = rounds, 0
        self.figures = Figures(rounds, titles, idle)

    def run(self) -> Figures:
        """Measure everything."""
        for case in CASES:
            print(f"measuring: {self.figures.titles[case]}", file=sys.stderr)
            with ExitStack() as opened:
                table = "".join(f"user{number}@bench.test root\n" for number in range(self._entries[case]))
                self._site = opened.enter_context(MeasuredHost(state={"mail.yaml": MAIL, "tables/virtual": table}))
                self._beside = opened.enter_context(Host(postfix=True))
                self._prepare_floor()
                self._measure(case)
        self._measure_rehearsal()
        return self.figures

    def _prepare_floor(self) -> None:
        """The same Postfix, its files in a repository as they are in /etc/postfix."""
        files = {name: self._site.host.read(f"/etc/postfix/{name}") for name in ("main.cf", "master.cf", "virtual")}
        host = self._beside
        for name, text in files.items():
            host.write(f"{CLONE}/{name}", text)
            host.write(f"/etc/postfix/{name}", text, age=60)
        init = f"git init -q --bare -b main {FLOOR_REPOSITORY} && cd {CLONE} && git init -q -b main && git add ."
        identity = shlex.join(IDENTITY)
        host.run("sh", "-c", f"{init} && git {identity} commit -qm Start && git push -q {FLOOR_REPOSITORY} main")
        host.run("sh", "-c", "postmap lmdb:/etc/postfix/virtual && postfix check && postfix stop && postfix start")

    def _measure_rehearsal(self) -> None:
        """Whole passes past the hook with a rehearsal and three flows, and without, in turns."""
        print("measuring: the rehearsal", file=sys.stderr)
        state = {"mail.yaml": MAIL, "tables/virtual": "a@bench.test root\n", "flows/everybody.yaml": FLOWS}
        with ExitStack() as opened:
            modes = {mode: f'[rehearsal]\nmode = "{mode}"\n' for mode in ("on", "off")}
            sites = {
                mode: opened.enter_context(MeasuredHost(state=state, settings=text)) for mode, text in modes.items()
            }
            for number in range(self._rounds):
                for mode, adopted in sites.items():
                    text = MAIL.replace("bench-0", f"rehearsed-{number}")
                    adopted.wait_for("Applied", adopted.write_past_hook({"mail.yaml": text}), 60)
                    self.figures.passes.setdefault(mode, []).append(float(adopted.told()["last"]["seconds"]))

    # ---- rounds ----

    def _measure(self, case: str) -> None:
        taken: dict[str, list[float]] = {way: [] for way in (*WAYS, "reloaded")}
        hook: list[float] = []
        for _ in range(self._rounds):
            for way in WAYS:
                shown, whole = self._once(case, way)
                taken[way].append(shown)
                if way == "floor":
                    taken["reloaded"].append(max(shown, whole))
            without, with_hook = self._push(case, "/nowhere"), self._push(case, "/srv/only-pre-receive")
            hook.append(with_hook - without)
        self.figures.seconds |= {(case, way): seconds for way, seconds in taken.items()}
        self.figures.hook[case] = hook
        self.figures.idle_pass[case] = list(self._idle_passes())
        self.figures.memory[case] = self._memory()
        time.sleep(1)
        self.figures.wakes[case] = self._wakes()

    def _once(self, case: str, way: str) -> tuple[float, float]:
        """Seconds until a new connection shows the change, and until the floor's script has ended."""
        self._number += 1
        host = self._beside if way == "floor" else self._site.host
        edit, shown = self._edit(case, floor=way == "floor")
        old, new = self._commit(host, edit)
        asked: dict[str, Any] = {"old": old, "oid": new, **shown}
        if way == "floor":
            asked |= {"repository": FLOOR_REPOSITORY, "floor": str(HERE / "floor.sh")}
        else:
            asked |= {"repository": REPOSITORY} | ({"check": SOCKET} if way == "checked" else {})
        ran = host.run(sys.executable, "-IS", HERE / "probe.py", json.dumps(asked), timeout=300)
        if way != "floor":
            self._settled(new)
        told = json.loads(ran.stdout)
        return float(told["seconds"]), float(told["whole"])

    def _edit(self, case: str, *, floor: bool) -> tuple[str, dict[str, str]]:
        """A shell command that makes the next change in a clone, and what a new connection then shows."""
        if case == "parameter":
            file = "main.cf" if floor else "mail.yaml"
            return f"sed -i 's/bench-[0-9]*$/bench-{self._number}/' {file}", {"banner": f" bench-{self._number}\r\n"}
        file, address = "virtual" if floor else "tables/virtual", f"new{self._number}@bench.test"
        line = self._entries[case] // 2  # somewhere inside
        return f"sed -i '{line}i{address} root' {file}", {"recipient": address}

    def _commit(self, host: Host, edit: str) -> tuple[str, str]:
        repository = FLOOR_REPOSITORY if host is self._beside else REPOSITORY
        if host is self._site.host:
            edit = f"git fetch -q && git reset -q --hard origin/main && {edit}"
        script = COMMIT.format(
            clone=CLONE, edit=edit, identity=shlex.join(IDENTITY), number=self._number, repository=repository
        )
        old, new = host.run("bash", "-c", script).stdout.split()
        return old, new

    def _push(self, case: str, hooks: str) -> float:
        """Seconds that a git push takes with the hooks in that folder."""
        self._number += 1
        edit, _ = self._edit(case, floor=False)
        only = "mkdir -p /srv/only-pre-receive && ln -sf ../mail-state.git/hooks/{pre-receive,conversation.py} $_"
        edit = f"{only}; git fetch -q && git reset -q --hard origin/main && {edit}"
        script = PUSH.format(
            clone=CLONE,
            edit=edit,
            identity=shlex.join(IDENTITY),
            number=self._number,
            repository=REPOSITORY,
            hooks=hooks,
        )
        microseconds, oid = self._site.host.run("bash", "-c", script).stdout.split()
        self._settled(oid)
        return int(microseconds) / 1e6

    def _settled(self, oid: str) -> None:
        """Wait until that commit is live, and the daemon has done all that comes after."""
        self._site.wait_for("Applied", oid, 60)
        before = -1
        while before != (before := len(self._site.passes())):
            time.sleep(0.2)

    # ---- the daemon ----

    def _idle_passes(self) -> Iterator[float]:
        for _ in range(self._rounds + 2):
            before = len(self._site.passes())
            self._site.signal_daemon(signal.SIGHUP)
            self._site.host.wait_for(lambda: len(self._site.passes()) > before, what="a pass")  # noqa: B023
            last = self._site.passes()[-1]
            if last["outcome"] != "Unchanged":
                raise SystemExit(f"a pass with nothing to do: {last}")
            yield float(last["seconds"])
            time.sleep(0.1)

    def _process(self) -> psutil.Process:
        assert self._site.daemon is not None
        (process,) = psutil.Process(self._site.daemon.pid).children()
        return process

    def _memory(self) -> tuple[float, float]:
        text = Path(f"/proc/{self._process().pid}/status").read_text("ascii")
        fields = dict(line.split(":", 1) for line in text.splitlines())
        now, peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        return now, peak

    def _wakes(self) -> int:
        """How often any of the daemon's threads was woken while nothing happened."""

        def switches() -> int:
            tasks = Path(f"/proc/{self._process().pid}/task").iterdir()
            texts = [(task / "status").read_text("ascii") for task in tasks]
            return sum(int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for text in texts)

        before = switches()
        time.sleep(self.figures.idle)
        return switches() - before
