"""One host on which reconciler is killed, or given errors, at any of its effects: run, look, and put all back.

Promises: a run is reconciler's own command line in a process of its own (inside/crash_server.py); restore() makes of
the host what save() saw, Postfix included. An assertion fails with the output or the mail log that explains it.

Known limit: queued mail and logs are not put back.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.adopted_host import MAIL, UNREHEARSED, AdoptedHost
from tests.e2e.postfix_start import MASTER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.e2e.hosts import Host

KILLED = -9
# What a run can change on disk, and what of it is another for every run.
PLACES = (
    "etc/postfix", "etc/.postfix.reconciler", "etc/postfix.others", "var/lib/reconciler", "var/backups/reconciler",
    "srv/mail-state.git/refs",
)  # fmt: skip
VARIES = re.compile(rb'"(?:at|seconds|until)": ?(?:"[^"]*"|[0-9.e-]+)')
NEW = "old.test  smtp:[127.0.0.1]:2525\nnew.test  relaylim:\n"
# With a folder where smtpd locks its file no rule and no rehearsal finds anything: a rehearsal has its own spool.
IN_THE_WAY = 2599
CANNOT_START = f"services:\n  {IN_THE_WAY}/inet: {{command: smtpd}}\n{MAIL}  inet_interfaces: 127.0.0.1\n"
SERVER = "run/crashing.sock"
# What is put back between two runs: the configuration, reconciler's state, and a Postfix that runs with them.
SAVED = "/var/saved"
SAVE = """
    rm -rf {base}; mkdir -p {base}; cp -a /etc/postfix {base}/postfix
    [ ! -e /var/lib/reconciler ] || cp -a /var/lib/reconciler {base}/state
"""
RESTORE = """
    rm -rf /var/lib/reconciler /etc/.postfix.reconciler /etc/postfix /etc/postfix.others
    [ ! -e {base}/state ] || cp -a {base}/state /var/lib/reconciler; cp -a {base}/postfix /etc/postfix
    {activate}
"""
RELOAD = f"pkill -HUP -x master || {MASTER}"
RESTART = f"pkill -TERM -x master && while pgrep -x master >/dev/null; do sleep 0.01; done; {MASTER}"


@dataclass(frozen=True, slots=True)
class Run:
    """How one run of the command line ended: its exit status or minus its signal, and the effects that it began."""

    status: int
    effects: list[str]
    output: str


@contextmanager
def crash_driver(settings: str = UNREHEARSED) -> Iterator[CrashDriver]:
    """Yield the driver of a host of its own that was adopted, without a daemon and with few files to compare."""
    with AdoptedHost(settle="20ms", daemon=False, settings=settings) as adopted:
        adopted.sh("cd /etc/postfix && rm -rf *.proto makedefs.out sasl")
        yield CrashDriver(adopted)


class CrashDriver:
    """One host, reset between runs, on which reconciler is killed."""

    def __init__(self, adopted: AdoptedHost) -> None:
        self.adopted, self.host = adopted, adopted.host
        self.first = adopted.tip()
        self.host.start_preloaded("crash-server", f"/{SERVER}")
        self.host.wait_for((self.host.root / SERVER).exists, what="the server of runs")

    def run(self, *argv: str, at: int = 0, when: str = "before", error: int = 0, until: str = "") -> Run:
        """Run the command line to its end, to the kill, or with an error at an effect; see inside/crash_server.py."""
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(str(self.host.root / SERVER))
            with connection.makefile("rw") as stream:
                stream.write(json.dumps({"argv": argv, "at": at, "when": when, "errno": error, "until": until}) + "\n")
                stream.flush()
                told = json.loads(stream.readline())
        assert "Traceback" not in told["output"], told["output"]
        return Run(told["status"], told["effects"], told["output"])

    def succeed(self, *argv: str) -> Run:
        """Run the command line to its end, which must be a success."""
        ran = self.run(*argv)
        assert ran.status == 0, f"{ran.output}\n{self.host.mail_log()[-4000:]}"
        return ran

    def save(self, base: str) -> None:
        """Remember the host as it is now, under that name."""
        self.base = f"{SAVED}/{base}"
        self.adopted.sh(SAVE.format(base=self.base))

    def restore(self, activate: str = RELOAD) -> None:
        """Make it what it was when it was last remembered."""
        self.adopted.sh(RESTORE.format(base=self.base, activate=activate))

    def left(self) -> str:
        """Return a digest of all that runs have left on disk, without times; two that are alike are one to the next."""
        found = hashlib.sha256()
        for path in sorted(path for place in PLACES for path in _all(self.host.root / place)):
            status = path.lstat()
            about: list[object] = [path, status.st_mode, status.st_uid, status.st_gid]
            if path.is_symlink():
                about += [path.readlink()]
            elif path.is_file():
                about += [VARIES.sub(b"", path.read_bytes()), status.st_mtime_ns if "etc" in path.parts else ""]
            found.update(repr(about).encode())
        return found.hexdigest()

    # What must be true

    def whole(self) -> str:
        """Fail unless what is live is whole and nothing is left over; says which it is: `as before` or a generation."""
        state = self.host.root / "var/lib/reconciler"
        strays = [path.name for path in (self.host.root / "etc").glob(".postfix*")]
        strays += [str(path) for path in (state / "generations").glob("*") if not (path / "manifest.json").exists()]
        strays += [str(path) for path in state.rglob(".*") if path.name.endswith(".new")]
        assert strays == []
        return self.live()

    def whole_at_last(self, where: str) -> str:
        """The same; a session of Postfix may have kept a companion for one more pass."""
        try:
            return self.whole()
        except AssertionError:
            self.run("once")
        try:
            return self.whole()
        except AssertionError as error:
            seen = self.adopted.sh("ls -l /var/lib/reconciler/live; ps -e -o pid,etimes,args")
            raise AssertionError(f"{where}\n{seen}") from error

    def live(self) -> str:
        """Fail unless what is live is whole; says which it is."""
        state = self.host.root / "var/lib/reconciler"
        postfix = self.host.root / "etc/postfix"
        if not postfix.is_symlink():
            assert digests(postfix) == digests(self.host.root / self.base[1:] / "postfix")
            return "as before"
        assert str(postfix.readlink()) == "/var/lib/reconciler/live/postfix"
        generation = state / "generations" / (state / "live/postfix").readlink().parts[-2]
        files = json.loads((generation / "manifest.json").read_text())["files"]
        found = digests(generation)
        assert {name: found.get(os.path.normpath(f"postfix/{name}")) for name in files} == {
            name: one["sha256"] for name, one in files.items()
        }
        assert {link.readlink().parent for link in (state / "live").iterdir()} == {
            Path("../generations", generation.name)
        }
        return generation.name

    def answers(self, where: str) -> None:
        """Fail unless Postfix greets on port 25."""
        try:
            banner = self.host.dialogue(["QUIT"])[0]
        except (OSError, IndexError) as error:
            banner = repr(error)
        log = "\n".join(self.host.mail_log().splitlines()[-30:])
        assert banner.startswith("220 "), f"{where}: {banner}\n{log}"


def _all(path: Path) -> Iterator[Path]:
    """Yield a path, if it is there, and all that is below it; no link is followed."""
    if os.path.lexists(path):
        yield path
    for folder, *names in os.walk(path) if not path.is_symlink() else ():
        yield from (Path(folder, name) for some in names for name in some)


def digests(folder: Path) -> dict[str, str]:
    """Every regular file below a folder, with the sha256 of its bytes."""
    found = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


FILLING = {"copy", "link", "write"}


def points(effects: list[str], since: str = "") -> list[tuple[int, str]]:
    """Every place where a run with these effects can die, from the first effect of that name on.

    Right after one effect is right before the next: in between nothing on the host changes. Of a row of copies, links,
    writes and their folders the first and the last are tried: they fill a folder that has no name yet, and what is on
    disk in between differs by the number of its files alone. A run that is tried from an effect on is not tried at the
    note in the repository, which is the last effect of every run, when all else is concluded.
    """
    first = effects.index(since) + 1 if since else 1
    last = len(effects) - (bool(since) and effects[-1] == "act")
    numbers = [number for number in range(first, last + 1) if not _is_amid(effects, number)]
    return [*((number, "before") for number in numbers), *([(last, "after")] if last == len(effects) else [])]


def rehearsals(effects: list[str]) -> list[int]:
    """Return which effects of an adoption and its first apply are rehearsals: each follows the compilation of maps."""
    found = [number for number, pair in enumerate(pairwise(effects), 2) if pair == ("act", "act")]
    assert len(found) == 2, effects
    return found


def _is_amid(effects: list[str], number: int) -> bool:
    """Tell whether an effect that only fills a folder stands between two others that do."""
    around = effects[number - 2 : number + 1] if number > 1 else []
    return len(around) == 3 and (FILLING | {"make_directory"}).issuperset(around) and not FILLING.isdisjoint(around)


def told(capsys: pytest.CaptureFixture[str], what: str, tried: list[tuple[int, str]], ends: dict[str, int]) -> None:
    """Print how many points were tried, even when all is well."""
    with capsys.disabled():
        print(f"\n    {what}: killed at {len(tried)} points; then live: {ends}")


def survive(
    crasher: CrashDriver,
    argv: tuple[str, ...],
    tried: list[tuple[int, str]],
    good: Callable[[], bool],
    statuses: set[int],
    activate: str = RELOAD,
) -> dict[str, int]:
    """Kill the run at each point; the next must leave old or new whole, and one more the desired state, mail up.

    Where the next brought the desired state already, one more finds what every such point leaves: it is tried once.
    So is a host on which the next has left the very same as after another point.
    """
    ends: dict[str, int] = {}
    concluded: set[tuple[str, int]] = set()
    known: set[str] = set()
    for number, when in tried:
        where = f"{when} effect {number}"
        crasher.restore(activate)
        ran = crasher.run(*argv, at=number, when=when)
        if ran.status in statuses and number > len(ran.effects):
            continue  # one effect fewer than in the run that was counted
        assert ran.status == KILLED, f"{where}: {ran}"
        again = crasher.run("once")
        assert again.status in statuses | {75}, f"{where}: {again.output}"
        end = crasher.whole_at_last(f"{where}, then {again.status}: {again.output}")
        ends[end] = ends.get(end, 0) + 1
        crasher.answers(where)
        if ((end, again.status) in concluded and good()) or (left := crasher.left()) in known:
            continue
        last = crasher.run(*argv)
        assert last.status in statuses, f"{where}: {last.output}"
        assert good(), where
        known.add(left)
        if crasher.whole() == end and again.status in statuses:
            concluded.add((end, again.status))
    return ends


def is_routed(host: Host, domain: str = "new.test") -> Callable[[], bool]:
    """Ask whether what is live sends that domain through relaylim."""
    argv = ("postmap", "-q", domain, "lmdb:/etc/postfix/transport")
    return lambda: host.run(*argv, check=False).stdout == "relaylim:\n"


def is_set(host: Host, name: str, value: str) -> Callable[[], bool]:
    """Ask whether the live main.cf has that value."""
    return lambda: host.run("postconf", "-h", name).stdout.strip() == value


def has_no_service(host: Host) -> Callable[[], bool]:
    """Ask whether the live master.cf is without the service that can't start."""
    return lambda: host.run("postconf", "-M", f"{IN_THE_WAY}/inet", check=False).stdout == ""
