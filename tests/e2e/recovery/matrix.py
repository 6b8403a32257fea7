"""Make each trouble of a host, try every event beside it, and look what comes of it; as a table for docs/troubles.md.

    python -m tests.e2e.recovery.matrix              write docs/troubles.md anew
    python -m tests.e2e.recovery.matrix 'dpkg is'    write only the troubles whose name has this text

Promises: one host a trouble, its events one after another, each on a host that is in order and then has the trouble.
A cell is the same for every run: it has no names of commits, no numbers and no times.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconciler.daemon.control import ask
from tests.e2e.adopted_host import MAIL, SOCKET, UNREHEARSED, AdoptedHost
from tests.e2e.hosts import CHECKOUT, HostError
from tests.e2e.recovery.troubles import TROUBLES, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = CHECKOUT / "docs/troubles.md"
SERVERS = CHECKOUT / "tests/e2e/inside/servers.py"
HEAD = "| Event | Outcome | Live afterwards | Mail | Last line of `reconciler status` |"
PATIENCE, CALM = 20.0, 5.0
SENTENCES = {
    "live and verified": "Applied",
    "rolled back after": "RolledBack",
    "BROKEN": "Broken",
    "was not checked": "not accepted: not checked",
    "refused, nothing changed": "Refused",
    "postponed": "Postponed",
    "nothing to do": "Unchanged",
    "remote rejected": "not accepted: by git",
    "cannot lock ref": "not accepted: by git",
    "fatal:": "not accepted: by git",
}
STEADY = (
    (re.compile(r"generation \d+"), "generation N"),
    (re.compile(r"tried \d+ times"), "tried N times"),
    (re.compile(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{7}\b"), "COMMIT"),
    (re.compile(r"\d{4}-\d\d-\d\d(T[\d:]+Z| [\d:]+)?"), "TIME"),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """What comes of an event: the outcome, what is live, what a client hears, and the last line of status."""

    outcome: str
    live: str
    mail: str
    line: str

    def row(self, event: str) -> str:
        """Return it as a row of the table."""
        cells = (event, self.outcome, self.live, self.mail, self.line.replace("|", r"\|"))
        return f"| {' | '.join(cells)} |"


def steady(text: str) -> str:
    """Return a text without what differs from run to run."""
    for pattern, word in STEADY:
        text = pattern.sub(word, text)
    return text


class Bench:
    """A host with one trouble."""

    def __init__(self, trouble: Trouble, adopted: AdoptedHost) -> None:
        self.trouble, self.adopted = trouble, adopted
        self.commits: dict[str, str] = {}
        self.pushed, self.outcome = 0, ""

    def set_up(self) -> None:
        """Make what the trouble needs live."""
        self.adopted.sh(self.trouble.prepare or "true")
        self.adopted.start_daemon()
        self._serve()
        sealed = {name: self.adopted.sh(make) + "\n" for name, make in self.trouble.secrets.items()}
        files = self.adopted.seal(sealed) if sealed else {}
        push = self.adopted.push({"mail.yaml": self.trouble.mail, "tables/transport": route(0), **files}, "In order")
        assert "live and verified" in push.text, push.text
        self.commits[push.oid] = "the same commit"

    def _serve(self) -> None:
        """Have the server run that Postfix asks."""
        if not self.trouble.server or self.adopted.sh("pgrep -f [i]nside/servers.py", check=False):
            return
        self.adopted.host.start("python3", SERVERS, *self.trouble.server)
        where = self.trouble.server[1]
        there = f"test -S {where}" if "/" in where else f"exec 3<>/dev/tcp/127.0.0.1/{where}"
        self.adopted.patiently(lambda: self.adopted.sh(f"{there} && echo yes", check=False) == "yes", "the server")

    def in_order(self) -> None:
        """End the trouble, and have the branch live."""
        self.adopted.sh(self.trouble.end)
        self._serve()
        if not self._is_in_order():
            self.adopted.patiently(lambda: self.adopted.reconciler("once", self.adopted.tip()).status == 0, "order")
        self.adopted.patiently(self._is_in_order, "a host that is in order", PATIENCE)

    def _is_in_order(self) -> bool:
        status = self.adopted.told()
        live = status.get("live") or {}
        well = status and status["phase"]["name"] == "Steady" and status["postfix"]["running"] and not status["lost"]
        return bool(well) and live.get("revision") == self.adopted.tip() and self.mail().startswith("accepted")

    # ---- events ------------------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Have the daemon make a pass, as by its timer."""
        for _ in ask(self.adopted.host.root / SOCKET, {"do": "wake", "reason": "operator"}, 10.0):
            pass

    def harmless(self) -> None:
        """Push what has nothing to do with the trouble."""
        self._push({"tables/transport": route(self.pushed + 1)}, "the push")

    def breaking(self) -> None:
        """Push what breaks mail."""
        wrong = "parameters:\n  smtpd_sender_restrictions: reject_unknown_sender_domian"
        self._push({"mail.yaml": self.trouble.mail.replace("parameters:", wrong)}, "the push")

    def repairing(self) -> None:
        """Push what makes the trouble harmless."""
        self._push({"mail.yaml": MAIL}, "the push")

    def _push(self, files: dict[str, str | None], name: str) -> None:
        self.pushed += 1
        try:
            push = self.adopted.push(files, f"Push {self.pushed}")
        except HostError as error:  # not even the clone's fetch works
            self.outcome = named(str(error))
            return
        self.commits = dict.fromkeys(self.commits, "the same commit") | {push.oid: name}
        self.outcome = named(push.text)

    def roll_back(self) -> None:
        """Run `reconciler rollback`."""
        self.outcome = named(self.adopted.reconciler("rollback").text)

    def rescue(self) -> None:
        """Run `reconciler rescue`."""
        self.outcome = named(self.adopted.reconciler("rescue").text)

    def restart(self) -> None:
        """Stop and start the daemon."""
        self.adopted.stop_daemon()
        self.adopted.start_daemon()

    # ---- looking -----------------------------------------------------------------------------------------------------

    def cell(self, event: str, expected: str) -> str:
        """Return the row of an event: as expected as soon as it is so, else as it is after a while."""
        self.in_order()
        self.outcome, seen = "", len(self.adopted.passes())
        self.commits = dict.fromkeys(self.commits, "the same commit")
        self.adopted.sh(self.trouble.begin)
        EVENTS[event](self)
        row, until = "", time.monotonic() + (PATIENCE if expected else CALM)
        while row != (expected or "?") and time.monotonic() < until:
            time.sleep(0.1 if not row else 0.5)
            row = self._look(seen).row(event)
        return row

    def _look(self, seen: int) -> Cell:
        status = self.adopted.told()
        passes = self.adopted.passes()[seen:]
        line = _told(status["verdict"]) if status else "the daemon does not answer"
        outcome = self.outcome or (str(passes[-1]["outcome"]) if passes else "no pass")
        return Cell(outcome, self._live(status), self.mail(), steady(line))

    def _live(self, status: dict[str, Any]) -> str:
        live = status.get("live")
        if not live:
            return "nothing of reconciler's"
        if live["source"].startswith("rollback"):
            return "the generation before"
        if live["source"] == "rescue":
            return "the files from before adoption"
        return self.commits.get(live["revision"], "another commit")

    def mail(self) -> str:
        """Return what a client hears who has mail for this host."""
        lines = ["EHLO client.test", "MAIL FROM:<ann@outside.example>", "RCPT TO:<root@mx1.example.com>"]
        try:
            said = [reply.rpartition("\n")[2] for reply in self.adopted.host.dialogue(lines)]
        except OSError:
            return "no answer"
        refused = next((reply for reply in said if not reply.startswith("2")), "")
        if refused:
            return f"refused with {refused[:3]}"
        return "accepted" if len(said) > len(lines) else "no answer"


EVENTS: dict[str, Callable[[Bench], None]] = {
    "no push": Bench.wait,
    "restart of the daemon": Bench.restart,
    "a harmless push": Bench.harmless,
    "a push that breaks more": Bench.breaking,
    "`reconciler rollback`": Bench.roll_back,
    "`reconciler rescue`": Bench.rescue,
    "a push that repairs": Bench.repairing,
}


def _told(verdict: dict[str, Any]) -> str:
    """Return the first line of status without the host, and its last line."""
    return f"{'OK' if verdict['level'] == 'well' else 'ATTENTION'}: {verdict['text']}. next: {verdict['next']}"


def route(number: int) -> str:
    """Return a table of one entry."""
    return f"route{number}.test  smtp:[127.0.0.1]:2525\n"


def named(text: str) -> str:
    """Return the outcome that a push or a command tells."""
    return next((word for sentence, word in SENTENCES.items() if sentence in text), f"? {text[-200:]}")


def rows_of(trouble: Trouble, expected: str = "") -> list[str]:
    """Return the rows of one trouble, tried on a host of its own; *expected* is its part of the page."""
    known = {line.split(" | ")[0].removeprefix("| "): line for line in expected.splitlines() if line.startswith("| ")}
    with AdoptedHost(settle="20ms", settings=UNREHEARSED, daemon=False) as adopted:
        bench = Bench(trouble, adopted)
        bench.set_up()
        events = [event for event in EVENTS if trouble.repairs or EVENTS[event] is not Bench.repairing]
        return [bench.cell(event, known.get(event, "")) for event in events]


def parts(page: str) -> dict[str, str]:
    """Return the part of the page about each trouble."""
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in page.split("\n## ")[1:]}


def part(rows: list[str]) -> str:
    """Return the table of one trouble."""
    return "\n".join([HEAD, "|---|---|---|---|---|", *rows])


def main(wanted: str = "") -> None:
    """Write docs/troubles.md anew, or the troubles whose name has a text."""
    page = PAGE.read_text()
    known = parts(page)
    for trouble in TROUBLES:
        if wanted in trouble.name:
            known[trouble.name] = part(rows_of(trouble))
            print(f"{trouble.name}\n{known[trouble.name]}\n", flush=True)
    sections = "".join(f"\n## {one.name}\n\n{known.get(one.name, '')}\n" for one in TROUBLES)
    PAGE.write_text(page.partition("\n## ")[0].rstrip("\n") + "\n" + sections)


if __name__ == "__main__":
    main(*sys.argv[1:])
