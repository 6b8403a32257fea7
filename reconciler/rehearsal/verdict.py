"""Judge a rehearsal: turn its report into findings about the log, the answers of listeners, and the mail.

Pure. This module judges Postfix's log and the listeners' answers, received.py the incoming mail, admitted.py who may
send it, and delivered.py the deliveries. An effect of the isolation alone (an unreachable database, a stand-in server's
certificate) is no finding. Raises nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import Severity
from reconciler.model.ascii_text import SPACE
from reconciler.rehearsal import admitted, delivered, received
from reconciler.rehearsal.evidence import DEATH, gather, last_line, shown, subject_of, unnumbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.model import Finding, Service
    from reconciler.postfix.log import LogLine
    from reconciler.rehearsal.evidence import Evidence
    from reconciler.rehearsal.inside.messages import PlayedListener, Report, Step
    from reconciler.rehearsal.script import Script

# RFC 3463: x.3.x is the mail system itself, except x.3.2, which a policy uses to defer every client.
_TROUBLE = re.compile(r"4\d\d[ -]4\.(?:3\.[^2]|6\.\d)|454[ -]4\.7\.0|421[ -]", re.ASCII)
_WARNING = re.compile(r"\A(?:warning: |(?=cannot load .*disabling TLS))(?P<text>.*)")
# A table that is missing or incomplete: mail that it should stop passes, or mail is deferred.
_IN_VAIN = re.compile(r"\b(?:regexp|pcre|cidr) map .*, line \d+: | is unavailable\. ", re.ASCII)
_WARNED = "warning-in-rehearsal"
_HELPERS = frozenset({"cleanup", "trivial-rewrite", "proxymap"})
_THROTTLED = re.compile(r"/(\w+): bad command startup", re.ASCII)
_BROKEN_OFF = re.compile(r"\Aprivate/\S+ socket: malformed response\Z", re.ASCII)
# Warnings that occur only in a rehearsal, or that are not about a setting.
_HARMLESS = re.compile(
    r"""symlink\ leaves | group\ or\ other\ writable | not\ owned\ by | does\ not\ resolve\ to\ address
    | process\ .*\ (?:exit\ status|killed) | connect\ to\ .*(?:anvil|verify|postlog)
    | numeric\ (?:domain|hostname) | hostname\ .*\ verification | address_verify | lost\ connection
    | TLS\ library\ problem.*(?:alert|certificate) | certificate\ verification\ failed | Illegal\ address\ syntax
    | non-SMTP\ command | queue\ file\ size\ limit | private/(?:anvil|scache)\ socket
    | DNSSEC\ validation\ may\ be\ unavailable | dnssec_probe
    | file\ system\ clock\ is | resetting\ file\ time\ stamps | required\ alias\ not\ found
    | has\ been\ queued""",
    re.VERBOSE,
)


def findings_of(script: Script, report: Report, says: Callable[[str], bool]) -> list[Finding]:
    """Return all errors and warnings, each once; *says* tells whether a word is one of Postfix's own."""
    evidence = gather(script, report, says)
    findings = [
        *_master(evidence),
        *_log(evidence),
        *_listeners(evidence),
        *received.findings_of(evidence),
        *admitted.findings_of(evidence),
        *delivered.findings_of(evidence),
    ]
    # Every process of a service repeats its errors: only the first finding about a subject is kept.
    first = list({(finding.rule, finding.subject): finding for finding in reversed(findings)}.values())[::-1]
    quoting = [unnumbered(one.text) for one in first if not _is_mere_warning(one)]
    # A finding that quotes a warning as its reason makes the warning superfluous.
    return [
        one
        for one in first
        if not (_is_mere_warning(one) and any(unnumbered(_warning_of(one)) in text for text in quoting))
    ]


def is_whole(report: Report) -> bool:
    """Return whether Postfix ran to the end, and a listener answered if any was asked."""
    asked = report["dialogues"]
    return report["alive"] and (not asked or any(reply.startswith("2") for one in asked for _, reply in one["steps"]))


def _is_mere_warning(finding: Finding) -> bool:
    return finding.rule == _WARNED and not finding.is_error


def _warning_of(finding: Finding) -> str:
    return finding.text.partition(" warns: ")[2]


# ---- what Postfix says -----------------------------------------------------------------------------------------------


def _master(evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding if the master did not start, or does not run any more."""
    if evidence.report["start_failure"]:
        text = f"the master does not start: {_reason(evidence)}"
        yield evidence.finding("master-fails", text, "master", None)
    elif not evidence.report["alive"]:
        yield evidence.finding("master-fails", f"the master dies: {_reason(evidence)}", "master", None)


def _reason(evidence: Evidence) -> str:
    texts = [
        match["text"]
        for line in evidence.deaths
        if line.program in {"master", "postfix"} and (match := DEATH.search(line.text))
    ]
    return evidence.said(texts[0] if texts else evidence.report["start_failure"] or "it logs no reason")


def _log(evidence: Evidence) -> Iterator[Finding]:
    """Yield the fatal errors of daemons, and the warnings that a setting has no effect; each subject once."""
    known = set[tuple[str, str]]()
    for line in evidence.lines:
        rule, text = _said(line, evidence)
        if not rule:
            continue
        said = evidence.said(text)
        subject = subject_of(line, said)
        if (rule, subject) in known:
            continue
        known.add((rule, subject))
        severity = Severity.WARNING if rule == _WARNED and not _IN_VAIN.search(text) else Severity.ERROR
        what = f"{line.program} {'warns' if rule == _WARNED else 'dies'}: {said}"
        yield evidence.finding(rule, what, subject, evidence.service_of(line), text, severity=severity)


def _said(line: LogLine, evidence: Evidence) -> tuple[str, str]:
    """Return the rule for a line of the log and the text that it is about; nothing for one that is no finding."""
    if line.program in admitted.SUBMITTING:
        return "", ""  # the message that a program sends has its own finding
    if match := DEATH.search(line.text):
        # The master's own death has its own finding, but its failure to start a program has not.
        return ("service-dies", match["text"]) if line.program != "master" or "master_spawn" in line.text else ("", "")
    match = _WARNING.search(line.text)
    return (_WARNED, match["text"]) if match and not _is_noise(line, match["text"], evidence) else ("", "")


def _is_noise(line: LogLine, warning: str, evidence: Evidence) -> bool:
    """Return whether a warning is about the rehearsal itself, or another finding covers it."""
    if _HARMLESS.search(warning) or any(name in line.text for name in evidence.unseen):
        return True
    if evidence.deaths and _BROKEN_OFF.search(warning):
        return True  # a service died of something that has its own finding
    if throttled := _THROTTLED.search(line.text):
        return any(death.program in {throttled[1], "master"} for death in evidence.deaths)
    if delivered.waiting_transport(line) is not None:
        return True  # the deferred mail has its own finding
    return "TLS library problem" in line.text and not _names_a_new_file(line, evidence)


def _names_a_new_file(line: LogLine, evidence: Evidence) -> bool:
    """Return whether a TLS error names a file that no other line names."""
    match = re.search(r"calling fopen\(([^,]+),", line.text)
    return match is not None and not any(f'"{match[1]}"' in other.text for other in evidence.lines)


# ---- what its listeners answer ---------------------------------------------------------------------------------------


def _listeners(evidence: Evidence) -> Iterator[Finding]:
    """Yield listeners that do not answer, answer with an error, or do not offer what they should."""
    for dialogue, result in evidence.dialogues():
        listener, steps, error = dialogue["listener"], result["steps"], result["error"]
        service = evidence.script.services[listener["service"]]
        place = f"{service.key} on {shown(listener)}"
        if error and not _is_known(listener, error, evidence):
            last = f' after "{steps[-1][0]}"' if steps else ""
            yield evidence.finding("listener-fails", f"{place}: {error}{last}", f"{service.key} fails", service)
        for command, reply in steps:
            if _TROUBLE.match(reply) and not _is_explained(reply, listener, evidence):
                why = _why(listener["service"], evidence)
                said, reason = evidence.said(last_line(reply)), evidence.said(why)
                text = f'{place} answers "{said}" to {command}{f" ({reason})" if reason else ""}'
                subject = f"{service.key} {reply[:3]} {unnumbered(reason)}".rstrip(SPACE)
                yield evidence.finding("listener-fails", text, subject, service, why or command)
        yield from _missing_offers(listener, service, steps, evidence)


def _is_known(listener: PlayedListener, error: str, evidence: Evidence) -> bool:
    """Return whether the service's death has a finding already, or it rejects a client without a certificate."""
    died = any(line.tag.startswith(f"r{listener['service']}/") for line in evidence.deaths)
    return died or (listener["asks_certificate"] and "TLS" in error)


def _is_explained(reply: str, listener: PlayedListener, evidence: Evidence) -> bool:
    """Return whether the isolation explains the reply: an unreachable table, a client without a certificate."""
    return bool(evidence.empty and "4.3.0" in reply) or (listener["asks_certificate"] and "certificate" in reply)


def _why(number: int, evidence: Evidence) -> str:
    """Return the last warning of this service, or of a helper such as cleanup."""
    lines = [line for line in evidence.lines if line.tag.startswith(f"r{number}/") or line.program in _HELPERS]
    # Helpers work for all listeners, so their warnings come first and the service's own is the last one.
    lines.sort(key=lambda line: line.program not in _HELPERS)
    warnings = [match["text"] for line in lines if (match := _WARNING.search(line.text))]
    reasons = [text for text in warnings if "TLS library problem" not in text and not _HARMLESS.search(text)]
    return reasons[-1] if reasons else ""


def _missing_offers(
    listener: PlayedListener, service: Service, steps: list[Step], evidence: Evidence
) -> Iterator[Finding]:
    """Yield a finding for TLS or logins that are configured but not offered."""
    greetings = [reply for command, reply in steps if command.startswith("EHLO") and reply.startswith("2")]
    if not greetings:
        return
    place, key = f"{service.key} on {shown(listener)}", service.key
    if listener["tls"] in {"may", "encrypt"} and not listener["wrapped"] and "STARTTLS" not in greetings[0]:
        text = f"{place} offers no STARTTLS, though smtpd_tls_security_level = {listener['tls']}"
        words = "smtpd_tls_security_level"
        yield evidence.finding("starttls-not-offered", text, f"{key} STARTTLS", service, words)
    if listener["sasl"] and not any("AUTH" in greeting for greeting in greetings):
        text = f"{place} offers no AUTH, though smtpd_sasl_auth_enable = yes"
        yield evidence.finding("auth-not-offered", text, f"{key} AUTH", service, "smtpd_sasl_auth_enable")
