"""The run behind `python -m tests.load`: one host, mail without pause, commits one after another, and sudden deaths.

smtp-source sends in runs of a known number of messages, each to a recipient of its own; a run that ends well had every
message accepted. smtp-sink writes down each message that arrives. What is neither there nor in the queue is lost, what
is there twice was sent twice. With sites, each commit adds one more to them or removes that again.
Raises HostError when the host does not do as it should.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.benchmarks.sized_host import LONG, SizedHost
from tests.benchmarks.states import Size, site

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE = {
    "mail.yaml": """\
hostname: mx1.example.com
parameters:
  mynetworks: 127.0.0.0/8
  mydestination: mx1.example.com, localhost
  enable_long_queue_ids: yes
  smtpd_banner: mx1.example.com ESMTP {number}
""",
    "tables/transport": "sink.test  smtp:[127.0.0.1]:2525\nother{number}.test  relaylim:\n",
    "tables/virtual": "load.test  -\ninfo@load.test  root\nuser{number}@load.test  root\n",
}
BROKEN = (
    ("mail.yaml", "  smtpd_sender_restrictions: reject_unknown_sender_domian\n"),
    ("mail.yaml", "  smtpd_timeout: 300x\n"),
    ("tables/transport", "broken.test  nosuch:\n"),
    ("mail.yaml", "  smtp_tls_security_level: mandatory\n"),
    ("master.d/extra.cf", "smtpx inet n - n - - smtpd\n"),
)
SOURCE = """\
n=0
until [ -e /tmp/stop ]; do
    n=$((n + 1))
    if nice smtp-source -4 -s 2 -l 600 -m {batch} -N -f from@client.test -t r$n@sink.test \\
        127.0.0.1:25 2>>/tmp/source.err
    then echo $n >>/tmp/whole
    else echo $n >>/tmp/torn; sleep 0.05
    fi
    sleep {pause}
done
"""
KILLED_WITHIN = 2.5
"""Seconds from the start of a push in which something dies, at least; longer where pushes last longer."""
ARRIVED = re.compile(r"^X-Rcpt-Args: <([^>]+)>", re.MULTILINE)
REFUSED = re.compile(r"\b[45]\d\d[ -][45]\.\d+\.\d+ .*")


@dataclass(slots=True)
class Figures:
    """What happened: of commits, of messages by their recipients, of clients, and what is live in the end."""

    commits: int = 0
    broken: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    daemons_killed: int = 0
    masters_killed: int = 0
    accepted: int = 0
    delivered: int = 0
    queued: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    torn_runs: int = 0
    refusals: list[str] = field(default_factory=list)
    live: str = ""
    last_good: str = ""
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, doubled or refused, and the last good commit is live."""
        return not (self.lost or self.twice or self.refusals) and self.live == self.last_good


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to happen: so many commits, of which some are broken, to a host with so many sites.

    With so many of the commits the daemon is killed, and with so many Postfix's master. *settings* are added to the
    host's. A run of smtp-source is a *batch* of messages, with a *pause* after it.
    """

    commits: int
    broken: int
    kills: int
    deaths: int
    sites: int = 0
    settings: str = ""
    settle: str = "300ms"
    batch: int = 200
    pause: float = 0.0


class Load:
    """One such run."""

    def __init__(self, plan: Plan) -> None:
        self._random = random.Random(plan.commits)
        numbers = range(1, plan.commits + 1)
        self._broken = set(self._random.sample(numbers, plan.broken))
        self._kills = set(self._random.sample(numbers, plan.kills))
        self._deaths = set(self._random.sample(numbers, plan.deaths))
        self._plan, self._longest = plan, KILLED_WITHIN
        self.figures = Figures(commits=plan.commits, broken=plan.broken)

    def run(self, say: bool = False) -> Figures:
        """Do it all."""
        began = time.monotonic()
        plan = self._plan
        with SizedHost(Size(sites=plan.sites), self._first(), plan.settle, plan.settings) as adopted:
            self._site = adopted
            adopted.start_daemon()
            adopted.host.start("smtp-sink", "-u", "nobody", "-D", "/tmp/arrived", "127.0.0.1:2525", "256")
            source = adopted.host.start("bash", "-c", SOURCE.format(batch=plan.batch, pause=plan.pause))
            for number in range(1, plan.commits + 1):
                self._commit(number)
                if say and number % 10 == 0:
                    print(f"  {number} commits, {dict(self.figures.outcomes)}", flush=True)
            adopted.sh("touch /tmp/stop")
            with suppress(subprocess.TimeoutExpired):  # a client of a master that was killed may wait for minutes
                source.wait(120)
            adopted.sh("pkill -KILL -x smtp-source", check=False)
            source.wait(120)
            self._settle_down()
            self._count()
        self.figures.seconds = time.monotonic() - began
        return self.figures

    def _first(self) -> dict[str, str]:
        """Return the first state."""
        files = {path: text.format(number=0) for path, text in STATE.items()}
        for number in range(1, self._plan.sites + 1):
            files |= site(number)
        return files

    def _commit(self, number: int) -> None:
        """One commit, pushed, with what befalls the host meanwhile, until it is concluded."""
        files: dict[str, str | None] = {path: text.format(number=number) for path, text in STATE.items()}
        if self._plan.sites:
            one_more = site(self._plan.sites + 1)
            files |= one_more if number % 2 else dict.fromkeys(one_more)
        files["master.d/extra.cf"] = f"127.0.0.1:{3000 + number % 2} inet n - n - - smtpd\n"
        if number in self._broken:
            path, line = BROKEN[number % len(BROKEN)]
            files[path] = f"{files[path]}{line}"
        killer = threading.Thread(target=self._strike, args=(number,))
        began = time.monotonic()
        killer.start()
        pushed = self._site.push(files, f"Commit {number}")
        killer.join()
        self._longest = max(KILLED_WITHIN, time.monotonic() - began)
        outcome = self._concluded(pushed.oid) if pushed.accepted else "rejected at the push"
        self.figures.outcomes[outcome] += 1
        if number not in self._broken:
            assert outcome in {"Applied", "Superseded"}, f"commit {number}: {outcome}\n{pushed.text}"
            self.figures.last_good = pushed.oid
        else:
            assert outcome in {"Refused", "rejected at the push"}, f"commit {number}: {outcome}\n{pushed.text}"

    def _strike(self, number: int) -> None:
        """Kill what is to be killed with this commit, somewhere in the time that a push takes."""
        if number in self._kills or number in self._deaths:
            time.sleep(self._random.random() * self._longest)
        if number in self._deaths:
            self._site.host.run("sh", "-c", "kill -KILL $(cat /var/spool/postfix/pid/master.pid)", check=False)
            self.figures.masters_killed += 1
        if number in self._kills:
            self._site.stop_daemon(signal.SIGKILL)
            self.figures.daemons_killed += 1
            self._site.start_daemon()

    def _concluded(self, oid: str) -> str:
        """How that commit's pass ended."""
        journal = self._site.host.root / "var/lib/reconciler/private/journal.jsonl"

        def found() -> str:
            ends = [
                json.loads(line) for line in journal.read_text().splitlines() if oid in line and "conclusion" in line
            ]
            outcomes = [end["conclusion"]["outcome"] for end in ends if end["conclusion"]["revision"] == oid]
            return next((outcome for outcome in reversed(outcomes) if outcome != "Postponed"), "")

        return self._site.patiently(found, f"the end of {oid[:7]}", LONG)

    def _settle_down(self) -> None:
        """Wait until what is in the queue has gone out; what master's death left locked is looked for again."""
        host = self._site.host
        host.run("postqueue", "-f", check=False)
        deadline = time.monotonic() + 60
        while host.queue() and time.monotonic() < deadline:
            time.sleep(1)
            host.run("postqueue", "-f", check=False)

    def _count(self) -> None:
        host, figures = self._site.host, self.figures
        arrived = Counter(ARRIVED.findall(host.read("/tmp/arrived")))
        queued = {one["address"] for message in host.queue() for one in message["recipients"]}
        accepted = set(self._accepted(host.read("/tmp/whole").split()))
        figures.accepted, figures.delivered, figures.queued = len(accepted), arrived.total(), len(queued)
        figures.torn_runs = len(host.run("cat", "/tmp/torn", check=False).stdout.split())
        figures.lost = sorted(accepted - arrived.keys() - queued) + self._vanished(arrived, queued)
        figures.twice = sorted(one for one, times in arrived.items() if times > 1)
        figures.refusals = sorted(set(REFUSED.findall(host.read("/tmp/source.err"))))
        status = self._site.status()
        figures.live = str(status["live"]["revision"])

    def _accepted(self, runs: list[str]) -> Iterator[str]:
        """The recipients of the runs that ended well, as smtp-source numbers them."""
        for run in runs:
            yield from (f"{number}r{run}@sink.test" for number in range(1, self._plan.batch + 1))

    def _vanished(self, arrived: Counter[str], queued: set[str]) -> list[str]:
        """Messages of torn runs that the log says were queued, and that are nowhere."""
        log = self._site.host.mail_log()
        active = set(re.findall(r"qmgr\[\d+\]: (\w+): from=<from@client\.test>", log))
        ended = dict(re.findall(r"smtp\[\d+\]: (\w+): to=<([^>]+)>.* status=sent", log))
        waiting = {message["queue_id"] for message in self._site.host.queue()}
        somewhere = arrived.keys() | queued
        return sorted(one for one in active - waiting if ended.get(one) not in somewhere)


def table(figures: Figures) -> list[str]:
    """The figures, for people."""
    return [
        f"{figures.commits} commits, {figures.broken} of them broken: {json.dumps(figures.outcomes)}",
        f"killed: the daemon {figures.daemons_killed} times, Postfix's master {figures.masters_killed} times",
        f"messages: {figures.accepted} accepted in whole runs, {figures.delivered} arrived",
        f"{figures.queued} in the queue, {len(figures.lost)} lost, {len(figures.twice)} twice",
        f"clients: {figures.torn_runs} runs torn, {len(figures.refusals)} kinds of refusal {figures.refusals[:3]}",
        f"live is {'the last good commit' if figures.live == figures.last_good else figures.live}",
        f"{figures.seconds:.0f} s",
    ]
