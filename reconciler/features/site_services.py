"""The services in a site's own files of master.d, ``master.d/siteNN-NAME.cf``, which may only deliver.

A person who may write them must not be able to take over other services, or to run programs. Pure. Raises nothing.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reconciler.features.site_files import site_of
from reconciler.model import Finding, Service, Where, did_you_mean, error_at, warning_at
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OPTIONS = names(
    """
    inet_protocols smtp_address_preference smtp_bind_address smtp_bind_address6 smtp_bind_address_enforce
    smtp_connect_timeout smtp_connection_cache_on_demand smtp_helo_name smtp_helo_timeout smtp_mail_timeout
    smtp_rcpt_timeout smtp_tls_loglevel smtp_tls_security_level smtp_tls_wrappermode syslog_name
    """
)
BIND = {4: "smtp_bind_address", 6: "smtp_bind_address6"}
_UNOWNED = re.compile(r"master\.d/site[-_]?0*([1-9][0-9]{0,8})(?:[-_][^/]*)?\.cf")


def owner_of(service: Service) -> str:
    """Return the site whose files contain a service; empty for all other services."""
    return site_of(service.where.file)


def bound(services: Iterable[Service]) -> Iterator[tuple[str, str, Where]]:
    """Yield the addresses in sites' own files of master.d; another rule reports malformed ones."""
    for service in services:
        for option in service.overrides if owner_of(service) else ():
            if option.name in BIND.values():
                try:
                    yield str(ip_address(option.value)), owner_of(service), option.where
                except ValueError:
                    continue


def owned(service: Service) -> Iterator[Finding]:
    """Check a service in a site's own file of master.d."""
    match = _UNOWNED.fullmatch(service.where.file)
    if match and not owner_of(service):
        what = (
            f'"{match[0]}" belongs to no site, and would stay when site{match[1]} leaves; did you mean'
            f" master.d/site{match[1]}-NAME.cf?"
        )
        where = Where(match[0])
        yield warning_at("unowned-service", where, what, match[0])
    name = owner_of(service)
    if not name:
        return
    if service.type != "unix" or service.command != "smtp" or service.arguments:
        got = " ".join((service.type, service.command, *service.arguments))
        what = f'service "{service.name}" of {name}: a site may have only smtp services of type unix, got "{got}"'
        yield error_at("site-service", service.where, what, service.key)
    for option in service.overrides:
        if option.name not in OPTIONS:
            hint = did_you_mean(option.name, OPTIONS) or "; move it to a file of the host"
            what = f'service "{service.name}" of {name}: a site may not set "{option.name}"{hint}'
            yield error_at("site-service", option.where, what, f"{service.key} {option.name}")
