"""A throw-away host on which troubles are made, and what comes of each event beside a trouble.

Promises: each event meets a host that is in order, on which no pass is due, and then the trouble. What is told has no
names of commits, no numbers and no times, and does not depend on how long something took. Raises HostError when the
host does not get in order.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from reconciler.daemon.control import ask
from tests.e2e.adopted_host import MAIL, REPOSITORY, SOCKET, UNREHEARSED, AdoptedHost
from tests.e2e.asked_servers import route, serve
from tests.e2e.hosts import HostError
from tests.e2e.recovery.troubles import SMALL, STATE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.e2e.recovery.troubles import Trouble

PATIENCE, CALM, ANSWER = 90.0, 2.0, 3.0
"""Seconds for a row to be as expected, for one that nothing is expected of to stay as it is, and for an SMTP reply."""
SENTENCES = {
    "live and verified": "Applied",
    "rolled back after": "RolledBack",
    "BROKEN": "Broken",
    "live after": "Applied",
    "was not checked": "not accepted: not checked",
    "refused, nothing changed": "Refused",
    "postponed": "Postponed",
    "remote rejected": "not accepted: by git",
    "cannot lock ref": "not accepted: by git",
    "fatal:": "not accepted: by git",
}
STEADY = (
    (re.compile(r"generation \d+"), "generation N"),
    (re.compile(r"; it says: .*?(?=\. next:|\Z)"), ""),  # what a program logged last
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


def named(text: str) -> str:
    """Return the outcome that a push or a command tells."""
    return next((word for sentence, word in SENTENCES.items() if sentence in text), f"? {text}")


class Bench:
    """A host on which what a trouble needs is live, and the trouble is made before each event."""

    def __init__(self, trouble: Trouble) -> None:
        self.adopted = AdoptedHost(settle="20ms", settings=UNREHEARSED, daemon=False)
        self.trouble = trouble
        self._closing = ExitStack()
        self._server: subprocess.Popen[str] | None = None
        self._commits: dict[str, str] = {}
        self._pushed, self._outcome, self._reason, self._seen = 0, "", "", 0

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            opened.enter_context(self.adopted)
            if self.trouble.disk:
                self.adopted.sh(SMALL.format(STATE, self.trouble.disk))
            self.adopted.start_daemon()
            self._make_live()
            self._closing = opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.__exit__(*error)  # type: ignore[arg-type]

    def _make_live(self) -> None:
        """Make live what the trouble needs."""
        if self.trouble.prepare:
            self.adopted.sh(self.trouble.prepare)
        self._serve()
        sealed = {name: self.adopted.sh(make) + "\n" for name, make in self.trouble.secrets.items()}
        files = self.adopted.seal(sealed) if sealed else {}
        self._push({"mail.yaml": self.trouble.mail, **route(self._pushed + 1), **files}, "the push")
        assert self._outcome == "Applied", self._outcome

    def _serve(self) -> None:
        """Have the server run that Postfix asks."""
        if not self.trouble.server or (self._server and self._server.poll() is None):
            return
        self._server = serve(self.adopted, *self.trouble.server)

    def in_order(self) -> None:
        """End the trouble, have the branch live, and wait until no pass is due."""
        if self.trouble.end:
            self.adopted.sh(self.trouble.end)
        self._serve()
        if not self._is_in_order():
            self._bring()
        self.adopted.patiently(self._is_in_order, "a host that is in order")
        self._wait_for_calm()

    def _bring(self) -> None:
        """Have the daemon bring the host to the branch."""
        phase = self.adopted.told().get("phase", {}).get("name")
        if phase in {"Suspended", "Refusing"}:  # of a commit that was left, which is quarantined
            self.adopted.patiently(lambda: self.adopted.reconciler("once", self._tip()).status == 0, "order")
        elif phase == "Halted":
            self.adopted.reconciler("resume")
        self._wake()

    def _is_in_order(self) -> bool:
        status = self.adopted.told()
        live = status.get("live") or {}
        well = status and status["phase"]["name"] == "Steady" and status["postfix"]["running"]
        if not well or status["lost"] or status["troubles"]:
            return False
        return live.get("revision") == self._tip() and self.mail().startswith("accepted")

    def _tip(self) -> str:
        """Return the commit that the branch names; without a program where git has not packed it."""
        ref = self.adopted.host.root / REPOSITORY.lstrip("/") / "refs/heads/main"
        return ref.read_text().strip() if ref.is_file() else self.adopted.tip()

    def _wait_for_calm(self) -> None:
        """Wait for a pass that begins now: what was due before it is over then."""
        seen = len(self.adopted.passes())
        self._wake()
        self.adopted.patiently(lambda: self._asked_for("operator", seen), "a pass")

    def _wake(self) -> None:
        for _ in ask(self.adopted.host.root / SOCKET, {"do": "wake", "reason": "operator"}, 10.0):
            pass

    def _asked_for(self, reason: str, seen: int) -> list[dict[str, Any]]:
        """Return the passes that were made for a reason after the first so many."""
        return [one for one in self.adopted.passes()[seen:] if reason in ("", *one["reasons"])]

    # ---- events ------------------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Have the daemon make the passes that the trouble itself causes; what counts is the next one."""
        self._wait_for_calm()
        self._reason, self._seen = "operator", len(self.adopted.passes())

    def harmless(self) -> None:
        """Push what has nothing to do with the trouble."""
        self._push(route(self._pushed + 1), "the push")

    def breaking(self) -> None:
        """Push what breaks mail."""
        wrong = "parameters:\n  smtpd_sender_restrictions: reject_unknown_sender_domian"
        self._push({"mail.yaml": self.trouble.mail.replace("parameters:", wrong)}, "the push")

    def repairing(self) -> None:
        """Push what makes the trouble harmless."""
        self._push({"mail.yaml": MAIL}, "the push")

    def _push(self, files: dict[str, str | None], name: str) -> None:
        self._pushed += 1
        try:
            push = self.adopted.push(files, f"Push {self._pushed}")
        except HostError as error:  # not even the clone's fetch works
            self._outcome = named(str(error))
            return
        self._commits[push.oid] = name
        self._outcome = named(push.text)

    def roll_back(self) -> None:
        """Run `reconciler rollback`."""
        self._outcome = named(self.adopted.reconciler("rollback").text)

    def rescue(self) -> None:
        """Run `reconciler rescue`."""
        self._outcome = named(self.adopted.reconciler("rescue").text)

    def restart(self) -> None:
        """Stop and start the daemon."""
        self._reason = "start"
        self.adopted.stop_daemon()
        self.adopted.start_daemon()

    # ---- looking -----------------------------------------------------------------------------------------------------

    def row(self, event: str, expected: str) -> str:
        """Return the row of an event and one more pass: as expected as soon as it is so, else what it stays like."""
        self.in_order()
        self._outcome, self._reason, self._seen = "", "", len(self.adopted.passes())
        self._commits = dict.fromkeys([*self._commits, self._tip()], "the same commit")
        self.adopted.sh(self.trouble.begin)
        if self._server:
            self._server.wait(PATIENCE)  # its port counts as one that is served until the process is gone
        EVENTS[event](self)
        self._wait_for_calm()
        row = self._look(event, expected)
        began = changed = time.monotonic()
        while row != expected and time.monotonic() < (began + PATIENCE if expected else changed + CALM):
            time.sleep(0.25)
            before, row = row, self._look(event, expected)
            changed = time.monotonic() if row != before else changed
        if expected and row != expected:
            print(self.adopted.reconciler("log", "-3", "-v").text)  # why, for the story of a failed test
            print(json.dumps(self.adopted.told()), *self.adopted.daemon_log().splitlines()[-8:], sep="\n")
        return row

    def _look(self, event: str, expected: str) -> str:
        """Return the row as it is now; where more is expected of it, a client is not asked yet."""
        status = self.adopted.told()
        passes = self._asked_for(self._reason, self._seen)
        line = _told(status["verdict"]) if status else "the daemon does not answer"
        outcome = self._outcome or (str(passes[-1]["outcome"]) if passes else "no pass")
        cell = Cell(outcome, self._live(status), expected.split(" | ")[3] if expected else "", steady(line))
        if not expected or cell.row(event) == expected:
            cell = replace(cell, mail=self.mail())
        return cell.row(event)

    def _live(self, status: dict[str, Any]) -> str:
        live = status.get("live")
        if not live:
            return "nothing of reconciler's"
        if live["source"].startswith("rollback"):
            return "the generation before"
        if live["source"] == "rescue":
            return "the files from before adoption"
        return self._commits.get(live["revision"], "another commit")

    def mail(self) -> str:
        """Return what a client hears who has mail for this host."""
        lines = ["EHLO client.test", "MAIL FROM:<ann@outside.example>", "RCPT TO:<root@mx1.example.com>"]
        try:
            said = [reply.rpartition("\n")[2] for reply in self.adopted.host.dialogue(lines, timeout=ANSWER)]
        except OSError:
            return "no answer"
        refused = next((reply for reply in said if not reply.startswith("2")), "")
        if refused:
            return f"refused with {refused[:3]}"
        return "accepted" if len(said) > len(lines) else "no answer"


def _told(verdict: dict[str, Any]) -> str:
    """Return the first line of status without the host, and its last line."""
    level = "OK" if verdict["level"] == "well" else "ATTENTION"
    return f"{level}: {verdict['text']}. next: {verdict['next']}"


EVENTS: dict[str, Callable[[Bench], None]] = {
    "no push": Bench.wait,
    "restart of the daemon": Bench.restart,
    "a harmless push": Bench.harmless,
    "a push that breaks more": Bench.breaking,
    "`reconciler rollback`": Bench.roll_back,
    "`reconciler rescue`": Bench.rescue,
    "a push that repairs": Bench.repairing,
}
