"""Mail that is sent back to where it came from: next hops that are this very host.

postfix/own_host.py says when a next hop is this host, and by which of its services mail would take the same road again.
smtp(8) bounces such mail ("mail loops back to myself"), or it goes round until hopcount_limit. Raises nothing.

Known limit: of access tables a FILTER to port 25 is followed, for whether they ask again at another port is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model import nothing_mentioned
from reconciler.postfix.own_host import COMES_BACK, OwnHost, own_host
from reconciler.postfix.routes import RELAY_MAPS, TRANSPORT_MAPS, TRANSPORTS, values_in
from reconciler.postfix.scopes import Scope, scopes, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.model import Contribution, Desired, Facts, Finding, Parameter

_HOSTS = frozenset({"relayhost", "smtp_fallback_relay"})


def rules(desired: Desired, facts: Facts, merged: Contribution) -> Iterator[Finding]:  # noqa: ARG001 - as a Feature's
    """No next hop that a setting names is this host; those in tables are judged with their entries."""
    here = own_host(merged, facts)
    for scope in scopes(merged, facts):
        for parameter in scope.written:
            filtered = parameter.name == "content_filter"
            for hop in _hops(scope, parameter, here):
                if name := here.back_to(hop, filtered=filtered):
                    then = (
                        "that service has the same content_filter, so mail would be filtered for ever; give it "
                        "-o content_filter="
                        if filtered
                        else COMES_BACK
                    )
                    what = f'{parameter.name}: "{hop}" is this host\'s own service "{name}": {then}'
                    yield scope.finding("loops-to-self", parameter, what, hop, lasting=here.is_certain(hop))
            text = (scope.expanded(parameter.value) or "").strip() if parameter.name == "smtpd_proxy_filter" else ""
            if name := here.proxied_again(text):
                what = (
                    f'smtpd_proxy_filter: "{text}" is this host\'s own service "{name}", which has the same filter: no'
                    " mail would get in; give it -o smtpd_proxy_filter="
                )
                yield scope.finding("loops-to-self", parameter, what, text)


def _hops(scope: Scope, parameter: Parameter, here: OwnHost) -> list[str]:
    """The next hops for smtp(8) that a setting holds, those of static: and inline: tables included."""
    name, text = parameter.name, (scope.expanded(parameter.value) or "").strip()
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
        "A next hop of a setting or of a table's row is this very host, where the same configuration would send the "
        'mail on again. Postfix bounces it ("mail loops back to myself"), or it goes round until it has too many '
        "hops. Name the host that was meant; a service that gets mail back from a content filter needs "
        "-o content_filter= of its own."
    ),
}
