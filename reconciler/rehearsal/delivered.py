"""Judge the deliveries of a rehearsal: transports that do not work, and flows that fail.

Pure: a part of the verdict. A flow's message is traced through the log, the answers of trivial-rewrite(8), and the mail
that the stand-in servers received. Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.desired.flows import Expect
from reconciler.model import Finding, Severity, did_you_mean
from reconciler.model.ascii_text import is_digits
from reconciler.rehearsal.evidence import last_line, subject_of
from reconciler.rehearsal.received import put_aside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.desired.flows import Flow
    from reconciler.postfix.log import LogLine
    from reconciler.rehearsal.evidence import Evidence
    from reconciler.rehearsal.inside.messages import FlowResult

_WAITS = re.compile(r"connect(?: #\d+)? to (?:transport|subsystem) private/(\S+?):|transport (\S+) failure", re.ASCII)
_UNDELIVERED = re.compile(
    r"status=(?:deferred|bounced) \((?P<text>.*(?:\bstatus 127\b|command not found|execvp).*|"
    r"recipient \S+: uid not found.*|mail system configuration error.*|client TLS configuration problem.*)\)",
    re.ASCII,
)
_UNTRIED = "expected a delivery, but Postfix attempted none in time"
_HANG_UPS = frozenset({"Connection refused", "Connection reset by peer", "it hangs up without a reply"})


def findings_of(evidence: Evidence) -> Iterator[Finding]:
    """Yield the findings about deliveries and about failed flows."""
    yield from _transports(evidence)
    yield from _flows(evidence)
    yield from _unserved(evidence)


# ---- transports ------------------------------------------------------------------------------------------------------


def _transports(evidence: Evidence) -> Iterator[Finding]:
    """Yield mail that is deferred because master(8) can't keep a delivery agent alive, and missing commands."""
    for line in evidence.lines:
        if name := waiting_transport(line):
            said = evidence.said(line.text.removeprefix("warning: "))
            text = f"mail for the transport {evidence.said(name)} is deferred: {said}"
            service = next((one for one in evidence.script.services if one.name == name), None)
            yield evidence.finding("transport-fails", text, evidence.said(name), service, f"private/{name}")
        elif (match := _UNDELIVERED.search(line.text)) and not any(one.text in line.text for one in evidence.deaths):
            # The process of a delivery logs its warnings before or after.
            said, why = evidence.said(match["text"]), evidence.fates.warnings.get((line.tag, line.pid), "")
            reason = f" ({evidence.said(why)})" if why else ""
            text, subject = f"{line.program} can't deliver: {said}{reason}", subject_of(line, said)
            yield evidence.finding("transport-fails", text, subject, evidence.service_of(line), why or match["text"])


def waiting_transport(line: LogLine) -> str | None:
    """Return the transport that the line says mail waits for; None otherwise."""
    match = _WAITS.search(line.text)
    return match and (match[1] or match[2])


# ---- flows -----------------------------------------------------------------------------------------------------------


def _flows(evidence: Evidence) -> Iterator[Finding]:
    """Yield the mail-flow tests that fail."""
    script = evidence.script
    severity, aside = Severity.WARNING if evidence.empty else Severity.ERROR, put_aside(evidence)
    unsure = f" (uncertain: a rehearsal can't reach {evidence.empty[0]})" if evidence.empty else ""
    for flow, asked, result in zip(script.flows, script.play["flows"], evidence.report["flows"], strict=False):
        if problem := _problem(flow, asked["id"], result, evidence):
            meant = aside if problem == _UNTRIED else ""  # a maintenance is no reason to refuse a commit
            text = f'flow "{flow.name}": {problem}{unsure}{f": the configuration {meant}" if meant else ""}'
            weight = Severity.WARNING if meant else severity
            yield Finding(rule="flow-fails", where=flow.where, text=text, subject=flow.name, severity=weight)


def _unserved(evidence: Evidence) -> Iterator[Finding]:
    """Yield the mail-flow tests whose port no listener serves; an expected refusal holds there as well."""
    ports = evidence.script.ports
    for flow in evidence.script.unserved:
        if not is_digits(flow.port) and flow.port not in ports:
            text = f'flow "{flow.name}": unknown port "{flow.port}"{did_you_mean(flow.port, ports)}'
            yield Finding(rule="flow-fails", where=flow.where, text=text, subject=flow.name)
        elif flow.expect.refused is None:
            text = f'flow "{flow.name}": nothing listens on port {flow.port} for a client at {flow.client}'
            yield Finding(rule="flow-fails", where=flow.where, text=text, subject=flow.name)


def _problem(flow: Flow, identity: str, result: FlowResult, evidence: Evidence) -> str:
    """Return how a flow differs from its expectation; empty when it holds."""
    # The first step that failed; a failed TLS handshake has no reply.
    command, reply = next((step for step in result["steps"] if step[1][:1] in {"4", "5", ""}), ("", ""))
    expected = flow.expect.refused
    if expected is not None:
        if result["sent"]:
            return f"expected {_refused(expected)}, but it was accepted"
        if reply and not reply.startswith(expected):
            return f'expected {_refused(expected)}, got "{evidence.said(last_line(reply))}"'
        if not reply and result["error"] not in _HANG_UPS:
            return f"the flow could not be tested: {result['error'] or 'no reply'}"
        return ""
    if not result["sent"]:
        said = evidence.said(last_line(reply)) or result["error"]
        return f'expected accepted, got "{said}" to {command or "the connection"}'
    if not flow.expect.is_delivered:
        return ""
    seen = _seen(identity, result["queue"], evidence)
    return "; ".join(_differences(flow.expect, seen, evidence)) if seen else _UNTRIED


def _differences(expected: Expect, seen: Expect, evidence: Evidence) -> Iterator[str]:
    """Yield each field whose expected value differs from the observed one."""
    fields = (
        ("status", expected.status, seen.status),
        ("transport", expected.transport, seen.transport),
        ("nexthop", expected.nexthop, seen.nexthop),
        ("sender", expected.sender, seen.sender),
        ("recipient", _joined(expected.recipient or ()), _joined(seen.recipient or ())),
        ("source", expected.source, seen.source),
        ("helo", expected.helo, seen.helo),
    )
    for name, wanted, value in fields:
        if wanted is not None and wanted != value:
            yield f"expected {name} {wanted}, got {evidence.said(value or 'none')}"


def _seen(identity: str, queue: str, evidence: Evidence) -> Expect | None:
    """Return the result of a flow's message as an expectation that would hold; None when no delivery was tried.

    A message to several recipients has several transports, senders and so on; a field lists all of them.
    """
    # The queue id of smtpd's reply, and those of the same message where it entered the queue again.
    fates = evidence.fates
    queues = {queue, *fates.queues.get(identity, ())}
    ends = [end for one in queues for end in fates.ends.get(one, ())]
    if not ends:
        return None
    logged_senders = {sender for one in queues for sender in fates.senders.get(one, ())}
    arrived = fates.arrived.get(identity, [])
    # The received message shows the envelope after smtp's own rewriting, which the log does not show.
    near = {end.recipient for end in ends if not arrived or end.line.program not in {"smtp", "lmtp"}}
    return Expect(
        status=_joined({end.status for end in ends}),
        transport=_joined({_transport(end.line, evidence) for end in ends}),
        nexthop=_joined(evidence.report["routes"].get(identity, ())),
        sender=_joined({message["sender"] for message in arrived} or logged_senders),
        recipient=tuple(sorted(near | {address for message in arrived for address in message["recipients"]})),
        source=_joined({message["source"] for message in arrived if message["source"]}),
        helo=_joined({message["helo"] for message in arrived}),
    )


def _transport(line: LogLine, evidence: Evidence) -> str:
    service = evidence.service_of(line)
    return service.name if service else line.program


def _joined(values: Collection[str]) -> str | None:
    """Return all values as one text, each once; None when there are none, because an empty sender is a value."""
    return ", ".join(sorted(set(values))) if values else None


def _refused(code: str) -> str:
    return f"refused with {code.ljust(3, 'x')}" if code else "refused"
