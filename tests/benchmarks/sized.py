"""Pushes on hosts of any size: from the start of `git push` until a new connection shows the change, beside the floor.

Two hosts take turns with the same change: on one reconciler's daemon checks, rehearses and applies the push; on the
other the push goes to a repository without hooks, and floor.sh does the rest. The floor gets the very files that
reconciler has made of the change, so that both do the same work. Figures of a busy machine are ratios.
"""

from __future__ import annotations

import base64
import io
import json
import shlex
import signal
import statistics
import sys
import tarfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.benchmarks.states import MAIL, address_commands, address_of, site, state
from tests.e2e.adopted_host import CLONE, IDENTITY, REPOSITORY
from tests.e2e.hosts import Host
from tests.e2e.special_hosts import MeasuredHost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).resolve().parent
FLOOR_REPOSITORY = "/srv/floor.git"
STEPS_FILE = "/root/steps"
NAMED = """\
options { directory "/tmp"; listen-on { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; pid-file none; };
zone "test" { type primary; file "/tmp/test.zone"; };
zone "64.100.in-addr.arpa" { type primary; file "/tmp/reverse.zone"; };
"""
CHANGES = ("one parameter", "one entry", "one site more", "one site less")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a state is."""

    sites: int = 0
    entries: int = 0
    flows: int = 0

    def __str__(self) -> str:
        parts = (("sites", self.sites), ("entries", self.entries), ("flows", self.flows))
        return ", ".join(f"{number:,} {name}" for name, number in parts if number)


@dataclass(slots=True)
class Figures:
    """Seconds of each change, ours and the floor's, round by round; *steps* of ours, and peaks of memory in MiB."""

    size: Size
    converged: float = 0.0
    ours: dict[str, list[float]] = field(default_factory=dict)
    floor: dict[str, list[float]] = field(default_factory=dict)
    steps: dict[str, dict[str, float]] = field(default_factory=dict)
    nothing: float = 0.0
    rest: float = 0.0
    peak: float = 0.0
    children: float = 0.0

    def ratio(self, change: str) -> float:
        """Return the median of the ratios of each round."""
        pairs = zip(self.ours[change], self.floor[change], strict=True)
        return statistics.median(ours / floor for ours, floor in pairs)


class SizedHost(MeasuredHost):
    """A host with a state of a size; its files are copied in one go, and the first converge is timed."""

    def __init__(self, size: Size) -> None:
        self.size, self.converged = size, 0.0
        super().__init__(state={"mail.yaml": MAIL}, settle="0s", adopt=False, daemon=False)

    def _prepare(self) -> None:
        files = state(sites=self.size.sites, entries=self.size.entries, flows=self.size.flows)
        self.host.run("ip", "-batch", "-", input=address_commands(self.size.sites + 1))
        unpack(self.host, "/root/state", files)
        serve_names(self.host, self.size.sites + 1)
        self.host.run("reconciler", "init", REPOSITORY, "--from", "/root/state", timeout=900)
        self.host.run("git", "clone", "--quiet", REPOSITORY, CLONE)
        began = time.monotonic()
        self.host.run("reconciler", "once", "--adopt", timeout=900)
        self.converged = time.monotonic() - began


def serve_names(host: Host, sites: int) -> None:
    """Have a name server on a host that knows the names of the sites' addresses, as a host on the Internet has."""
    head = "$TTL 300\n@ SOA ns.test. root.test. 1 3600 600 86400 300\n@ NS ns.test.\n"
    forward = "".join(f"mail.d{number} A {address_of(number)}\n" for number in range(1, sites + 1))
    host.write("/tmp/test.zone", f"{head}ns A 127.0.0.1\n{forward}")
    reverse = (".".join(reversed(address_of(number).split(".")[2:])) for number in range(1, sites + 1))
    pointers = "".join(f"{name} PTR mail.d{number}.test.\n" for number, name in enumerate(reverse, 1))
    host.write("/tmp/reverse.zone", head + pointers)
    host.write("/tmp/named.conf", NAMED)
    host.run("sh", "-c", "rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 >/etc/resolv.conf")
    host.start("sh", "-c", "exec named -g -c /tmp/named.conf 2>/tmp/named.log")
    ready = "grep -q 'all zones loaded' /tmp/named.log"
    host.wait_for(lambda: host.run("sh", "-c", ready, check=False).returncode == 0, what="the name server")


def unpack(host: Host, folder: str, files: Mapping[str, str]) -> None:
    """Write many files below a folder, by one process."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(text.encode()), 0o644, int(time.time()) - 60
            archive.addfile(entry, io.BytesIO(text.encode()))
    script = f"mkdir -p {folder} && cd {folder} && base64 -d | tar -x"
    host.run("sh", "-c", script, input=base64.b64encode(packed.getvalue()).decode())


class Sized:
    """Measures one size, on two fresh hosts."""

    def __init__(self, size: Size, rounds: int) -> None:
        self._size, self._rounds, self._number = size, rounds, 0
        self.figures = Figures(size)

    def run(self) -> Figures:
        """Measure all changes that make sense at this size."""
        print(f"measuring: {self._size}", file=sys.stderr)
        with ExitStack() as opened:
            self._ours = opened.enter_context(SizedHost(self._size))
            self.figures.converged = self._ours.converged
            self._beside = opened.enter_context(Host(postfix=True))
            self._beside.run("ip", "-batch", "-", input=address_commands(self._size.sites + 1))
            self._ours.start_daemon(sys.executable, str(HERE / "timed.py"), STEPS_FILE, "run")
            self._prepare_floor()
            for _ in range(self._rounds):
                for change in CHANGES if self._size.sites else CHANGES[:2]:
                    self._once(change)
            self.figures.nothing = statistics.median(self._passes_with_nothing_to_do())
            self._memory()
        return self.figures

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
        self._number += 1
        files, shown = self._edit(change)
        oid = self._ours.commit(files, f"{change}\n\nConfirm: deletions")
        self._ours.host.run("sh", "-c", f": >{STEPS_FILE}")
        told = self._measured(self._ours.host, shown)
        self._ours.wait_for("Applied", oid, 600)
        self._settle()
        self.figures.ours.setdefault(change, []).append(told["shown"])
        self._read_steps(change)
        unpack(self._beside, CLONE, self._rendered())
        self._beside.run("git", "-C", CLONE, *IDENTITY, "commit", "-qam", change)
        told = self._measured(self._beside, shown | {"floor": [str(HERE / "floor.sh"), FLOOR_REPOSITORY]})
        self.figures.floor.setdefault(change, []).append(max(told["shown"], told["whole"]))

    def _edit(self, change: str) -> tuple[dict[str, str | None], dict[str, str]]:
        """Return the files of the next change, and what a new connection then shows."""
        if change == "one parameter":
            banner = f"bench-{self._number}"
            return {"mail.yaml": MAIL.replace("bench-0", banner)}, {"banner": f" {banner}\r\n"}
        if change == "one entry":
            text = self._ours.host.read(f"{CLONE}/tables/virtual")
            lines = text.splitlines(keepends=True)
            address = f"new{self._number}@bench.test"
            lines.insert(len(lines) // 2, f"{address} root\n")
            return {"tables/virtual": "".join(lines)}, {"recipient": address}
        number = self._size.sites + 1
        added = site(number)
        known = f"info@d{number}.test"
        if change == "one site more":
            return dict(added), {"recipient": known}
        return dict.fromkeys(added), {"gone": known}

    def _measured(self, host: Host, asked: Mapping[str, Any]) -> dict[str, float]:
        ran = host.run(
            sys.executable, "-IS", HERE / "push_probe.py", json.dumps({"clone": CLONE, **asked}), timeout=900
        )
        return {name: float(seconds) for name, seconds in json.loads(ran.stdout).items()}

    def _settle(self) -> None:
        before = -1
        while before != (before := len(self._ours.passes())):
            time.sleep(0.3)

    def _read_steps(self, change: str) -> None:
        """Add up the steps of this push; the last round counts."""
        steps: dict[str, float] = {}
        for line in map(json.loads, self._ours.host.read(STEPS_FILE).splitlines()):
            steps[line["step"]] = steps.get(line["step"], 0.0) + line["seconds"]
            self.figures.children = max(self.figures.children, line["children"])
        self.figures.steps[change] = steps

    # ---- at rest ----

    def _passes_with_nothing_to_do(self) -> Iterator[float]:
        for _ in range(self._rounds):
            before = len(self._ours.passes())
            self._ours.signal_daemon(signal.SIGHUP)
            self._ours.host.wait_for(lambda: len(self._ours.passes()) > before, what="a pass")  # noqa: B023
            yield float(self._ours.passes()[-1]["seconds"])
            time.sleep(0.1)

    def _memory(self) -> None:
        assert self._ours.daemon is not None
        (process,) = psutil.Process(self._ours.daemon.pid).children()
        text = Path(f"/proc/{process.pid}/status").read_text("ascii")
        fields = dict(line.split(":", 1) for line in text.splitlines())
        self.figures.rest, self.figures.peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))


# ---- tables ----------------------------------------------------------------------------------------------------------


def lines(measured: list[Figures]) -> list[str]:
    """Return all figures in 80 columns: medians in seconds, and the ratios to the floor in the same round."""
    told: list[str] = []
    for one in measured:
        told += [str(one.size), f"  {'':18}{'ours':>8}{'floor':>8}{'ratio':>7}  longest steps"]
        for change, seconds in one.ours.items():
            middle, beside = statistics.median(seconds), statistics.median(one.floor[change])
            longest = sorted(one.steps[change].items(), key=lambda item: -item[1])[:3]
            steps = ", ".join(f"{name} {taken:.2f}" for name, taken in longest)
            told.append(f"  {change:18}{middle:8.2f}{beside:8.2f}{one.ratio(change):7.2f}  {steps}"[:80])
        told += [
            f"  first converge {one.converged:.1f} s, nothing to do {one.nothing * 1000:.0f} ms",
            f"  memory {one.rest:.0f} MiB at rest, {one.peak:.0f} at the peak; largest child {one.children:.0f}",
        ]
    return [*told, *growth(measured)]


def growth(measured: list[Figures]) -> list[str]:
    """Return how the time of one site more grows from the fewest sites to the most."""
    sites = sorted((one for one in measured if one.size.sites), key=lambda one: one.size.sites)
    if len(sites) < 2:
        return []
    few, many = (statistics.median(one.ours["one site more"]) for one in (sites[0], sites[-1]))
    return [f"one site more: {sites[-1].size} takes {many / few:.1f} times as long as {sites[0].size}"]


def markdown(measured: list[Figures]) -> list[str]:
    """Return the tables of docs/performance.md."""
    changes = [change for change in CHANGES if any(change in one.ours for one in measured)]
    told = [f"| state | {' | '.join(changes)} |", f"|---|{'---|' * len(changes)}"]
    for one in measured:
        cells = (f"{one.ratio(change):.1f}" if change in one.ours else "" for change in changes)
        told.append(f"| {one.size} | {' | '.join(cells)} |")
    told += ["", f"| share of a push's steps | {' | '.join(str(one.size) for one in measured)} |"]
    told.append(f"|---|{'---|' * len(measured)}")
    change = "one entry"
    for step in dict.fromkeys(step for one in measured for step in one.steps[change]):
        shares = (one.steps[change].get(step, 0.0) / sum(one.steps[change].values()) for one in measured)
        told.append(f"| {step} | {' | '.join(f'{share:.0%}' for share in shares)} |")
    return [*told, "", *growth(measured)]
