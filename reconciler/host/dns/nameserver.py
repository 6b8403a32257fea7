"""Name servers: what they answer, and updates to them (RFC 2136) signed by TSIG (RFC 8945). The door to dnspython.

An update goes through only while every set it touches is as it was read, so that no change in between is lost.
Raises Unanswered for a server that does not answer or refuses, with what a person can do, and Moved for sets that have
changed meanwhile.

dnspython is imported by the first question, as in lookups.py: most commands ask none.

Known limit: what a server answers without authority is trouble, not an answer.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple

from reconciler.features.dns.changes import RRset, RRsetChange, RRsetKey
from reconciler.features.dns.rdata import joined, normal
from reconciler.model.errors import ReconcilerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dns.message import Message

    from reconciler.features.dns.records import Tsig

TIMEOUT = 5.0
MOST_SETS = 100
_BAD_KEY = {
    "PeerBadKey": 'does not know the key "{key}"',
    "PeerBadSignature": 'has another secret for the key "{key}"',
    "PeerBadTime": "has a clock that differs from this host's by more than five minutes",
    "BadSignature": 'signs its answers with another secret than that of the key "{key}"',
}
_REFUSALS = {
    "REFUSED": 'refuses the update of {zone}: it does not allow it to the key "{key}" (or see its log)',
    "NOTAUTH": "is not the primary server of {zone}; is that part of another zone? then name that in dns.zones",
    "NOTZONE": "says that a record is not in {zone}",
}
_MOVED = ("YXRRSET", "NXRRSET", "YXDOMAIN", "NXDOMAIN")


class Unanswered(ReconcilerError):  # noqa: N818 - as in errors.py
    """A name server does not answer, or not as it must."""


class Declined(Unanswered):
    """A name server declined an update: nothing of it was done."""


class Moved(ReconcilerError):  # noqa: N818
    """The records were changed between the question and the update."""


class NameServer(NamedTuple):
    """A name server, and the key to sign with, if there is one."""

    address: str
    port: int = 53
    tsig: Tsig | None = None

    def __str__(self) -> str:
        return self.address if self.port == 53 else f"{self.address} port {self.port}"  # noqa: PLR2004 - DNS

    def ask(self, keys: Iterable[RRsetKey], zone: str) -> dict[RRsetKey, RRset]:
        """What it has of each set; sets that are not there are left out."""
        import dns.flags  # noqa: PLC0415
        import dns.message  # noqa: PLC0415
        import dns.name  # noqa: PLC0415
        import dns.rcode  # noqa: PLC0415
        import dns.rdatatype  # noqa: PLC0415

        found = {}
        for key in keys:
            question = dns.message.make_query(key.name, key.type)
            answer = self._exchange(question, zone)
            if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                raise Unanswered(f"{self} answers {dns.rcode.to_text(answer.rcode())} for {key.name} {key.type}")
            if not answer.flags & dns.flags.AA:
                raise Unanswered(
                    f"{self} has no authority for {key.name}; is it a name server of {zone}, and is its zone loaded?"
                )
            kind = dns.rdatatype.from_text(key.type)
            for rrset in answer.answer:
                if rrset.rdtype == kind and rrset.name == dns.name.from_text(key.name):
                    found[key] = RRset(rrset.ttl, {normal(rdata): rdata.to_text() for rdata in rrset})
        return found

    def update(self, zone: str, changes: Iterable[RRsetChange]) -> None:
        """Make these changes in one step, if every set is still what it was."""
        import dns.rcode  # noqa: PLC0415
        import dns.rrset  # noqa: PLC0415
        import dns.update  # noqa: PLC0415

        message = dns.update.UpdateMessage(zone)
        changes = list(changes)
        for change in changes:
            name, kind, before = change.key.name, change.key.type, change.before
            if before.data:
                message.present(name, dns.rrset.from_text_list(name, 0, "IN", kind, list(before.data.values())))
            else:
                message.absent(name, kind)
            if kind != "CNAME" and any(True for _ in change.add) and not _frees(change, changes):
                message.absent(name, "CNAME")
        for change in changes:
            for record in change.remove:
                message.delete(record.name, record.type, change.before.data[record.data])
        for change in changes:
            for record in change.add:
                message.add(record.name, record.ttl, record.type, record.data)
        code = dns.rcode.to_text(self._exchange(message, zone, stream=True).rcode())
        if code in _MOVED:
            raise Moved(f"{zone}: its records on {self} changed meanwhile")
        if code != "NOERROR":
            said = _REFUSALS.get(code, f"answers {code} to the update of {{zone}}")
            raise Declined(f"{self} {said.format(zone=zone, key=self.tsig.name if self.tsig else '')}")

    def _exchange(self, message: Message, zone: str, *, stream: bool = False) -> Message:
        import dns.exception  # noqa: PLC0415
        import dns.query  # noqa: PLC0415
        import dns.tsig  # noqa: PLC0415

        try:
            if self.tsig:
                message.use_tsig(dns.tsig.Key(self.tsig.name, self.tsig.secret, self.tsig.algorithm))
            if stream:
                return dns.query.tcp(message, self.address, TIMEOUT, self.port)
            return dns.query.udp_with_fallback(message, self.address, TIMEOUT, self.port)[0]
        except (dns.exception.DNSException, OSError, ValueError) as error:
            if said := _BAD_KEY.get(type(error).__name__):
                raise Declined(f"{self} {said.format(key=self.tsig.name if self.tsig else '')}") from error
            what = "in time" if isinstance(error, dns.exception.Timeout) else f"({str(error) or type(error).__name__})"
            raise Unanswered(f"{self} does not answer {what} for the zone {zone}") from error


def _frees(change: RRsetChange, changes: list[RRsetChange]) -> bool:
    """Whether the same update takes the CNAME away that stood at the name."""
    return any(other.key == (change.key.name, "CNAME") and other.remove for other in changes)


# ---- the resolver ----------------------------------------------------------------------------------------------------


def authorities(zone: str) -> list[NameServer]:
    """The name servers that the world is told for a zone, by this host's resolver."""
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        names = [str(one.target) for one in dns.resolver.resolve(f"{zone}.", "NS", lifetime=TIMEOUT)]
        addresses = [next(_addresses(name)) for name in sorted(names)]
    except (dns.exception.DNSException, OSError, StopIteration) as error:
        text = f"no answer says which name servers {zone} has ({str(error) or type(error).__name__})"
        raise Unanswered(f"{text}; write dns.server, or fix this host's resolver") from error
    return [NameServer(address) for address in addresses]


def _addresses(name: str) -> Iterator[str]:
    for *_, address in socket.getaddrinfo(name.rstrip("."), 53, type=socket.SOCK_DGRAM):
        yield str(address[0])


def policy(name: str) -> str:
    """The SPF policy of a domain, by this host's resolver; empty when it has none."""
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    try:
        answer = dns.resolver.resolve(f"{name.rstrip('.')}.", "TXT", lifetime=TIMEOUT)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ""
    except (dns.exception.DNSException, OSError) as error:
        raise Unanswered(f"the resolver does not say what {name} has ({str(error) or type(error).__name__})") from error
    texts = (joined(rdata.to_text()) for rdata in answer)
    return next((text for text in texts if text.lower().startswith("v=spf1")), "")
