"""``reconciler probe`` shows whether a server accepts mail from this host, and if not, why and which setting helps.

The probe acts as Postfix on this host would: as its user, with the address and name of the transport, and with the TLS
level that is live for the destination. It queries DNS and reads tables as root; then the process becomes the mail
system's user permanently, and only then connects to the server. It sends no message. All of it, with DNS and the
programs of Postfix, ends by one deadline. Exit status: 0 the server accepts
mail, 1 it does not, 64 wrong usage.

Known limits: the probe ignores tables/transport, because the command names the server. It does not log in to a smart
host.
"""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import click

from reconciler.commands.console import Context, say_all
from reconciler.commands.probe import call
from reconciler.commands.probe.diagnosis import Diagnosis, Failure, Seen, Sending, Shown, Tlsa, diagnose
from reconciler.host.dns import resolver
from reconciler.host.facts import gather
from reconciler.host.pem import prepare
from reconciler.host.programs import postmap
from reconciler.model import Contribution, did_you_mean, printable
from reconciler.model.ascii_text import SPACE, is_digits, split_words
from reconciler.postfix.nexthops import bad_nexthop, mail_routes, port_names
from reconciler.postfix.scopes import Scope
from reconciler.postfix.syntax import read_main, read_master
from reconciler.trees.plan import MAIN, MASTER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from reconciler.apply.edges import Edges
    from reconciler.host.dns.resolver import Answer

_NEXTHOP = re.compile(r"\[(?P<literal>[^\]]+)\](?::(?P<port>.+))?|(?P<domain>[^:]+)(?::(?P<with>.+))?")
_SMTP = 25
_MOST, _MOST_SERVERS = 5, 10
_BRIEFLY = 0.1  # seconds for a query in DNS after the deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The servers to call and the way to call them, from the command line and the live configuration."""

    sending: Sending
    user: str
    bracketed: bool
    port: int
    kinds: tuple[str, ...]
    native: bool
    sources: dict[int, str]
    only_from: str
    ca_file: str
    ca_path: str
    relayhost: str
    timeout: float
    deadline: float

    def rest(self) -> float:
        """Return the seconds until the deadline, for the next query in DNS."""
        return min(resolver.LIFETIME, max(self.deadline - time.monotonic(), _BRIEFLY))


@click.command("probe")
@click.argument("destination", metavar="HOST[:PORT]")
@click.option("--transport", default="", help="Use the address, name and TLS of this transport.")
@click.option("--from-address", "source", default="", help="Connect from this address.")
@click.option("--sender", default="", help="The envelope sender; default: postmaster of this host.")
@click.option("--recipient", default="", help="The envelope recipient; default: postmaster of HOST.")
@click.option(
    "--timeout", type=click.FloatRange(0.1, 600), default=30.0, show_default=True, help="Seconds to wait for a reply."
)
@click.option(
    "--deadline", type=click.FloatRange(1, 3600), default=120.0, show_default=True, help="Seconds for the whole probe."
)
@click.option("--verbose", "-v", is_flag=True, help="Show every line of the conversation.")
@click.option("--json", "json_output", is_flag=True, help="Machine-readable output, stable.")
@click.pass_obj
def probe_command(
    context: Context, /, destination: str, *, verbose: bool, json_output: bool, **options: str | float
) -> None:
    r"""Test whether a server accepts mail.

    If not, shows why, and which setting helps. Connects as Postfix would, with its user, address, name and TLS level,
    and sends MAIL and RCPT, but no message. If the server offers no TLS, continues in clear text, because the
    server's next replies often show the reason.

    \b
    Examples:
      reconciler probe example.com                    the MX hosts of the domain
      reconciler probe '[mail.relay.com]:587'         this host only, as in smart_host
      reconciler probe example.com --transport mydomain.com-out
      reconciler probe example.com --recipient ada@example.com -v

    Exit status: 0 the server accepts mail, 1 it does not.
    """
    edges, deadline = context.permitted(), time.monotonic() + float(options["deadline"])
    with edges.host.within(float(options["deadline"])):
        way = _way(edges, destination, {**options, "deadline": deadline})
    servers, lost = _servers(way)
    if servers:
        prepare()
        edges.host.become(way.user)
    seen = [lost] if lost else _call(way, servers)
    diagnosis = diagnose(way.sending, seen[-1])
    if json_output:
        click.echo(json.dumps(_data(way, seen, diagnosis)))
    else:
        say_all(_lines(way, seen, diagnosis, verbose=verbose))
    sys.exit(0 if diagnosis.delivers else 1)


# ---- the way of Postfix ----------------------------------------------------------------------------------------------


def _way(edges: Edges, destination: str, options: Mapping[str, Any]) -> Way:
    scope = _scope(edges, options["transport"])
    if problem := bad_nexthop(destination, mail_routes(scope.merged, scope.facts)):
        raise click.UsageError(printable(re.sub(r", and smtp would die at every delivery", "", problem)))
    match = _NEXTHOP.fullmatch(destination)
    if not match or len(split_words(destination)) != 1:
        raise click.UsageError(f'expected HOST, [HOST], HOST:PORT or [HOST]:PORT, got "{printable(destination)}"')
    host = (match["literal"] or match["domain"]).removeprefix("IPv6:").lower().rstrip(".")
    port = match["port"] or match["with"] or str(_SMTP)
    hostname = scope.value("myhostname") or scope.facts.host
    kinds = {"ipv4": ("A",), "ipv6": ("AAAA",)}.get(scope.value("inet_protocols"), ("A", "AAAA"))
    sending = Sending(
        nexthop=destination.lower(),
        domain=host,
        level=_level(edges, scope, destination.lower()),
        wrapped=scope.is_on("smtp_tls_wrappermode"),
        helo=scope.value("smtp_helo_name") or hostname,
        sender=_address(options["sender"] or f"postmaster@{hostname}"),
        recipient=_address(options["recipient"] or f"postmaster@{_literal(host)}"),
    )
    return Way(
        sending=sending,
        user=scope.value("mail_owner"),
        bracketed=bool(match["literal"]) or _is_address(host),
        port=int(port) if is_digits(port) else port_names(scope)[port],
        kinds=kinds,
        native="native" in scope.words("smtp_host_lookup"),
        sources=_sources(scope, options["source"]),
        only_from=options["source"],
        ca_file=scope.value("smtp_tls_CAfile"),
        ca_path=scope.value("smtp_tls_CApath"),
        relayhost=scope.value("relayhost").strip(SPACE),
        timeout=options["timeout"],
        deadline=options["deadline"],
    )


def _scope(edges: Edges, transport: str) -> Scope:
    """Return the live parameters as the transport sees them."""
    directory = edges.settings.config_directory
    parameters, _ = read_main((directory / MAIN).read_text("utf-8", "surrogateescape"), MAIN)
    entries, _ = read_master((directory / MASTER).read_text("utf-8", "surrogateescape"), MASTER)
    services = {entry.key: entry for entry in entries}
    main = Scope(Contribution(parameters=parameters, services=services), gather(edges.host, edges.settings))
    known = [one.name for one in entries if one.type == "unix" and one.command == "smtp"]
    name = transport or main.value("default_transport").partition(":")[0]
    if transport and transport not in known:
        hint = did_you_mean(transport, known) or f"; the transports are {', '.join(sorted(known))}"
        raise click.UsageError(f'there is no smtp transport "{printable(transport)}"{hint}')
    return replace(main, service=services.get(f"{name}/unix") or services.get("smtp/unix"))


def _level(edges: Edges, scope: Scope, nexthop: str) -> str:
    """Return the TLS level for the nexthop: from smtp_tls_policy_maps, parent domains included, else the default."""
    keys = [nexthop]
    if re.fullmatch(r"[^\[\]:]+", nexthop):
        labels = nexthop.split(".")
        keys += ["." + ".".join(labels[number:]) for number in range(1, len(labels))]
    for key in keys:
        for table in scope.words("smtp_tls_policy_maps"):
            if found := split_words(postmap.query(edges.host, edges.settings.config_directory, table, key)):
                return found[0].lower()
    if level := scope.value("smtp_tls_security_level").lower():
        return level
    enforced, used = scope.is_on("smtp_enforce_tls"), scope.is_on("smtp_use_tls")
    return "encrypt" if enforced else "may" if used else "none"


def _sources(scope: Scope, source: str) -> dict[int, str]:
    """Return the address to connect from, by IP version."""
    if source:
        try:
            return {ip_address(source).version: source}
        except ValueError:
            raise click.UsageError(f'--from-address: "{printable(source)}" is not an IP address') from None
    own = {4: scope.value("smtp_bind_address"), 6: scope.value("smtp_bind_address6")}
    return {version: address for version, address in own.items() if address}


def _address(text: str) -> str:
    if text == "<>":
        return ""
    if not re.fullmatch(r"[^\s<>\x00-\x1f\x7f]+", text, re.ASCII):
        raise click.UsageError(f'"{printable(text)}" is not a mail address')
    return text


def _literal(host: str) -> str:
    """Return a host in the form for the part of an address after the at sign (RFC 5321, 4.1.3)."""
    if not _is_address(host):
        return host
    return f"[IPv6:{host}]" if ":" in host else f"[{host}]"


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


# ---- the servers -----------------------------------------------------------------------------------------------------


def _servers(way: Way) -> tuple[list[call.ProbedServer], Seen | None]:
    """Return the addresses to try in order, or the reason why there are none."""
    domain = way.sending.domain
    hosts, secure = (domain,), True
    if not way.bracketed and not way.native:
        mx = resolver.exchangers(domain, way.rest())
        if lost := _lost(way, domain, mx):
            return [], lost
        hosts, secure = tuple(mx.found) or hosts, mx.secure
    servers, lost = [], None
    for host in hosts[:_MOST]:
        answer = _addresses(host, way)
        lost = lost or _lost(way, host, answer)
        records = _records(host, way, secure=secure and answer.secure)
        servers += [
            call.ProbedServer(
                host=host, address=address, port=way.port, records=records, ca_file=way.ca_file, ca_path=way.ca_path,
                timeout=way.timeout, deadline=way.deadline,
            )
            for address in answer.found
        ]  # fmt: skip
    unknown = Seen(host=domain, port=way.port, failure=Failure.NO_SUCH_HOST, why=f"{domain} has no address")
    return servers[:_MOST_SERVERS], None if servers else lost or unknown


def _addresses(host: str, way: Way) -> Answer:
    if _is_address(host):
        return resolver.Answer((host,))
    return resolver.addresses(host, way.kinds, native=way.native, lifetime=way.rest())


def _lost(way: Way, host: str, answer: Answer) -> Seen | None:
    """Return why there is no server to call."""
    if answer.found == ("",):
        return Seen(host=host, port=way.port, failure=Failure.NO_MAIL)
    if answer.missing:
        return Seen(host=host, port=way.port, failure=Failure.NO_SUCH_HOST, why=f"{host} does not exist")
    if answer.problem and not answer.found:
        return Seen(host=host, port=way.port, failure=Failure.NO_ANSWER_FROM_DNS, why=answer.problem)
    return None


def _records(host: str, way: Way, *, secure: bool) -> tuple[resolver.Association, ...]:
    """Return the TLSA records that Postfix would use."""
    if not secure or not way.sending.level.startswith("dane"):
        return ()
    answer = resolver.associations(host, way.port, way.rest())
    return tuple(answer.found) if answer.secure else ()


def _call(way: Way, servers: list[call.ProbedServer]) -> list[Seen]:
    """Call one server after the other, until one completes the conversation."""
    seen: list[Seen] = []
    for server in servers:
        version = ip_address(server.address).version
        if way.only_from and version not in way.sources:
            continue
        seen.append(call.call(replace(server, source=way.sources.get(version, "")), way.sending))
        if not seen[-1].failure or time.monotonic() >= way.deadline:
            break
    return seen or [
        Seen(host=servers[0].host, port=way.port, failure=Failure.UNREACHABLE, why="no address of that IP version")
    ]


# ---- the output ------------------------------------------------------------------------------------------------------


def _lines(way: Way, seen: list[Seen], diagnosis: Diagnosis, *, verbose: bool) -> Iterator[str]:
    sending = way.sending
    relay = way.relayhost and sending.nexthop not in {way.relayhost.lower(), way.relayhost.strip("[]").lower()}
    if relay:
        yield f"mail that leaves goes to {way.relayhost} (relayhost); this probe tests {sending.nexthop} anyway"
    yield f"as {way.user}, EHLO {sending.helo}, TLS level {sending.level}"
    for one in seen:
        yield ""
        yield f"{one.place}{f' from {one.source}' if one.source else ''}"
        rows = _conversation(one)
        yield from (f"  | {printable(line)}" for line in one.transcript) if verbose else rows
    yield ""
    yield f"{diagnosis.case}: {diagnosis.text}"
    yield from (f"  {line}" for line in diagnosis.advice)


def _conversation(seen: Seen) -> Iterator[str]:
    """Yield a line for each part of the conversation."""
    for label, what in _rows(seen):
        if what:
            yield f"  {label:<12} {printable(str(what))}"


def _rows(seen: Seen) -> Iterator[tuple[str, object]]:
    if seen.failure:
        yield "connection", f"{seen.failure.value.replace('-', ' ')}{f' ({seen.why})' if seen.why else ''}"
    yield "greeting", seen.greeting
    if seen.hello and not seen.wrapped:
        refused = seen.starttls and not (seen.shown or seen.handshake)
        yield "STARTTLS", seen.starttls if refused else "offered" if "STARTTLS" in seen.offered else "not offered"
    yield "handshake", seen.handshake
    if seen.shown:
        yield "certificate", _certificate(seen.shown)
        if seen.shown.tlsa is not Tlsa.NONE:
            yield "TLSA", seen.shown.tlsa.value
    if seen.hello:
        yield "login", " ".join(seen.logins) or "not offered"
    yield "MAIL", seen.mail
    yield "RCPT", seen.recipient


def _certificate(shown: Shown) -> str:
    certificate = shown.certificate
    names = ", ".join(certificate.names[:_MOST]) + (", ..." if len(certificate.names) > _MOST else "")
    until = "expired" if certificate.days < 0 else f"{certificate.days} days left"
    trust = shown.untrusted or f"trusted by {shown.anchors}"
    return printable(f"{shown.protocol}; for {names or 'no name'}; {until}; {trust}")


def _data(way: Way, seen: list[Seen], diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        **asdict(way.sending), "user": way.user, "case": diagnosis.case, "delivers": diagnosis.delivers,
        "text": diagnosis.text, "advice": list(diagnosis.advice), "tried": [_shown_data(one) for one in seen],
    }  # fmt: skip


def _shown_data(seen: Seen) -> dict[str, Any]:
    shown = seen.shown
    certificate = shown and {
        "names": list(shown.certificate.names), "days": shown.certificate.days, "protocol": shown.protocol,
        "untrusted": shown.untrusted, "tlsa": shown.tlsa.value,
    }  # fmt: skip
    replies = {
        name: str(reply) if reply else None
        for name, reply in (
            ("greeting", seen.greeting), ("hello", seen.hello), ("starttls", seen.starttls), ("mail", seen.mail),
            ("rcpt", seen.recipient),
        )
    }  # fmt: skip
    return {
        "host": seen.host, "address": seen.address, "port": seen.port, "from": seen.source,
        "failure": seen.failure.value, "why": seen.why, "wrapped": seen.wrapped, **replies,
        "features": list(seen.offered), "auth": list(seen.logins), "handshake": seen.handshake,
        "certificate": certificate, "transcript": list(seen.transcript),
    }  # fmt: skip
