"""Write delivery services of smtp(8), with their limits in main.cf, as ``transports``. Pure; raises nothing.

Known limits: only a service that says nothing else than a transport can say, and logs under its own name; and only if
the commit has no such section yet.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from reconciler.desired.offers.mail_text import before_parameters, without
from reconciler.desired.offers.master_text import WRITTEN_ANEW, is_outside_chroot, without_services
from reconciler.desired.offers.offer import MAIL, Offer, plural
from reconciler.desired.yaml_editor import scalar
from reconciler.features import transports
from reconciler.model.ascii_text import is_digits
from reconciler.postfix.syntax import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.desired.offers.offer import Ground
    from reconciler.model import Service

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z", re.ASCII)
_HELO = re.compile(r"[A-Za-z0-9.:\[\]-]+\Z", re.ASCII)
_LIMITS = {
    "concurrency": "destination_concurrency_limit", "recipient_limit": "destination_recipient_limit",
    "rate_delay": "destination_rate_delay",
}  # fmt: skip
_UNITS = "smhdw"
_ADDRESSES = ("smtp_bind_address", "smtp_bind_address6")
_ENFORCED = "smtp_bind_address_enforce"
_KNOWN = {"syslog_name", "smtp_helo_name", _ENFORCED, *_ADDRESSES}


class _Found(NamedTuple):
    """A service that can be a transport, its values, and the parameters that become some of them."""

    service: Service
    values: dict[str, str]
    limits: tuple[str, ...]


def find(ground: Ground) -> Offer | None:
    """Offer the section."""
    if ground.desired.section(transports.Schema) is not None:
        return None
    found = [one for service in ground.desired.services if (one := _found(service, ground))]
    if not found:
        return None
    mail, lines = ground.mail, [f"{transports.SECTION}:"]
    taken = without_services(ground, [one.service for one in found])
    for one in found:
        shorter = without(mail, one.limits)
        if {*shorter.names} != {*one.limits}:
            return None
        mail = shorter.text
        values = ", ".join(f"{key}: {scalar(value)}" for key, value in one.values.items())
        lines += [f"  {comment}" for comment in (*taken.comments[one.service.key], *shorter.comments)]
        lines.append(f"  {one.service.name}: {{{values}}}")
    names = ", ".join(one.service.name for one in found)
    unenforced = [one for one in found if _ENFORCED in ground.facts.parameters and _is_unenforced(one)]
    return Offer(
        summary=f"write {plural(len(found), 'delivery service')} and the limits in main.cf as transports ({names})",
        files={MAIL: before_parameters(mail, lines).encode(), **taken.files},
        moved=frozenset(one.service.key for one in found), changed=frozenset({_ENFORCED} if unenforced else ()),
        confirm=(
            WRITTEN_ANEW,
            *(f"mail of {one.service.name} waits if this host loses {one.values['address']}, and no longer leaves from"
              " another address" for one in unenforced),
        ),
    )  # fmt: skip


def _found(service: Service, ground: Ground) -> _Found | None:
    """Return a service as a transport, or None if a transport can't say the same."""
    options = {option.name: one_line(option.value) for option in service.overrides}
    own_name = {f"postfix/{service.name}", "postfix/$service_name", "postfix/${service_name}"}
    fields = (service.type, service.command, service.private, service.unprivileged, service.wakeup, service.maxproc)
    if (
        fields != ("unix", "smtp", "-", "-", "-", "-") or service.arguments or options.keys() - _KNOWN
        or not is_outside_chroot(service, ground) or options.get("syslog_name") not in own_name
        or service.name in transports.RESERVED or service.name in transports.BUILT_IN or not _NAME.match(service.name)
    ):  # fmt: skip
        return None
    values = dict(_places(options, ground))
    limits: dict[str, str] = {}
    for key, suffix in _LIMITS.items():
        if written := ground.written(f"{service.name}_{suffix}"):
            if not is_digits(written.value[:-1] + written.value[-1:].rstrip(_UNITS if key == "rate_delay" else "")):
                return None
            values[key], limits[key] = written.value, written.name
    if len(values) - len(limits) != len(options.keys() - {"syslog_name", _ENFORCED}):
        return None
    return _Found(service, values, tuple(limits.values()))


def _is_unenforced(found: _Found) -> bool:
    return "address" in found.values and found.service.options.get(_ENFORCED) != "yes"


def _places(options: dict[str, str], ground: Ground) -> Iterator[tuple[str, str]]:
    """Yield the values of a transport that options of the service become."""
    address = [options[name] for name in _ADDRESSES if name in options]
    is_known = _ENFORCED not in options or _ENFORCED in ground.facts.parameters
    if len(address) == 1 and is_known and is_address(address[0], 6 if _ADDRESSES[1] in options else 4):
        yield "address", address[0]
    if _HELO.match(options.get("smtp_helo_name", "")):
        yield "helo", options["smtp_helo_name"]


def is_address(text: str, version: int) -> bool:
    """Return whether connections can start at an address of that version, which is written as Python would."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address.version == version and str(address) == text and not (address.is_unspecified or address.is_multicast)
