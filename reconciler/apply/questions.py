"""What the listeners are asked: from which addresses of this host, from which sender, and for which recipients.

One recipient of each address class is asked for, and one client of each class speaks, as far as this host has an
address of that class. Pure: tables are read through an argument. Raises nothing.

Known limits: of a table only the beginning is read, and none that is not a file. A host all of whose addresses are in
mynetworks can't speak as a stranger.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import ip_address
from itertools import chain, islice
from typing import TYPE_CHECKING

from reconciler.model.ascii_text import split_words
from reconciler.model.past import PastOf
from reconciler.postfix.networks import holds
from reconciler.postfix.scopes import words
from reconciler.postfix.tables import entry_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from ipaddress import IPv4Address, IPv6Address

    from reconciler.model.facts import ByText

    Read = Callable[[str], bytes]
    """From the path of a table to the beginning of its source; empty if there is none."""

ELSEWHERE = "remote"
_FOREIGN = "postmaster@reconciler.invalid"
_SAMPLES = 2
_CLASSES = {
    "virtual alias": ("virtual_alias_maps", "virtual_alias_domains"),
    "virtual mailbox": ("virtual_mailbox_maps", "virtual_mailbox_domains"),
    "relay": ("relay_recipient_maps", "relay_domains"),
}
_FILES = frozenset({"hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash"})
_DOMAIN = re.compile(r"\.?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_ADDRESS = re.compile(r"[A-Za-z0-9._+=-]+@[A-Za-z0-9.-]+", re.ASCII)
_LOOPBACK, _OTHER_LOOPBACK = {4: "127.0.0.1", 6: "::1"}, "127.93.0.1"
_HERE = frozenset(map(ip_address, _LOOPBACK.values()))
_few: PastOf[ByText] = PastOf(2)


class ClientClass(StrEnum):
    """Where a client is, as Postfix tells them apart."""

    HERE = "this host"
    NETWORK = "our network"
    STRANGER = "a stranger"


@dataclass(frozen=True, slots=True)
class Client:
    """A client, and the address of this host that it speaks from."""

    kind: ClientClass
    address: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions: recipients by their class, and the sender that a client of ours writes as.

    *guessed* are the recipients that no table names: the postmasters of domains; *unlisted* those of them whose domains
    are new. *domains* are those of all classes.
    """

    recipients: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sender: str = ""
    networks: tuple[str, ...] = ()
    guessed: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    def since(self, before: Asked) -> Asked:
        """Return the questions, where *unlisted* are only those whose domains were of no class *before*."""
        new = (one for one in self.unlisted if one.partition("@")[2] not in before.domains)
        return replace(self, unlisted=frozenset(new))

    def senders(self, client: ClientClass) -> tuple[str, ...]:
        """Return the senders to write as; our own domain is often refused as the sender of a stranger."""
        return ("", self.sender) if self.sender and client is not ClientClass.STRANGER else ("",)

    def of(self, client: ClientClass) -> Mapping[str, tuple[str, ...]]:
        """Return the recipients to ask for; that a stranger may not relay is no news, and fills the mail log."""
        return {
            kind: some for kind, some in self.recipients.items() if (kind, client) != (ELSEWHERE, ClientClass.STRANGER)
        }

    def few(self, addresses: ByText) -> ByText:
        """Return those of this host's addresses that clients() can tell from all of them, which may be thousands."""
        return _few.of(addresses, (self.networks,), lambda: self._told_apart(addresses))

    def _told_apart(self, addresses: ByText) -> ByText:
        few: dict[str, IPv4Address | IPv6Address] = {}
        found: dict[tuple[int, bool], set[ClientClass]] = {}
        for text, one in addresses.items():
            known = found.setdefault((one.version, one.is_loopback), set())
            complete = len(ClientClass) if one.is_loopback else len(ClientClass) - 1  # which are not this host
            if len(known) < complete and not one.is_link_local and (kind := self._class_of(one)) not in known:
                known.add(kind)
                few[text] = one
        return few

    def clients(self, target: str, addresses: ByText) -> tuple[Client, ...]:
        """Return a client of each class that reaches *target*; the first speaks from the address that is asked.

        *addresses* are those of this host, or the few that stand for them.
        """
        version = ip_address(target).version
        target = _LOOPBACK[version] if ip_address(target).is_unspecified else target
        own = ((text, one) for text, one in addresses.items() if one.version == version and not one.is_link_local)
        near = _LOOPBACK[version]
        is_near = target == near or any(one.is_loopback and one.version == version for one in addresses.values())
        first = ((text, ip_address(text)) for text in (target, *([near] * is_near)))
        found: dict[ClientClass, str] = {}
        for text, address in chain(first, own):
            found.setdefault(self._class_of(address), text)
        other = ip_address(_OTHER_LOOPBACK)
        if is_near and version == 4 and self._class_of(other) is ClientClass.STRANGER:  # noqa: PLR2004
            found.setdefault(ClientClass.STRANGER, _OTHER_LOOPBACK)
        return tuple(Client(kind, address) for kind, address in found.items())

    def _class_of(self, address: IPv4Address | IPv6Address) -> ClientClass:
        if address in _HERE:
            return ClientClass.HERE
        return ClientClass.NETWORK if holds(self.networks, address) else ClientClass.STRANGER


def questions(values: Mapping[str, str], read: Read) -> Asked:
    """Return what to ask listeners of the configuration with these *values*, in which names are expanded."""
    name = values.get("myhostname", "")
    own = list(_domains(values, "mydestination", read))
    local = next(iter(own), "")
    classes = {kind: _of_class(values, maps, domains, read) for kind, (maps, domains) in _CLASSES.items()}
    recipients = {
        "local": [f"{user}@{local}" for user in ("postmaster", "root") if local],
        **{kind: listed or postmasters[:1] for kind, (listed, postmasters) in classes.items()},
        ELSEWHERE: [_FOREIGN],
    }
    guessed = [one for listed, postmasters in classes.values() if not listed for one in postmasters[:1]]
    known = (one.partition("@")[2] for listed, postmasters in classes.values() for one in (*listed, *postmasters))
    return Asked(
        recipients={kind: tuple(found) for kind, found in recipients.items() if found},
        sender=f"postmaster@{local or name}" if _DOMAIN.fullmatch(local or name) else "",
        networks=tuple(words(values.get("mynetworks", ""))),
        guessed=frozenset(guessed),
        unlisted=frozenset(guessed),
        domains=frozenset((*own, *known)),
    )


def _of_class(values: Mapping[str, str], maps: str, domains: str, read: Read) -> tuple[list[str], list[str]]:
    """Return recipients that a table lists, and the postmasters of the domains of the class."""
    keys = [key for word in words(values.get(maps, "")) for key in _keys(word, read)]
    every = [key[1:] for key in keys if key[:1] == "@"]
    listed = islice((key for key in keys if _ADDRESS.fullmatch(key)), _SAMPLES)
    return list(listed), [f"postmaster@{one}" for one in (*every, *_domains(values, domains, read))]


def _domains(values: Mapping[str, str], name: str, read: Read) -> Iterator[str]:
    """Yield the domains of a list: those that are written there, and those of its tables."""
    for word in words(values.get(name, "")):
        for domain in [word] if _DOMAIN.fullmatch(word) else _keys(word, read):
            if _DOMAIN.fullmatch(domain) and "." in domain[1:]:
                yield domain.lstrip(".")


def _keys(reference: str, read: Read) -> list[str]:
    """Return the first keys of a table that is a file."""
    kind, _, path = reference.removeprefix("proxy:").partition(":")
    if kind not in _FILES or not path.startswith("/"):
        return []
    lines = (split_words(line.decode("utf-8", "surrogateescape"), 1) for line in entry_lines(read(path)))
    return [found[0] for found in lines if found]
