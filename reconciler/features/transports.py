"""``transports``: delivery services of the smtp(8) kind, with oneshot and relaylim built in.

*relaylim* opens one connection at a time to a destination. The limit is a parameter of qmgr(8) in main.cf, named after
the transport; as an option of the service it would have no effect. *oneshot* tries once: a delivery status filter turns
every temporary failure into a permanent one, so the bounce quotes the answer of the remote server.

For qmgr(8) a bounce is a delivery, so it never treats such a destination as dead, which would defer mail without the
filter.

Known limit: mail that Postfix can't hand to the transport at all (its process does not start) waits for another try.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from reconciler.features import stock
from reconciler.features.section import Section, SectionValue
from reconciler.model import (
    UNWRITTEN,
    Contribution,
    Finding,
    Parameter,
    Service,
    Table,
    error_at,
    nothing_mentioned,
    warning_at,
)
from reconciler.model.past import PastOf
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Desired, Facts, Where

SECTION = "transports"
ONCE = "oneshot_dsn"
# smtp_delivery_status_filter (postconf(5)): status code and text in, status code and text out.
_ONCE_SOURCE = b"# Every temporary failure of this transport is final.\n/^4(\\.[0-9]+\\.[0-9]+ .*)/  5$1\n"
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Time = Annotated[str, StringConstraints(pattern=r"^(?:[0-9]{1,9}s?|[0-9]{1,5}[mh]|[0-9]{1,3}[dw])$")]


def _leaving(value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if value.is_unspecified or value.is_multicast or "%" in str(value):
        raise PydanticCustomError("malformed-address", 'no connection can start at "{value}"', {"value": str(value)})
    return value


Address = Annotated[IPv4Address | IPv6Address, AfterValidator(_leaving)]


class Transport(Section):
    """One transport; an unset value means Postfix's default.

    *concurrency* is the number of connections to one destination at a time, *rate_delay* the pause between two
    deliveries to it (``2s``), *retry* whether Postfix tries again after a temporary failure, *address* where
    connections start.
    """

    concurrency: Annotated[int, Field(ge=1)] | None = None
    recipient_limit: Annotated[int, Field(ge=1)] | None = None
    rate_delay: Time | None = None
    retry: bool = True
    address: Address | None = None
    helo: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:\[\]-]+$")] | None = None


class Schema(SectionValue[dict[Name, Transport | None]]):
    """Transports by name; null removes a built-in one."""

    @property
    def named(self) -> dict[str, Transport]:
        """Return the transports that are not removed."""
        return {name: transport for name, transport in self.root.items() if transport}


# Postfix's own services of type unix, which a transport of the same name would replace.
RESERVED = names(
    """
    anvil bounce cleanup defer discard dnsblog error flush lmtp local pickup postlog proxymap proxywrite qmgr relay
    retry rewrite scache showq smart_host smtp smtpd tlsmgr tlsproxy trace verify virtual
    """
)
_built_in = PastOf[Service](2)
"""The services of the built-in transports, which are the very same at each push."""
BUILT_IN = {"oneshot": Transport(retry=False), "relaylim": Transport(concurrency=1)}


def services(section: object) -> frozenset[str]:
    """Return the built-in transports and those that the section names, even if the section is invalid."""
    named = section.root if isinstance(section, Schema) else section if isinstance(section, dict) else {}
    return frozenset(f"{name}/unix" for name, transport in (BUILT_IN | named).items() if transport is not None)


def contribute(desired: Desired, facts: Facts, below: Contribution) -> Contribution:  # noqa: ARG001 - a Feature
    """Contribute a service for each transport, its limits in main.cf, and the filter of those that try once."""
    section = desired.section(Schema)
    named = section.named if section else {}
    parameters: dict[str, Parameter] = {}
    services = {}
    built_in = {} if stock.is_left_out(desired) else BUILT_IN
    removed = section.root.keys() - named.keys() if section else set[str]()
    wanted = {name: one for name, one in built_in.items() if name not in removed} | named
    for name, transport in wanted.items():
        places = _Places(desired, name if name in named else "")
        make = partial(_service, name, transport, places, facts)
        service = make() if name in named else _built_in.of(transport, (), make)
        services[service.key] = service
        parameters |= {limit.name: limit for limit in _limits(name, transport, places)}
    once = Table(name=ONCE, type="regexp", source=_ONCE_SOURCE, file=UNWRITTEN.file, origins=(UNWRITTEN,))
    is_used = any(not transport.retry for transport in wanted.values())
    return Contribution(parameters=parameters, services=services, tables={ONCE: once} if is_used else {})


class _Places(NamedTuple):
    """The places of a transport; one without a *name* in the section is built in."""

    desired: Desired
    name: str

    def of(self, *key: str) -> Where:
        """Return the place of a key of the transport, or of the transport."""
        return self.desired.where(SECTION, self.name, *key) if self.name else UNWRITTEN


_LIMITS = {
    "concurrency": "destination_concurrency_limit", "recipient_limit": "destination_recipient_limit",
    "rate_delay": "destination_rate_delay",
}  # fmt: skip


def _limits(name: str, transport: Transport, places: _Places) -> Iterator[Parameter]:
    for key, suffix in _LIMITS.items():
        if (value := getattr(transport, key)) is not None:
            yield Parameter(f"{name}_{suffix}", str(value), places.of(key), SECTION)


def _service(name: str, transport: Transport, places: _Places, facts: Facts) -> Service:
    options = {"syslog_name": f"postfix/{name}"}
    if not transport.retry:
        options["smtp_delivery_status_filter"] = f"regexp:$config_directory/{ONCE}"
    if transport.helo:
        options["smtp_helo_name"] = transport.helo
    if transport.address:
        option = "smtp_bind_address6" if isinstance(transport.address, IPv6Address) else "smtp_bind_address"
        options[option] = str(transport.address)
        if "smtp_bind_address_enforce" in facts.parameters:
            options["smtp_bind_address_enforce"] = "yes"  # otherwise mail would leave from the default address
    keys = {"smtp_helo_name": ["helo"], "smtp_bind_address": ["address"], "smtp_bind_address6": ["address"]}
    overrides = tuple(
        Parameter(option, value, places.of(*keys.get(option, ())), name) for option, value in options.items()
    )
    return Service(name=name, type="unix", command="smtp", overrides=overrides, where=places.of())


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - a Feature
    """Check that no transport replaces a service of Postfix, and that limits apply to destinations."""
    section = desired.section(Schema)
    for name in section.root.keys() - section.named.keys() - BUILT_IN.keys() if section else ():
        where = desired.where(SECTION, name)
        if where.file == UNWRITTEN.file:  # in hosts/ it removes a transport of mail.yaml
            what = f'transport "{name}" has no value, and null removes built-in ones only; write {name}: {{}}'
            yield error_at("empty-transport", where, what, name)
    for name, transport in section.named.items() if section else ():
        if name in RESERVED:
            what = f'transport "{name}" has the name of a service that Postfix needs; choose another name'
            yield error_at("reserved-transport", desired.where(SECTION, name), what, name)
        limits = {"concurrency": transport.concurrency, "rate_delay": transport.rate_delay}
        if transport.recipient_limit == 1 and (limited := " and ".join(key for key, value in limits.items() if value)):
            what = (
                f'with recipient_limit 1, {limited} of transport "{name}" would apply to each recipient instead of'
                f" each destination; did you mean recipient_limit: 2?"
            )
            where = desired.where(SECTION, name, "recipient_limit")
            yield warning_at("limit-by-recipient", where, what, name)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "empty-transport": (
        "A transport has no value. In YAML that means null, which removes a built-in transport, and this name is none. "
        "Write its values, or {} for Postfix's defaults."
    ),
    "reserved-transport": (
        'A transport under "transports:" has the name of a service with another purpose. It would replace that '
        "service, and mail for the service would fail. Choose another name."
    ),
    "limit-by-recipient": (
        "A transport delivers to one recipient at a time (recipient_limit: 1). Postfix then applies connection limits "
        "and pauses to each recipient, so connections to a destination are no longer limited. Write recipient_limit: "
        "2, or leave it out."
    ),
}
