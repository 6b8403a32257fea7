"""The DKIM records to publish."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.features.dkim import section as dkim
from reconciler.host.pem import public_half

if TYPE_CHECKING:
    from reconciler.model import Desired


def dkim_records(desired: Desired) -> dict[str, str]:
    """Return the TXT records to publish as SELECTOR._domainkey below each signing domain, by selector."""
    section = desired.section(dkim.Schema)
    records = {}
    for key in section.keys.values() if section and section.enabled else ():
        if secret := desired.secrets.get(key.key.name):
            with suppress(ValueError):  # a rule reports it
                records[key.selector] = dkim.record(public_half(secret.value))
    return records
