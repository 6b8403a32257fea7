"""Next hops must not lead back to this host.

postfix/own_host.py decides when a next hop is this host, and which of its services would send the mail there again.
smtp(8) bounces such mail ("mail loops back to myself"), or it circulates until hopcount_limit. Raises nothing.

Known limit: in access tables the rule follows only a FILTER to port 25, because it does not know whether a service on
another port uses the table again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.model.ascii_text import SPACE
from reconciler.postfix.own_host import COMES_BACK, OwnHost, own_host
from reconciler.postfix.routes import RELAY_MAPS, TRANSPORT_MAPS, TRANSPORTS, values_in
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_HOSTS = frozenset({"relayhost", "smtp_fallback_relay"})
_PROXY = "smtpd_proxy_filter"
_SENDING = _HOSTS | RELAY_MAPS | TRANSPORTS | TRANSPORT_MAPS | {_PROXY}


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """Check that no next hop in a setting is this host; table_entries.py checks the next hops in tables."""
    here = own_host(merged, facts)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            if parameter.name not in _SENDING:
                continue
            filtered = parameter.name == "content_filter"
            for hop in _hops(scope, parameter, here):
                if name := here.back_to(hop, filtered=filtered):
                    then = (
                        "that service has the same content_filter, so mail would be filtered endlessly; give it "
                        "-o content_filter="
                        if filtered
                        else COMES_BACK
                    )
                    what = f'{parameter.name}: "{hop}" is this host\'s own service "{name}": {then}'
                    yield scope.finding("loops-to-self", parameter, what, hop, lasting=here.is_certain(hop))
            text = (scope.expanded(parameter.value) or "").strip(SPACE) if parameter.name == _PROXY else ""
            if name := here.proxied_again(text):
                what = (
                    f'{_PROXY}: "{text}" is this host\'s own service "{name}", which has the same filter:'
                    " Postfix would receive no mail; give it -o smtpd_proxy_filter="
                )
                yield scope.finding("loops-to-self", parameter, what, text)


def _hops(scope: Scope, parameter: Parameter, here: OwnHost) -> list[str]:
    """Return the next hops for smtp(8) in a setting, including those of static: and inline: tables."""
    name, text = parameter.name, (scope.expanded(parameter.value) or "").strip(SPACE)
    if name in _HOSTS:
        return words(text)
    if name in RELAY_MAPS:
        return [hop for value in values_in(text) for hop in words(value)]
    routes = [text] if name in TRANSPORTS else values_in(text) if name in TRANSPORT_MAPS else []
    return [hop for route in routes for hop in here.hops(route)]


mentioned = nothing_mentioned
PASSING: frozenset[str] = frozenset()
EXPLAINED = {
    "loops-to-self": (
        "A next hop in a setting or a table row is this host, and the same configuration would send the mail there "
        'again. Postfix bounces the mail ("mail loops back to myself"), or it circulates until it has too many hops. '
        "Name the intended host. A service that receives mail back from a content filter needs its own -o "
        "content_filter= option."
    ),
}
