"""What a commit that says a host to the letter could say shorter: offers, each of which becomes a commit of its own.

To add an offer, write its file and add one line to OFFERS. The order is that of their commits. Each finds out of the
commit alone, by this host's facts, whether there is something to offer; whether the result means the same is proven on
a stage, and what is not proven is not offered. Where a section can't say the same as the host, it returns the reason.
Nothing here performs I/O, and nothing here raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.desired.offers import (
    defaults,
    dkim,
    example_pipes,
    level,
    sender_rewriting,
    sites,
    smart_host,
    submission,
    tables,
    tls,
    transports,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.desired.offers.offer import Offering

OFFERS: Mapping[str, Offering] = {
    "defaults": defaults,
    "example_pipes": example_pipes,
    "compatibility_level": level,
    "tables": tables,
    "smart_host": smart_host,
    "tls": tls,
    "sites": sites,
    "transports": transports,
    "submission": submission,
    "sender_rewriting": sender_rewriting,
    "dkim": dkim,
}
