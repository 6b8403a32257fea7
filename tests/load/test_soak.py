"""A thousand passes of one daemon leak no descriptor, thread, process, namespace, mount, cgroup, file or memory."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import pytest

from tests.e2e.adopted_host import MAIL, TYPO, AdoptedHost
from tests.e2e.hosts import missing
from tests.e2e.special_hosts import MeasuredHost

PASSES, ROUNDS = 1000, 16  # each kind of round twice
MEMORY = 6  # MiB that a thousand passes may add: the heap of a warm interpreter breathes
SETTINGS = '[drift]\npolicy = "commit"\n[log]\nformat = "json"\n'
LEFT = "find /tmp /dev/shm /var/lib/reconciler/private/stage -xdev -mindepth 1 2>/dev/null | sort"


@dataclass(frozen=True)
class Held:
    """What a daemon holds, and what it left on its host."""

    descriptors: int
    threads: int
    children: int
    zombies: int
    namespaces: int
    mounts: int
    cgroups: int
    files: str


class Soak:
    """One host, its daemon, and what is counted of both."""

    def __init__(self, adopted: AdoptedHost) -> None:
        self.adopted = adopted
        self.log, self.read, self.told = adopted.log_file(), 0, 0
        assert adopted.daemon is not None
        (self.daemon,) = psutil.Process(adopted.daemon.pid).children()

    def held(self) -> Held:
        """Count everything, once nothing is going on."""
        family = self.daemon.children(recursive=True)
        init = psutil.Process(self.adopted.host.pid)
        everybody = [init, self.daemon, *family, *init.children(recursive=True)]
        return Held(
            descriptors=self.daemon.num_fds(),
            threads=self.daemon.num_threads(),
            children=len(family),
            zombies=sum(one.status() == psutil.STATUS_ZOMBIE for one in everybody),
            namespaces=len(namespaces(everybody)),
            mounts=len(Path(f"/proc/{self.daemon.pid}/mountinfo").read_text().splitlines()),
            cgroups=len(cgroups(everybody)),
            files=self.adopted.sh(LEFT),
        )

    def memory(self) -> float:
        """Resident memory in MiB."""
        return float(self.daemon.memory_info().rss) / (1 << 20)

    def passes(self) -> int:
        """Return how many passes the daemon has logged; lines that were counted are not read again."""
        with self.log.open("rb") as stream:
            stream.seek(self.read)
            new, whole, _ = stream.read().rpartition(b"\n")
        self.read += len(new + whole)
        self.told += new.count(b'"event": "passed"')
        return self.told

    def wake(self, times: int) -> None:
        """Have the daemon make that many passes, one after the other."""
        for _ in range(times):
            before = self.passes()
            self.daemon.send_signal(signal.SIGHUP)
            self.adopted.patiently(lambda before=before: self.passes() > before, "a pass")  # type: ignore[misc]

    def round(self, number: int) -> None:
        """Something that people and machines do: a commit, good or bad, a hand edit, a master that dies."""
        good = f"{MAIL}  smtpd_banner: round {number} ESMTP\n"
        refused = number % 4 == 3
        oid = self.adopted.write_past_hook({"mail.yaml": TYPO if refused else good}, f"Round {number}")
        self.adopted.wait_for("Refused" if refused else "Applied", oid)
        if number % 8 == 1:
            self.adopted.sh(f"postconf -e mail_name=by-hand-{number}")
            self.adopted.host.wait_for(
                lambda: "by-hand" not in self.adopted.postconf("mail_name"), what="what was before"
            )
        if number % 8 == 5:
            self.adopted.sh("kill -9 $(cat /var/spool/postfix/pid/master.pid)")
            self.adopted.host.wait_for(self.adopted.answers, what="Postfix")


def namespaces(processes: list[psutil.Process]) -> set[str]:
    """The namespaces of these processes: those of a rehearsal that did not end among them."""
    found = set()
    for one in processes:
        for kind in ("net", "mnt", "pid", "ipc", "uts"):
            with suppress(OSError):
                found.add(str(Path(f"/proc/{one.pid}/ns/{kind}").readlink()))
    return found


def cgroups(processes: list[psutil.Process]) -> set[str]:
    """The cgroups of these processes: the machine has more, which others make and remove meanwhile."""
    found = set()
    for one in processes:
        with suppress(OSError):
            found.update(Path(f"/proc/{one.pid}/cgroup").read_text().splitlines())
    return found


def test_a_thousand_passes_leave_nothing_behind(capsys: pytest.CaptureFixture[str]) -> None:
    if lacking := missing():
        pytest.fail(f"these tests need {', '.join(lacking)}: run tests/run as root", pytrace=False)
    began = time.monotonic()
    with MeasuredHost(settle="20ms", settings=SETTINGS) as adopted:
        soak = Soak(adopted)
        for number in range(8):  # one of each kind
            soak.round(number)
        soak.wake(20)
        before, memory, counted = soak.held(), soak.memory(), soak.passes()
        for number in range(8, 8 + ROUNDS):
            soak.round(number)
            soak.wake((PASSES - ROUNDS) // ROUNDS)
        soak.wake(max(0, PASSES - (soak.passes() - counted)))
        after, grown, counted = soak.held(), soak.memory() - memory, soak.passes() - counted
        with capsys.disabled():
            print(f"\n    {counted} passes in {time.monotonic() - began:.0f} s; memory {memory:.1f} MiB {grown:+.1f}")
            print(f"    before {asdict(before)}\n    after  {asdict(after)}")
        assert counted >= PASSES
        assert after == before
        assert grown < MEMORY
        assert adopted.answers()
