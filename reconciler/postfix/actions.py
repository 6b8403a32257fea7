"""The actions that a table may contain: those of access(5) and header_checks(5), and TLS policies.

smtpd answers 451 4.3.5 to an unknown action. cleanup ignores one, so that the check does not stop the mail. Raises
nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import did_you_mean
from reconciler.model.ascii_text import SPACE, is_digits
from reconciler.postfix.nexthops import MailRoutes, bad_route
from reconciler.postfix.restrictions import KNOWN, parsed
from reconciler.postfix.routes import unknown_transport
from reconciler.postfix.scopes import words
from reconciler.postfix.vocabulary import CIPHERS, PROTOCOL, names

if TYPE_CHECKING:
    from collections.abc import Collection

ACCESS = names(
    """
    bcc defer defer_if_permit defer_if_reject discard dunno filter hangup hold info ok prepend redirect reject relay
    warn
    """
)
CHECKS = names(
    """
    bcc delay discard dunno filter hold ignore info ok pass prepend redirect reject replace strip warn
    """
)
_LEVELS = ("none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure")
_MATCHED = ("fingerprint", "verify", "secure")
ATTRIBUTES = names(
    """
    ciphers connection_reuse enable_rpk exclude match mx_host_pattern policy_domain policy_failure policy_string
    policy_ttl policy_type protocols servername tafile
    """
)
_SCREEN = frozenset({"permit", "reject", "dunno"})
_REPLY = re.compile(r"[45]\d\d\s+\S", re.ASCII)


def access_problem(
    value: str, classes: Collection[str], routes: MailRoutes, unsaid: Collection[str] = ()
) -> str | None:
    """Return the problem with the result of an access table, or None."""
    word, _, rest = value.partition(" ")
    action = word.lower()
    if action in ACCESS:
        return _bad_text(action, rest.strip(SPACE), routes)
    if is_digits(value) or _REPLY.match(value):
        return None
    if ":" in value:
        return f'"{value}" names a table, which is not allowed in an access table; use a restriction class instead'
    known = {*KNOWN.difference(unsaid), *classes}
    for restriction in parsed(value):
        if restriction.name not in known:
            hint = did_you_mean(restriction.name, {*ACCESS, *known})
            return f'unknown action "{restriction.name}": smtpd would answer 451 4.3.5{hint}'
    return None


def checks_problem(value: str, routes: MailRoutes) -> str | None:
    """Return the problem with the action of a header or body check, or None."""
    word, _, rest = value.partition(" ")
    action = word.lower()
    if action not in CHECKS:
        hint = did_you_mean(action, CHECKS)
        return f'unknown action "{word}": Postfix would ignore the entry, and the mail would pass{hint}'
    return _bad_text(action, rest.strip(SPACE), routes)


def screen_problem(value: str) -> str | None:
    """Return the problem with the result of a postscreen access table, or None."""
    if value.lower() in _SCREEN:
        return None
    hint = did_you_mean(value, _SCREEN)
    return f'unknown action "{value}": postscreen would ignore it, and knows only permit, reject and dunno{hint}'


def policy_problem(value: str, unsaid: Collection[str] = ()) -> str | None:
    """Return the problem with a TLS policy (smtp_tls_policy_maps), for which smtp(8) would defer mail, or None.

    *unsaid* are the words that this Postfix does not know.
    """
    known = ATTRIBUTES.difference(unsaid)
    level, *attributes = words(value) or [""]
    then = "mail to that destination would wait"
    if level.lower() not in _LEVELS:
        return f'unknown TLS level "{level}": {then}{did_you_mean(level, _LEVELS)}'
    for attribute in attributes if level.lower() != "none" else ():
        name, equals, text = attribute.strip("{} ").partition("=")
        word = name.strip(SPACE).lower()
        if word in unsaid:
            return f'attribute "{attribute}" needs a newer Postfix, and this one does not know "{word}": {then}'
        if not equals or word not in known:
            return f'unknown attribute "{attribute}": {then}{did_you_mean(word, known)}'
        if problem := _bad_attribute(word, text.strip(SPACE)):
            return f"{problem}: {then}"
        if word == "match" and level.lower() not in _MATCHED:
            return f'"{attribute}" has no meaning at the level {level}: {then}; use it with {", ".join(_MATCHED)}'
    return None


def _bad_attribute(name: str, value: str) -> str | None:
    if name == "ciphers" and value.lower() not in CIPHERS:
        return f'unknown cipher grade "{value}"{did_you_mean(value, CIPHERS)}'
    for word in re.split(r"[\s,:]+", value, flags=re.ASCII) if name == "protocols" else ():
        if word and not PROTOCOL.fullmatch(word):
            return f'unknown protocol "{word}"; expected a protocol such as >=TLSv1.2 or !SSLv3'
    return None


def numeric_reply(value: str) -> bool:
    """Return whether an all-numeric result, which permits, looks like a reply code that should reject."""
    return bool(re.fullmatch(r"[45]\d\d", value, re.ASCII))


def _bad_text(action: str, text: str, routes: MailRoutes) -> str | None:
    """Return the problem with the text of an action, or None; the text for $1 of a pattern is unknown."""
    if "$" in text:
        return None
    if action == "filter":
        if ":" not in text:
            return f'FILTER needs transport:destination, got "{text}"; Postfix would ignore it'
        problem = unknown_transport(text, routes.transports) or bad_route(text, routes)
        return f"FILTER: {problem}" if problem else None
    if action in {"redirect", "bcc"} and "@" not in text:
        return f'{action.upper()} needs user@domain, got "{text}"; Postfix would ignore it'
    if action == "prepend" and not text:
        return "PREPEND needs a header; Postfix would ignore it"
    return None
