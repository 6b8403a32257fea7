"""Judge who is let in: clients that have logged in, clients of postscreen, programs on the host, and listed recipients.

Pure: a part of the verdict. What a rule has found in the restrictions of a listener is not said again. Raises nothing.

Known limit: a listener whose restrictions ask a table or a policy server may let others in than a rehearsal's clients;
then a refusal is no finding, or only a warning.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity
from reconciler.model.ascii_text import split_lines
from reconciler.postfix.restrictions import LISTS, classes_of, trusts_others
from reconciler.postfix.scopes import Scope
from reconciler.rehearsal.evidence import last_line, shown
from reconciler.rehearsal.inside.messages import FORGED, LOGIN, SCREENED
from reconciler.rules.behind_permit import unreached_login_checks
from reconciler.rules.logins import refused_logins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.rehearsal.evidence import Evidence
    from reconciler.rehearsal.inside.messages import Dialogue, Step
    from reconciler.rehearsal.recipients import Listed

SUBMITTING = frozenset({"sendmail", "postdrop"})
_PERMIT = "permit_sasl_authenticated"
_RCPT = "RCPT TO:"
_DENIED = "Relay access denied"
# A refusal that contradicts the table: its domain is in no class, or its recipient is unknown.
_UNKNOWN = re.compile(r"[45].*(?:Relay access denied|[Uu]nknown|not found)", re.DOTALL)
# The setting that refuses, by postscreen's reply.
_SCREENS = (("450 4.3.2", "postscreen_cache_map"), ("blocked using", "postscreen_dnsbl_sites"))
_NOT_ALLOWED = "is not allowed to submit mail"  # authorized_submit_users, which says so on purpose


def findings_of(evidence: Evidence) -> Iterator[Finding]:
    """Yield the clients, programs and recipients that are not let in, and the senders that should not be."""
    for dialogue, result in evidence.dialogues():
        if result["error"] or not result["steps"] or dialogue["listener"]["asks_certificate"]:
            continue  # it has a finding of its own
        if dialogue["kind"] == LOGIN:
            yield from _login(dialogue, result["steps"], evidence)
        elif dialogue["kind"] == FORGED:
            yield from _forged(dialogue, result["steps"], evidence)
        elif dialogue["kind"] == SCREENED:
            yield from _screened(dialogue, result["steps"], evidence)
    yield from _submitted(evidence)
    if not evidence.empty:  # recipients of a database are unknown there
        yield from _listed(evidence)


# ---- logins ----------------------------------------------------------------------------------------------------------


def _login(dialogue: Dialogue, steps: list[Step], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding if a client that has logged in may not send to another host."""
    command, reply = next(((command, reply) for command, reply in steps if reply[:1] in {"4", "5"}), ("", ""))
    service = evidence.script.services[dialogue["listener"]["service"]]
    scope = Scope(evidence.script.merged, evidence.script.facts, service)
    if not command.startswith(("MAIL", "RCPT")) or "4.3." in reply or trusts_others(scope):
        return
    is_choosy = dialogue["listener"]["choosy"]
    if is_choosy and _DENIED not in reply:
        return
    names = [name for name in (*LISTS, *classes_of(scope)) if _PERMIT in scope.value(name).lower()]
    said = evidence.said(last_line(reply))
    text = f'{service.key} on {shown(dialogue["listener"])} answers "{said}" to a client that has logged in ({command})'
    severity = Severity.ERROR if names and not is_choosy else Severity.WARNING
    if severity is Severity.WARNING and any(refused_logins(scope)):
        return
    words = next((name for name in names if scope.parameter(name)), "smtpd_sasl_auth_enable")
    yield evidence.finding("login-refused", text, f"{service.key} login", service, words, severity=severity)


def _forged(dialogue: Dialogue, steps: list[Step], evidence: Evidence) -> Iterator[Finding]:
    """Yield a warning if a client that has logged in may send from the address of another."""
    if not any(command.startswith(_RCPT) and reply.startswith("2") for command, reply in steps):
        return
    service = evidence.script.services[dialogue["listener"]["service"]]
    if any(unreached_login_checks(Scope(evidence.script.merged, evidence.script.facts, service))):
        return
    address = evidence.said(dialogue["sender"])
    text = (
        f"{service.key} on {shown(dialogue['listener'])} lets every login send as {address}, whose owner"
        " smtpd_sender_login_maps names: reject_sender_login_mismatch must come before what permits logins"
    )
    yield evidence.finding(
        "login-as-another", text, f"{service.key} sender", service, "smtpd_sender_login_maps", severity=Severity.WARNING
    )


# ---- postscreen ------------------------------------------------------------------------------------------------------


def _screened(dialogue: Dialogue, steps: list[Step], evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding if postscreen passes a client on to no smtpd, though it has passed all tests before."""
    replies = [reply for command, reply in steps if command.startswith(_RCPT)]
    last = last_line(replies[-1] if replies else steps[-1][1])
    number = dialogue["listener"]["service"]
    # An smtpd behind it may refuse as well; what postscreen refuses, it logs.
    logged = any(line.tag == f"r{number}/postscreen" and f" {last};" in line.text for line in evidence.lines)
    if last.startswith("421") or (not logged and (replies or last[:1] not in {"4", "5"})):
        return  # a listener that is in trouble has its own finding
    service, said = evidence.script.services[number], evidence.said(last)
    text = f'{service.key} on {shown(dialogue["listener"])} passes no client on: it answers "{said}"'
    words = next((name for phrase, name in _SCREENS if phrase in last), "postscreen_access_list")
    severity = Severity.WARNING if dialogue["listener"]["choosy"] else Severity.ERROR
    yield evidence.finding("postscreen-refuses", text, f"{service.key} screen", service, words, severity=severity)


# ---- programs on the host --------------------------------------------------------------------------------------------


def _submitted(evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding if mail of a program that calls sendmail(1) does not get in."""
    report = evidence.report
    status, said = report["submitted"]["status"], report["submitted"]["said"]
    if status == 0 and _is_picked_up(evidence):
        return
    why = [line.text for line in evidence.lines if line.program in SUBMITTING]
    last = evidence.said(why[-1] if why else split_lines(said)[-1] if said else f"status {status}")
    if status > 0 and _NOT_ALLOWED not in said:
        text = f"a program on the host can't send mail: sendmail ends with {last}"
        yield evidence.finding("sendmail-refused", text, "sendmail", None, last)
    elif status == 0:
        text = (
            f"mail that a program hands to sendmail waits in maildrop: no pickup takes it{f' ({last})' if why else ''}"
        )
        yield evidence.finding("sendmail-refused", text, "sendmail", None, "pickup/unix", severity=Severity.WARNING)


def _is_picked_up(evidence: Evidence) -> bool:
    """Return whether pickup(8) has found the message, or has a finding of its own."""
    alone = {"pickup", "cleanup", "master"}
    return any(line.program == "pickup" and " uid=" in f" {line.text}" for line in evidence.lines) or any(
        line.program in alone for line in evidence.deaths
    )


# ---- recipients ------------------------------------------------------------------------------------------------------


def _listed(evidence: Evidence) -> Iterator[Finding]:
    """Yield a warning for each table that lists recipients of whom none can get mail from outside."""
    found = iter(evidence.report["listed"])
    replies = _replies_to_strangers(evidence)
    for one in evidence.script.listed:
        recipients = next(found, []) if one.listing else one.recipients
        given = [(address, reply) for address in recipients for reply in replies.get(address, ())]
        if given and all(_UNKNOWN.match(reply) for _, reply in given):
            yield _refused(one, *given[0], evidence)


def _replies_to_strangers(evidence: Evidence) -> dict[str, list[str]]:
    """Return the replies to each recipient on listeners that take mail from strangers."""
    replies: dict[str, list[str]] = {}
    for dialogue, result in evidence.dialogues():
        asked = [
            (command[len(_RCPT) + 1 : -1], reply) for command, reply in result["steps"] if command.startswith(_RCPT)
        ]
        is_stranger = not dialogue["login"] and dialogue["client"] != dialogue["listener"]["address"]
        if is_stranger and any(reply.startswith("2") for _, reply in asked):
            for address, reply in asked:
                replies.setdefault(address, []).append(reply)
    return replies


def _refused(table: Listed, address: str, reply: str, evidence: Evidence) -> Finding:
    said, shown_address = evidence.said(last_line(reply)), evidence.said(address)
    text = (
        f"in a rehearsal {table.parameter}: {table.table} lists {shown_address}, but no listener takes its mail from"
        f' outside: "{said}"'
    )
    return Finding(
        rule="recipient-refused", where=table.where, text=text, subject=f"{table.parameter} {table.table}",
        severity=Severity.WARNING, lasting=False,
    )  # fmt: skip
