"""Compare what the listeners answered before an activation with what they answer after it.

Mail that was taken and meets trouble of the mail system now, or is refused now, is a fault of the new configuration.
What failed before and fails likewise is none, and a commit that repairs it must go live. A refusal that is about the
client who asked counts only if no client at all is taken any more: a name that DNS does not know, or a block list that
holds this host's address, says nothing about other clients. Pure; raises nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from reconciler.apply.questions import ELSEWHERE, ClientClass
from reconciler.postfix.log import steady
from reconciler.postfix.replies import Meaning, is_about_client, is_unknown, is_unverified, meaning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

WAITS, REFUSED = "mail-waits", "mail-refused"
AS_BEFORE = "it was so before"
CONFIRMED = "confirmed in the commit"
_OF_LOGINS = "this listener asks its clients to log in"
_NEW_DOMAIN = "the commit makes the domain one of ours, and no table lists this recipient"
_UNVERIFIED = "the next host says who exists, and no table lists this recipient"
_SMTP = "25"


class MailQuestion(NamedTuple):
    """Who asks which *listener*, an address with its port, to take mail from which sender for which recipients."""

    listener: str
    client: ClientClass
    sender: str
    kind: str

    @property
    def port(self) -> str:
        """The listener's port, which it has at each of its addresses."""
        return self.listener.rpartition(":")[2]


class Said(NamedTuple):
    """The reply to a question, and the recipient that was asked for."""

    recipient: str
    reply: str

    @property
    def taken(self) -> bool:
        """Whether the mail would be taken."""
        return meaning(self.reply) is Meaning.TAKEN


@dataclass(frozen=True, slots=True)
class MailAnswers:
    """What all listeners said at one time.

    *failed* are the listeners that did not come as far as the questions; *with_logins* those that offer AUTH. *unsent*
    is why a program of this host can't hand in mail; empty if it can, None if that was not tried.
    """

    replies: Mapping[MailQuestion, Said] = field(default_factory=dict)
    failed: AbstractSet[str] = frozenset()
    with_logins: AbstractSet[str] = frozenset()
    unsent: str | None = None

    def takes(self, question: MailQuestion) -> bool:
        """Return whether the answer to that question was yes."""
        said = self.replies.get(question)
        return said is not None and said.taken

    def knows(self, listener: str, client: ClientClass) -> bool:
        """Return whether that listener took any mail of a client of that class."""
        return any(said.taken and key[:2] == (listener, client) for key, said in self.replies.items())

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of recipient that some listener takes."""
        return frozenset(question.kind for question, said in self.replies.items() if said.taken)

    @property
    def troubles(self) -> frozenset[str]:
        """The replies that told of trouble, without what varies."""
        return frozenset(_steady(one.reply) for one in self.replies.values() if meaning(one.reply) is Meaning.TROUBLE)


class Worse(NamedTuple):
    """Mail that was taken, or was not asked for, and is not taken now; an *excuse* makes it a warning."""

    rule: str
    question: MailQuestion
    said: Said
    before: str
    excuse: str = ""


def compare(
    before: MailAnswers, after: MailAnswers, *, confirmed: bool = False,
    unlisted: AbstractSet[str] = frozenset(), guessed: AbstractSet[str] = frozenset(),
) -> list[Worse]:  # fmt: skip
    """Return what is worse than before, one for each reply and each excuse, with the worst first.

    *confirmed*: a person said in the commit that mail shall be refused. *unlisted* recipients of domains that are new
    may not exist, nor may *guessed* ones where the next host is asked.
    """
    found = [one for question, said in after.replies.items() if (one := _worse(question, said, before, after))]
    found = [
        one._replace(excuse=_NEW_DOMAIN) if one.said.recipient in unlisted and is_unknown(one.said.reply) else one
        for one in found
    ]
    found = [
        one._replace(excuse=_UNVERIFIED) if one.said.recipient in guessed and is_unverified(one.said.reply) else one
        for one in found
    ]
    if confirmed:
        found = [one._replace(excuse=one.excuse or CONFIRMED) if one.rule == REFUSED else one for one in found]
    found.sort(key=lambda one: (bool(one.excuse), one.rule != WAITS))
    first: dict[tuple[str, bool, str], Worse] = {}
    for one in found:
        first.setdefault((one.rule, bool(one.excuse), _steady(one.said.reply)), one)
    return list(first.values())


def _worse(question: MailQuestion, said: Said, before: MailAnswers, after: MailAnswers) -> Worse | None:
    meant, was = meaning(said.reply), before.replies.get(question)
    earlier = was.reply if was else ""
    if meant is Meaning.TROUBLE:
        likewise = _steady(said.reply) in before.troubles or meaning(earlier) is Meaning.TROUBLE
        return Worse(WAITS, question, said, earlier, AS_BEFORE if likewise else "")
    if meant not in {Meaning.WAITS, Meaning.REFUSED} or not before.takes(question):
        return None
    return Worse(REFUSED, question, said, earlier, next(_excuses(question, said, after), ""))


def _excuses(question: MailQuestion, said: Said, after: MailAnswers) -> Iterator[str]:
    """Yield why a refusal may be what the commit is for, or about nobody but us."""
    if question.kind == ELSEWHERE:
        yield "mail to other hosts is only for clients that may relay"
    if question.listener in after.with_logins and question.port != _SMTP:
        yield _OF_LOGINS
    alike = (key for key in after.replies if (key.port, key.kind) == (question.port, question.kind))
    if any(map(after.takes, alike)):
        if is_about_client(said.reply):
            yield "the reply is about this client alone"
        elif meaning(said.reply) is Meaning.WAITS:
            yield "the client may try again"


def _steady(reply: str) -> str:
    return re.sub(r"<[^<>]*>", "", steady(reply), flags=re.ASCII)


def summary(listeners: int, kinds: int, *, submits: bool) -> str:
    """Return what was verified, in words; empty if nothing was."""
    counted = [(listeners, "listener", ""), (kinds, "kind", " of recipient")]
    shown = [f"{number} {word}{'s' * (number != 1)}{what}" for number, word, what in counted if number]
    return ", ".join([*shown, *["sendmail"] * submits])
