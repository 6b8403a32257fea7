"""Each transport that a setting names must be a service, and must be able to read its next hop.

trivial-rewrite passes any name on, and qmgr then defers mail with "mail transport unavailable". Raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import did_you_mean, nothing_mentioned
from reconciler.model.ascii_text import SPACE
from reconciler.model.hidden_values import without_login
from reconciler.postfix.nexthops import MailRoutes, bad_nexthop, bad_route, mail_routes
from reconciler.postfix.routes import BY_SENDER, FALLBACK, destinations, transport_of, unknown_transport, values_in
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that each transport and each service that a parameter names exists."""
    known = mail_routes(merged, facts)
    every = merged.names
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            for value in destinations(scope, parameter):
                if value == "DUNNO" and parameter.name in BY_SENDER:
                    continue  # it ends the search
                if problem := unknown_transport(value, known.transports):
                    what = f"{parameter.name}: {problem}"
                    yield scope.finding("unknown-transport", parameter, what, value)
                elif problem := bad_route(value, known):
                    what = f"{parameter.name}: {problem}"
                    yield scope.finding("malformed-nexthop", parameter, what, without_login(value))
            yield from _bad_relay(scope, parameter, known)
            yield from _unknown_service(scope, parameter, every)
            yield from _unknown_deferred(scope, parameter, known.transports)


def _bad_relay(scope: Scope, parameter: Parameter, known: MailRoutes) -> Iterator[Finding]:
    """Check next hops without a transport: relayhost is the next hop of default_transport, whose program reads it."""
    name, problem = parameter.name, None
    text = scope.expanded(parameter.value) or ""
    if name == "relayhost":
        problem = bad_route(f"{transport_of(scope.value('default_transport'))}:{text}", known)
    elif name == "sender_dependent_relayhost_maps":
        for value in values_in(text):
            transport = transport_of(scope.value("default_transport"))
            problem = problem or (value != "DUNNO" and bad_route(f"{transport}:{value}", known)) or None
    elif name in FALLBACK:
        problem = bad_nexthop(text, known, lmtp=FALLBACK[name])
    if problem:
        yield scope.finding("malformed-nexthop", parameter, f"{name}: {problem}", without_login(text))


def _unknown_service(scope: Scope, parameter: Parameter, every: frozenset[str]) -> Iterator[Finding]:
    name = (scope.expanded(parameter.value) or "").strip(SPACE)
    if not parameter.name.endswith("_service_name") or name == scope.facts.parameters.get(parameter.name):
        return
    if name and name not in every:
        hint = did_you_mean(name, every)
        what = f'unknown service "{name}" in {parameter.name}: master.cf has no such service{hint}'
        yield scope.finding("unknown-service", parameter, what, name)


def _unknown_deferred(scope: Scope, parameter: Parameter, known: Collection[str]) -> Iterator[Finding]:
    if parameter.name == "defer_transports":
        for name in words(scope.expanded(parameter.value) or ""):
            if problem := unknown_transport(name, known):
                what = f"defer_transports: {problem.partition(':')[0]}: it defers nothing{did_you_mean(name, known)}"
                yield scope.warning("unknown-transport", parameter, what, name)


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "unknown-transport": (
        "A setting or a table sends mail to a transport that master.cf does not define. Postfix would accept the "
        'mail, and it would wait in the queue: "mail transport unavailable". Correct the name, or add the service '
        'under "transports:" or in master.d/.'
    ),
    "unknown-service": (
        "A setting names a service that master.cf does not define. The program that connects to it would wait, and "
        "then fail. Correct the name, or add the service."
    ),
    "malformed-nexthop": (
        "smtp can't read a next hop. The delivery program exits when it reads it, and all mail that it handles waits. "
        "As relayhost, such a next hop stops all outbound mail. Write HOST, [HOST], HOST:PORT or [HOST]:PORT, with "
        "quotes around brackets in YAML."
    ),
}
