"""One dialogue with a listener, from the banner to the answer for each kind of recipient; no mail is sent.

The last question is DATA: where a queue file can be written, the answer is 354. Then the client hangs up, so that
Postfix removes the file again, and there is nothing to deliver. Raises Wrong and NotYet, and OSError for a connection
that breaks or stays silent. Where smtpd may think about a question, silence about mail is Hangs.
"""

from __future__ import annotations

import math
import re
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.apply.compare import Said
from reconciler.host import facts, processes
from reconciler.postfix.replies import Meaning, is_about_client, meaning
from reconciler.rehearsal.inside.smtp_client import handshake_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reconciler.apply.patience import Thinking
    from reconciler.rehearsal.inside.smtp_client import SmtpClient

_MOST_REFUSED = 6  # smtpd slows down a client after ten
# RFC 3463: x.3.x is the mail system itself, everything else is policy.
_TROUBLE = re.compile(r"4[0-9]{2}[ -]4\.3\.")
_NOT_SCREENED_YET = re.compile(r"450[ -]4\.3\.2 Service currently unavailable")
_BUSY = re.compile(r"421[ -]4\.3\.2 All server ports are busy")


class Wrong(Exception):  # noqa: N818 - what a service said, not an error of ours
    """A new process gave an answer that a healthy one would not give."""


class NotYet(Exception):  # noqa: N818
    """The answer may come from a healthy service right after a reload; try again."""


class Hangs(Exception):  # noqa: N818
    """A service that greets its client does not say in time whether it takes mail."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The replies by sender and kind of recipient; *logins*: AUTH was offered; *certified*: TLS had a certificate."""

    replies: Mapping[tuple[str, str], Said] = field(default_factory=dict)
    logins: bool = False
    certified: bool = False


@dataclass(frozen=True, slots=True)
class Speaker:
    """A client: its address, what it knows of the listener, and what it asks for.

    *value* returns a parameter of the listener. Answers of processes from before *since* do not count, which *old* ones
    are, however late they started. With *thinks*, an answer about mail may take longer than others. *refill* is called
    before each transaction (flow_tokens.py).
    """

    address: str
    value: Callable[[str], str]
    since: float
    old: frozenset[int]
    senders: tuple[str, ...]
    recipients: Mapping[str, tuple[str, ...]]
    screened: bool = False
    thinks: Thinking | None = None
    refill: Callable[[], None] = field(default=lambda: None)

    @property
    def _greeting(self) -> str:
        return f"EHLO [{'IPv6:' * (':' in self.address)}{self.address}]"

    def converse(self, client: SmtpClient) -> Heard:
        """Hold the dialogue."""
        proxied = "postscreen_upstream_proxy_protocol" if self.screened else "smtpd_upstream_proxy_protocol"
        if self.value(proxied) == "haproxy":
            client.announce_proxy()
        certified = self.value("smtpd_tls_wrappermode") == "yes" and _shake_hands(client)
        banner = client.reply()
        _must_be_newer(client, self.since, self.old)
        if self.screened and _BUSY.match(banner):
            raise NotYet(banner)
        _must_be_well(banner)
        if not banner.startswith("220"):
            return Heard(self._all(banner))  # the service refuses this client, which is its own decision
        greeting = client.ask(self._greeting)
        if "STARTTLS" in greeting:
            accepted = client.ask("STARTTLS")
            if meaning(accepted) is Meaning.NOTHING:
                return Heard(self._all(accepted))  # a limit of this client's rate
            if not accepted.startswith("220"):
                raise Wrong(f'it offers STARTTLS, then answers "{accepted}"')
            if self.value("smtpd_tls_req_ccert") == "yes":
                return Heard()
            certified = _shake_hands(client)
            greeting = client.ask(self._greeting)
        _must_be_well(greeting)
        if meaning(greeting) is not Meaning.TAKEN:
            return Heard(self._all(greeting))
        replies = self._asked(client)
        return Heard(replies, bool(re.search(r"^250[ -]AUTH[ =]", greeting, re.MULTILINE)), certified)

    def _all(self, reply: str) -> dict[tuple[str, str], Said]:
        """Return one reply as the answer to every question."""
        return {(s, kind): Said(some[0], reply) for s in self.senders for kind, some in self.recipients.items()}

    def _asked(self, client: SmtpClient) -> dict[tuple[str, str], Said]:
        """Return the replies that come in time; after one that was late, no more is asked."""
        replies: dict[tuple[str, str], Said] = {}
        if self.thinks is None:
            return self._ask_all(client, replies, math.inf)
        seconds = client.allow(self.thinks.seconds)
        try:
            return self._ask_all(client, replies, time.monotonic() + seconds - self.thinks.seconds)
        except TimeoutError as error:
            if self.thinks.later:
                return replies
            raise Hangs(f"no answer to MAIL, RCPT or DATA in {round(seconds, 1):g} s") from error

    def _ask_all(
        self, client: SmtpClient, replies: dict[tuple[str, str], Said], until: float
    ) -> dict[tuple[str, str], Said]:
        """Add the replies, and end with DATA; *until* then, more is asked.

        DATA that is refused may be so for one sender or recipient only, or for all mail, so it is asked for the others.
        """
        for sender in self.senders if self.recipients else ():
            for kind, said in self._transaction(client, sender, until):
                replies[sender, kind] = said
            client.ask("RSET")
        for (sender, kind), said in [one for one in replies.items() if one[1].taken][:_MOST_REFUSED]:
            self.refill()
            again = [
                client.ask(command) for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{said.recipient}>", "DATA")
            ]
            refused = next((reply for reply in again if meaning(reply) is not Meaning.TAKEN), "")
            if not refused:
                return replies
            replies[sender, kind] = Said(said.recipient, refused)
            if meaning(refused) not in {Meaning.REFUSED, Meaning.WAITS} or time.monotonic() > until:
                return replies
            client.ask("RSET")
        client.ask("QUIT")
        return replies

    def _transaction(self, client: SmtpClient, sender: str, until: float) -> Iterator[tuple[str, Said]]:
        """Yield the reply for each kind of recipient: of the one that is taken, else of the last."""
        if time.monotonic() > until:
            return
        self.refill()
        reply, refused = client.ask(f"MAIL FROM:<{sender}>"), 0
        closed = "" if meaning(reply) is Meaning.TAKEN else reply
        for kind, recipients in self.recipients.items():
            for recipient in recipients:
                reply = closed or client.ask(f"RCPT TO:<{recipient}>")
                if self.screened and _NOT_SCREENED_YET.match(reply):
                    client.ask("QUIT")
                    raise NotYet("postscreen asks its client to come back")
                if meaning(reply) is Meaning.TAKEN:
                    break
                refused += 1
                closed = reply if is_about_client(reply) else closed
            yield kind, Said(recipient, reply)
            if refused >= _MOST_REFUSED or time.monotonic() > until:
                return


def _must_be_well(reply: str) -> None:
    if _TROUBLE.match(reply):
        raise Wrong(f'it answers "{reply}"')


def _must_be_newer(client: SmtpClient, since: float, old: frozenset[int]) -> None:
    """Reject the answer of a process that has not read the new configuration.

    A start is known to a hundredth of a second, in which an old smtpd may begin, and an activation may follow. Such an
    smtpd would ask the new trivial-rewrite(8) about a domain that has become ours, and refuse the recipients it has not
    read.
    """
    if not since:
        return
    pid = facts.owner_of_connection(client.socket.getsockname()[:2], client.socket.getpeername()[:2])
    started = processes.started(pid) if pid else None
    if started is not None and (started + processes.TICK <= since or (pid in old and started <= since)):
        raise NotYet("only a process from before the activation answers")


def _shake_hands(client: SmtpClient) -> bool:
    """Begin TLS; return whether the service showed a certificate: without one, Postfix may still talk anonymously."""
    # Only TLS itself counts: a connection that breaks meanwhile may be an old process that ends.
    try:
        client.start_tls()
    except ssl.SSLError as error:
        raise Wrong(handshake_failure(error)) from error
    return isinstance(client.socket, ssl.SSLSocket) and client.socket.getpeercert(binary_form=True) is not None
