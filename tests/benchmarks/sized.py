"""Pushes on hosts of any size: from the start of `git push` until a new connection shows the change, beside the floor.

Two hosts take turns with the same change: on one reconciler's daemon checks, rehearses and applies the push; on the
other the push goes to a repository without hooks, and floor.sh does the rest. The floor gets the very files that
reconciler has made of the change, so that both do the same work. Figures of a busy machine are ratios.

Several sizes take turns as well. At a size at which the floor takes very long, it is measured once for each change, and
the ratio is that of one round.
No commit confirms anything: a site that goes takes its few rows along, which no push asks about. Memory is looked at
in pushes of their own, for the look takes time.
"""

from __future__ import annotations

import json
import shlex
import signal
import statistics
import sys
import time
from contextlib import ExitStack
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import ENTRY, LESS, MORE, PARAMETER, Figures, Taken
from tests.benchmarks.memory import Peak, resident
from tests.benchmarks.sized_host import HERE, LONG, STEPS_FILE, SizedHost, unpack
from tests.benchmarks.states import Size, address_commands, history, site
from tests.e2e.adopted_host import CLONE, IDENTITY
from tests.e2e.hosts import Host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FLOOR_REPOSITORY = "/srv/floor.git"
LONG_FLOOR = 30.0
"""Seconds after which the floor is not measured again: `postfix check` takes minutes for thousands of services."""
_PASSES = 4  # with nothing to do, in a round: their few milliseconds are told in whole ones
# A clone whose branch is as many commits ahead as there are texts of a file.
AHEAD = f"""\
set -e; cd {CLONE}; git fetch -q; git reset -q --hard origin/main
git fast-import --quiet --date-format=now; git reset -q --hard main; git rev-parse HEAD
"""


def in_turns(sizes: Iterable[Size], rounds: int, ahead: int = 0) -> list[Figures]:
    """Measure several sizes; their rounds take turns, so that a machine that becomes slower does so for all of them."""
    measured = [Sized(size, rounds, ahead) for size in sizes]
    for _ in zip_longest(*(one.rounds() for one in measured)):
        pass  # each of them has made a step
    return [one.figures for one in measured]


class Sized:
    """Measures one size, on two fresh hosts; *ahead* commits are pushed at once in the end, if there are any."""

    def __init__(self, size: Size, rounds: int, ahead: int = 0) -> None:
        self._size, self._rounds, self._ahead, self._number = size, rounds, ahead, 0
        self.figures = Figures(size)

    def rounds(self) -> Iterator[None]:
        """Measure all changes that make sense at this size, and stop before each round and after the last."""
        print(f"measuring: {self._size}", file=sys.stderr)
        changes = [PARAMETER, ENTRY] + [MORE, LESS] * bool(self._size.sites)
        with ExitStack() as opened:
            self._ours = opened.enter_context(SizedHost(self._size))
            self.figures.converged = self._ours.converged
            self._beside = opened.enter_context(Host(postfix=True))
            self._beside.run("ip", "-batch", "-", input=address_commands(self._size.sites + 1))
            self._ours.start_timed()
            self._prepare_floor()
            for _ in range(self._rounds):
                yield
                for change in changes:
                    self._once(change)
            yield
            self.figures.nothing = statistics.median(self._passes_with_nothing_to_do())
            self.figures.rest, _ = resident(self._ours.process.pid)
            with Peak(self._ours.process.pid) as peak:
                for change in changes:
                    self._push(self._ours.host, self._committed(change)[1])
                    self._ours.settle()
            self.figures.together, self.figures.child = peak.together, peak.child
            if self._ahead:
                self._from_ahead()
            _, self.figures.peak = resident(self._ours.process.pid)

    # ---- the floor ----

    def _prepare_floor(self) -> None:
        """The same Postfix, its files in a repository as they are in /etc/postfix."""
        host, identity = self._beside, shlex.join(IDENTITY)
        unpack(host, CLONE, self._rendered())
        host.run(
            "sh", "-c",
            f"cp {CLONE}/* /etc/postfix/ && git init -q --bare -b main {FLOOR_REPOSITORY} && cd {CLONE} && "
            f"git init -q -b main && git remote add origin {FLOOR_REPOSITORY} && git add . && "
            f"git {identity} commit -qm Start && git push -q origin main && cd /etc/postfix && "
            "for file in virtual site_transport; do test ! -e $file || postmap lmdb:$file; done; "
            "postfix stop; postfix start",
        )  # fmt: skip

    def _rendered(self) -> dict[str, str]:
        """Return the files that reconciler has made of the state."""
        names = ("main.cf", "master.cf", "virtual", *(["site_transport"] if self._size.sites else []))
        return {name: self._ours.host.read(f"/etc/postfix/{name}") for name in names}

    # ---- rounds ----

    def _once(self, change: str) -> None:
        oid, shown = self._committed(change)
        self._measure_ours(change, oid, shown)
        if max(self.figures.floor.get(change, Taken()).seconds, default=0.0) > LONG_FLOOR:
            return
        unpack(self._beside, CLONE, self._rendered())
        self._beside.run("git", "-C", CLONE, *IDENTITY, "commit", "-qam", change)
        self._measure_floor(change, shown)

    def _from_ahead(self) -> None:
        """Push a branch that is many commits ahead, of which each has a banner of its own."""
        self._number += 1
        banners = [f"bench-{self._number}-{one}" for one in range(1, self._ahead + 1)]
        change, shown = f"{self._ahead:,} commits ahead", {"banner": f" {banners[-1]}\r\n"}
        texts = [self._size.mail.replace("bench-0", banner) for banner in banners]
        oid = self._ours.host.run("sh", "-c", AHEAD, input=history("mail.yaml", texts)).stdout.strip()
        self._measure_ours(change, oid, shown)
        main = self._ours.host.read("/etc/postfix/main.cf")
        texts = [main.replace(banners[-1], banner) for banner in banners]
        self._beside.run("sh", "-c", AHEAD, input=history("main.cf", texts))
        unpack(self._beside, CLONE, self._rendered())
        self._measure_floor(change, shown)

    def _committed(self, change: str) -> tuple[str, dict[str, str]]:
        """Commit the next change in the clone; return the commit, and what a new connection then shows."""
        self._number += 1
        files, shown = self._edit(change)
        return self._ours.commit(files, change), shown

    def _edit(self, change: str) -> tuple[Mapping[str, str | None], dict[str, str]]:
        if change == PARAMETER:
            banner = f"bench-{self._number}"
            return {"mail.yaml": self._size.mail.replace("bench-0", banner)}, {"banner": f" {banner}\r\n"}
        if change == ENTRY:
            text = self._ours.host.read(f"{CLONE}/tables/virtual")
            lines = text.splitlines(keepends=True)
            address = f"new{self._number}@bench.test"
            lines.insert(len(lines) // 2, f"{address} root\n")
            return {"tables/virtual": "".join(lines)}, {"recipient": address}
        number = self._size.sites + 1
        added, known = site(number), f"info@d{number}.test"
        if change == MORE:
            return dict(added), {"recipient": known}
        return dict.fromkeys(added), {"gone": known}

    def _measure_ours(self, change: str, oid: str, shown: Mapping[str, str]) -> None:
        host = self._ours
        host.host.run("sh", "-c", f": >{STEPS_FILE}")
        before = host.processor_time()
        told = self._push(host.host, shown)
        host.wait_for("Applied", oid, LONG)
        host.settle()
        taken = self.figures.ours.setdefault(change, Taken())
        taken.seconds.append(told["shown"])
        taken.processor.append(told["processor"] + host.processor_time() - before)
        self._read_steps(change)

    def _measure_floor(self, change: str, shown: Mapping[str, Any]) -> None:
        told = self._push(self._beside, {**shown, "floor": [str(HERE / "floor.sh"), FLOOR_REPOSITORY]})
        taken = self.figures.floor.setdefault(change, Taken())
        taken.seconds.append(max(told["shown"], told["whole"]))
        taken.processor.append(told["processor"])

    def _push(self, host: Host, asked: Mapping[str, Any]) -> dict[str, float]:
        argv = (sys.executable, "-IS", HERE / "push_probe.py", json.dumps({"clone": CLONE, **asked}))
        ran = host.run(*argv, timeout=LONG)
        return {name: float(seconds) for name, seconds in json.loads(ran.stdout).items()}

    def _read_steps(self, change: str) -> None:
        """Add up the steps of this push; the last round counts."""
        steps: dict[str, float] = {}
        for line in map(json.loads, self._ours.host.read(STEPS_FILE).splitlines()):
            steps[line["step"]] = steps.get(line["step"], 0.0) + line["seconds"]
        self.figures.steps[change] = steps

    # ---- at rest ----

    def _passes_with_nothing_to_do(self) -> Iterator[float]:
        for _ in range(self._rounds * _PASSES):
            before = len(self._ours.passes())
            self._ours.signal_daemon(signal.SIGHUP)
            self._ours.host.wait_for(lambda: len(self._ours.passes()) > before, what="a pass")  # noqa: B023
            yield float(self._ours.passes()[-1]["seconds"])
            time.sleep(0.1)
