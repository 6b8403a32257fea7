"""Hold the evidence of a rehearsal: its script, its report, and the service that wrote each log line.

Pure: the common base of the verdict's parts (verdict, received, delivered). A finding is traced to the service that
logged or answered, and from there to the setting whose name or value the text contains. Raises nothing.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity
from reconciler.model.ascii_text import split_lines
from reconciler.postfix.locate import Locator
from reconciler.postfix.log import LogLine, parse
from reconciler.postfix.quoting import cut
from reconciler.rehearsal.fates import Fates, read_fates
from reconciler.rehearsal.master_cf import AGENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model import Service, Where
    from reconciler.rehearsal.inside.messages import Dialogue, DialogueResult, Endpoint, Report
    from reconciler.rehearsal.script import Script

_TAG = re.compile(r"r([0-9]+)(?:/|\Z)")  # as master_cf.py assigns them
MOST_WORDS = 1000
DEATH = re.compile(r"\A(?:fatal|panic): (?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A script and the report of it; *lines* are those of the log, *deaths* those of daemons that failed.

    *fates* are what the log says of messages. *said* returns what Postfix said, without the words of files that are not
    in the commit.
    """

    script: Script
    report: Report
    lines: tuple[LogLine, ...]
    deaths: tuple[LogLine, ...]
    fates: Fates
    _locator: Locator
    said: Callable[[str], str]

    @property
    def empty(self) -> tuple[str, ...]:
        """Return the tables and lists that were empty, though they are not on the host."""
        closed = dict.fromkeys(
            self.script.doubted[path] for path in self.report["closed"] if path in self.script.doubted
        )
        return (*self.script.databases, *closed)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Return everything that was not shown as it is on the host, as Postfix names it."""
        return (*self.empty, *self.report["closed"])

    def service_of(self, line: LogLine) -> Service | None:
        """Return the service that wrote a line, known by its tag."""
        match = _TAG.match(line.tag)
        return self.script.services[int(match[1])] if match else None

    def dialogues(self) -> Iterator[tuple[Dialogue, DialogueResult]]:
        """Yield each dialogue that was held, with its result."""
        return zip(self.script.play["dialogues"], self.report["dialogues"], strict=False)

    def place_of(self, words: str, service: Service | None) -> Where:
        """Return the place in the desired state that *words*, logged by a service or about it, refer to."""
        return self._locator.locate(words, service)

    def finding(
        self, rule: str, text: str, subject: str, service: Service | None, words: str = "",
        *, severity: Severity = Severity.ERROR,
    ) -> Finding:  # fmt: skip
        """Return a finding at the place that *words*, or else its text, refer to."""
        where = self.place_of(words or text, service)
        text = f"in a rehearsal {text}"
        found = Finding(rule=rule, where=where, text=text, subject=subject, severity=severity, lasting=False)
        is_unused = found.is_error and service and self._is_unused(service, where)
        return found.as_warning("no mail is routed to this service") if is_unused else found

    def _is_unused(self, service: Service, where: Where) -> bool:
        """Return whether a fault is that of a service as a whole, and no mail is routed to it."""
        return where == service.where and service.command in AGENTS and service.name not in self.script.routed


def gather(script: Script, report: Report, says: Callable[[str], bool]) -> Evidence:
    """Make the evidence from a script and its report; *says* tells whether a word is one of Postfix's own."""
    lines = tuple(line for text in report["log"] if (line := parse(text)))
    deaths = tuple(line for line in lines if DEATH.search(line.text))
    fates, locator = read_fates(lines, report["received"]), Locator(script.merged, script.directory)
    return Evidence(script, report, lines, deaths, fates, locator, quoter(script, says))


def quoter(script: Script, says: Callable[[str], bool]) -> Callable[[str], str]:
    """Return what quotes Postfix without the words of files that are not in the commit.

    *says* is slow for words that nobody says, so that only the first ones are looked up; all later ones are cut.
    """
    known = functools.cache(script.known)
    left = iter(range(MOST_WORDS))

    @functools.cache
    def says_soon(word: str) -> bool:
        return next(left, None) is not None and says(word)

    return functools.cache(lambda text: cut(text, known(), says_soon))


def subject_of(line: LogLine, text: str) -> str:
    """Return the key by which two messages of a program are the same finding."""
    return f"{line.program} {unnumbered(text)}"


def unnumbered(text: str) -> str:
    """Return a text without the parts that differ between rehearsals: queue ids, processes, ports, addresses."""
    text = re.sub(r"(?<![^\s<>\"])[^\s<>\"]+@[^\s<>\"]+", "x@y", text, flags=re.ASCII)
    text = re.sub(r"\b[0-9A-F]{6,}: ", "", text, flags=re.ASCII)
    return re.sub(r"[0-9]+", "0", text)


def shown(endpoint: Endpoint) -> str:
    """Return an address and a port as they are written."""
    address = endpoint["address"]
    return f"[{address}]:{endpoint['port']}" if ":" in address else f"{address}:{endpoint['port']}"


def last_line(reply: str) -> str:
    """Return the last line of a reply."""
    return split_lines(reply)[-1] if reply else ""
