"""A host that plays back what real programs printed, and the transcripts it plays from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.host.effects import Completed, Host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"
STAGE = "/var/lib/reconciler/private/stage/postfix"


def transcript(name: str) -> str:
    """Return what was recorded under that name."""
    return (TRANSCRIPTS / name).read_text("utf-8")


def commands(name: str) -> list[Completed]:
    """Return the commands of a transcript that holds ``$ argv``, standard error and ``status N`` for each."""
    completed = []
    for block in transcript(name).removeprefix("$ ").split("\n$ "):
        argv, *lines = block.strip().splitlines()
        status = int(lines.pop().removeprefix("status "))
        completed.append(Completed(tuple(argv.split()), status, "", "".join(f"{line}\n" for line in lines)))
    return completed


class RecordedHost(Host):
    """Answers the programs it was given an output for, and remembers all that it was asked."""

    def __init__(self, outputs: Mapping[str, str]) -> None:
        self._outputs = outputs
        self.asked: list[str] = []

    def run(self, argv: Sequence[str], **given: Any) -> Completed:  # noqa: ANN401 - as the host's own
        """Answer with the output recorded for the first words that match; a program of our own is run."""
        line = " ".join(argv)
        self.asked.append(line)
        if argv[0] == sys.executable:
            return super().run(argv, **given)
        for words, output in self._outputs.items():
            if words in line:
                return Completed(tuple(argv), 0, output, "")
        raise AssertionError(f"nothing was recorded for: {line}")


def recorded() -> RecordedHost:
    """Return a host whose postconf answers as recorded, with programs in a folder that exists."""
    defaults = transcript("postconf-d.txt")
    here = defaults.replace("\ndaemon_directory = /usr/lib/postfix/sbin\n", f"\ndaemon_directory = {TRANSCRIPTS}\n")
    return RecordedHost({" -d": here, " -m": transcript("postconf-m.txt"), "dpkg-query": "installed postsrsd 1.10-2\n"})
