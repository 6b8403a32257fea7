"""The world of a rehearsal: a second network that holds every address there is, with a name server and mail servers.

Promises: whatever the candidate sends to any address arrives here, with the address it came from; every name exists;
who connects from here may come from any address. The two networks end with their processes. Raises OSError when the
kernel does not do it (no veth, no rights).

Known limits: a DNS answer says what would let mail pass: names exist, block lists are empty, no zone has TLSA records.
Where IPv6 alone is spoken, names have IPv6 addresses alone; else IPv4 addresses alone. A host that has only loopback
addresses gets one more, or no mail could leave it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reconciler.rehearsal.inside.network import FAR, LINK_OF, NEAR
from reconciler.rehearsal.inside.smtp_client import connect_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reconciler.rehearsal.inside import messages
    from reconciler.rehearsal.inside.network import Network

# IP_TRANSPARENT, which lets a client bind to any address (ip(7)); Python 3.11 has no name for it.
_TRANSPARENT = {socket.AF_INET: (socket.IPPROTO_IP, 19), socket.AF_INET6: (socket.IPPROTO_IPV6, 75)}
_PATIENCE = 10.0
_SPACE = 0xC6120000  # 198.18.0.0/15 is for tests of networks (RFC 2544)
_SPACE6 = 0x20010DB8FFFF << 80  # as _WORLD6 of master_cf.py, documentation's (RFC 3849)
_SENDERS = {4: "192.0.0.8/32", 6: "2001:db8:fffe::8/128"}  # the dummy address (RFC 7600), documentation's (RFC 3849)
_A, _NS, _PTR, _MX, _AAAA = 1, 2, 12, 15, 28
_FOUR = re.compile("[0-9]+(?:-[0-9]+){3}")  # an IPv4 address in a client's name
# A DNS list is asked for a name that begins with an address in reverse, and so is a PTR record, but below arpa.
_BLOCK_LIST = re.compile(r"(?:\d{1,3}\.){4}(?!in-addr\.arpa)|(?:[0-9a-f]\.){32}(?!ip6\.arpa)", re.ASCII)


class World:
    """What is on the other network: its addresses, its name server, and what listens there."""

    def __init__(self, description: messages.WorldParameters, tls: ssl.SSLContext, network: Network) -> None:
        self.tls, self.there = tls, network.there
        self.received: list[messages.Message] = []
        self._speaks_only_ipv6 = description["speaks_only_ipv6"]
        self._addresses = _with_a_sender(description["addresses"], 6 if self._speaks_only_ipv6 else 4)
        self._networks = description["networks"]
        self._names, self._block_lists = description["names"], tuple(description["block_lists"])
        network.set_up(self._near(), self._far())

    def _near(self) -> list[str]:
        """The host's side: its addresses with their real prefixes, and everything else through one wire."""
        lines = list[str]()
        for text, own in self._addresses.items():
            if own.is_loopback:
                lines.append(f"addr replace {text} dev lo")
            elif not own.is_link_local:
                # Without a route to its prefix, so that the neighbours are in the world as well.
                lines.append(f"addr add {text} dev {NEAR} noprefixroute" + (" nodad" if own.version == 6 else ""))  # noqa: PLR2004
        lines += [f"route add local {network} dev {NEAR}" for network in self._networks]
        # The gateways need not exist: their link addresses are given, so that nothing waits for ARP.
        for everything, gateway in (("0.0.0.0/0", "169.254.255.254"), ("::/0", "fe80::ffff")):
            lines.append(f"neigh add {gateway} lladdr {LINK_OF[FAR]} nud permanent dev {NEAR}")
            lines.append(f"route add {everything} via {gateway} dev {NEAR} onlink")
        return lines

    def _far(self) -> list[str]:
        """The world's side: every address is local there, but for the host's own."""
        lines = list[str]()
        near = [own for own in self._addresses.values() if not own.is_loopback and not own.is_link_local]
        # Together, and by one neighbour of each family, because a host of many sites has thousands.
        for gateway, version in (("169.254.255.253", 4), ("fe80::fffe", 6)):
            family: list[Any] = [own for own in near if own.version == version]
            networks: list[Any] = list(ipaddress.collapse_addresses(family))  # it takes addresses as well, and faster
            networks += self._networks if version == 4 else []  # noqa: PLR2004 - IPv4
            lines += [f"neigh add {gateway} lladdr {LINK_OF[NEAR]} nud permanent dev {FAR}"] * bool(networks)
            lines += [f"route add {network} via {gateway} dev {FAR} onlink" for network in networks]
        # At last, because no gateway may be local.
        return [*lines, *(f"route add local {every} dev lo table main" for every in ("0.0.0.0/0", "::/0"))]

    def connect(self, client: str, server: str, port: int, timeout: float) -> socket.socket:
        """Connect to the host from an address of the world."""
        transparent = _TRANSPARENT[socket.AF_INET6 if ":" in client else socket.AF_INET]
        return self.there(lambda: connect_from(client, server, port, timeout, (*transparent, 1)))

    def listen(self, port: int, serve: Callable[[socket.socket], None]) -> None:
        """Serve every address of the world on that port."""

        def opened() -> socket.socket:
            if not socket.has_dualstack_ipv6():
                return socket.create_server(("", port), backlog=64)
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)

        accept(self.there(opened), serve)

    # ---- the name server, which the host finds at 127.0.0.1 ----------------------------------------------------------

    def serve_names(self) -> None:
        """Answer DNS queries (RFC 1035) on the host's loopback; a taken port is somebody else's name server."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 53))

        def serve() -> None:
            while True:
                query, client = server.recvfrom(4096)
                with suppress(OSError, struct.error, IndexError, ValueError):
                    server.sendto(self.answer(query), client)

        threading.Thread(target=serve, name="names", daemon=True).start()

    def answer(self, query: bytes) -> bytes:
        """The response to one query."""
        name, end = _name(query, 12)
        kind = int.from_bytes(query[end : end + 2], "big")
        records = [] if self._is_absent(name) else self._records(name, kind)
        question = query[12 : end + 4]
        code = 0 if records or not self._is_absent(name) else 3
        header = query[:2] + struct.pack(">HHHHH", 0x81A0 | code, 1, len(records), 0, 0)
        parts = [b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data for data in records]
        return header + question + b"".join(parts)

    def _is_absent(self, name: str) -> bool:
        return bool(_BLOCK_LIST.match(name)) or name.endswith(self._block_lists)

    def _records(self, name: str, kind: int) -> list[bytes]:
        if kind == _PTR:
            return [_encoded(self._client_name(name))]
        if kind == _MX:
            return [struct.pack(">H", 10) + _encoded(name if name.startswith("mx.") else f"mx.{name}")]
        if kind == _NS:
            return [_encoded("ns.rehearsal.example")]
        if kind not in {_A, _AAAA}:
            return []
        addresses = [ipaddress.ip_address(text) for text in self._names.get(name) or self._addresses_of(name)]
        return [address.packed for address in addresses if (address.version == 4) == (kind == _A)]  # noqa: PLR2004 - IPv4

    def _addresses_of(self, name: str) -> list[str]:
        """A client's own name leads back to its address; any other name to one that follows from it."""
        if match := re.match(r"client-([0-9a-f-]+)\.rehearsal\.example\Z", name):
            text = match[1]
            return [text.replace("-", "." if _FOUR.fullmatch(text) else ":")]
        # Multiplicative hashing: a name has the same address in every rehearsal, and its neighbours have others.
        number = int.from_bytes(name.encode()[-16:].rjust(16, b"\0"), "big") * 2654435761 % (1 << 17) or 1
        return [str(ipaddress.ip_address(_SPACE6 + number if self._speaks_only_ipv6 else _SPACE + number))]

    def _client_name(self, name: str) -> str:
        labels = name.split(".")
        if name.endswith(".in-addr.arpa"):
            address = ".".join(reversed(labels[:4]))
        else:
            digits = "".join(reversed(labels[:32]))
            address = str(ipaddress.ip_address(int(digits, 16).to_bytes(16, "big")))
        known = next((own for own, addresses in self._names.items() if address in addresses), None)
        return known or f"client-{address.replace('.', '-').replace(':', '-')}.rehearsal.example"


def _with_a_sender(texts: list[str], version: int) -> dict[str, ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Return the host's addresses by their texts with prefixes, with one of ours where all are loopback.

    From a loopback address nothing leaves a host.
    """
    addresses = {text: ipaddress.ip_address(text.partition("/")[0]) for text in texts}
    if any(own.version == version and not (own.is_loopback or own.is_link_local) for own in addresses.values()):
        return addresses
    return {**addresses, _SENDERS[version]: ipaddress.ip_address(_SENDERS[version].partition("/")[0])}


def _name(message: bytes, start: int) -> tuple[str, int]:
    labels = []
    while length := message[start]:
        labels.append(message[start + 1 : start + 1 + length].decode("ascii", "replace").lower())
        start += 1 + length
    return ".".join(labels), start + 1


def _encoded(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    """Serve each connection in a thread of its own."""

    def session(connection: socket.socket) -> None:
        connection.settimeout(_PATIENCE)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or pipelined replies wait 40 ms
        with connection, suppress(OSError, ValueError, EOFError):
            serve(connection)

    def loop() -> None:
        while True:
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=session, args=(connection,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


def context(certificate: Path) -> ssl.SSLContext:
    """TLS for a server, of a certificate and its key in one PEM file."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made
