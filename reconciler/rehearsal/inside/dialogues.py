"""The three kinds of dialogue that a rehearsal holds: with a listener, for a delivery agent, and for a mail-flow test.

Raises nothing: a Talk keeps what went wrong.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from reconciler.rehearsal.inside.messages import SCREENED, AgentResult, DialogueResult, FlowResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.rehearsal.inside.messages import Agent, Dialogue, Endpoint, PlayedFlow, Step
    from reconciler.rehearsal.inside.talk import Talk, Talks

_PUT_OFF = "450 4.3.2"
_QUEUED = re.compile(r"queued as (\w+)", re.ASCII)
_CLOSING = "421"
_MOST = 20  # messages over one connection


def try_listener(dialogue: Dialogue, asked: list[str], talks: Talks) -> DialogueResult:
    """Greet, try each recipient, and send a message to those that are accepted, but not to those that are *asked*.

    Who is put off by postscreen, which takes new clients only when they come back, comes back once.
    """
    result = _try_once(dialogue, asked, talks)
    if dialogue["kind"] == SCREENED and any(reply.startswith(_PUT_OFF) for _, reply in result["steps"]):
        again = _try_once(dialogue, asked, talks)
        return DialogueResult(steps=result["steps"] + again["steps"], error=result["error"] or again["error"])
    return result


def _try_once(dialogue: Dialogue, asked: list[str], talks: Talks) -> DialogueResult:
    talk, sender = talks.begin(dialogue["listener"], dialogue["client"]), dialogue["sender"]
    if talk.greet("client.rehearsal.example", login=dialogue["login"]):
        accepted = []
        if _agrees(talk, f"MAIL FROM:<{sender}>"):
            accepted = [address for address in dialogue["recipients"] if _agrees(talk, f"RCPT TO:<{address}>")]
            for address in asked:
                talk.say(f"RCPT TO:<{address}>")
        for address in accepted:
            talk.say("RSET")
            if _agrees(talk, f"MAIL FROM:<{sender}>") and _agrees(talk, f"RCPT TO:<{address}>"):
                _send(talk, dialogue["id"], sender, address)
        talk.say("QUIT")
    talk.close()
    return DialogueResult(steps=talk.steps, error=talk.error)


def feed_agent(agent: Agent, injector: Endpoint, talks: Talks) -> AgentResult:
    """Send a message for one delivery agent, past everything that could keep it from there."""
    talk = talks.begin(injector, injector["address"])
    sent = (
        talk.greet("localhost", tls=False)
        and _agrees(talk, "MAIL FROM:<>")
        and all(_agrees(talk, f"RCPT TO:<{address}>") for address in agent["recipients"])
        and _send(talk, agent["name"], "", agent["recipients"][0])
    )
    talk.close()
    return AgentResult(sent=sent, steps=talk.steps, error=talk.error)


def sessions(flows: Iterable[PlayedFlow], threads: int) -> list[list[PlayedFlow]]:
    """Return the flows that share a connection, because their clients are alike; few flows share none."""
    alike: dict[tuple[object, ...], list[PlayedFlow]] = {}
    for flow in flows:
        place = flow["listener"]["address"], flow["listener"]["port"]
        alike.setdefault((*place, flow["client"], flow["helo"], flow["tls"], flow["login"]), []).append(flow)
    size = min(_MOST, -(-sum(map(len, alike.values())) // threads))
    return [flows[start : start + size] for flows in alike.values() for start in range(0, len(flows), size)]


def send_flows(flows: list[PlayedFlow], talks: Talks) -> dict[str, FlowResult]:
    """Send the messages of mail-flow tests over one connection; one that breaks it is sent over another."""
    results: dict[str, FlowResult] = {}
    while left := [flow for flow in flows if flow["id"] not in results]:
        results |= _over_one_connection(left, talks)
    return results


def _over_one_connection(flows: list[PlayedFlow], talks: Talks) -> dict[str, FlowResult]:
    """Return the result of the first flow, and of those after it until one breaks the connection."""
    first, *others = flows
    talk = talks.begin(first["listener"], first["client"])
    is_greeted = talk.greet(first["helo"], tls=first["tls"], login=first["login"])
    greeting = list(talk.steps)
    results = {first["id"]: _result(talk, [], is_sent=is_greeted and _sends(talk, first))}
    for flow in others if is_greeted else ():
        if not _agrees(talk, "RSET"):
            break
        talk.steps = []
        is_sent = _sends(talk, flow)
        if talk.error or talk.steps[-1][1].startswith(_CLOSING):
            break
        results[flow["id"]] = _result(talk, greeting, is_sent=is_sent)
    if is_greeted:
        talk.say("QUIT")
    talk.close()
    return results


def _sends(talk: Talk, flow: PlayedFlow) -> bool:
    """Send the message of a mail-flow test; a recipient that is refused ends it."""
    if not _agrees(talk, f"MAIL FROM:<{flow['sender']}>"):
        return False
    # All are tried, so that the report has the reply to each.
    replies = [_agrees(talk, f"RCPT TO:<{address}>") for address in flow["recipients"]]
    return all(replies) and _send(talk, flow["id"], flow["sender"], flow["recipients"][0], flow["header"])


def _result(talk: Talk, before: list[Step], *, is_sent: bool) -> FlowResult:
    steps = [*before, *talk.steps]
    queued = _QUEUED.search(steps[-1][1]) if is_sent else None
    return FlowResult(sent=is_sent, queue=queued[1] if queued else "", steps=steps, error=talk.error)


def _agrees(talk: Talk, command: str) -> bool:
    return talk.say(command).startswith("2")


def _send(talk: Talk, identity: str, sender: str, recipient: str, more: str = "") -> bool:
    """Send a message whose name in the log leads back to *identity*; whether it was accepted."""
    if not talk.say("DATA").startswith("3"):
        return False
    header = f"From: <{sender}>\nTo: <{recipient}>\nSubject: rehearsal\nMessage-ID: <{identity}@rehearsal.example>\n"
    date = time.strftime("Date: %a, %d %b %Y %H:%M:%S +0000\n", time.gmtime())
    return talk.send(f"{header}{date}{more}\nA rehearsal.").startswith("2")
