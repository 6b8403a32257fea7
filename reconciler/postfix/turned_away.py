"""Mail for own recipients that is refused, bounced or deferred since a commit, as a share of what it was before.

A recipient counts once the log from before the commit shows that mail for it was delivered; a client, that mail of it
was accepted. So strangers who guess addresses, and clients that were always refused, never count. An answer counts only
if its words are Postfix's own and depend on our tables, restrictions, mailboxes or TLS, not on what a client or a
message says (the tables below): block lists, greylisting, limits, DNS, quotas and the answers of other servers are
everyday life.

A share is too large if at least FEWEST answers turned away what was taken before, they are half of all or more, and
twice the share from before or more. Of clients, each address counts once.

Pure. Raises nothing. Known limit: a recipient without mail in the log from before is not known, so that a small host
may have too few of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reconciler.postfix.own_faults import Wording

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from reconciler.postfix.log import LogLine

FEWEST = 5
SHARE, TIMES = 0.5, 2.0
# "reject: STAGE from CLIENT: CODE WORDS": a table or a class of addresses has lost the recipient.
RECIPIENT_REPLIES = (
    Wording(r"{address}(?:Recipient[ ]address[ ]rejected:[ ])?User[ ]unknown(?:[ ]in[ ][\w ]+[ ]table)?",
        "smtpd/smtpd_check.c: check_rcpt_maps"),
    Wording(r"{address}Relay[ ]access[ ]denied", "smtpd/smtpd_check.c: reject_unauth_destination"),
    Wording(r"{address}Recipient[ ]address[ ]rejected:[ ]undeliverable[ ]address:[ ].*", "smtpd/smtpd_check.c"),
)  # fmt: skip
# The same, where the answer depends on the client: an access table or a restriction.
CLIENT_REPLIES = (
    Wording(r"{address}(?:Client[ ]host|Helo[ ]command|Sender[ ]address|Recipient[ ]address)[ ]rejected:[ ]"
        r"(?:Access[ ]denied|Try[ ]again[ ]later)", "smtpd/smtpd_check.c: check_table_result, generic_checks"),
)  # fmt: skip
# "status=deferred (WORDS)" by an agent that delivers to this host's mailboxes.
MAILBOX_WORDS = (
    Wording(r"unknown[ ]user:[ ]|User[ ]unknown[ ]in[ ][\w ]+[ ]table", "local/unknown.c, virtual/unknown.c, error"),
    Wording(r"(?:maildir[ ]delivery|cannot|mailbox|can't|unable|file[ ]|delivery[ ]|directory[ ]).*"
        r"(?:Permission[ ]denied|No[ ]such[ ]file|Not[ ]a[ ]directory|Read-only|not[ ]owned)",
        "local/maildir.c, local/mailbox.c, virtual/maildir.c, virtual/mailbox.c"),
    Wording(r"can't[ ]create[ ]user[ ]output[ ]file", "global/mbox_open.c"),
    Wording(r"temporary[ ]failure\.[ ]Command[ ]output:[ ](?:local|pipe):[ ]fatal:[ ]", "global/pipe_command.c"),
    Wording(r"mail[ ]transport[ ]unavailable|mail[ ]system[ ]configuration[ ]error", "error/error.c, virtual/*.c"),
)  # fmt: skip
# The same by any agent; smtp's and lmtp's other words are the network's or another server's.
AGENT_WORDS = (
    Wording(r"Server[ ]certificate[ ]not[ ](?:verified|trusted)", "smtp/smtp_proto.c"),
    Wording(r"TLS[ ]is[ ]required,[ ]but[ ](?:was[ ]not[ ]offered|our[ ]TLS[ ]engine)", "smtp/smtp_proto.c"),
    Wording(r"SASL[ ](?:\[CACHED\][ ])?authentication[ ]failed", "smtp/smtp_sasl_glue.c"),
    Wording(r"mail[ ]for[ ]\S+[ ]loops[ ]back[ ]to[ ]myself", "smtp/smtp_addr.c"),
    Wording(r"local[ ]data[ ]error[ ]while[ ]talking[ ]to", "smtp/smtp.h"),
    Wording(r"client[ ]TLS[ ]configuration[ ]problem", "smtp/smtp_tls_policy.c"),
    Wording(r"connect[ ]to[ ]\S+\[(?:127\.[\d.]+|::1|(?:private|public)?/[^]]*)\](?::\d+)?:[ ]", "smtp/smtp_connect.c"),
)  # fmt: skip
_MAILBOXES = frozenset({"local", "virtual", "error", "pipe"})
_OWN = frozenset({*_MAILBOXES, "lmtp"})
_RELAY = "/relay/"  # the transport of relay_domains, by its syslog_name in master.cf


def _any_of(rows: Iterable[Wording]) -> re.Pattern[str]:
    alternatives = "|".join(f"(?:{row.words})" for row in rows).replace("{address}", r"<[^<>\"\s]*>:[ ]")
    return re.compile(alternatives, re.VERBOSE | re.ASCII)


_REFUSED = re.compile(
    r"\w+: reject: [A-Z-]+ from [^\s\[]*\[(?P<client>[^\]]+)\]: [45]\d\d [45]\.\d\.\d+ (?P<words>[^;]*)(?P<rest>.*)",
    re.ASCII,
)
_FOR = re.compile(r" to=<([^<>\"\s]*)> proto=", re.ASCII)
_DELIVERED = re.compile(
    r"\w+: to=<(?P<to>[^<>\"]*)>, (?:orig_to=<(?P<first>[^<>\"]*)>, )?relay=.*?, dsn=[\d.]+, "
    r"status=(?P<status>sent|deferred|bounced) \((?P<words>.*)\)\Z", re.ASCII,
)  # fmt: skip
_GREETING = re.compile(r" helo=<\[(?:IPv6:)?([^\]<>]+)\]>", re.ASCII)
_ACCEPTED = re.compile(r"\w+: client=[^\s\[]*\[(?P<client>[^\]]+)\]", re.ASCII)
_RECIPIENT, _CLIENT = _any_of(RECIPIENT_REPLIES), _any_of(CLIENT_REPLIES)
_MAILBOX, _AGENT = _any_of(MAILBOX_WORDS), _any_of(AGENT_WORDS)


class Handling(NamedTuple):
    """What happened to mail for some recipients, or to that of a *client*: it was *taken*, or turned away.

    *own* are those of the recipients that certainly are this host's.
    """

    taken: bool
    recipients: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    client: str = ""


def event(line: LogLine) -> Handling | None:
    """Return what a line of a daemon says about a recipient or a client; None if it says nothing that counts."""
    if line.program == "smtpd":
        if match := _ACCEPTED.match(line.text):
            return Handling(taken=True, client=match["client"])
        return _refusal(match) if (match := _REFUSED.match(line.text)) else None
    match = _DELIVERED.match(line.text) if line.text.count(", dsn=") == 1 else None
    return _delivery(match, line) if match else None


def _refusal(match: re.Match[str]) -> Handling | None:
    if _GREETING.findall(match["rest"]) == [match["client"]]:  # a verification of ours greets so, and asks at each push
        return None
    own = tuple(one.lower() for one in _FOR.findall(match["rest"]))
    if own and _RECIPIENT.fullmatch(match["words"]):
        return Handling(taken=False, own=own)
    return Handling(taken=False, client=match["client"]) if _CLIENT.fullmatch(match["words"]) else None


def _delivery(match: re.Match[str], line: LogLine) -> Handling | None:
    to, first = match["to"].lower(), (match["first"] or "").lower()
    recipients = tuple(filter(None, (to, first)))
    if match["status"] == "sent":
        is_own = line.program in _OWN or _RELAY in line.tag
        return Handling(taken=True, recipients=recipients, own=recipients if is_own else recipients[1:])
    counts = _AGENT.match(match["words"]) or (line.program in _MAILBOXES and _MAILBOX.match(match["words"]))
    return Handling(taken=False, recipients=recipients) if counts else None


class _Count:
    """How much was taken and turned away, for each name that is known."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}
        self.turned: dict[str, int] = {}

    def add(self, name: str, *, taken: bool) -> None:
        which = self.taken if taken else self.turned
        which[name] = which.get(name, 0) + 1

    def sums(self, meant: Collection[str], *, once: bool) -> tuple[int, int]:
        """Return how many answers turned mail away, and how many there are, without the *meant* names.

        With *once*, names are counted, and those count as turned away of which nothing was taken.
        """
        if once:
            turned = self.turned.keys() - self.taken.keys()
            return len(turned), len(turned | self.taken.keys())
        turned_away = sum(count for name, count in self.turned.items() if name not in meant)
        return turned_away, turned_away + sum(self.taken.values())


class TurnedAway:
    """The shares of one probation: first read() what was logged *before*, then what is logged since."""

    def __init__(self, before: Iterable[LogLine]) -> None:
        events = [found for line in before if (found := event(line))]
        self._recipients = {name for one in events if one.taken for name in one.recipients}
        self._own = {name for one in events if one.taken for name in one.own}
        self._clients = {one.client for one in events if one.taken} - {""}
        self._before, self._since = (_Count(), _Count()), (_Count(), _Count())
        self.latest: dict[bool, LogLine] = {}
        for one in events:
            self._count(one, self._before)

    def read(self, line: LogLine) -> None:
        """Read a line of a daemon that was logged since the commit went live."""
        found = event(line)
        if found and self._count(found, self._since) and not found.taken:
            self.latest[bool(found.client)] = line

    def _count(self, found: Handling, counts: tuple[_Count, _Count]) -> bool:
        """Count an event if its recipient or its client is known; return whether it is."""
        known = [*self._recipients.intersection(found.recipients), *self._own.intersection(found.own)]
        if known:
            counts[0].add(known[0], taken=found.taken)
        elif found.client in self._clients:
            counts[1].add(found.client, taken=found.taken)
        else:
            return False
        return True

    def suspects(self) -> set[str]:
        """Return the recipients that were turned away if their share is too large, else none."""
        return set(self._since[0].turned) if self._is_too_large(0, ()) else set()

    def complaints(self, meant: Collection[str] = ()) -> list[tuple[LogLine, str]]:
        """Return the latest answer and a sentence for each share that is too large; *meant* recipients are removed."""
        return [
            (self.latest[bool(kind)], self._sentence(kind, meant)) for kind in (0, 1) if self._is_too_large(kind, meant)
        ]

    def _is_too_large(self, kind: int, meant: Collection[str]) -> bool:
        turned, all_of_them = self._since[kind].sums(meant, once=bool(kind))
        turned_before, all_before = self._before[kind].sums((), once=bool(kind))
        before = turned_before / all_before if all_before else 0.0
        return turned >= FEWEST and turned / all_of_them >= max(SHARE, TIMES * before)

    def _sentence(self, kind: int, meant: Collection[str]) -> str:
        turned, all_of_them = self._since[kind].sums(meant, once=bool(kind))
        turned_before, all_before = self._before[kind].sums((), once=bool(kind))
        whose = "clients whose mail was accepted before" if kind else "answers for recipients who had mail before"
        return (
            f"{turned} of {all_of_them} {whose} say that it is refused or waits (before the commit: {turned_before} of"
            f" {all_before})"
        )
