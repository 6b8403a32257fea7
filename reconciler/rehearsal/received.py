"""Judge the mail that a rehearsal brings to the listeners: some of it must be accepted, and none may bounce.

Pure: a part of the verdict. Raises nothing.

Known limit: only the recipients that the script has sampled are tested.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity
from reconciler.postfix.restrictions import LISTS
from reconciler.rehearsal.evidence import last_line, shown
from reconciler.rehearsal.inside.messages import CLIENT, LOGIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Service, Where
    from reconciler.rehearsal.evidence import Evidence
    from reconciler.rehearsal.inside.messages import Dialogue, Step

# A refusal of every client and every message; not of an unknown or remote recipient, and not a temporary one.
_REFUSED = re.compile(
    r"5(?!.*(?:Relay access denied|unknown|not found))|4.*Access denied", re.DOTALL | re.IGNORECASE | re.ASCII
)
_ALL = re.compile(r"\b(?:reject|defer)(?!\w)|static:", re.IGNORECASE | re.ASCII)
_QUEUED = re.compile(r"queued as (\w+)", re.ASCII)
_MOST = 120
_DISCARDS, _HOLDS = "discards every message", "puts every message on hold"
# The setting that refuses, by the text of the reply or the log line; restriction lists are searched as well.
_REFUSERS = (
    ("too big", "message_size_limit"), (": header", "header_checks"), (": body", "body_checks"),
    ("Client host", "smtpd_client_restrictions"), ("Helo command", "smtpd_helo_restrictions"),
    ("Sender address", "smtpd_sender_restrictions"), ("Recipient address", "smtpd_recipient_restrictions"),
)  # fmt: skip
_BOUNCED = re.compile(
    r"\A(?P<queue>\w+): to=<(?P<to>[^>]*)>,(?: orig_to=<(?P<first>[^>]*)>,)?.* dsn=5\.1\.1, status=bounced"
    r" \((?P<why>.*)\)",
    re.ASCII,
)


def findings_of(evidence: Evidence) -> Iterator[Finding]:
    """Yield the setting that keeps all mail out, and the missing recipients that aliases and copies lead to."""
    yield from _no_mail_in(evidence)
    yield from _unknown_recipients(evidence)


# ---- whether mail gets in --------------------------------------------------------------------------------------------


def _no_mail_in(evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding if every message is refused on every listener; what is put aside on purpose is a warning."""
    tried = _tried(evidence)
    fates = [_fate_of(steps, evidence) for _, steps in tried]
    if not fates or not all(fates):
        yield from _no_recipient(tried, evidence)
        return
    listener, fate = tried[0][0]["listener"], fates[0]
    service = evidence.script.services[listener["service"]]
    logins = [dialogue for dialogue, _ in tried if dialogue["listener"]["sasl"]]
    # Other clients, or clients that log in, may be accepted.
    unsure = any(dialogue["listener"]["choosy"] for dialogue, _ in tried) or (
        logins and not any(dialogue["login"] for dialogue in logins)
    )
    yield Finding(
        rule="no-mail-in",
        where=_refuser(fate, service, evidence),
        text=f"in a rehearsal no mail is accepted: {service.key} on {shown(listener)} {fate}",
        subject="no mail",
        severity=Severity.WARNING if unsure or any(map(_is_aside, fates)) else Severity.ERROR,
        lasting=False,
    )


def put_aside(evidence: Evidence) -> str:
    """Return how every message is discarded or held, as a maintenance does; empty if one is not."""
    fates = [_fate_of(steps, evidence) for _, steps in _tried(evidence)]
    return fates[0] if fates and all(map(_is_aside, fates)) else ""


def _is_aside(fate: str) -> bool:
    return fate.startswith((_DISCARDS, _HOLDS))


def _tried(evidence: Evidence) -> list[tuple[Dialogue, list[Step]]]:
    """Return the dialogues that say whether mail gets in, with their steps."""
    # A listener that asks for a certificate may refuse our client, which has none; a failed one has its own finding.
    return [
        (dialogue, result["steps"])
        for dialogue, result in evidence.dialogues()
        if result["steps"] and not result["error"] and not dialogue["listener"]["asks_certificate"]
        if dialogue["kind"] == CLIENT or (dialogue["kind"] == LOGIN and _is_taken(result["steps"]))
    ]


def _is_taken(steps: list[Step]) -> bool:
    return any(command == "(message)" and reply.startswith("2") for command, reply in steps)


def _no_recipient(tried: list[tuple[Dialogue, list[Step]]], evidence: Evidence) -> Iterator[Finding]:
    """Yield a warning if each recipient is unknown or elsewhere: that may be meant, where programs alone send mail."""
    recipients = {f"RCPT TO:<{address}>" for address in evidence.script.play["recipients"]}
    asked = [(dialogue, reply) for dialogue, steps in tried for command, reply in steps if command in recipients]
    # A lookup that fails has its own finding, and recipients of a database are unknown in a rehearsal.
    if not asked or evidence.empty or any(reply.startswith("2") or " 4.3." in reply for _, reply in asked):
        return
    listener, reply = asked[0][0]["listener"], asked[0][1]
    service = evidence.script.services[listener["service"]]
    text = f'no mail is accepted for any recipient: {service.key} on {shown(listener)} answers "{last_line(reply)}"'
    words = "mydestination" if "mydestination" in evidence.script.merged.parameters else "local_recipient_maps"
    yield evidence.finding("no-mail-in", evidence.said(text), "no mail", service, words, severity=Severity.WARNING)


def _fate_of(steps: list[Step], evidence: Evidence) -> str:
    """Return the fate of all messages of a dialogue; empty when one of them is kept, or none was tried."""
    refused: Step | None = None
    fate, recipient = "", ""
    for command, reply in steps:
        recipient = command[len("RCPT TO:<") : -1] if command.startswith("RCPT TO:") else recipient
        if command == "(message)" and reply.startswith("2"):
            fate = _loss_of(reply, recipient, evidence)
            if not fate:
                return ""
        elif _REFUSED.match(reply):
            refused = refused or [command, reply]
    return fate or (_refusal(refused, evidence) if refused else "")


def _refusal(step: Step, evidence: Evidence) -> str:
    """Return how a command is refused; to quote a reply takes long if tables are large."""
    command, reply = step
    check = evidence.fates.content if command == "(message)" else ""
    said = evidence.said(f"{last_line(reply)}\n{check}").partition("\n")
    return f'answers "{said[0]}" to {command}{said[2]}'


def _loss_of(reply: str, recipient: str, evidence: Evidence) -> str:
    """Return how an accepted message is lost: discarded or held by cleanup or by an access rule of smtpd."""
    queued = _QUEUED.search(reply)
    queue = queued[1] if queued else ""
    if not queue or queue in evidence.fates.active:
        return ""
    for one in evidence.fates.gone:
        if one.queue == queue or f" to=<{recipient}>" in one.why:
            end = _DISCARDS if one.what == "discard" else _HOLDS
            return f'{end} ("{one.what}: {evidence.said(one.why.partition(";")[0][:_MOST])}")'
    return ""


def _refuser(fate: str, service: Service, evidence: Evidence) -> Where:
    """Return the setting that accepts no mail: the one that the text names, else the first restriction list."""
    parameters = (*evidence.script.merged.parameters.values(), *service.overrides)
    settings = {parameter.name: parameter for parameter in parameters}
    written = (name for name in LISTS if name in settings)
    lists = sorted(written, key=lambda name: not _ALL.search(settings[name].value))
    names = [name for words, name in _REFUSERS if words in fate and name in settings] + lists
    return settings[names[0]].where if names else service.where


# ---- whether recipients exist ----------------------------------------------------------------------------------------


def _unknown_recipients(evidence: Evidence) -> Iterator[Finding]:
    """Yield unknown recipients that aliases and copies lead to, as warnings: users may be created later."""
    flows = {result["queue"] for result in evidence.report["flows"]}
    flows |= {queue for name, queues in evidence.fates.queues.items() if name.startswith("flow-") for queue in queues}
    tried = {recipient.lower() for recipient in evidence.script.play["recipients"]}
    for line in evidence.lines:
        match = _BOUNCED.match(line.text)
        # A flow may expect a bounce, and the rehearsal's own addresses do not exist.
        if not match or match["queue"] in flows or match["to"].endswith("rehearsal.example"):
            continue
        # Only an alias or a copy is expected to reach its recipient; direct mail to an unknown one may bounce.
        if match["first"] or match["to"].lower() not in tried:
            said = {name: evidence.said(match[name] or "") for name in ("first", "to", "why")}
            first = f' for "{said["first"]}"' if said["first"] else ""
            yield Finding(
                rule="nobody-there",
                where=evidence.place_of(f'"{match["to"]}" "{match["first"]}"', None),
                text=f'in a rehearsal mail{first} bounces: "{said["to"]}" does not exist here ({said["why"]})',
                subject=f"bounce {said['to']}",
                severity=Severity.WARNING,
                lasting=False,
            )
