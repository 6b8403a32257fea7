"""Talk to every listener at the same time, and collect what each client hears.

The client that speaks from the address it asks comes first: a listener that it can't talk to has failed. The clients of
other classes follow, one after the other, because a service may have one process only. They get little time where no
answer is known from before: a name server that is silent lets smtpd think for many seconds about a client. Others get
as much as the configuration of the service says that an answer about mail takes.

Raises nothing of what a listener says or fails to say.
"""

from __future__ import annotations

import re
import socket
import time
from concurrent import futures
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Self

from reconciler.apply.compare import MailAnswers, MailQuestion, Said
from reconciler.apply.dialogue import Hangs, Heard, NotYet, Speaker, Wrong
from reconciler.apply.flow_tokens import refill
from reconciler.apply.patience import thinking
from reconciler.apply.targets import targets
from reconciler.model import Finding
from reconciler.model.facts import by_text
from reconciler.postfix.replies import NO_ANSWER
from reconciler.rehearsal.inside.smtp_client import SmtpClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from reconciler.apply.questions import Client
    from reconciler.apply.targets import Expected, Target

CONVERSATIONS = 8
BRIEF = 1.0
POLL, _PAUSE = 0.02, 0.25
_SPEAKING = ("smtpd", "postscreen")


class Problem(NamedTuple):
    """The fault of a service.

    *is_silence*: it does not answer at all, so only the log can show the reason. *hangs*: it greets, and does not
    answer questions about mail.
    """

    finding: Finding
    is_silence: bool
    hangs: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """What a client heard at a target; with a *problem*, it did not come as far as the questions."""

    target: Target
    client: Client
    heard: Heard = field(default_factory=Heard)
    problem: Problem | None = None
    answered: bool = True


class Conversations:
    """Run all dialogues at the same time; leaving the context ends those that still wait for an answer."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._addresses = expected.asked.few(by_text(expected.addresses))
        self._stop = Event()
        self._open: set[SmtpClient] = set()
        self._threads = futures.ThreadPoolExecutor(CONVERSATIONS, thread_name_prefix="verify")
        self._others: list[Future[list[Visit]]] = []
        self._futures = [self._threads.submit(self._first, target) for target in targets(expected)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for client in self._open.copy():
            client.interrupt()
        self._threads.shutdown(cancel_futures=True)
        self._refill()

    def over(self, seconds: float) -> bool:
        """Return whether all dialogues are over; wait for their end for that long."""
        deadline = time.monotonic() + seconds
        if futures.wait(self._futures, seconds).not_done:
            return False
        # A first client adds the others before its own dialogue counts as over.
        return not futures.wait(list(self._others), max(0.0, deadline - time.monotonic())).not_done

    def visits(self, *, wait: bool) -> list[Visit]:
        """Return the results of the dialogues: of all, or of those that are over."""
        firsts = [one.result() for one in self._futures if wait or one.done()]
        others = [one.result() for one in list(self._others) if wait or one.done()]
        return [*firsts, *(visit for some in others for visit in some)]

    # ---- one target --------------------------------------------------------------------------------------------------

    def _first(self, target: Target) -> Visit:
        """Try until a new process answers well or the patience ends; a bad answer of a new process is final.

        A service that stays silent is given its time once more, because on a busy machine the commit is not to blame.
        """
        client, *others = self._expected.asked.clients(target.address, self._addresses)
        others = others if self._expected.asked.recipients and target.service.command in _SPEAKING else []
        patience = self._expected.patience + self._screening(target)
        for _ in range(self._expected.tries):
            visit = self._try(target, client, patience, thinks=True)
            if visit.answered:
                if not visit.problem and others:
                    self._others.append(self._threads.submit(self._rest, target, others))
                return visit
        return visit

    def _rest(self, target: Target, clients: Sequence[Client]) -> list[Visit]:
        """Let the other clients ask; a silence is news only where there was an answer before."""
        before, visits = self._expected.before or MailAnswers(), []
        for client in clients:
            known = before.knows(target.place, client.kind)
            seconds = self._expected.patience if known else BRIEF
            visit = self._try(target, client, seconds + self._screening(target), thinks=known)
            if visit.answered and not visit.problem:
                visits.append(visit)
            elif known:
                silence = {key[2:]: Said(said.recipient, NO_ANSWER) for key, said in before.replies.items()
                           if key[:2] == (target.place, client.kind) and said.taken}  # fmt: skip
                visits.append(Visit(target, client, Heard(silence)))
        return visits

    def _try(self, target: Target, client: Client, patience: float, *, thinks: bool) -> Visit:
        """Try for that many seconds."""
        deadline, pause, problem = time.monotonic() + patience, POLL, ""
        while not self._stop.is_set():
            try:
                left = max(POLL, deadline - time.monotonic())
                return Visit(target, client, self._talk(target, client, left, thinks=thinks))
            except Hangs as reason:  # it was given all its time
                hanging = self._problem("service-silent", target, str(reason))._replace(is_silence=False, hangs=True)
                return Visit(target, client, problem=hanging)
            except Wrong as reason:
                return Visit(target, client, problem=self._problem("service-fails", target, str(reason)))
            except (NotYet, OSError) as reason:
                problem = str(reason).lower()
            if time.monotonic() > deadline:
                break
            self._stop.wait(pause)
            # Each try adds a line to the mail log and counts against an smtpd's max_use.
            pause = min(pause * 1.5, _PAUSE)
        waited = f"no answer in {round(self._expected.tries * patience, 1):g} s: {problem}"
        silent = self._problem("service-silent", target, waited)
        return Visit(target, client, problem=silent, answered=False)

    def _talk(self, target: Target, client: Client, patience: float, *, thinks: bool) -> Heard:
        place, source = (target.address, target.port), (client.address, 0)
        with closing(SmtpClient(socket.create_connection(place, patience, source_address=source))) as connection:
            if target.service.command not in _SPEAKING:
                return Heard()
            self._open.add(connection)
            return self._speaker(target, client, thinks=thinks).converse(connection)

    def _speaker(self, target: Target, client: Client, *, thinks: bool) -> Speaker:
        written = target.service.options
        values, asked = self._expected.instance.values, self._expected.asked

        def value(name: str) -> str:
            return written.get(name, values.get(name, ""))

        return Speaker(
            address=client.address,
            value=value,
            since=self._expected.since,
            old=self._expected.old,
            senders=asked.senders(client.kind),
            recipients=asked.of(client.kind),
            screened=target.service.command == "postscreen",
            thinks=thinking(value) if thinks else None,
            refill=self._refill,
        )

    def _refill(self) -> None:
        refill(self._expected.instance.queue_directory)

    def _screening(self, target: Target) -> float:
        """Return how long postscreen lets a client wait that it does not know."""
        if target.service.command != "postscreen":
            return 0.0
        written = target.service.options
        wait = written.get("postscreen_greet_wait", self._expected.instance.values.get("postscreen_greet_wait", ""))
        seconds = re.match(r"([0-9]{1,3})s?\Z", wait)
        return float(seconds[1]) if seconds else 6.0

    def _problem(self, rule: str, target: Target, text: str) -> Problem:
        where, subject = self._expected.place(target.service), target.service.key
        found = Finding(rule=rule, where=where, text=f"{target}: {text}", subject=subject, lasting=False)
        return Problem(found, is_silence=rule == "service-silent")


def answers_of(visits: Sequence[Visit], unsent: str | None) -> MailAnswers:
    """Return what all clients heard, and whether a program of this host could hand in mail."""
    return MailAnswers(
        replies=dict(_replies(visits)),
        failed=frozenset(visit.target.place for visit in visits if visit.problem),
        with_logins=frozenset(visit.target.place for visit in visits if visit.heard.logins),
        unsent=unsent,
    )


def _replies(visits: Sequence[Visit]) -> Iterator[tuple[MailQuestion, Said]]:
    for visit in visits:
        for (sender, kind), said in visit.heard.replies.items():
            yield MailQuestion(visit.target.place, visit.client.kind, sender, kind), said
