"""The facts of one host, as its own programs told them: a Debian 12 with Postfix 3.7.11."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.model import Facts, Interface, Listener

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"
PROGRAMS = """
    anvil bounce cleanup discard dnsblog error flush fsstone lmtp local master nqmgr oqmgr pickup pipe postlogd
    postscreen proxymap qmgr qmqpd scache showq smtp smtpd spawn tlsmgr tlsproxy trivial-rewrite verify virtual
"""


def _read_by() -> tuple[dict[str, frozenset[str]], frozenset[str]]:
    """What each program reads, and which words none knows, as written by tests/unit/host/programs/test_binaries.py."""
    lines = (TRANSCRIPTS / "programs-read.txt").read_text(encoding="utf-8").splitlines()
    named = {name: frozenset(rest.split()) for name, _, rest in (line.partition(":") for line in lines)}
    every, unsaid = named.pop("(every)"), named.pop("(unsaid)")
    return {name: every | own for name, own in named.items()}, unsaid


READS, UNSAID = _read_by()
HOST = Facts(
    host="mx.test.example",
    version="3.7.11",
    parameters={
        name: value.strip()
        for name, _, value in (
            line.partition(" =") for line in (TRANSCRIPTS / "postconf-d.txt").read_text(encoding="utf-8").splitlines()
        )
    },
    map_types=frozenset((TRANSCRIPTS / "postconf-m.txt").read_text(encoding="utf-8").split()),
    programs=frozenset(PROGRAMS.split()),
    addresses=(
        Interface.of("127.0.0.1/8"),
        Interface.of("192.0.2.10/24"),
        Interface.of("::1/128"),
        Interface.of("2001:db8::10/64"),
    ),
    users=frozenset({"root", "postfix", "nobody", "vmail"}),
    ports={"smtp": 25, "smtps": 465, "submission": 587, "submissions": 465, "http": 80},
    listeners=(
        Listener("127.0.0.1", 3399, "redis-server", ours=False),
        Listener("0.0.0.0", 25, "master", ours=True),
    ),
    files={"/etc/aliases.db": True},
    reads=READS,
    unsaid=UNSAID,
)


def facts(**changes: object) -> Facts:
    """The host, with some facts changed."""
    return replace(HOST, **changes)  # type: ignore[arg-type] # by name, as the tests write them
