"""Killed by SIGKILL at every single effect on the host, with a real Postfix running: old or new whole, and mail up.

Every point is one run that dies right before or right after its nth effect, and then the next run of reconciler on what
that left. Effects are counted first, so that a new one is tried as soon as it exists.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.hosts import CHECKOUT, Host, missing
from tests.e2e.site import MAIL, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KILLED = -9
SERVER = "run/crashing.sock"
NEW = "old.test  smtp:[127.0.0.1]:2525\nnew.test  relaylim:\n"
GARBAGE = """\
  smtpd_tls_security_level: may
  smtpd_tls_cert_file: /etc/ssl/garbage.pem
  smtpd_tls_key_file: /etc/ssl/garbage.pem
"""
# What is put back between two runs: the configuration, reconciler's state, and a Postfix that runs with them.
SAVE = "rm -rf {base}; mkdir {base}; cp -a /etc/postfix {base}/postfix; cp -a /var/lib/reconciler {base}/state"
RESTORE = """
    rm -rf /var/lib/reconciler /etc/.postfix.reconciler /etc/postfix
    cp -a {base}/state /var/lib/reconciler; cp -a {base}/postfix /etc/postfix
    {activate}
"""
RELOAD = "pkill -HUP -x master || postfix start 2>/dev/null"
RESTART = "postfix stop 2>/dev/null; postfix start 2>/dev/null"


@pytest.fixture(scope="module", autouse=True)
def _able() -> None:
    if lacking := missing():
        pytest.fail(f"these tests need {', '.join(lacking)}: run tests/run as root", pytrace=False)


@dataclass(frozen=True, slots=True)
class Run:
    """How one run of the command line ended: its exit status or minus its signal, and the effects that it began."""

    status: int
    effects: list[str]
    output: str


class Crasher:
    """One host, reset between runs, on which reconciler is killed."""

    def __init__(self, site: Site) -> None:
        self.site, self.host = site, site.host
        self.first = site.tip()
        environment = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
        self.host.start(sys.executable, CHECKOUT / "tests/e2e/crashing.py", f"/{SERVER}", env=environment)
        self.host.wait_for((self.host.root / SERVER).exists, what="the server of runs")

    def run(self, *argv: str, at: int = 0, when: str = "before") -> Run:
        """Run the command line, to its end or to the kill."""
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(str(self.host.root / SERVER))
            with connection.makefile("rw") as stream:
                stream.write(json.dumps({"argv": argv, "at": at, "when": when}) + "\n")
                stream.flush()
                told = json.loads(stream.readline())
        assert "Traceback" not in told["output"], told["output"]
        return Run(told["status"], told["effects"], told["output"])

    def save(self, base: str) -> None:
        """Remember the host as it is now, under that name."""
        self.base = f"/root/{base}"
        self.site.sh(SAVE.format(base=self.base))

    def restore(self, activate: str = RELOAD) -> None:
        """Make it what it was when it was last remembered."""
        self.site.sh(RESTORE.format(base=self.base, activate=activate))

    # What must be true

    def whole(self) -> str:
        """Fail unless what is live is whole and nothing is left over; says which it is: `as before` or a generation."""
        state = self.host.root / "var/lib/reconciler"
        postfix = self.host.root / "etc/postfix"
        link = str(postfix.readlink()) if postfix.is_symlink() else ""
        strays = [path.name for path in (self.host.root / "etc").glob(".postfix*")]
        strays += [str(path) for path in (state / "generations").glob("*") if not (path / "manifest.json").exists()]
        strays += [str(path) for path in state.rglob(".*") if path.name.endswith(".new")]
        assert strays == []
        if not link:
            assert digests(postfix) == digests(self.host.root / self.base[1:] / "postfix")
            return "as before"
        assert link == "/var/lib/reconciler/live/postfix"
        generation = state / "generations" / (state / "live/postfix").readlink().parts[-2]
        files = json.loads((generation / "manifest.json").read_text())["files"]
        found = digests(generation / "postfix")
        assert {name: found.get(name) for name in files} == {name: one["sha256"] for name, one in files.items()}
        return generation.name

    def answers(self) -> bool:
        """Whether Postfix greets on port 25."""
        try:
            return self.host.dialogue(["QUIT"])[0].startswith("220 ")
        except (OSError, IndexError):
            return False


def digests(folder: Path) -> dict[str, str]:
    """Every regular file below a folder, with the sha256 of its bytes."""
    found = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            path = folder.__class__(directory, name)
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def points(effects: list[str], since: str = "") -> list[tuple[int, str]]:
    """Every place where a run with these effects can die, from the first effect of that name on."""
    first = effects.index(since) + 1 if since else 1
    return [(number, when) for number in range(first, len(effects) + 1) for when in ("before", "after")]


def told(capsys: pytest.CaptureFixture[str], what: str, tried: list[tuple[int, str]], ends: dict[str, int]) -> None:
    """Print how many points were tried, even when all is well."""
    with capsys.disabled():
        print(f"\n    {what}: killed at {len(tried)} points; then live: {ends}")


def survive(
    crasher: Crasher,
    argv: tuple[str, ...],
    tried: list[tuple[int, str]],
    good: Callable[[], bool],
    statuses: set[int],
    activate: str = RELOAD,
) -> dict[str, int]:
    """Kill the run at each point; the next must leave old or new whole, and one more the desired state, mail up."""
    ends: dict[str, int] = {}
    for number, when in tried:
        where = f"{when} effect {number}"
        crasher.restore(activate)
        assert crasher.run(*argv, at=number, when=when).status == KILLED, where
        again = crasher.run("once")
        assert again.status in statuses | {75}, f"{where}: {again.output}"
        end = crasher.whole()
        ends[end] = ends.get(end, 0) + 1
        assert crasher.answers(), where
        last = crasher.run(*argv)
        assert last.status in statuses, f"{where}: {last.output}"
        crasher.whole()
        assert good(), where
    return ends


@pytest.fixture(scope="module")
def fresh() -> Iterator[Crasher]:
    """A host that is not adopted, whose Postfix runs with nearly what the branch asks for: a reload will do."""
    with Site(settle="20ms", daemon=False) as site:
        site.write_past_hook({"tables/transport": NEW}, "The new state")
        site.sh(
            "cp -a /etc/postfix/ /root/plain && rm /etc/postfix && mv /root/plain /etc/postfix &&"
            " cd /etc/postfix && rm -rf *.proto post* makedefs.out sasl && mkdir foreign && echo x >foreign/file &&"
            " rm -r /var/lib/reconciler && mkdir -m 711 /var/lib/reconciler && postfix reload"
        )
        crasher = Crasher(site)
        crasher.save("fresh")
        yield crasher


@pytest.fixture(scope="module")
def _adopted() -> Iterator[Crasher]:
    with Site(settle="20ms", daemon=False) as site:
        site.sh("cd /etc/postfix && rm -rf *.proto makedefs.out sasl")
        yield Crasher(site)


@pytest.fixture
def adopted(_adopted: Crasher) -> Crasher:
    """A host that was adopted, with its first generation live and the branch where that came from."""
    crasher = _adopted
    crasher.site.git("update-ref", "refs/heads/main", crasher.first)
    if (crasher.host.root / "root/adopted").exists():
        crasher.base = "/root/adopted"
        crasher.restore(RESTART)
    crasher.save("adopted")
    return crasher


def is_routed(host: Host, domain: str = "new.test") -> Callable[[], bool]:
    """Ask whether what is live sends that domain through relaylim."""
    argv = ("postmap", "-q", domain, "lmdb:/etc/postfix/transport")
    return lambda: host.run(*argv, check=False).stdout == "relaylim:\n"


def test_an_adoption_and_its_first_apply_killed_anywhere(fresh: Crasher, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("once", "--adopt")
    whole = fresh.run(*argv)
    assert whole.status == 0, whole.output
    assert {"exchange", "symlink", "rename", "append", "signal"} <= set(whole.effects), "a real adoption and reload"
    tried = points(whole.effects)
    ends = survive(fresh, argv, tried, is_routed(fresh.host), {0})
    told(capsys, "adoption and apply", tried, ends)
    assert any(name == "as before" for name in ends)
    assert any(name != "as before" for name in ends)


def test_an_apply_that_restarts_postfix_killed_anywhere_from_the_swap_on(
    adopted: Crasher, capsys: pytest.CaptureFixture[str]
) -> None:
    adopted.site.write_past_hook({"mail.yaml": MAIL + "  inet_interfaces: 127.0.0.1\n"}, "Needs a restart")
    whole = adopted.run("once")
    assert whole.status == 0, whole.output
    assert {"signal", "act"} <= set(whole.effects), "a stop and a start"
    tried = points(whole.effects, since="symlink")
    good = is_set(adopted.host, "inet_interfaces", "127.0.0.1")
    ends = survive(adopted, ("once",), tried, good, {0}, RESTART)
    told(capsys, "apply with a restart", tried, ends)


def test_what_recovery_alone_leaves_runs_as_the_old_generation_says(adopted: Crasher) -> None:
    adopted.site.write_past_hook({"mail.yaml": MAIL + "  inet_interfaces: 127.0.0.1\n"}, "Needs a restart")
    whole = adopted.run("once")
    restarted = whole.effects.index("act", whole.effects.index("symlink")) + 1
    adopted.restore(RESTART)
    assert adopted.run("once", at=restarted, when="after").status == KILLED
    with pytest.raises(ConnectionRefusedError):
        adopted.host.dialogue(["QUIT"], address="::1")
    adopted.site.git("update-ref", "-d", "refs/heads/main")
    assert adopted.run("once").status == 1, "there is no branch to go to"
    assert adopted.whole().startswith("1-")
    adopted.host.wait_for(lambda: adopted.host.dialogue(["QUIT"], address="::1")[0].startswith("220 "))


def test_an_undo_killed_anywhere(adopted: Crasher, capsys: pytest.CaptureFixture[str]) -> None:
    adopted.host.write("/etc/ssl/garbage.pem", "no certificate\n", 0o600)
    adopted.site.write_past_hook({"mail.yaml": MAIL + GARBAGE}, "STARTTLS will fail")
    whole = adopted.run("once")
    assert whole.status == 3, whole.output
    assert whole.effects.count("symlink") == 2, "there and back"
    tried = points(whole.effects, since="symlink")
    good = is_set(adopted.host, "smtpd_tls_security_level", "")
    ends = survive(adopted, ("once",), tried, good, {1, 3})
    told(capsys, "apply and undo", tried, ends)
    assert len(ends) == 1, "only ever the old generation"


def test_a_rollback_killed_anywhere(adopted: Crasher, capsys: pytest.CaptureFixture[str]) -> None:
    adopted.site.write_past_hook({"tables/transport": NEW}, "The new state")
    assert adopted.run("once").status == 0
    adopted.save("two")
    argv = ("rollback", "1")
    whole = adopted.run(*argv)
    assert whole.status == 0, whole.output
    tried = points(whole.effects)
    routed = is_routed(adopted.host)
    ends = survive(adopted, argv, tried, lambda: not routed(), {0})
    told(capsys, "rollback", tried, ends)
    assert len(ends) >= 2, "the old in the beginning, the new in the end"


def is_set(host: Host, name: str, value: str) -> Callable[[], bool]:
    """Ask whether the live main.cf has that value."""
    return lambda: host.run("postconf", "-h", name).stdout.strip() == value


# ---- a disk that is full ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 64], ids=["no room at all", "room for the journal only"])
def test_on_a_full_disk_a_pass_is_postponed_leaves_nothing_behind_and_is_made_once_there_is_room(room: int) -> None:
    large = NEW + "".join(f"d{number}.test  relaylim:\n" for number in range(20_000))
    with Site(adopt=False, daemon=False) as site:
        state = "/var/lib/reconciler"
        site.sh(f"mkdir -p {state} && mount -t tmpfs -o size=4m,mode=711 tmpfs {state}")
        assert site.reconciler("once", "--adopt").status == 0
        before, generations, master = site.live(), site.generations(), site.master()
        oid = site.write_past_hook({"tables/transport": large}, "Needs room")
        site.sh(f"dd if=/dev/zero of={state}/filler bs=4k; truncate -s -{room}k {state}/filler", check=False)
        ran = site.reconciler("once")
        assert ran.status == 75
        assert "No space left on device" in ran.text
        assert (site.live(), site.generations(), site.master()) == (before, generations, master)
        assert site.sh(f"find {state}/private/stage -mindepth 1") == ""
        assert site.answers()
        site.start_daemon()
        if room:
            assert "No space left on device" in site.wait_for_phase("Retrying")["phase"]["reason"]
        site.sh(f"rm {state}/filler")
        site.wait_for("Applied", oid)
        assert is_routed(site.host, "d19999.test")()
        assert site.told()["phase"] == {"name": "Steady"}
