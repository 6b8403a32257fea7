"""The rehearsal: the candidate runs as a real Postfix where it can reach nothing, and SMTP is spoken with it.

Promises: nothing on the host changes, and nothing survives, even if this process is killed: the program runs in its own
network, mount, process, IPC and UTS namespaces, whose first process dies with this one. Only limit() in possible.py
gives a reason why this host can't hold one; a rehearsal that fails for any other reason is an error, and the commit
does not go live.
play() raises Excessive when the candidate takes too much, Unavailable when the rehearsal fails by itself or does not
end in time, and OSError as the kernel gives it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.host.programs.vocabulary import says
from reconciler.host.settings import settings_file
from reconciler.model import UNWRITTEN, Finding, Where
from reconciler.model.ascii_text import SPACE
from reconciler.model.errors import CommandFailed, ReconcilerError, Unavailable
from reconciler.postfix.disabled import DISABLE
from reconciler.rehearsal.inside.messages import Candidate, Request
from reconciler.rehearsal.outside import without_databases
from reconciler.rehearsal.possible import NAMESPACES
from reconciler.rehearsal.verdict import findings_of, is_whole

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from reconciler.host.effects import Host
    from reconciler.rehearsal.inside.messages import Answer, Report
    from reconciler.rehearsal.script import Script

TIMEOUT = 40.0
_TO_DEVICE = re.compile(r"^maillog_file\s*=\s*/dev/.*", re.MULTILINE | re.ASCII)
_DISABLED = re.compile(rf"^{DISABLE}\s*=.*(?:\n[ \t].*)*", re.MULTILINE | re.ASCII)
_INSIDE = Path(__file__).parent / "inside"
# Garbage collections while it imports find nothing, and took a seventh of the time that it takes to start.
PROGRAM = """import gc, sys
gc.disable()
sys.path.insert(0, sys.argv[1])
from reconciler.rehearsal.inside.play import main
gc.freeze()
gc.enable()
main()
"""


class Excessive(ReconcilerError):  # noqa: N818 - as in errors.py
    """The candidate took more of the machine than a rehearsal may."""


class Rehearsed(NamedTuple):
    """The findings of a rehearsal; *is_whole* if Postfix ran and answered, so that all faults had their chance."""

    findings: list[Finding]
    is_whole: bool


def rehearse(script: Script, stage: Path, directory: Path, host: Host) -> Rehearsed:
    """Play the script with the candidate in *stage*, mounted as *directory*; a failed rehearsal is an error itself."""
    try:
        report = play(script, stage, directory, host)
    except Excessive as excess:
        text = f"in a rehearsal this configuration takes {excess}"
        return Rehearsed([_failure("rehearsal-exceeds", UNWRITTEN, text)], False)
    except Unavailable as error:
        where = Where(str(settings_file()))  # where rehearsals are turned off
        return Rehearsed([_failure("not-rehearsed", where, f"the rehearsal could not be held: {error}")], False)
    return Rehearsed(findings_of(script, report, says), is_whole(report))


def _failure(rule: str, where: Where, text: str) -> Finding:
    return Finding(rule=rule, where=where, text=text, subject="rehearsal", lasting=False)


def play(
    script: Script, stage: Path, directory: Path, host: Host,
    namespaces: tuple[str, ...] = NAMESPACES, program: str = PROGRAM,
) -> Report:  # fmt: skip
    """Return the report; *program* plays the script in its own *namespaces*."""
    replaced = {"master.cf": script.master_cf}
    links = {made.link: made.path for made in script.merged.files.values() if made.link}
    to_device = script.play["room"]["parameters"]["maillog_file"].startswith("/dev/")
    if script.databases or to_device or DISABLE in script.merged.parameters:
        text = without_databases((stage / "main.cf").read_text("utf-8", "surrogateescape"))
        text = _TO_DEVICE.sub("maillog_file =", text)  # a log device can't be read there
        replaced["main.cf"] = _DISABLED.sub(f"{DISABLE} =", text)  # they are left out, and the injector is not
    request = Request(
        play=script.play,
        candidate=Candidate(
            stage=str(stage),
            directory=str(directory),
            replaced=replaced,
            links=links,
            returning=dict(script.returning),
        ),
        stand_ins={"ec": (_INSIDE / "world.pem").read_text("ascii"), "rsa": (_INSIDE / "rsa.pem").read_text("ascii")},
    )
    seconds = TIMEOUT + script.play["room"]["limits"]["more_seconds"]
    try:
        done = host.act(
            _argv(namespaces, program), input=json.dumps(request).encode("utf-8", "surrogateescape"), timeout=seconds
        )
    except CommandFailed:
        raise Unavailable(f"it does not end within {seconds:.0f} s") from None
    try:
        answer: Answer = json.loads(done.stdout)
    except ValueError:
        raise Unavailable(_last(done.stderr) or f"it ends with status {done.status} and without an answer") from None
    if "exceeded" in answer:
        raise Excessive(answer["exceeded"])
    if "trouble" in answer:
        raise Unavailable(_last(answer["trouble"]))
    return answer


def ahead(host: Host) -> AbstractContextManager[None]:
    """Have the program of a rehearsal begin, which takes some time until it waits for what it is to play."""
    return host.ahead(_argv(NAMESPACES, PROGRAM))


def _argv(namespaces: tuple[str, ...], program: str) -> tuple[str, ...]:
    return (
        "unshare", *namespaces, "-f", "--kill-child", sys.executable, "-IS", "-c", program,
        str(Path(__file__).parents[2]),
    )  # fmt: skip


def _last(text: str) -> str:
    """Return the last line of a text."""
    return text.strip(SPACE).rpartition("\n")[2]
