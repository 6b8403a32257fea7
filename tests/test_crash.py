"""Killed by SIGKILL at every single effect on the host, with a real Postfix running: old whole or new whole, and mail up.

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
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.hosts import CHECKOUT, Host, missing
from tests.e2e.site import MAIL, STATE, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KILLED = -9
SERVER = "run/crashing.sock"
BASE = "/root/base"
NEW = "old.test  smtp:[127.0.0.1]:2525\nnew.test  relaylim:\n"
GARBAGE = """\
  smtpd_tls_security_level: may
  smtpd_tls_cert_file: /etc/ssl/garbage.pem
  smtpd_tls_key_file: /etc/ssl/garbage.pem
"""
# What is put back between two runs: the configuration, reconciler's state, and a Postfix that runs with them.
SAVE = f"rm -rf {BASE}; mkdir {BASE}; cp -a /etc/postfix {BASE}/postfix; cp -a /var/lib/reconciler {BASE}/state"
RESTORE = f"""
    rm -rf /var/lib/reconciler /etc/.postfix.reconciler /etc/postfix
    cp -a {BASE}/state /var/lib/reconciler; cp -a {BASE}/postfix /etc/postfix
    pkill -HUP -x master || postfix start 2>/dev/null
"""


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
        environment = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
        self.host.start(sys.executable, CHECKOUT / "tests/e2e/crashing.py", f"/{SERVER}", env=environment)
        self.host.wait_for(lambda: (self.host.root / SERVER).exists(), what="the server of runs")

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

    def save(self) -> None:
        """Remember the host as it is now."""
        self.site.sh(SAVE)

    def restore(self) -> None:
        """Make it that again."""
        self.site.sh(RESTORE)

    # What must be true

    def whole(self) -> str:
        """Fail unless what is live is whole and nothing is left over; says which it is: `as before` or a generation."""
        state = self.host.root / "var/lib/reconciler"
        link = os.readlink(self.host.root / "etc/postfix") if (self.host.root / "etc/postfix").is_symlink() else ""
        strays = [path.name for path in (self.host.root / "etc").glob(".postfix*")]
        strays += [str(path) for path in (state / "generations").glob("*") if not (path / "manifest.json").exists()]
        strays += [str(path) for path in state.rglob(".*") if path.name.endswith(".new")]
        assert strays == []
        if not link:
            assert digests(self.host.root / "etc/postfix") == digests(self.host.root / BASE[1:] / "postfix")
            return "as before"
        assert link == "/var/lib/reconciler/live/postfix"
        generation = (state / "live/postfix").resolve().parent
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
    crasher: Crasher, argv: tuple[str, ...], tried: list[tuple[int, str]], good: Callable[[], bool], statuses: set[int]
) -> dict[str, int]:
    """Kill the run at each point; the next run must leave old or new whole, and one more the desired state, with mail up."""
    ends: dict[str, int] = {}
    for number, when in tried:
        where = f"{when} effect {number}"
        crasher.restore()
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
def crasher() -> Iterator[Crasher]:
    """A host that is not adopted, whose Postfix runs with nearly what the branch asks for: a reload will do."""
    with Site(settle="20ms", daemon=False) as site:
        site.write_past_hook({"tables/transport": NEW}, "The new state")
        site.sh(
            "cp -a /etc/postfix/ /root/plain && rm /etc/postfix && mv /root/plain /etc/postfix &&"
            " cd /etc/postfix && rm -rf *.proto post* makedefs.out sasl && mkdir foreign && echo x >foreign/file &&"
            " rm -r /var/lib/reconciler && mkdir -m 711 /var/lib/reconciler && postfix reload"
        )
        crasher = Crasher(site)
        crasher.save()
        yield crasher


def is_routed(host: Host, domain: str = "new.test") -> Callable[[], bool]:
    """Ask whether what is live sends that domain through relaylim."""
    argv = ("postmap", "-q", domain, "lmdb:/etc/postfix/transport")
    return lambda: host.run(*argv, check=False).stdout == "relaylim:\n"


def test_an_adoption_and_its_first_apply_killed_anywhere(crasher: Crasher, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("once", "--adopt")
    whole = crasher.run(*argv)
    assert whole.status == 0, whole.output
    assert {"exchange", "symlink", "rename", "append", "signal"} <= set(whole.effects), "a real adoption and reload"
    tried = points(whole.effects)
    ends = survive(crasher, argv, tried, is_routed(crasher.host), {0})
    told(capsys, "adoption and apply", tried, ends)
    assert any(name == "as before" for name in ends)
    assert any(name != "as before" for name in ends)
