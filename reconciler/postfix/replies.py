"""The meaning of an SMTP server's reply to a client that wants to know whether mail would be taken.

Pure. Raises nothing. Known limit: texts are recognised by Postfix's own wording, and greylisting by the words that
policy servers use for it.
"""

from __future__ import annotations

import re
from enum import StrEnum

NO_ANSWER = "no answer"
"""What stands for a reply that did not come in time, where one came before."""


class Meaning(StrEnum):
    """What a reply says: the mail is taken; the mail system has trouble; the client must wait; it is refused.

    NOTHING is about neither the configuration nor the host: a limit of the client's rate, greylisting, a probe that has
    not ended.
    """

    TAKEN = "taken"
    TROUBLE = "trouble"
    WAITS = "waits"
    REFUSED = "refused"
    NOTHING = "nothing"


# RFC 3463: x.3.x is the mail system itself. 451 and 452 are a local error and a lack of space, 454 is failed TLS.
_TROUBLE = re.compile(r"4[0-9]{2}[ -]4\.3\.|(?:421|45[124])[ -]")
_PASSING = re.compile(
    r"too (?:many|much) |gr[ae]y-?list|address verification in progress|[ -]4\.2\.0 |timeout exceeded",
    re.IGNORECASE | re.ASCII,
)
_UNKNOWN = re.compile(r"[45][0-9]{2}[ -][45]\.1\.[01] ")
_UNVERIFIED = re.compile(r"[45][0-9]{2}[ -][45]\.1\.[0-9] .*(?:unverified|undeliverable) address", re.DOTALL | re.ASCII)
_RELAY = re.compile(r"[45][0-9]{2}[ -].*relay access denied", re.IGNORECASE | re.DOTALL | re.ASCII)
_ABOUT_CLIENT = re.compile(
    r"(?:client host|helo command|sender address) rejected|blocked using|not accepting messages|; client \[",
    re.IGNORECASE | re.ASCII,
)


def is_unknown(reply: str) -> bool:
    """Return whether the reply says that the recipient does not exist (RFC 3463: x.1.x is about the address)."""
    return bool(_UNKNOWN.match(reply))


def is_unverified(reply: str) -> bool:
    """Return whether the reply says that a probe has not found the address (reject_unverified_recipient)."""
    return bool(_UNVERIFIED.match(reply))


def meaning(reply: str) -> Meaning:
    """Return what a reply to a command says about mail."""
    if reply[:1] in {"2", "3"}:
        return Meaning.TAKEN
    if reply == NO_ANSWER:
        return Meaning.TROUBLE
    if reply[:1] == "4" and _PASSING.search(reply):
        return Meaning.NOTHING
    if _RELAY.match(reply) or reply[:1] == "5":
        return Meaning.REFUSED
    if _TROUBLE.match(reply):
        return Meaning.TROUBLE
    return Meaning.WAITS if reply[:1] == "4" else Meaning.NOTHING


def is_about_client(reply: str) -> bool:
    """Return whether the reply refuses this client, its name or its sender, whatever the recipient is."""
    return bool(_ABOUT_CLIENT.search(reply))
