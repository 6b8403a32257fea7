"""What a filter hands back must not go to the filter again, and what one listener knows, the rest must know too.

Raises nothing; all findings are warnings.

Known limit: only a filter that is reached by SMTP or LMTP on this host is judged, and a listener on a loopback address
counts as its way back if no listener is without the filter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.restrictions import smtpd_scopes
from reconciler.postfix.routes import transport_of
from reconciler.postfix.scopes import Scope
from reconciler.postfix.strangers import is_inner
from reconciler.postfix.vocabulary import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.model import Contribution, Desired, Facts, Finding

_HERE = re.compile(r"(?:inet:)?\[?(?:127\.[\d.]+|localhost|::1|ipv6:::1)\]?:(?P<port>\w+)", re.IGNORECASE | re.ASCII)
_FOR_CLIENTS = frozenset({"25", "smtp", "465", "smtps", "submissions", "587", "submission"})
# What smtpd asks only whether a recipient or sender exists; cleanup rewrites by its own setting.
_REWRITING = names("canonical_maps recipient_canonical_maps sender_canonical_maps virtual_alias_maps")


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that filtered mail comes back to a listener without the filter, and that aliases of one have a cleanup."""
    main, servers = Scope(merged, facts), smtpd_scopes(merged, facts)
    for name in ("content_filter", "smtpd_proxy_filter"):
        yield from _again(main, servers, name)
    for scope in servers:
        yield from _half_read(main, scope)


def _again(main: Scope, servers: Sequence[Scope], name: str) -> Iterator[Finding]:
    parameter, value = main.parameter(name), main.value(name)
    if not parameter or not value or any(not scope.value(name) for scope in servers):
        return
    hop = value
    if name == "content_filter":
        service = main.merged.services.get(f"{transport_of(value)}/unix")
        hop = value.partition(":")[2] if service and service.command in {"smtp", "lmtp"} else ""
    if not (match := _HERE.fullmatch(hop)):
        return
    for scope in servers:
        service = scope.service
        inner = service and service.type == "inet" and ":" in service.name and is_inner(scope)
        if service and inner and service.name.rpartition(":")[2] not in {*_FOR_CLIENTS, match["port"]}:
            what = (
                f'{name} holds for every listener: what the filter hands back to "{service.name}" goes to it again,'
                f' until there are too many hops; give that listener the option "-o {name}="'
            )
            yield main.warning("filtered-again", parameter, what, service.name)
            return


def _half_read(main: Scope, scope: Scope) -> Iterator[Finding]:
    service = main.merged.services.get(f"{scope.value('cleanup_service_name')}/unix")
    cleanup = Scope(main.merged, main.facts, service) if service else main
    for parameter in scope.written:
        value = scope.expanded(parameter.value)
        if parameter.name in _REWRITING and value and value != cleanup.value(parameter.name):
            what = (
                f"smtpd asks {parameter.name} only whether an address exists, and cleanup rewrites by its own: such"
                " mail would be accepted, and bounce; give the listener a cleanup of its own with cleanup_service_name,"
                " and the option to that"
            )
            yield scope.warning("read-by-half", parameter, what)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "filtered-again": (
        "A filter for all mail also holds for the listener that takes the mail back from the filter, so each message "
        "goes round until it has too many hops, and bounces. Give that listener an empty content_filter (or "
        "smtpd_proxy_filter) as an option."
    ),
    "read-by-half": (
        "An option of a listener sets a table of aliases or rewriting. smtpd only asks it whether an address exists; "
        "cleanup does the rewriting, with the table of main.cf. Give the listener a cleanup service of its own, and "
        "set the table as an option of that service."
    ),
}
