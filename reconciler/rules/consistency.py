"""Settings that are each valid alone must not contradict each other.

The rules check what a program requires when it starts (local(8), virtual(8), smtpd(8)), lists that may not be empty,
and options that are written twice. Raises nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from reconciler.model import Finding, Severity, did_you_mean, nothing_mentioned
from reconciler.model.ascii_text import SPACE, is_digits
from reconciler.postfix.domain_routes import all_routed
from reconciler.postfix.numbers import as_number
from reconciler.postfix.restrictions import smtpd_scopes
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import Contribution, Desired, Facts, Parameter, Where

_CERTIFICATES = ("smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtpd_tls_dcert_file")
_ENFORCED = frozenset({"encrypt", "fingerprint", "verify", "secure"})
_SCREEN = ("permit_mynetworks", "permit", "reject", "dunno")
_EMPTY = {
    "inet_protocols": "Postfix could not communicate at all; the usual value is all",
    "inet_interfaces": "Postfix would not start; the usual value is all",
}
_NAMES = {
    "myorigin": "Postfix would add a malformed domain to addresses without one, and their mail would bounce",
    "smtp_helo_name": "other servers would refuse the greeting",
    "lmtp_lhlo_name": "other servers would refuse the greeting",
}
_REPLY = re.compile(r"(?!unverified_).*_(?:reject|defer)_code\Z")
# The requirements of a delivery agent: its size limit, the parameter that names it, and the domains that need it.
_AGENTS = {
    "local": ("mailbox_size_limit", "local_transport", "mydestination"),
    "virtual": ("virtual_mailbox_limit", "virtual_transport", "virtual_mailbox_domains"),
}


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:
    """Check that settings that belong together do not contradict each other."""
    adopted = [finding.where for finding in desired.findings if finding.rule == "commented-service"]
    for scope in smtpd_scopes(merged, facts):
        yield from _certificate(scope)
        yield from _wrapped(scope)
    for scope in scopes(merged, facts):
        yield from _sizes(scope)
        yield from _mailbox_base(scope)
        yield from _twice(scope, adopted)
        for parameter in scope.written:
            yield from _value(scope, parameter)


# ---- what programs require -------------------------------------------------------------------------------------------


def _serves(scope: Scope) -> bool:
    """Return whether mail reaches this delivery agent, as far as its domains show."""
    agent = _AGENTS.get(scope.service.command) if scope.service else None
    if not agent or not scope.service:
        return False
    _, transport, domains = agent
    if transport_of(scope.value(transport)) != scope.service.name or not scope.words(domains):
        return False
    return not all_routed(Scope(scope.merged, scope.facts), domains)


def _sizes(scope: Scope) -> Iterator[Finding]:
    """Check that a mailbox is not smaller than a message."""
    if not scope.service or not _serves(scope):
        return
    limit = _AGENTS[scope.service.command][0]
    largest, message = scope.value(limit), scope.value("message_size_limit")
    parameter = scope.parameter("message_size_limit") or scope.parameter(limit)
    if not parameter or not is_digits(largest) or not is_digits(message) or as_number(largest) == 0:
        return
    if as_number(message) == 0 or as_number(largest) < as_number(message):
        sizes = f"{limit} ({largest}) is smaller than message_size_limit ({'unlimited' if message == '0' else message})"
        what = f"{sizes}: {scope.service.command} would exit and its mail would wait; raise {limit}, or set it to 0"
        yield scope.place_of(parameter).finding("sizes-contradict", parameter, what)


def _mailbox_base(scope: Scope) -> Iterator[Finding]:
    parameter = scope.parameter("virtual_mailbox_domains") or scope.parameter("virtual_mailbox_maps")
    if scope.service and scope.service.command == "virtual" and parameter and _serves(scope):
        if scope.value("virtual_mailbox_base").strip(SPACE):
            return
        what = "virtual_mailbox_base is empty, and virtual would exit: set it, or set another virtual_transport"
        severity = Severity.WARNING if scope.words("transport_maps") else Severity.ERROR
        yield scope.place_of(parameter).finding("missing-mailbox-base", parameter, what, severity=severity)


def _certificate(scope: Scope) -> Iterator[Finding]:
    """Check for a certificate: without one, smtpd still offers STARTTLS and then answers 454 (seen on 3.7)."""
    level = scope.value("smtpd_tls_security_level").lower()
    causes = {
        "smtpd_tls_wrappermode": scope.is_on("smtpd_tls_wrappermode"),
        "smtpd_tls_security_level": level in _ENFORCED,
        "smtpd_enforce_tls": not level and scope.is_on("smtpd_enforce_tls"),
    }
    if any(scope.value(name).strip(SPACE) for name in _CERTIFICATES):
        return
    enforcing = [name for name, true in causes.items() if true]
    for name in enforcing or (["smtpd_tls_security_level"] if level == "may" else []):
        if parameter := scope.parameter(name):
            then = (
                "smtpd would refuse every client"
                if enforcing
                else "smtpd would offer STARTTLS and then refuse it with 454"
            )
            what = f"{name} is {parameter.value}, but no certificate is set: {then}; set smtpd_tls_chain_files"
            yield scope.place_of(parameter).finding("no-certificate", parameter, what)
            return


def _wrapped(scope: Scope) -> Iterator[Finding]:
    """Check that port 25 begins in plain text, as the servers that deliver mail there expect."""
    port = scope.service.name.rpartition(":")[2] if scope.service and scope.service.type == "inet" else ""
    parameter = scope.parameter("smtpd_tls_wrappermode")
    if port in {"smtp", "25"} and parameter and scope.is_on(parameter.name):
        what = "smtpd_tls_wrappermode is yes on port 25, where TLS begins with STARTTLS: no server could deliver mail"
        yield scope.place_of(parameter).finding("wrapped-port", parameter, f"{what}; set it on a separate service")


# ---- values ----------------------------------------------------------------------------------------------------------


def _value(scope: Scope, parameter: Parameter) -> Iterator[Finding]:
    name, text = parameter.name, scope.expanded(parameter.value)
    if text is None:
        return
    if name in _EMPTY and not words(text):
        yield scope.finding("bad-value", parameter, f"{name} is empty: {_EMPTY[name]}")
    if name in _NAMES and not text.startswith("/") and re.search(r"[\s@,]", text.strip(SPACE), re.ASCII):
        what = f'{name} must be one name such as mail.example.com, got "{text}": {_NAMES[name]}'
        yield scope.finding("bad-value", parameter, what, text)
    if _REPLY.match(name) and is_digits(text) and not re.fullmatch(r"[45]\d\d", text, re.ASCII):
        what = f'{name} must be a code such as 450 or 550, got "{text}": Postfix would answer 450 without the reason'
        yield scope.finding("bad-value", parameter, what, text)
    for word in words(text) if name == "postscreen_access_list" else ():
        if ":" not in word and word.lower() not in _SCREEN:
            hint = did_you_mean(word, _SCREEN)
            what = f'{name}: unknown word "{word}": postscreen would ignore the rest of the list{hint}'
            yield scope.finding("bad-value", parameter, what, word)


def _twice(scope: Scope, adopted: Collection[Where]) -> Iterator[Finding]:
    """Warn of an option that is written twice: Postfix uses the last one.

    No warning about options behind one of the places *adopted*, where they come from another service by mistake.
    """
    count = Counter(override.name for override in scope.service.overrides) if scope.service else {}
    for override in scope.written if scope.service else ():
        last = scope.parameter(override.name)
        is_adopted = last and any(override.where < place <= last.where for place in adopted)
        if count[override.name] > 1 and override is not last and not is_adopted:
            what = f"option {override.name} is written twice, and Postfix uses the last one"
            yield scope.warning("option-twice", override, what)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "sizes-contradict": (
        "The size limit of a mailbox is lower than the size limit of a message. The delivery agent exits when it "
        "starts, and its mail waits in the queue. Raise the limit of the mailbox, or set it to 0 for no limit."
    ),
    "missing-mailbox-base": (
        "Virtual mailboxes have no base folder. The virtual delivery agent exits when it starts, and its mail waits "
        "in the queue. Set virtual_mailbox_base, or set another virtual_transport."
    ),
    "no-certificate": (
        "Postfix offers TLS to clients, but no certificate is set. smtpd would answer STARTTLS with 454, and some "
        "senders give up then. Where TLS is required, no client could send mail. Set smtpd_tls_chain_files to a file "
        "that holds a key and its certificate."
    ),
    "wrapped-port": (
        "smtpd_tls_wrappermode makes port 25 begin with TLS. Other mail servers wait there for a greeting in plain "
        "text until they give up. Set smtpd_tls_wrappermode only as an option of the service on port 465."
    ),
    "option-twice": (
        "An option of a service is written twice. Postfix uses the last one and does not warn. Remove the other one."
    ),
}
