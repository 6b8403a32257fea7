"""What an operator must do by a date: renew a certificate, or go on with a DKIM key.

Raises nothing: certificates that can't be read, or not in the time that is left, are left to the rules, which every
pass applies.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from reconciler.features.dkim.rolling import KeyState
from reconciler.host import certificates
from reconciler.model import Certificate
from reconciler.model.errors import ReconcilerError
from reconciler.passes.status_value import Due

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from reconciler.features.dkim.rolling import Standing
    from reconciler.host.effects import Host
    from reconciler.model import Pem

_RENEW = "renew the certificate; reconciler then has Postfix read it"


def due(files: Iterable[str], keys: Iterable[Standing], now: datetime, host: Host) -> list[Due]:
    """Return the tasks for the certificate *files* that Postfix reads, and for the DKIM *keys*."""
    read: Mapping[str, Pem] = {}
    with suppress(ReconcilerError, OSError):
        read = certificates.read(sorted(files), now, host)
    return [*_certificates(read), *_keys(keys)]


def _certificates(read: Mapping[str, Pem]) -> Iterator[Due]:
    for path, pem in read.items():
        leaf = next((block for block in pem.blocks if isinstance(block, Certificate) and block.public), None)
        if leaf and (text := leaf.validity(path)[0]):
            yield Due(text=text, next=_RENEW)


def _keys(keys: Iterable[Standing]) -> Iterator[Due]:
    for key in keys:
        if key.state in {KeyState.READY, KeyState.EXPIRED}:
            yield Due(text=str(key), next=key.then.strip("`"))
