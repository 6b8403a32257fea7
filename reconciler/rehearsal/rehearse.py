"""The rehearsal: the candidate runs as a real Postfix where it can reach nothing, and SMTP is spoken with it.

Promises: nothing on the host changes, and nothing survives, even if this process is killed: the program runs in its own
network, mount, process, IPC and UTS namespaces, whose first process dies with this one. limit() gives the reason when
this host can't hold one. Raises Impossible when the kernel does not support it after all, Unavailable when it
fails by itself, and CommandFailed when it does not end in time.
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
    """Return why no rehearsal can be held on this host, or empty; tested once, in about 10 ms."""
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
    """No rehearsal can be held on this host, for a lasting reason."""


def rehearse(script: Script, stage: Path, directory: Path, host: Host) -> list[Finding]:
    """Play the script with the candidate in *stage*, mounted as *directory*; return its findings."""
    return findings_of(script, play(script, stage, directory, host))


def play(
    script: Script, stage: Path, directory: Path, host: Host,
    namespaces: tuple[str, ...] = NAMESPACES, program: str = PROGRAM,
) -> Report:  # fmt: skip
    """Return the report; *program* plays the script in its own *namespaces*."""
    replaced = {"master.cf": script.master_cf}
    if script.databases or script.play["room"]["parameters"]["maillog_file"].startswith("/dev/"):
        text = without_databases((stage / "main.cf").read_text("utf-8", "surrogateescape"))
        replaced["main.cf"] = _TO_DEVICE.sub("maillog_file =", text)  # a log device can't be read there
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
        raise Unavailable(f"the rehearsal itself failed: {done.stderr.strip() or done.stdout[-500:]}") from None
    if "impossible" in answer:
        raise Impossible(answer["impossible"])
    if "trouble" in answer:
        raise Unavailable(f"the rehearsal itself failed: {answer['trouble'].strip().splitlines()[-1]}")
    return answer
