"""Write the level of outbound TLS, and the authorities that it trusts, as ``tls``. Pure; raises nothing.

Known limits: tables of levels for some destinations stay tables, and fingerprints stay parameters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

from reconciler.desired.offers.mail_text import before_parameters, without
from reconciler.desired.offers.offer import MAIL, Offer
from reconciler.features import tls

if TYPE_CHECKING:
    from reconciler.desired.offers.offer import Ground

_LEVEL, _DNS = "smtp_tls_security_level", "smtp_dns_support_level"
_AUTHORITIES = {"ca_file": "smtp_tls_CAfile", "ca_path": "smtp_tls_CApath"}
_PATH = re.compile(r"/[^\s#,:{}\[\]$]+\Z", re.ASCII)


def find(ground: Ground) -> Offer | None:
    """Offer the section."""
    level = _written(_LEVEL, ground)
    if ground.desired.section(tls.Schema) is not None or level not in {*get_args(tls.Level)} - {"fingerprint"}:
        return None
    needs_dns = level.startswith("dane")
    if needs_dns and _written(_DNS, ground) != "dnssec":
        return None
    trusted = {key: path for key, name in _AUTHORITIES.items() if _PATH.match(path := _written(name, ground))}
    names = [_LEVEL, *([_DNS] if needs_dns else []), *(_AUTHORITIES[key] for key in trusted)]
    shorter = without(ground.mail, names)
    if {*shorter.names} != {*names}:
        return None
    values = ", ".join(f"{key}: {value}" for key, value in {"outbound": level, **trusted}.items())
    text = before_parameters(shorter.text, [*shorter.comments, f"{tls.SECTION}: {{{values}}}"])
    return Offer(summary=f"write the TLS of outbound mail as a section ({values})", files={MAIL: text.encode()})


def _written(name: str, ground: Ground) -> str:
    """Return the value that mail.yaml has for a parameter; empty if it has none."""
    written = ground.written(name)
    return written.value if written else ""
