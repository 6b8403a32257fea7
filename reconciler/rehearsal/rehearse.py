"""The rehearsal: the candidate runs as a real Postfix where it can reach nothing, and SMTP is spoken with it.

Promises: nothing of the host changes and nothing survives, also when we are killed: the program runs in network, mount,
process, IPC and UTS namespaces of its own, whose first process dies with us. limit() says why none can be held here.
Raises Impossible when the kernel does not do it after all, Unavailable when one that could be held breaks down,
CommandFailed when it does not end in time.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.model.errors import CommandFailed, ReconcilerError, Unavailable
from reconciler.rehearsal.inside.messages import Candidate, Request
from reconciler.rehearsal.outside import without_databases
from reconciler.rehearsal.verdict import findings_of

if TYPE_CHECKING:
    from reconciler.host.effects import Host
    from reconciler.model import Finding
    from reconciler.rehearsal.inside.messages import Answer, Report
    from reconciler.rehearsal.script import Script

NAMESPACES = ("-m", "-n", "-p", "-u", "-i")
TIMEOUT = 40.0
_NEEDED = ("ip", "setpriv", "unshare")
_TO_DEVICE = re.compile(r"^maillog_file\s*=\s*/dev/.*", re.MULTILINE)
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from reconciler.rehearsal.inside.play import main; main()"


@functools.lru_cache(maxsize=4)
def limit(host: Host, namespaces: tuple[str, ...] = NAMESPACES) -> str:
    """Why no rehearsal can be held on this host, or empty; asked once, in about 10 ms."""
    for name in _NEEDED:
        if not shutil.which(name, path=_PATH):
            return f"rehearsal off: the program {name} is not installed"
    try:
        done = host.run(("unshare", *namespaces, "-f", "--kill-child", "sh", "-c", "ip link add type veth"), timeout=10)
    except (CommandFailed, OSError) as error:
        return f"rehearsal off: {error}"
    if not done.status:
        return ""
    refused = "not permitted" in done.stderr or "denied" in done.stderr
    return f"rehearsal off: {'namespaces are not permitted' if refused else done.stderr.strip()}"


class Impossible(ReconcilerError):  # noqa: N818 - as in errors.py
    """No rehearsal can be held on this host, for a reason that does not pass by itself."""


def rehearse(script: Script, stage: Path, directory: Path, host: Host) -> list[Finding]:
    """Play the script with the candidate in *stage*, which Postfix is told is *directory*; what is wrong with it."""
    return findings_of(script, play(script, stage, directory, host))


def play(
    script: Script, stage: Path, directory: Path, host: Host,
    namespaces: tuple[str, ...] = NAMESPACES, program: str = PROGRAM,
) -> Report:  # fmt: skip
    """Return the report of what happened; *program* plays, in *namespaces* of its own."""
    replaced = {"master.cf": script.master_cf}
    if script.databases or script.play["room"]["parameters"]["maillog_file"].startswith("/dev/"):
        text = without_databases((stage / "main.cf").read_text("utf-8", "surrogateescape"))
        replaced["main.cf"] = _TO_DEVICE.sub("maillog_file =", text)  # nothing could read a device there
    request = Request(
        play=script.play,
        candidate=Candidate(stage=str(stage), directory=str(directory), replaced=replaced),
        certificate=(Path(__file__).parent / "inside" / "world.pem").read_text("ascii"),
    )
    argv = (
        "unshare", *namespaces, "-f", "--kill-child", sys.executable, "-IS", "-c", program,
        str(Path(__file__).parents[2]),
    )  # fmt: skip
    done = host.act(argv, input=json.dumps(request).encode("utf-8", "surrogateescape"), timeout=TIMEOUT)
    try:
        answer: Answer = json.loads(done.stdout)
    except ValueError:
        raise Unavailable(f"the rehearsal broke down: {done.stderr.strip() or done.stdout[-500:]}") from None
    if "impossible" in answer:
        raise Impossible(answer["impossible"])
    if "trouble" in answer:
        raise Unavailable(f"the rehearsal broke down: {answer['trouble'].strip().splitlines()[-1]}")
    return answer
